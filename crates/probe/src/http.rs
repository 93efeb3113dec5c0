//! A request over HTTP and what must come back.

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::request::{Answer, Asking, BODY, Headers, ask};
use crate::result::ProbeResult;
use pilothouse_core::{Endpoint, HttpCheck, HttpExpect};
use pilothouse_expression::Expression;

/// A request that can be sent, and what must come back.
pub struct HttpProbe<'a> {
    check: &'a HttpCheck,
    headers: Headers,
}

impl<'a> HttpProbe<'a> {
    /// Reads what the request is made of.
    ///
    /// # Errors
    /// When a file of a header cannot be read in time: nothing can be asked.
    pub async fn new(check: &'a HttpCheck, deadline: Deadline) -> Result<Self, ProbeResult> {
        Ok(Self { check, headers: Headers::read(&check.headers, deadline).await? })
    }

    /// The request, as it is shown.
    pub fn asked(check: &HttpCheck) -> String {
        let scheme = if check.tls.is_some() { "https" } else { "http" };
        match &check.endpoint {
            Endpoint::Address { .. } => format!("{} {scheme}://{}{}", check.method, check.endpoint, check.path),
            inside => format!("{} {scheme} {inside} {}", check.method, check.path),
        }
    }

    /// Sends the request on a connection to the check's endpoint. Whether it can be repeated is for whoever has written the check.
    pub async fn run(self, connection: Connection, deadline: Deadline) -> ProbeResult {
        let check = self.check;
        let asking = Asking {
            endpoint: &check.endpoint,
            tls: check.tls.as_ref(),
            method: &check.method,
            path: &check.path,
            headers: &self.headers,
            body: check.body.as_deref(),
        };
        match ask(&asking, connection, deadline).await {
            Ok(answer) => {
                judge(&check.expect, &answer).got(shown(&check.expect, &answer)).secrets(self.headers.into_secrets())
            }
            Err(result) => result,
        }
    }
}

/// Whether an answer is what is expected.
fn judge(expect: &HttpExpect, answer: &Answer) -> ProbeResult {
    if !expect.status.iter().any(|status| status.fits(answer.status)) {
        let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        return ProbeResult::not_held(format!("the status is {}, not {}", answer.status, wanted.join(" or ")));
    }
    for (name, wanted) in &expect.headers {
        match answer.headers.get(&name.to_ascii_lowercase()) {
            Some(value) if value == wanted => {}
            Some(value) => return ProbeResult::not_held(format!("header {name} is `{value}`, not `{wanted}`")),
            None => return ProbeResult::not_held(format!("there is no header {name}")),
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    if let Some(wanted) = &expect.body_contains
        && !text.contains(wanted.as_str())
    {
        return ProbeResult::not_held(format!("`{wanted}` is not in the body"));
    }
    match &expect.json {
        Some(source) => judge_json(source, answer),
        None => ProbeResult::held(format!("the status is {}", answer.status)),
    }
}

fn judge_json(source: &str, answer: &Answer) -> ProbeResult {
    let expression = match Expression::parse(source, &["body"]) {
        Ok(expression) => expression,
        Err(error) => return ProbeResult::unknown(format!("the expression cannot be used: {}", error.message)),
    };
    if answer.cut {
        return ProbeResult::unknown(format!("the body has more than {BODY} bytes"));
    }
    let Ok(body) = serde_json::from_slice(&answer.body) else { return ProbeResult::not_held("the body is not JSON") };
    match expression.holds(&[&body]) {
        Ok(true) => ProbeResult::held(format!("`{source}` holds")),
        Ok(false) => ProbeResult::not_held(format!("`{source}` does not hold")),
        Err(error) => ProbeResult::unknown(format!("whether `{source}` holds cannot be told: {}", error.message)),
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
    #[case::default(expect(|_| ()), ProbeResult::held("the status is 200"))]
    #[case::status(expect(|e| e.status = vec![StatusPattern::Exactly(204), StatusPattern::Class(3)]),
        ProbeResult::not_held("the status is 200, not 204 or 3xx"))]
    #[case::body(expect(|e| e.body_contains = Some("ready".to_owned())), ProbeResult::held("the status is 200"))]
    #[case::other_body(expect(|e| e.body_contains = Some("steady".to_owned())), ProbeResult::not_held("`steady` is not in the body"))]
    #[case::header(expect(|e| e.headers = [("Content-Type".to_owned(), "application/json".to_owned())].into()),
        ProbeResult::held("the status is 200"))]
    #[case::other_header(expect(|e| e.headers = [("Content-Type".to_owned(), "text/html".to_owned())].into()),
        ProbeResult::not_held("header Content-Type is `application/json`, not `text/html`"))]
    #[case::no_header(expect(|e| e.headers = [("X-A".to_owned(), "b".to_owned())].into()), ProbeResult::not_held("there is no header X-A"))]
    #[case::json(expect(|e| e.json = Some("body.state == 'ready'".to_owned())), ProbeResult::held("`body.state == 'ready'` holds"))]
    #[case::other_json(expect(|e| e.json = Some("body.state == 'a'".to_owned())), ProbeResult::not_held("`body.state == 'a'` does not hold"))]
    #[case::no_such_field(expect(|e| e.json = Some("body.nope == 'a'".to_owned())),
        ProbeResult::unknown("whether `body.nope == 'a'` holds cannot be told: there is no `nope`"))]
    fn answers(#[case] expect: HttpExpect, #[case] expected: ProbeResult) {
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
        assert_eq!((look.verdict, look), (CheckVerdict::NotHeld, ProbeResult::not_held("the body is not JSON")));
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
