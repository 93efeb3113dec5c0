//! Checks: steps that only look, and keep what they asked and what came back.

use super::file_path::FilePath;
use crate::ids::ObjectRef;
use crate::text::{Sensitive, secrets_given};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One check: what is looked at, and how long and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckStep {
    /// How it is judged.
    pub terms: CheckTerms,
    /// What is looked at.
    pub kind: CheckKind,
}

impl CheckStep {
    /// A check that is content once what it looks at is as wanted, within a minute.
    pub fn new(kind: CheckKind) -> Self {
        Self { terms: CheckTerms::default(), kind }
    }
}

/// How a check is judged. It is tried again and again until it is content, or its time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTerms {
    /// Wall-clock seconds until it fails, `stable_for_in_seconds` included.
    pub timeout_in_seconds: u64,
    /// Seconds between the end of an attempt and the next.
    pub interval_in_seconds: u64,
    /// For so many seconds every attempt must do; with 0 the first that does is enough.
    pub stable_for_in_seconds: u64,
    /// What is expected must not hold. A set-up that does not let it be told is a failure all the same.
    pub must_fail: bool,
    /// It is also made before the change, and judged by comparison.
    pub baseline: bool,
}

impl Default for CheckTerms {
    fn default() -> Self {
        Self {
            timeout_in_seconds: 60,
            interval_in_seconds: 2,
            stable_for_in_seconds: 0,
            must_fail: false,
            baseline: false,
        }
    }
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// An HTTP request.
    Http(HttpCheck),
    /// A TCP connection.
    Tcp(TcpCheck),
    /// A program in a container.
    Exec(ExecCheck),
    /// An expression about live objects.
    Assert(AssertCheck),
    /// A Job, deleted afterwards.
    Job(JobCheck),
    /// The chart's own tests.
    HelmTest(HelmTestCheck),
    /// A query of Prometheus.
    Prometheus(PrometheusCheck),
}

impl CheckKind {
    /// Its key in the stack file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Exec(_) => "exec",
            Self::Assert(_) => "assert",
            Self::Job(_) => "job",
            Self::HelmTest(_) => "helm_test",
            Self::Prometheus(_) => "prometheus",
        }
    }
}

/// A port, by number or by the name the Service or container gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

impl PortRef {
    /// A number where it is one from 1 to 65535, otherwise a name.
    pub fn parse(text: &str) -> Self {
        match text.parse::<u16>() {
            Ok(number) if number > 0 => Self::Number(number),
            _ => Self::Name(text.to_owned()),
        }
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Where something answers. Names without a namespace are looked for in the release's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A ready pod of a Service, reached through the API server.
    Service {
        /// `name` or `namespace/name`.
        service: String,
        /// A port of the Service.
        port: PortRef,
    },
    /// A pod, reached through the API server.
    Pod {
        /// `name` or `namespace/name`.
        pod: String,
        /// A port of the pod.
        port: PortRef,
    },
    /// Reached from where this runs.
    Address {
        /// A host name or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { service, port } => write!(f, "service {service} port {port}"),
            Self::Pod { pod, port } => write!(f, "pod {pod} port {port}"),
            Self::Address { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Address { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

impl Header {
    /// Its value, if that must not be shown, and the last word of it: an answer may quote it without `Bearer`.
    pub fn secrets(&self) -> Vec<&str> {
        match &self.value {
            HeaderValue::Sensitive(value) => {
                let value = value.expose();
                value.split_whitespace().last().into_iter().chain([value.as_str()]).collect()
            }
            HeaderValue::Plain(_) | HeaderValue::File { .. } => Vec::new(),
        }
    }
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// May be shown.
    Plain(String),
    /// Must not be shown.
    Sensitive(Sensitive<String>),
    /// What a file holds, without white space around it, read when it is used. Must not be shown.
    File {
        /// Stands before it: `Bearer `.
        prefix: String,
        /// The file.
        file: FilePath,
    },
}

/// How the other side of TLS is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// Certificates in PEM that are trusted instead of the system's.
    pub ca_file: Option<FilePath>,
    /// Whether any certificate will do.
    pub skip_verify: bool,
    /// The name the certificate must have; that of the host or Service when there is none.
    pub server_name: Option<String>,
}

/// An HTTP/1.1 request and what must come back. Redirects are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Where.
    pub endpoint: Endpoint,
    /// TLS, if it is `https`.
    pub tls: Option<TlsTrust>,
    /// Path and query.
    pub path: String,
    /// The method.
    pub method: String,
    /// Headers.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Option<String>,
    /// What must come back.
    pub expect: HttpExpect,
}

impl HttpCheck {
    /// A GET that must be answered with a status from 200 to 299.
    pub fn get(endpoint: Endpoint, path: impl Into<String>) -> Self {
        Self {
            endpoint,
            tls: None,
            path: path.into(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            expect: HttpExpect::default(),
        }
    }
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpExpect {
    /// One of these.
    pub status: Vec<StatusPattern>,
    /// The body has this in it.
    pub body_contains: Option<String>,
    /// A CEL expression about `body`, the body as JSON.
    pub json: Option<String>,
    /// Headers with exactly these values.
    pub headers: BTreeMap<String, String>,
}

impl Default for HttpExpect {
    fn default() -> Self {
        Self { status: vec![StatusPattern::Class(2)], body_contains: None, json: None, headers: BTreeMap::new() }
    }
}

/// An HTTP status, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// This one.
    Exactly(u16),
    /// `2` for all from 200 to 299.
    Class(u16),
}

impl StatusPattern {
    /// `200` or `2xx`; `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|status| (100..=599).contains(status)).map(Self::Exactly)
    }

    /// Whether a status fits.
    pub fn fits(self, status: u16) -> bool {
        match self {
            Self::Exactly(wanted) => status == wanted,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(status) => status.fmt(f),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

/// A TCP connection that must be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// Where.
    pub endpoint: Endpoint,
}

/// A program that is run in a container that runs already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCheck {
    /// A pod, or a workload one of whose ready pods is taken.
    pub target: ObjectRef,
    /// The container; the first when there is none.
    pub container: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The exit code it must have.
    pub exit_code: i32,
    /// What its standard output must have in it.
    pub stdout_contains: Option<String>,
}

impl ExecCheck {
    /// What it is given that looks like a secret: the program may print it.
    pub fn secrets(&self) -> Vec<&str> {
        secrets_given(&self.command, std::iter::empty())
    }
}

/// An expression about live objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertCheck {
    /// Which.
    pub of: AssertOf,
    /// A CEL expression about `object`.
    pub that: String,
}

/// Which objects an expression is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertOf {
    /// This one.
    Object(ObjectRef),
    /// Those of a kind.
    Several {
        /// The kind, as in `kind/name`.
        kind: String,
        /// The namespace; the release's when there is none.
        namespace: Option<String>,
        /// The labels they have.
        labels: BTreeMap<String, String>,
        /// For how many it must hold.
        quantity: Quantity,
    },
}

/// For how many objects an expression must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quantity {
    /// For each of them, and there is one.
    #[default]
    All,
    /// For one of them at least.
    Any,
}

/// A Job that must complete. It is created in the release's namespace with labels of ours, and always deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCheck {
    /// Where it is described.
    pub source: JobSource,
}

/// Where a Job is described. All are YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobSource {
    /// A Job in a file.
    File(FilePath),
    /// A Job.
    Manifest(String),
    /// The template of its pod.
    Template(String),
}

/// `helm test`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelmTestCheck {
    /// Tests to run, `name`, or to leave out, `!name`; all when there are none.
    pub tests: Vec<String>,
}

/// An instant query, and what must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusCheck {
    /// Where.
    pub endpoint: Endpoint,
    /// TLS, if it is `https`.
    pub tls: Option<TlsTrust>,
    /// What stands before `/api/v1/query`.
    pub path_prefix: String,
    /// Headers.
    pub headers: Vec<Header>,
    /// The query, in PromQL.
    pub query: String,
    /// `> 0` and the like for every value, or a CEL expression about `values` (numbers) and `results` (each with
    /// `labels` and `value`).
    pub expect: String,
}

/// The expression of a comparison such as `> 0`: there is a value, and it holds for every one. Any other text is an
/// expression already.
pub fn every_value(expect: &str) -> String {
    let text = expect.trim();
    let operators = ["<=", ">=", "==", "!=", "<", ">"];
    match operators.iter().find(|operator| text.starts_with(**operator)) {
        Some(_) => format!("size(values) > 0 && values.all(value, value {text})"),
        None => text.to_owned(),
    }
}

/// What a look has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It is as wanted.
    Held,
    /// It is not.
    NotHeld,
    /// It cannot be told: there is no such Service, or it may not be asked.
    Unknown,
}

/// What became of a check, compared with how it was before the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckComparison {
    /// It held before, and does.
    StillHolds,
    /// It held before, and does not any more: the change broke it.
    Broken,
    /// It did not hold before, and does now.
    Fixed,
    /// It did not hold before either: that is a warning, not a failure.
    WasBroken,
}

impl CheckComparison {
    /// Compares; `None` when nothing is known of the time before.
    pub fn of(before: Option<CheckVerdict>, now: CheckVerdict) -> Option<Self> {
        match (before?, now) {
            (CheckVerdict::Unknown, _) => None,
            (CheckVerdict::Held, CheckVerdict::Held) => Some(Self::StillHolds),
            (CheckVerdict::Held, CheckVerdict::NotHeld | CheckVerdict::Unknown) => Some(Self::Broken),
            (CheckVerdict::NotHeld, CheckVerdict::Held) => Some(Self::Fixed),
            (CheckVerdict::NotHeld, CheckVerdict::NotHeld) => Some(Self::WasBroken),
            // Before, it could at least be told.
            (CheckVerdict::NotHeld, CheckVerdict::Unknown) => None,
        }
    }
}

/// What was asked and what came back, bounded and redacted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// What was asked: `GET http://service web port 80/healthz`.
    pub asked: Vec<String>,
    /// What came back.
    pub got: Vec<String>,
}

/// What a check has told, with the evidence of its last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckReport {
    /// What was checked, for people.
    pub check: String,
    /// Its key in the stack file: `http`.
    pub kind: String,
    /// Whether it is as wanted.
    pub verdict: CheckVerdict,
    /// Why; empty when there is nothing to say.
    pub why: String,
    /// How that compares with the time before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<CheckComparison>,
    /// What was asked and what came back, the last time.
    pub evidence: Evidence,
    /// How often it was tried.
    pub attempts: u32,
    /// Wall-clock milliseconds.
    pub elapsed_ms: u64,
}

impl CheckReport {
    /// Whether it lets the release pass.
    pub fn passes(&self) -> bool {
        self.verdict == CheckVerdict::Held || self.comparison == Some(CheckComparison::WasBroken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckVerdict as V;
    use rstest::rstest;

    #[rstest]
    #[case(None, V::NotHeld, None)]
    #[case(None, V::Held, None)]
    #[case(Some(V::Unknown), V::NotHeld, None)]
    #[case(Some(V::Unknown), V::Held, None)]
    #[case(Some(V::Held), V::Held, Some(CheckComparison::StillHolds))]
    #[case(Some(V::Held), V::NotHeld, Some(CheckComparison::Broken))]
    #[case(Some(V::Held), V::Unknown, Some(CheckComparison::Broken))]
    #[case(Some(V::NotHeld), V::Held, Some(CheckComparison::Fixed))]
    #[case(Some(V::NotHeld), V::NotHeld, Some(CheckComparison::WasBroken))]
    #[case(Some(V::NotHeld), V::Unknown, None)]
    fn comparisons(#[case] before: Option<V>, #[case] now: V, #[case] expected: Option<CheckComparison>) {
        assert_eq!(CheckComparison::of(before, now), expected);
    }

    #[rstest]
    #[case("200", Some(StatusPattern::Exactly(200)))]
    #[case("2xx", Some(StatusPattern::Class(2)))]
    #[case("6xx", None)]
    #[case("99", None)]
    #[case("600", None)]
    #[case("ok", None)]
    fn statuses(#[case] text: &str, #[case] expected: Option<StatusPattern>) {
        assert_eq!(StatusPattern::parse(text), expected);
        assert_eq!(expected.map(|pattern| pattern.to_string()), expected.map(|_| text.to_owned()));
    }

    #[test]
    fn a_status_fits_its_number_or_its_hundred() {
        assert!(StatusPattern::Exactly(204).fits(204) && !StatusPattern::Exactly(204).fits(200));
        assert!(StatusPattern::Class(2).fits(299) && !StatusPattern::Class(2).fits(300));
    }

    #[rstest]
    #[case("80", PortRef::Number(80))]
    #[case("http", PortRef::Name("http".to_owned()))]
    #[case("0", PortRef::Name("0".to_owned()))]
    #[case("70000", PortRef::Name("70000".to_owned()))]
    fn ports(#[case] text: &str, #[case] expected: PortRef) {
        assert_eq!(PortRef::parse(text), expected);
    }
}
