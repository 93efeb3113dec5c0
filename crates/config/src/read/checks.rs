//! Checks: the steps that only look.

use super::arguments::arguments;
use super::context::{Context, Unset};
use super::fields::{Fields, Sink};
use crate::keys::{ASSERT, EXEC, EXEC_EXPECT, HEADER, HELM_TEST, HTTP, HTTP_EXPECT, JOB, PROMETHEUS, TCP, Table};
use crate::text::{Content, Node, Problem};
use pilothouse_core::{
    AssertCheck, AssertOf, CheckKind, CheckStep, CheckTerms, Endpoint, ExecCheck, Header, HeaderValue, HelmTestCheck,
    HttpCheck, HttpExpect, JobCheck, JobSource, ObjectRef, Phase, PortRef, PrometheusCheck, Quantity, Sensitive,
    StatusPattern, TcpCheck, TlsTrust, every_value,
};
use pilothouse_expression::{Expression, ExpressionError};
use pilothouse_yaml::Meaning;

/// How long a Job and `helm test` may take.
const LONG_TIMEOUT_IN_SECONDS: u64 = 300;

/// The check a step holds, if it is one.
pub(crate) fn read_check(step: &Fields<'_>, phase: Phase, context: &Context<'_>, out: &mut Sink) -> Option<CheckStep> {
    let kinds = [
        read(step, &HTTP, phase, out, |fields, out| read_http(fields, context, out).map(CheckKind::Http)),
        read(step, &TCP, phase, out, |fields, out| read_tcp(fields, out).map(CheckKind::Tcp)),
        read(step, &EXEC, phase, out, |fields, out| read_exec(fields, out).map(CheckKind::Exec)),
        read(step, &ASSERT, phase, out, |fields, out| read_assert(fields, out).map(CheckKind::Assert)),
        read(step, &JOB, phase, out, |fields, out| read_job(fields, context, out).map(CheckKind::Job)),
        read(step, &HELM_TEST, phase, out, |fields, out| Some(CheckKind::HelmTest(read_helm_test(fields, out)))),
        read(step, &PROMETHEUS, phase, out, |fields, out| {
            read_prometheus(fields, context, out).map(CheckKind::Prometheus)
        }),
    ];
    kinds.into_iter().flatten().next()
}

fn read<'t>(
    step: &Fields<'t>,
    table: &'static Table,
    phase: Phase,
    out: &mut Sink,
    kind: impl FnOnce(&Fields<'t>, &mut Sink) -> Option<CheckKind>,
) -> Option<CheckStep> {
    let node: &Node = step.node(table.name)?;
    let fields = Fields::open(node, table, format!("`{}`", table.name), out)?;
    let terms = read_terms(&fields, table, phase, out);
    kind(&fields, out).map(|kind| CheckStep { terms, kind })
}

fn read_terms(fields: &Fields<'_>, table: &Table, phase: Phase, out: &mut Sink) -> CheckTerms {
    let long = !table.has("interval_in_seconds");
    let usual = CheckTerms::default();
    let timeout = if long { LONG_TIMEOUT_IN_SECONDS } else { usual.timeout_in_seconds };
    let terms = CheckTerms {
        timeout_in_seconds: fields.seconds("timeout_in_seconds", out).unwrap_or(timeout),
        interval_in_seconds: fields.seconds("interval_in_seconds", out).unwrap_or(usual.interval_in_seconds),
        stable_for_in_seconds: fields.seconds("stable_for_in_seconds", out).unwrap_or(0),
        must_fail: fields.flag("must_fail", out).unwrap_or(false),
        baseline: fields.flag("baseline", out).unwrap_or(false),
    };
    if let Some(node) = fields.node("stable_for_in_seconds")
        && terms.stable_for_in_seconds >= terms.timeout_in_seconds
    {
        out.push(
            Problem::error(
                "OUT_OF_RANGE",
                node.span,
                format!("it cannot do for {} s within {} s", terms.stable_for_in_seconds, terms.timeout_in_seconds),
            )
            .label("not less than the timeout")
            .help("give a larger `timeout_in_seconds`"),
        );
    }
    if let Some(span) = fields.key_span("baseline").filter(|_| terms.baseline && phase != Phase::Validate) {
        out.push(
            Problem::error("STEP_NOT_ALLOWED", span, format!("there is no baseline in `{phase}`"))
                .label("only in `validate`"),
        );
    }
    terms
}

fn port(fields: &Fields<'_>, of: &str, out: &mut Sink) -> Option<PortRef> {
    let port = fields.words("port", out);
    if fields.node("port").is_none() {
        missing(fields, of, "port", out);
    }
    port.map(PortRef::parse)
}

fn missing(fields: &Fields<'_>, beside: &str, key: &str, out: &mut Sink) {
    if let Some(span) = fields.key_span(beside) {
        out.push(
            Problem::error("MISSING_KEY", span, format!("`{beside}` needs `{key}`"))
                .label(format!("`{key}` is missing")),
        );
    }
}

/// A Service or a pod.
fn inside(fields: &Fields<'_>, out: &mut Sink) -> Option<Endpoint> {
    if let Some(service) = name(fields, "service", out) {
        return Some(Endpoint::Service { service, port: port(fields, "service", out)? });
    }
    let pod = name(fields, "pod", out)?;
    Some(Endpoint::Pod { pod, port: port(fields, "pod", out)? })
}

/// `name` or `namespace/name`.
fn name(fields: &Fields<'_>, key: &str, out: &mut Sink) -> Option<String> {
    let text = fields.text(key, out)?;
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 2 || parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
        let span = fields.node(key)?.span;
        out.push(
            Problem::error("OBJECT_INVALID", span, format!("`{text}` is neither `name` nor `namespace/name`"))
                .label("not a name"),
        );
        return None;
    }
    Some(text.to_owned())
}

/// A URL, and what only goes without one.
fn read_url(fields: &Fields<'_>, out: &mut Sink) -> Option<(Endpoint, bool, String)> {
    let text = fields.text("url", out)?;
    let span = fields.node("url")?.span;
    if text.contains('@') {
        // It may have a password in it.
        out.masked.push(span);
    }
    for key in ["port", "scheme", "path", "pod"] {
        if let Some(span) = fields.key_span(key) {
            out.push(
                Problem::error("CONFLICTING_KEYS", span, format!("`{key}` cannot go with `url`"))
                    .label("the address has it"),
            );
        }
    }
    let url = parse_url(text);
    if url.is_none() {
        out.push(
            Problem::error("URL_INVALID", span, "this is not the URL of a web server")
                .label("not such a URL")
                .help("for example `https://example.com:8443/healthz`; a password belongs into `headers`"),
        );
    }
    url
}

/// Host, port, whether it is TLS, path and query.
fn parse_url(text: &str) -> Option<(Endpoint, bool, String)> {
    let uri: http::Uri = text.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    (!host.is_empty() && port > 0).then_some((Endpoint::Address { host, port }, tls, path))
}

fn read_tls(fields: &Fields<'_>, tls: bool, context: &Context<'_>, out: &mut Sink) -> Option<TlsTrust> {
    let trust = TlsTrust {
        ca_file: fields.text("ca_file", out).map(|file| context.file(file)),
        skip_verify: fields.flag("skip_tls_verify", out).unwrap_or(false),
        server_name: fields.text("server_name", out).map(str::to_owned),
    };
    for key in ["ca_file", "skip_tls_verify", "server_name"] {
        if let Some(span) = fields.key_span(key).filter(|_| !tls) {
            out.push(
                Problem::error("CONFLICTING_KEYS", span, format!("`{key}` means nothing without https"))
                    .label("there is no TLS"),
            );
        }
    }
    tls.then_some(trust)
}

fn read_http(fields: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Option<HttpCheck> {
    let url = read_url(fields, out);
    let endpoint = if fields.node("url").is_some() { None } else { inside(fields, out) };
    let https = fields.choice("scheme", &[("http", false), ("https", true)], out).unwrap_or(false);
    let path = fields.text("path", out);
    if let Some(node) = fields.node("path")
        && path.is_some_and(|path| !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err())
    {
        out.push(
            Problem::error("URL_INVALID", node.span, "this is not a path")
                .label("not a path")
                .help("it begins with `/`"),
        );
    }
    let tls_of_url = url.as_ref().is_some_and(|(_, tls, _)| *tls);
    let tls = read_tls(fields, https || tls_of_url, context, out);
    let method = fields.choice(
        "method",
        &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(|method| (method, method)),
        out,
    );
    let headers = read_headers(fields, context, out);
    let body = fields.text("body", out).map(str::to_owned);
    let expect = read_http_expect(fields, out);
    let (endpoint, path) = match url {
        Some((endpoint, _, path)) => (endpoint, path),
        None => (endpoint?, path.unwrap_or("/").to_owned()),
    };
    let method = method.unwrap_or("GET").to_owned();
    Some(HttpCheck { endpoint, tls, path, method, headers, body, expect })
}

fn read_http_expect(fields: &Fields<'_>, out: &mut Sink) -> HttpExpect {
    let mut expect = HttpExpect::default();
    let Some(node) = fields.node("expect") else { return expect };
    let Some(fields) = Fields::open(node, &HTTP_EXPECT, "`expect`".to_owned(), out) else { return expect };
    if let Some(node) = fields.node("status") {
        expect.status = read_statuses(&fields, node, out);
    }
    expect.body_contains = fields.words("body_contains", out).map(str::to_owned);
    expect.json = read_expression(&fields, "json", &["body"], out);
    expect.headers = fields.text_map("headers", out);
    expect
}

fn read_statuses(fields: &Fields<'_>, node: &Node, out: &mut Sink) -> Vec<StatusPattern> {
    let one = |node: &Node| node.scalar().and_then(|scalar| StatusPattern::parse(scalar.text()));
    let found: Option<Vec<StatusPattern>> = match &node.content {
        Content::Scalar(_) => one(node).map(|status| vec![status]),
        Content::List(items) if items.is_empty() => None,
        Content::List(items) => items.iter().map(one).collect(),
        Content::Mapping(_) => None,
    };
    found.unwrap_or_else(|| {
        fields.wrong_type("status", "a status from 100 to 599, `2xx`, or a list of them", None, out);
        Vec::new()
    })
}

/// An expression that sees `names`; reports what is wrong with it.
fn read_expression(fields: &Fields<'_>, key: &str, names: &[&str], out: &mut Sink) -> Option<String> {
    let source = fields.text(key, out)?;
    if let Err(error) = Expression::parse(source, names) {
        report_expression(fields, key, error, out);
        return None;
    }
    Some(source.to_owned())
}

fn report_expression(fields: &Fields<'_>, key: &str, error: ExpressionError, out: &mut Sink) {
    if let Some(node) = fields.node(key) {
        out.push(
            Problem::error(
                "EXPRESSION_INVALID",
                node.span,
                format!("the expression cannot be used: {}", error.message),
            )
            .label("this expression")
            .maybe_help(error.help),
        );
    }
}

fn read_headers(fields: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Vec<Header> {
    let mut headers = Vec::new();
    for (index, node) in fields.items("headers", out).iter().enumerate() {
        // Masked before anything is reported, also when the flag itself is wrong.
        let sensitive = node.get("sensitive").is_some_and(|flag| !matches!(flag.meaning(), Some(Meaning::Bool(false))));
        if let Some(value) = node.get("value").filter(|_| sensitive) {
            out.masked.push(value.span);
        }
        let what = format!("item {} of `headers`", index + 1);
        let Some(fields) = Fields::open(node, &HEADER, what, out) else { continue };
        fields.flag("sensitive", out);
        let name = fields.text("name", out);
        if let Some(node) = fields.node("name")
            && name.is_some_and(|name| name.parse::<http::HeaderName>().is_err())
        {
            out.push(
                Problem::error("HEADER_INVALID", node.span, "this cannot be the name of a header").label("not a name"),
            );
        }
        let value = read_header_value(&fields, sensitive, context, out);
        if let (Some(name), Some(value)) = (name, value) {
            headers.push(Header { name: name.to_owned(), value });
        }
    }
    headers
}

fn read_header_value(
    fields: &Fields<'_>,
    sensitive: bool,
    context: &Context<'_>,
    out: &mut Sink,
) -> Option<HeaderValue> {
    // White space at its end is meant.
    let prefix = fields.text("prefix", out).unwrap_or_default();
    if let Some(span) = fields.key_span("prefix").filter(|_| fields.node("value").is_some()) {
        out.push(
            Problem::error("CONFLICTING_KEYS", span, "`prefix` cannot go with `value`")
                .label("write it into the value"),
        );
    }
    if let Some(file) = fields.text("from_file", out) {
        return Some(HeaderValue::File { prefix: prefix.to_owned(), file: context.file(file) });
    }
    if fields.node("from_env").is_some() {
        let text = context.variable(fields, Unset::LeftOut, out)?;
        return Some(HeaderValue::Sensitive(Sensitive::new(format!("{prefix}{text}"))));
    }
    let text = fields.words("value", out)?.to_owned();
    Some(if sensitive { HeaderValue::Sensitive(Sensitive::new(text)) } else { HeaderValue::Plain(text) })
}

fn read_tcp(fields: &Fields<'_>, out: &mut Sink) -> Option<TcpCheck> {
    let Some(host) = fields.text("host", out) else { return inside(fields, out).map(|endpoint| TcpCheck { endpoint }) };
    match PortRef::parse(fields.words("port", out)?) {
        PortRef::Number(port) => Some(TcpCheck { endpoint: Endpoint::Address { host: host.to_owned(), port } }),
        PortRef::Name(_) => {
            fields.wrong_type("port", "a number from 1 to 65535, since a host names no ports", None, out);
            None
        }
    }
}

fn object(fields: &Fields<'_>, key: &str, out: &mut Sink) -> Option<ObjectRef> {
    let text = fields.text(key, out)?;
    match ObjectRef::parse(text) {
        Ok(object) => Some(object),
        Err(error) => {
            let span = fields.node(key)?.span;
            out.push(
                Problem::error("OBJECT_INVALID", span, error.to_string())
                    .label("not an object")
                    .help("for example `deployment/web`, or `certificates.cert-manager.io/ns/name`"),
            );
            None
        }
    }
}

fn read_exec(fields: &Fields<'_>, out: &mut Sink) -> Option<ExecCheck> {
    let target = object(fields, "in", out);
    let container = fields.text("container", out).map(str::to_owned);
    let command = arguments(fields, "command", out);
    let (mut exit_code, mut stdout_contains) = (0, None);
    if let Some(node) = fields.node("expect")
        && let Some(expect) = Fields::open(node, &EXEC_EXPECT, "`expect`".to_owned(), out)
    {
        exit_code = read_exit_code(&expect, out);
        stdout_contains = expect.words("stdout_contains", out).map(str::to_owned);
    }
    Some(ExecCheck { target: target?, container, command, exit_code, stdout_contains })
}

fn read_exit_code(expect: &Fields<'_>, out: &mut Sink) -> i32 {
    let Some(code) = expect.count("exit_code", out) else { return 0 };
    if let Ok(code) = u8::try_from(code) {
        return code.into();
    }
    if let Some(node) = expect.node("exit_code") {
        let problem = Problem::error("OUT_OF_RANGE", node.span, "`exit_code` must be 0 to 255");
        out.push(problem.label("no program ends with this"));
    }
    0
}

fn read_assert(fields: &Fields<'_>, out: &mut Sink) -> Option<AssertCheck> {
    let that = read_expression(fields, "that", &["object"], out);
    let quantity = fields.choice("for", &[("all", Quantity::All), ("any", Quantity::Any)], out);
    let namespace = fields.text("namespace", out).map(str::to_owned);
    let labels = fields.text_map("labels", out);
    let of = match object(fields, "object", out) {
        Some(object) => {
            for key in ["for", "namespace", "labels"] {
                if let Some(span) = fields.key_span(key) {
                    out.push(
                        Problem::error("CONFLICTING_KEYS", span, format!("`{key}` cannot go with `object`"))
                            .label("only with `kind`"),
                    );
                }
            }
            AssertOf::Object(object)
        }
        None => AssertOf::Several {
            kind: fields.text("kind", out)?.to_owned(),
            namespace,
            labels,
            quantity: quantity.unwrap_or_default(),
        },
    };
    Some(AssertCheck { of, that: that? })
}

fn read_job(fields: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Option<JobCheck> {
    let file = fields.text("file", out).map(|file| JobSource::File(context.file(file)));
    let manifest = super::documents::read_document(fields, "manifest", out).map(JobSource::Manifest);
    let template = super::documents::read_document(fields, "template", out).map(JobSource::Template);
    file.or(manifest).or(template).map(|source| JobCheck { source })
}

fn read_helm_test(fields: &Fields<'_>, out: &mut Sink) -> HelmTestCheck {
    HelmTestCheck { tests: fields.texts("tests", out).into_iter().map(|(name, _)| name.to_owned()).collect() }
}

fn read_prometheus(fields: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Option<PrometheusCheck> {
    let url = read_url(fields, out);
    let service = if fields.node("url").is_some() { None } else { inside(fields, out) };
    let headers = read_headers(fields, context, out);
    let query = fields.text("query", out).map(str::to_owned);
    let expect = fields.text("expect", out).map(str::to_owned);
    if let Some(text) = &expect {
        // What a comparison compares with is read by itself, for the places in messages.
        let compared = text.trim().trim_start_matches(['<', '>', '=', '!']);
        let parsed = Expression::parse(compared, &["values", "results"])
            .and_then(|_| Expression::parse(&every_value(text), &["values", "results"]));
        if let Err(error) = parsed {
            report_expression(fields, "expect", error, out);
        }
    }
    let (endpoint, tls, path) = url.or_else(|| service.map(|endpoint| (endpoint, false, String::new())))?;
    Some(PrometheusCheck {
        endpoint,
        tls: tls.then(TlsTrust::default),
        path_prefix: path.trim_end_matches('/').to_owned(),
        headers,
        query: query?,
        expect: expect?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://example.com", Some(("example.com", 443, true, "/")))]
    #[case("http://[::1]:8080/a?b=c", Some(("::1", 8080, false, "/a?b=c")))]
    #[case("http://joe:hunter22@example.com", None)]
    #[case("ftp://example.com", None)]
    #[case("example.com", None)]
    #[case("http:///a", None)]
    fn urls(#[case] text: &str, #[case] expected: Option<(&str, u16, bool, &str)>) {
        let expected = expected
            .map(|(host, port, tls, path)| (Endpoint::Address { host: host.to_owned(), port }, tls, path.to_owned()));
        assert_eq!(parse_url(text), expected);
    }
}
