//! A request over HTTP/1.1 and its answer. Redirects are not followed.

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::result::ProbeResult;
use crate::tls;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pilothouse_core::{Endpoint, Header, HeaderValue, TlsTrust};
use pilothouse_process::{MAX_DOCUMENT, read_file_text};
use std::collections::BTreeMap;
use tokio_util::task::AbortOnDropHandle;

/// The most bytes of an answer that are read.
pub(crate) const BODY: usize = 1024 * 1024;

/// What is asked.
pub(crate) struct Asking<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) tls: Option<&'a TlsTrust>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a Headers,
    pub(crate) body: Option<&'a str>,
}

/// The headers of a request with their values.
pub(crate) struct Headers {
    known: Vec<(String, String)>,
    /// What of them must not be shown.
    secrets: Vec<String>,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name in lower case; of several with one name the last.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Whether there was more.
    pub(crate) cut: bool,
    pub(crate) via: String,
}

impl Headers {
    /// Reads what stands in files.
    ///
    /// # Errors
    /// When one cannot be read in time: nothing can be asked.
    pub(crate) async fn read(headers: &[Header], deadline: Deadline) -> Result<Self, ProbeResult> {
        let read = deadline.bound(Self::values(headers)).await;
        let read = read.unwrap_or_else(|| Err(format!("the files of the headers cannot be read within {deadline}")));
        read.map_err(ProbeResult::unknown)
    }

    pub(crate) fn into_secrets(self) -> Vec<String> {
        self.secrets
    }

    async fn values(headers: &[Header]) -> Result<Self, String> {
        let mut known = Vec::new();
        let mut secrets = Vec::new();
        for Header { name, value } in headers {
            let (value, secret) = match value {
                HeaderValue::Plain(value) => (value.clone(), false),
                HeaderValue::Sensitive(value) => (value.expose().clone(), true),
                HeaderValue::File { prefix, file } => {
                    let held = read_file_text(file, MAX_DOCUMENT).await;
                    let held = held.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
                    (format!("{prefix}{}", held.trim()), true)
                }
            };
            if secret {
                // An answer may quote it without the word before it.
                secrets.extend(value.split_whitespace().last().map(str::to_owned));
                secrets.push(value.clone());
            }
            known.push((name.clone(), value));
        }
        Ok(Self { known, secrets })
    }
}

/// Sends a request and reads the answer.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask(
    asking: &Asking<'_>,
    connection: Connection,
    deadline: Deadline,
) -> Result<Answer, ProbeResult> {
    let late = || Err(ProbeResult::not_held(format!("no answer within {deadline}")));
    let answer = deadline.bound(exchange(asking, connection)).await.unwrap_or_else(late);
    answer.map_err(|result| result.secrets(asking.headers.secrets.clone()))
}

async fn exchange(asking: &Asking<'_>, connection: Connection) -> Result<Answer, ProbeResult> {
    let Connection { mut stream, refused, guard, via, host, .. } = connection;
    let request = request(asking, &host).map_err(ProbeResult::unknown)?;
    let answering = async {
        if let Some(trust) = asking.tls {
            stream = tls::wrap(stream, trust, &host).await?;
        }
        let failed = |error: hyper::Error| ProbeResult::not_held(format!("no answer from {via}: {}", chain(&error)));
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(failed)?;
        let answer = read(response, &via).await.map_err(failed)?;
        drop(connection);
        Ok(answer)
    };
    let answer = tokio::select! {
        biased;
        why = refused => Err(ProbeResult::not_held(format!("{via} does not take the connection: {why}"))),
        answer = answering => answer,
    };
    drop(guard);
    answer
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    pilothouse_core::error_chain(error).join(": ")
}

async fn read(response: Response<hyper::body::Incoming>, via: &str) -> Result<Answer, hyper::Error> {
    let (head, mut incoming) = response.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let mut answer =
        Answer { status: head.status.as_u16(), headers: headers.collect(), via: via.to_owned(), ..Answer::default() };
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = BODY - answer.body.len();
            answer.body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                answer.cut = true;
                break;
            }
        }
    }
    Ok(answer)
}

fn request(asking: &Asking<'_>, host: &str) -> Result<Request<Full<Bytes>>, String> {
    let headers = &asking.headers.known;
    let mut request = Request::builder().method(asking.method).uri(asking.path);
    let given = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !given("host") {
        let host = match asking.endpoint {
            Endpoint::Address { port: 80 | 443, .. } if !host.contains(':') => host.to_owned(),
            Endpoint::Address { .. } => asking.endpoint.to_string(),
            Endpoint::Service { .. } | Endpoint::Pod { .. } => host.to_owned(),
        };
        request = request.header("host", host);
    }
    if !given("user-agent") {
        request = request.header("user-agent", concat!("pilothouse/", env!("CARGO_PKG_VERSION")));
    }
    for (name, value) in headers {
        // What is wrong with a value is not told: it may be secret.
        let value = value.parse::<hyper::header::HeaderValue>();
        request = request.header(name, value.map_err(|_| format!("the value of header {name} cannot be sent"))?);
    }
    let body = Full::new(Bytes::from(asking.body.unwrap_or_default().to_owned()));
    request.body(body).map_err(|error| error.to_string())
}
