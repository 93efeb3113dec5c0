//! As much HTTP/1.1 as probes and checks need.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The most a request's head or body may have, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// A request.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The request line and the headers, as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Reads one request.
pub(crate) fn read(stream: impl Read) -> io::Result<Request> {
    let mut reader = BufReader::new(stream.take(LIMIT));
    let mut head = String::new();
    let mut length = 0;
    loop {
        let start = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = head[start..].trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let mut words = head.split_whitespace();
    match (words.next(), words.next()) {
        (Some(method), Some(path)) => {
            Ok(Request { method: method.to_owned(), path: path.to_owned(), head: head.trim_end().to_owned(), body })
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Answers and closes.
pub(crate) fn answer(mut stream: &TcpStream, status: u16, body: &[u8]) -> io::Result<()> {
    let reason = if status < 400 { "OK" } else { "Error" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_head_and_body() {
        let request = read(&b"POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabcdef"[..]).unwrap();
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: 3".to_owned();
        assert_eq!(request, Request { method: "POST".into(), path: "/echo".into(), head, body: b"abc".to_vec() });
    }

    #[test]
    fn what_is_no_request_is_an_error() {
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\n", b"\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
