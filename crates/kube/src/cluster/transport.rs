//! One HTTP request to the API: with a deadline, retried while that can help, its failure told by kind.
//!
//! `kube`'s own request methods are not used: they log answers they cannot parse (a Secret, perhaps), hide
//! `Retry-After`, and know no deadline. Only the one for watches is, which has the first of these faults not; the others are
//! no matter there.

use super::plugin;
use crate::client::ClusterError;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use kube::client::Body;
use kube::core::WatchEvent;
use pilothouse_core::ObjectRef;
use serde_json::Value;
use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Instrument;

/// A server behind the API that was away for so long, or a second time, is told rather than asked again by what only reads: somebody
/// waits for a word of it. What changes something is worth the whole time of a request: the server may just be rolled out.
const LONG: Duration = Duration::from_secs(1);

/// A request in the making.
pub(crate) struct Call<'a> {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, encoded.
    pub uri: String,
    /// RBAC's verb for it.
    pub verb: &'static str,
    /// What it is about, for error texts (`Deployment web/podinfo`).
    pub what: String,
    /// The object, when it is about one.
    pub object: Option<&'a ObjectRef>,
    /// The media types wanted.
    pub accept: &'static str,
    /// The body with its media type.
    pub body: Option<(&'static str, Vec<u8>)>,
    /// When to try again.
    pub retry: Retry,
}

impl<'a> Call<'a> {
    /// A request without a body that may be repeated.
    pub(crate) fn get(uri: String, verb: &'static str, what: String) -> Self {
        Self {
            method: Method::GET,
            uri,
            verb,
            what,
            object: None,
            accept: "application/json",
            body: None,
            retry: Retry::Always,
        }
    }

    /// Names the object it is about.
    pub(crate) fn about(mut self, object: &'a ObjectRef) -> Self {
        self.object = Some(object);
        self
    }

    fn changes_something(&self) -> bool {
        self.method != Method::GET && !self.uri.contains("dryRun=All")
    }

    /// The time from the first attempt to the last answer.
    fn span(&self) -> tracing::Span {
        let dry = if self.uri.contains("dryRun=All") { " (dry run)" } else { "" };
        tracing::trace_span!(target: "pilothouse::spans", "request", of = format!("{}{dry}", self.described()))
    }

    fn described(&self) -> String {
        format!("{} {}", self.verb, self.what)
    }
}

/// When a failed request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After every transient failure: doing it twice is the same as once.
    Always,
    /// Only when the server cannot have processed it.
    IfUnprocessed,
    /// As `Always`, but this many attempts at most.
    AtMost(u32),
}

/// How an answered request went.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 2xx with this body.
    Body(Vec<u8>),
    /// 404: the server knows the kind, but not this object.
    NoSuchObject,
    /// 404: the server does not know the path.
    NoSuchPath,
}

/// The connection to one API server.
#[derive(Clone)]
pub(crate) struct Transport {
    client: kube::Client,
    timeout: Duration,
}

/// A failed attempt.
struct Attempt {
    error: ClusterError,
    /// Whether the server certainly did nothing.
    unprocessed: bool,
    /// How long the server asks to wait.
    retry_after: Option<Duration>,
}

impl Transport {
    pub(crate) fn new(client: kube::Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// The same connection with another deadline per request.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { client: self.client.clone(), timeout }
    }

    /// What requests are sent by, for connections that are not one request and one answer.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The deadline of a request.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request, again where that is allowed and may help, until the deadline. The failure told is the last one
    /// the server or the connection gave.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, ClusterError> {
        self.attempts(call).instrument(call.span()).await
    }

    async fn attempts(&self, call: &Call<'_>) -> Result<Answer, ClusterError> {
        let deadline = Instant::now() + self.timeout;
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times()
            .with_jitter()
            .build();
        let mut last: Option<ClusterError> = None;
        let mut attempts = 0;
        let mut failures_of_others = 0;
        loop {
            let begun = Instant::now();
            let Ok(outcome) = timeout_at(deadline, self.attempt(call)).await else {
                let timeout = || ClusterError::Timeout { what: call.described(), after: self.timeout };
                return Err(last.unwrap_or_else(timeout));
            };
            let failed = match outcome {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            attempts += 1;
            let is_of_other = failed.error.is_of_other_server();
            failures_of_others += u32::from(is_of_other);
            let is_long = failures_of_others > 1 || begun.elapsed() > LONG;
            let is_hopeless = is_of_other && is_long && !call.changes_something();
            let again = !is_hopeless
                && match call.retry {
                    Retry::Always => true,
                    Retry::IfUnprocessed => failed.unprocessed,
                    Retry::AtMost(times) => attempts < times,
                };
            let delay = failed.retry_after.or_else(|| delays.next()).unwrap_or(Duration::from_secs(2));
            if !again || !failed.error.is_transient() || Instant::now() + delay >= deadline {
                return Err(failed.error);
            }
            tracing::debug!(request = call.described(), error = %failed.error, ?delay, "trying again");
            last = Some(failed.error);
            sleep_until(Instant::now() + delay).await;
        }
    }

    /// Sends a request and reads its body as JSON; `None` for an object that does not exist.
    pub(crate) async fn json(&self, call: &Call<'_>) -> Result<Option<Value>, ClusterError> {
        match self.send(call).await? {
            Answer::Body(body) => match serde_json::from_slice(&body) {
                Ok(value) => Ok(Some(value)),
                Err(source) => Err(ClusterError::Malformed { what: call.described(), source }),
            },
            Answer::NoSuchObject => Ok(None),
            Answer::NoSuchPath => Err(match call.object {
                Some(object) => {
                    ClusterError::NotServed { kind: object.kind.clone(), group: object.api_version.clone() }
                }
                None => ClusterError::Api {
                    status: 404,
                    what: call.described(),
                    message: "the server does not know this path".to_owned(),
                },
            }),
        }
    }

    /// Opens a connection over which the server tells changes. Its beginning has the deadline of a request; what follows has none.
    pub(crate) async fn watch(
        &self,
        call: &Call<'_>,
    ) -> Result<BoxStream<'static, Result<WatchEvent<Value>, ClusterError>>, ClusterError> {
        let request = Request::builder().method(&call.method).uri(&call.uri).header(ACCEPT, call.accept);
        let request = request.body(Vec::new()).map_err(|source| unsendable(call, &source))?;
        let begun = self.client.request_events::<Value>(request);
        let begun = tokio::time::timeout(self.timeout, begun).instrument(call.span()).await;
        let Ok(begun) = begun else {
            return Err(ClusterError::Timeout { what: call.described(), after: self.timeout });
        };
        let (verb, what) = (call.verb, call.what.clone());
        let events = begun.map_err(|error| watch_failed(error, verb, &what))?;
        Ok(events.map(move |event| event.map_err(|error| watch_failed(error, verb, &what))).boxed())
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Attempt> {
        let mut request = Request::builder().method(&call.method).uri(&call.uri).header(ACCEPT, call.accept);
        let body = match &call.body {
            Some((media_type, body)) => {
                request = request.header(CONTENT_TYPE, *media_type);
                Body::from(body.clone())
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|source| Attempt {
            error: unsendable(call, &source),
            unprocessed: true,
            retry_after: None,
        })?;
        let response = self.client.send(request).await.map_err(connection_failed)?;
        let (head, body) = response.into_parts();
        let body = body.collect_bytes().await.map_err(connection_failed)?;
        if head.status.is_success() {
            return Ok(Answer::Body(body.to_vec()));
        }
        let status = ApiStatus::read(&body);
        if head.status == StatusCode::NOT_FOUND {
            if status.reason == "NotFound" && !status.name.is_empty() {
                return Ok(Answer::NoSuchObject);
            }
            if status.reason == "NotFound" || body.starts_with(b"404 page not found") {
                return Ok(Answer::NoSuchPath);
            }
        }
        Err(refused(call, head.status, &head.headers, status))
    }
}

/// What is used of the API's `Status` object (`k8s.io/apimachinery/pkg/apis/meta/v1`).
#[derive(Debug, Default, PartialEq, Eq)]
struct ApiStatus {
    reason: String,
    message: String,
    /// The name of the object it is about.
    name: String,
    retry_after: Option<u64>,
}

impl ApiStatus {
    /// Reads an answer. Something before the API server answers in other ways; of that only the first line is kept.
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let status: Option<Value> = serde_json::from_str(&text).ok();
        let Some(status) = status.filter(|value| value.get("kind").and_then(Value::as_str) == Some("Status")) else {
            let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no explanation");
            return Self { message: line.trim().chars().take(200).collect(), ..Self::default() };
        };
        let text = |pointer| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            reason: text("/reason"),
            message: text("/message"),
            name: text("/details/name"),
            retry_after: status.pointer("/details/retryAfterSeconds").and_then(Value::as_u64),
        }
    }
}

/// Tells what kind of failure a status is.
fn refused(call: &Call<'_>, code: StatusCode, headers: &HeaderMap, status: ApiStatus) -> Attempt {
    let ApiStatus { message, retry_after, .. } = status;
    let object = call.object.cloned();
    let error = match (code.as_u16(), object) {
        (409, Some(object)) => ClusterError::Conflict { object, message },
        (400 | 413 | 415 | 422, Some(object)) => ClusterError::Invalid { object, message },
        // The server takes an object that does not fit its schema for a failure of its own.
        (500, Some(object)) if message.starts_with("failed to create typed patch object") => {
            ClusterError::Invalid { object, message }
        }
        (status, _) => denied(status, call.verb, &call.what, message),
    };
    let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = header.or(retry_after).map(Duration::from_secs);
    Attempt { error, unprocessed: code == StatusCode::TOO_MANY_REQUESTS, retry_after: wait }
}

/// Tells what kind of failure a status is that says nothing of one object.
pub(crate) fn denied(status: u16, verb: &str, what: &str, message: String) -> ClusterError {
    match status {
        401 => ClusterError::Unauthorized { message },
        403 => ClusterError::Forbidden { verb: verb.to_owned(), what: what.to_owned(), message },
        status => ClusterError::Api { status, what: format!("{verb} {what}"), message },
    }
}

/// Tells what kind of failure ended a watch.
fn watch_failed(error: kube::Error, verb: &str, what: &str) -> ClusterError {
    match error {
        kube::Error::Api(status) => denied(status.code, verb, what, status.message),
        kube::Error::SerdeError(source) => ClusterError::Malformed { what: format!("{verb} {what}"), source },
        other => connection_failed(other).error,
    }
}

fn unsendable(call: &Call<'_>, source: &http::Error) -> ClusterError {
    ClusterError::Api { status: 0, what: call.described(), message: source.to_string() }
}

/// Tells what kind of failure a connection's is.
pub(crate) fn connection_failed_by(error: kube::Error) -> ClusterError {
    connection_failed(error).error
}

fn connection_failed(error: kube::Error) -> Attempt {
    let refused = chain(&error).any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == ErrorKind::ConnectionRefused)
    });
    // A credential plugin is run again whenever what it gave has expired.
    if let Some(message) = plugin::no_credentials(&error) {
        return Attempt { error: ClusterError::Unauthorized { message }, unprocessed: false, retry_after: None };
    }
    let error = match error {
        // The wrapper says only that it is a service error.
        kube::Error::Service(source) => ClusterError::Unreachable { source },
        other => ClusterError::Unreachable { source: Box::new(other) },
    };
    Attempt { error, unprocessed: refused, retry_after: None }
}

pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// Encodes one segment of a path or one value of a query (RFC 3986: everything but the unreserved characters).
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("web", "web")]
    #[case("system:node", "system%3Anode")]
    #[case("app=web,tier in (a)", "app%3Dweb%2Ctier%20in%20%28a%29")]
    #[case("../../secrets?x", "..%2F..%2Fsecrets%3Fx")]
    #[case("ä", "%C3%A4")]
    fn encoding(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(encode(text), expected);
    }

    #[rstest]
    #[case("<html>\n", ApiStatus { message: "<html>".to_owned(), ..ApiStatus::default() })]
    #[case("", ApiStatus { message: "no explanation".to_owned(), ..ApiStatus::default() })]
    #[case(
        r#"{"kind":"Status","reason":"NotFound","message":"pods \"a\" not found","details":{"name":"a","kind":"pods","retryAfterSeconds":3}}"#,
        ApiStatus { reason: "NotFound".to_owned(), message: "pods \"a\" not found".to_owned(), name: "a".to_owned(), retry_after: Some(3) }
    )]
    fn statuses(#[case] body: &str, #[case] expected: ApiStatus) {
        assert_eq!(ApiStatus::read(body.as_bytes()), expected);
    }
}
