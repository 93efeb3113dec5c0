//! The API server's audit log: which requests were made, counted exactly.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One line per answered request, without bodies.
pub(crate) fn policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata" }],
    })
}

/// A stage of a request at which the API server writes an entry (`k8s.io/apiserver/pkg/apis/audit/v1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditStage {
    /// The request has been received.
    RequestReceived,
    /// The head of the answer to a long request, as a watch, has been sent.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
    /// The API server failed inside.
    Panic,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When the request came.
    pub at: jiff::Timestamp,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, ...
    pub verb: String,
    /// The path with its query.
    pub uri: String,
    /// The plural name of the resource; empty for what is none, as `/version`.
    pub resource: String,
    /// The subresource.
    pub subresource: Option<String>,
    /// The namespace of the object.
    pub namespace: Option<String>,
    /// The name of the object.
    pub name: Option<String>,
    /// Who asked.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// The status code of the answer, 0 where there is none yet.
    pub code: u16,
    /// How far the request was.
    pub stage: AuditStage,
}

/// The audit log of a plane that was started with [`crate::PlaneConfig::audit`], as it was when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditLog {
    events: Vec<AuditEvent>,
}

/// An audit log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be read.
    #[error("cannot read the audit log {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A line is no entry.
    #[error("line {line} of the audit log {} is not an audit entry: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

impl AuditLog {
    /// Reads the log. A last line without its end is being written just now and left out.
    ///
    /// # Errors
    /// When the file cannot be read, or contains something else.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| AuditError::Read { path: path.to_owned(), source })?;
        let full = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut events = Vec::new();
        for (index, line) in full.lines().enumerate() {
            let event =
                parse(line).map_err(|problem| AuditError::Line { path: path.to_owned(), line: index + 1, problem })?;
            events.push(event);
        }
        Ok(Self { events })
    }

    /// All entries, in the order in which they were written.
    pub fn events(&self) -> &[AuditEvent] {
        &self.events
    }

    /// How many requests of clients whose user agent begins with `user_agent` have been answered completely. A watch
    /// counts when it ends.
    pub fn count_by(&self, user_agent: &str) -> usize {
        let complete = self.events.iter().filter(|event| event.stage == AuditStage::ResponseComplete);
        complete.filter(|event| event.user_agent.starts_with(user_agent)).count()
    }
}

fn parse(line: &str) -> Result<AuditEvent, String> {
    let entry: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let stage = match entry["stage"].as_str() {
        Some("RequestReceived") => AuditStage::RequestReceived,
        Some("ResponseStarted") => AuditStage::ResponseStarted,
        Some("ResponseComplete") => AuditStage::ResponseComplete,
        Some("Panic") => AuditStage::Panic,
        other => return Err(format!("its stage is {other:?}")),
    };
    let at = text("/requestReceivedTimestamp").ok_or("it has no time")?;
    let code = entry.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or(0);
    Ok(AuditEvent {
        at: at.parse().map_err(|error| format!("{error}"))?,
        verb: text("/verb").ok_or("it has no verb")?,
        uri: text("/requestURI").unwrap_or_default(),
        resource: text("/objectRef/resource").unwrap_or_default(),
        subresource: text("/objectRef/subresource"),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        user: text("/user/username").unwrap_or_default(),
        user_agent: text("/userAgent").unwrap_or_default(),
        code: u16::try_from(code).map_err(|error| error.to_string())?,
        stage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods/web","verb":"get","user":{"username":"admin"},"userAgent":"helm/4.2","objectRef":{"resource":"pods","namespace":"default","name":"web","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-21T08:21:07.000000Z","stageTimestamp":"2026-11-21T08:21:07.001000Z"}"#;

    fn read(text: &str) -> Result<AuditLog, AuditError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        AuditLog::read(file.path())
    }

    #[test]
    fn only_complete_answers_are_counted() {
        let started = COMPLETE.replace("ResponseComplete", "ResponseStarted");
        let log = read(&format!("{COMPLETE}\n{started}\n{COMPLETE}\n")).unwrap();
        assert_eq!(log.events().len(), 3);
        assert_eq!((log.count_by("helm/"), log.count_by("kubectl/"), log.count_by("")), (2, 0, 2));
    }

    #[test]
    fn a_line_that_is_being_written_is_left_out() {
        assert_eq!(read(&format!("{COMPLETE}\n{}", &COMPLETE[..50])).unwrap().events().len(), 1);
    }

    #[test]
    fn anything_else_is_an_error_with_its_line() {
        let error = read(&format!("{COMPLETE}\n{{\"stage\":\"New\"}}\n")).unwrap_err();
        assert!(matches!(error, AuditError::Line { line: 2, .. }), "{error}");
    }
}
