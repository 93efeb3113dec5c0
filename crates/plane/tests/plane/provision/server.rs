//! A small HTTP server that can misbehave.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What a request is answered with.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The file, or the part that was asked for.
    File(Vec<u8>),
    /// The whole file, whatever part was asked for.
    Whole(Vec<u8>),
    /// As many bytes of the file, or of the part asked for; then the connection is closed.
    Cut(Vec<u8>, usize),
    /// As many bytes of the file; then nothing more, and the connection stays open.
    Stall(Vec<u8>, usize),
    /// The file, once somebody says so.
    When(Arc<Notify>, Vec<u8>),
    /// This status and nothing else.
    Status(u16),
}

/// A request: its path, and its `Range` header.
pub(crate) type Request = (String, Option<String>);

pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers the nth request (from 0) for a path.
    pub(crate) async fn start(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move { serve(stream, &seen, &*answer).await });
            }
        });
        Self { url, requests, task }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &(impl Fn(&str, usize) -> Answer + Send + Sync + 'static),
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let range = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: ").map(str::to_owned));
    let nth = {
        let mut seen = seen.lock().unwrap();
        seen.push((path.clone(), range.clone()));
        seen.iter().filter(|(p, _)| *p == path).count() - 1
    };
    let asked = range.map(|range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap());
    // The client may have gone, which is its right.
    let _ = reply(&mut stream, answer(&path, nth), asked).await;
}

async fn reply(stream: &mut TcpStream, answer: Answer, asked: Option<usize>) -> std::io::Result<()> {
    let (body, asked, limit, stall) = match answer {
        Answer::Status(status) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return stream.write_all(head.as_bytes()).await;
        }
        Answer::File(body) => (body, asked, usize::MAX, false),
        Answer::Whole(body) => (body, None, usize::MAX, false),
        Answer::Cut(body, limit) => (body, asked, limit, false),
        Answer::Stall(body, limit) => (body, asked, limit, true),
        Answer::When(go, body) => {
            go.notified().await;
            (body, asked, usize::MAX, false)
        }
    };
    let (from, total) = (asked.unwrap_or(0), body.len());
    if asked.is_some() && from >= total {
        let head = "HTTP/1.1 416 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(head.as_bytes()).await;
    }
    let status = match asked {
        Some(from) => format!("206 X\r\nContent-Range: bytes {from}-{}/{total}", total - 1),
        None => "200 X".to_owned(),
    };
    let rest = &body[from..];
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&rest[..rest.len().min(limit)]).await?;
    stream.flush().await?;
    if stall {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}
