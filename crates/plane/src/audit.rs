//! The API server's audit log: which requests were made, counted exactly.

use serde::Deserialize;
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

/// An entry as it is written (`audit.k8s.io/v1`), as far as it is told here. A log of a busy plane has tens of thousands of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    stage: String,
    request_received_timestamp: jiff::Timestamp,
    verb: String,
    #[serde(default, rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectReference,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectReference {
    resource: String,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

fn parse(line: &str) -> Result<AuditEvent, String> {
    let entry: Entry = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let stage = match entry.stage.as_str() {
        "RequestReceived" => AuditStage::RequestReceived,
        "ResponseStarted" => AuditStage::ResponseStarted,
        "ResponseComplete" => AuditStage::ResponseComplete,
        "Panic" => AuditStage::Panic,
        other => return Err(format!("its stage is `{other}`")),
    };
    Ok(AuditEvent {
        at: entry.request_received_timestamp,
        verb: entry.verb,
        uri: entry.request_uri,
        resource: entry.object_ref.resource,
        subresource: entry.object_ref.subresource,
        namespace: entry.object_ref.namespace,
        name: entry.object_ref.name,
        user: entry.user.username,
        user_agent: entry.user_agent,
        code: entry.response_status.code,
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
    fn what_an_entry_tells() {
        let bare =
            r#"{"stage":"ResponseStarted","verb":"get","requestReceivedTimestamp":"2026-11-21T08:21:07.000000Z"}"#;
        let at = "2026-11-21T08:21:07Z".parse().unwrap();
        let text = |text: &str| Some(text.to_owned());
        let full = AuditEvent {
            at,
            verb: "get".to_owned(),
            uri: "/api/v1/namespaces/default/pods/web".to_owned(),
            resource: "pods".to_owned(),
            subresource: None,
            namespace: text("default"),
            name: text("web"),
            user: "admin".to_owned(),
            user_agent: "helm/4.2".to_owned(),
            code: 200,
            stage: AuditStage::ResponseComplete,
        };
        let none = String::new;
        let empty = AuditEvent {
            uri: none(),
            resource: none(),
            namespace: None,
            name: None,
            user: none(),
            user_agent: none(),
            code: 0,
            stage: AuditStage::ResponseStarted,
            ..full.clone()
        };
        assert_eq!(read(&format!("{COMPLETE}\n{bare}\n")).unwrap().events(), [full, empty]);
    }

    #[test]
    fn a_line_that_is_being_written_is_left_out() {
        assert_eq!(read(&format!("{COMPLETE}\n{}", &COMPLETE[..50])).unwrap().events().len(), 1);
    }

    #[test]
    fn anything_else_is_an_error_with_its_line() {
        for other in ["{}".to_owned(), "no JSON".to_owned(), COMPLETE.replace("ResponseComplete", "New")] {
            let error = read(&format!("{COMPLETE}\n{other}\n")).unwrap_err();
            assert!(matches!(error, AuditError::Line { line: 2, .. }), "{error}");
        }
    }
}
