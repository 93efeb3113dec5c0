//! `http`: a request and what must come back.

use crate::context::release_context::Context;
use crate::steps::check::look::Look;
use crate::steps::check::reach;
use crate::steps::check::reach::{Attempt, Opened};
use crate::steps::check::tls;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pilothouse_core::{Endpoint, Header, HeaderValue, HttpCheck, HttpExpect, TlsTrust};
use pilothouse_expression::Expression;
use std::collections::BTreeMap;
use tokio_util::task::AbortOnDropHandle;

/// The most bytes of an answer that are read.
const BODY: usize = 1024 * 1024;

/// A request.
pub(super) struct Asking<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) tls: Option<&'a TlsTrust>,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a [Header],
    pub(super) body: Option<&'a str>,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// By name in lower case; of several with one name the last.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Whether there was more.
    pub(super) cut: bool,
    pub(super) via: String,
    pub(super) secrets: Vec<String>,
}

pub(super) async fn look(ctx: &Context, check: &HttpCheck, attempt: &Attempt) -> Look {
    let asking = Asking {
        endpoint: &check.endpoint,
        tls: check.tls.as_ref(),
        method: &check.method,
        path: &check.path,
        headers: &check.headers,
        body: check.body.as_deref(),
    };
    match ask(ctx, &asking, attempt).await {
        Ok(answer) => {
            let look = judge(&check.expect, &answer);
            let got = shown(&check.expect, &answer);
            look.asked(asked(check)).got(got).secrets(answer.secrets)
        }
        Err(look) => look.asked(asked(check)),
    }
}

/// The request, as it is shown.
pub(super) fn asked(check: &HttpCheck) -> Vec<String> {
    let scheme = if check.tls.is_some() { "https" } else { "http" };
    vec![match &check.endpoint {
        Endpoint::Address { .. } => format!("{} {scheme}://{}{}", check.method, check.endpoint, check.path),
        inside => format!("{} {scheme} {inside} {}", check.method, check.path),
    }]
}

/// Sends a request and reads the answer.
///
/// # Errors
/// Why there is no answer, as what the attempt has told.
pub(super) async fn ask(ctx: &Context, asking: &Asking<'_>, attempt: &Attempt) -> Result<Answer, Look> {
    let (headers, secrets) = values(asking.headers).await.map_err(Look::unknown)?;
    let answer = exchange(ctx, asking, attempt, &headers).await.map_err(|look| look.secrets(secrets.clone()))?;
    Ok(Answer { secrets, ..answer })
}

async fn exchange(
    ctx: &Context,
    asking: &Asking<'_>,
    attempt: &Attempt,
    headers: &[(String, String)],
) -> Result<Answer, Look> {
    let Opened { mut stream, refused, guard, via } = reach::open(ctx, asking.endpoint, attempt).await?;
    let host = host(ctx, asking.endpoint);
    let request = request(asking, &host, headers).map_err(Look::unknown)?;
    let answering = async {
        if let Some(trust) = asking.tls {
            stream = tls::wrap(stream, trust, &host).await?;
        }
        let failed = |error: hyper::Error| Look::not_held(format!("no answer from {via}: {}", chain(&error)));
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(failed)?;
        let answer = read(response, &via).await.map_err(failed)?;
        drop(connection);
        Ok(answer)
    };
    let answer = tokio::select! {
        biased;
        why = refused => Err(Look::not_held(format!("{via} does not take the connection: {why}"))),
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

/// The name by which the other side knows itself.
fn host(ctx: &Context, endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Service { service, .. } => {
            let (namespace, name) = reach::split(ctx, service);
            format!("{name}.{namespace}.svc")
        }
        Endpoint::Pod { pod, .. } => reach::split(ctx, pod).1,
        Endpoint::Address { host, .. } => host.clone(),
    }
}

fn request(asking: &Asking<'_>, host: &str, headers: &[(String, String)]) -> Result<Request<Full<Bytes>>, String> {
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

/// The headers with their values, and what of it must not be shown.
async fn values(headers: &[Header]) -> Result<(Vec<(String, String)>, Vec<String>), String> {
    let mut known = Vec::new();
    let mut secrets = Vec::new();
    for Header { name, value } in headers {
        let (value, secret) = match value {
            HeaderValue::Plain(value) => (value.clone(), false),
            HeaderValue::Sensitive(value) => (value.expose().clone(), true),
            HeaderValue::File { prefix, file } => {
                let held = tokio::fs::read_to_string(file).await;
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
    Ok((known, secrets))
}

/// Whether an answer is what is expected.
fn judge(expect: &HttpExpect, answer: &Answer) -> Look {
    if !expect.status.iter().any(|status| status.fits(answer.status)) {
        let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        return Look::not_held(format!("the status is {}, not {}", answer.status, wanted.join(" or ")));
    }
    for (name, wanted) in &expect.headers {
        match answer.headers.get(&name.to_ascii_lowercase()) {
            Some(value) if value == wanted => {}
            Some(value) => return Look::not_held(format!("header {name} is `{value}`, not `{wanted}`")),
            None => return Look::not_held(format!("there is no header {name}")),
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    if let Some(wanted) = &expect.body_contains
        && !text.contains(wanted.as_str())
    {
        return Look::not_held(format!("`{wanted}` is not in the body"));
    }
    match &expect.json {
        Some(source) => judge_json(source, answer),
        None => Look::held(format!("the status is {}", answer.status)),
    }
}

fn judge_json(source: &str, answer: &Answer) -> Look {
    let expression = match Expression::parse(source, &["body"]) {
        Ok(expression) => expression,
        Err(error) => return Look::unknown(format!("the expression cannot be used: {}", error.message)),
    };
    if answer.cut {
        return Look::unknown(format!("the body has more than {BODY} bytes"));
    }
    let Ok(body) = serde_json::from_slice(&answer.body) else { return Look::not_held("the body is not JSON") };
    match expression.holds(&[&body]) {
        Ok(true) => Look::held(format!("`{source}` holds")),
        Ok(false) => Look::not_held(format!("`{source}` does not hold")),
        Err(error) => Look::unknown(format!("whether `{source}` holds cannot be told: {}", error.message)),
    }
}

/// What is kept of an answer: not every header, since cookies are secrets.
fn shown(expect: &HttpExpect, answer: &Answer) -> Vec<String> {
    let kept = ["content-type", "location", "retry-after"].into_iter().map(str::to_owned);
    let wanted = expect.headers.keys().map(|name| name.to_ascii_lowercase());
    let mut lines = vec![format!("{} from {}", answer.status, answer.via)];
    for name in kept.chain(wanted) {
        if let Some(value) = answer.headers.get(&name) {
            lines.push(format!("{name}: {value}"));
        }
    }
    let body = String::from_utf8_lossy(&answer.body);
    if body.trim().is_empty() {
        lines.push("(no body)".to_owned());
    } else {
        lines.push(body.into_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{CheckVerdict, StatusPattern};
    use rstest::rstest;

    fn expect(change: impl FnOnce(&mut HttpExpect)) -> HttpExpect {
        let mut expect = HttpExpect::default();
        change(&mut expect);
        expect
    }

    #[rstest]
    #[case::default(expect(|_| ()), Look::held("the status is 200"))]
    #[case::status(expect(|e| e.status = vec![StatusPattern::Exactly(204), StatusPattern::Class(3)]),
        Look::not_held("the status is 200, not 204 or 3xx"))]
    #[case::body(expect(|e| e.body_contains = Some("ready".to_owned())), Look::held("the status is 200"))]
    #[case::other_body(expect(|e| e.body_contains = Some("steady".to_owned())), Look::not_held("`steady` is not in the body"))]
    #[case::header(expect(|e| e.headers = [("Content-Type".to_owned(), "application/json".to_owned())].into()),
        Look::held("the status is 200"))]
    #[case::other_header(expect(|e| e.headers = [("Content-Type".to_owned(), "text/html".to_owned())].into()),
        Look::not_held("header Content-Type is `application/json`, not `text/html`"))]
    #[case::no_header(expect(|e| e.headers = [("X-A".to_owned(), "b".to_owned())].into()), Look::not_held("there is no header X-A"))]
    #[case::json(expect(|e| e.json = Some("body.state == 'ready'".to_owned())), Look::held("`body.state == 'ready'` holds"))]
    #[case::other_json(expect(|e| e.json = Some("body.state == 'a'".to_owned())), Look::not_held("`body.state == 'a'` does not hold"))]
    #[case::no_such_field(expect(|e| e.json = Some("body.nope == 'a'".to_owned())),
        Look::unknown("whether `body.nope == 'a'` holds cannot be told: there is no `nope`"))]
    fn answers(#[case] expect: HttpExpect, #[case] expected: Look) {
        let answer = Answer {
            status: 200,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: br#"{"state": "ready"}"#.to_vec(),
            ..Answer::default()
        };
        assert_eq!(judge(&expect, &answer), expected);
    }

    #[test]
    fn a_body_that_is_not_json_does_not_hold() {
        let look =
            judge(&expect(|e| e.json = Some("body == 1".to_owned())), &Answer { status: 200, ..Answer::default() });
        assert_eq!((look.verdict, look), (CheckVerdict::NotHeld, Look::not_held("the body is not JSON")));
    }

    #[test]
    fn cookies_are_not_kept() {
        let answer = Answer {
            status: 302,
            headers: [("set-cookie", "session=hunter22"), ("location", "/login")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            via: "pod a/b port 80".to_owned(),
            ..Answer::default()
        };
        assert_eq!(
            shown(&HttpExpect::default(), &answer),
            ["302 from pod a/b port 80", "location: /login", "(no body)"]
        );
    }
}
