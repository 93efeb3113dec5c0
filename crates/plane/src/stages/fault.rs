//! Faults: which pods break, and how.

use serde::{Deserialize, Serialize};

/// Pods that break, chosen from outside: a chart need not know that it is tested.
///
/// Container states, conditions and Events are those a kubelet writes, quicker than a kubelet would (a crash loop takes
/// under a second to become one). Events are written for the first broken container of a pod. When several faults
/// match a pod, the first counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which pods.
    pub matches: FaultMatch,
    /// What happens to them.
    pub kind: FaultKind,
}

/// Which pods break: those for which everything given here holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultMatch {
    /// Pods with a container of this image; only these containers break. Without it all containers do. For
    /// [`FaultKind::InitFailed`] init containers are meant, for all others the main containers.
    pub image: Option<Pattern>,
    /// Pods in this namespace.
    pub namespace: Option<String>,
    /// Pods of this name.
    pub pod: Option<Pattern>,
}

/// A text to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// The whole text.
    Exact(String),
    /// A part of it.
    Contains(String),
}

/// What happens to a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// `ErrImagePull`, then `ImagePullBackOff`. Only for pods that don't run yet.
    ImagePullError {
        /// What the registry is supposed to have said.
        message: String,
    },
    /// Starts and ends at once, again and again: `CrashLoopBackOff`. With `restartPolicy: Never` the pod fails.
    CrashLoop {
        /// The container's exit code.
        exit_code: u8,
        /// What `kubectl logs` shows of it, now and `--previous`; an empty list is no log.
        log: Vec<String>,
    },
    /// Runs, and its readiness probe fails for ever.
    NeverReady,
    /// `CreateContainerConfigError`. Only for pods that don't run yet.
    ConfigError {
        /// The kubelet's words, for example `couldn't find key password in Secret shop/credentials`.
        message: String,
    },
    /// Killed for its memory, again and again: like a crash loop with `OOMKilled` and exit code 137.
    OomKilled,
    /// Pods that are meant to end (`restartPolicy` `Never` or `OnFailure`) end with an error; others are left alone.
    FailingJob {
        /// The container's exit code.
        exit_code: u8,
        /// What `kubectl logs` shows of it; an empty list is no log.
        log: Vec<String>,
    },
    /// Runs, and is ready only after this time.
    SlowStart {
        /// The time from running to ready, in seconds.
        seconds: u32,
    },
    /// The first matching init container ends with an error: `CrashLoopBackOff` of the init container. With
    /// `restartPolicy: Never` the pod fails.
    InitFailed {
        /// The init container's exit code.
        exit_code: u8,
    },
}

impl Fault {
    /// A fault of pods that have a container whose image contains `part`.
    pub fn by_image(part: impl Into<String>, kind: FaultKind) -> Self {
        Self { matches: FaultMatch { image: Some(Pattern::Contains(part.into())), ..FaultMatch::default() }, kind }
    }

    /// A fault of all pods in a namespace.
    pub fn by_namespace(namespace: impl Into<String>, kind: FaultKind) -> Self {
        Self { matches: FaultMatch { namespace: Some(namespace.into()), ..FaultMatch::default() }, kind }
    }

    /// The log its containers are supposed to have written.
    pub(crate) fn log(&self) -> &[String] {
        match &self.kind {
            FaultKind::CrashLoop { log, .. } | FaultKind::FailingJob { log, .. } => log,
            FaultKind::ImagePullError { .. }
            | FaultKind::NeverReady
            | FaultKind::ConfigError { .. }
            | FaultKind::OomKilled
            | FaultKind::SlowStart { .. }
            | FaultKind::InitFailed { .. } => &[],
        }
    }

    /// Whether the containers that break are init containers.
    pub(crate) fn is_of_init_containers(&self) -> bool {
        matches!(self.kind, FaultKind::InitFailed { .. })
    }

    /// A jq expression over a pod: whether this fault is meant for it.
    pub(crate) fn jq(&self) -> String {
        let mut all = Vec::new();
        if let Some(namespace) = &self.matches.namespace {
            all.push(format!(".metadata.namespace == {}", literal(namespace)));
        }
        if let Some(pod) = &self.matches.pod {
            all.push(format!(".metadata.name | {}", pod.jq()));
        }
        let containers = if self.is_of_init_containers() { ".spec.initContainers" } else { ".spec.containers" };
        match &self.matches.image {
            Some(image) => all.push(format!("[{containers}[]?.image // \"\"] | any({})", image.jq())),
            None => all.push(format!("{containers} // [] | length > 0")),
        }
        if matches!(self.kind, FaultKind::FailingJob { .. }) {
            all.push(".spec.restartPolicy != \"Always\"".to_owned());
        }
        all.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(" and ")
    }

    /// A Go template expression over a container: whether it is one that breaks.
    pub(crate) fn template(&self) -> String {
        match &self.matches.image {
            None => "true".to_owned(),
            Some(Pattern::Exact(text)) => format!("eq .image {}", literal(text)),
            Some(Pattern::Contains(text)) => format!("contains {} .image", literal(text)),
        }
    }
}

impl Pattern {
    fn jq(&self) -> String {
        match self {
            Self::Exact(text) => format!(". == {}", literal(text)),
            Self::Contains(text) => format!("contains({})", literal(text)),
        }
    }
}

/// A string literal that is one in JSON, in jq and inside a Go template's braces alike. In all three a backslash
/// starts an escape, and JSON escapes it, so neither jq's `\(` nor a closing quote can come from the text.
pub(crate) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never_ready(matches: FaultMatch) -> Fault {
        Fault { matches, kind: FaultKind::NeverReady }
    }

    #[test]
    fn expressions_say_what_is_matched() {
        let all = never_ready(FaultMatch {
            image: Some(Pattern::Exact("example.org/web:1".to_owned())),
            namespace: Some("shop".to_owned()),
            pod: Some(Pattern::Contains("web-".to_owned())),
        });
        assert_eq!(
            all.jq(),
            r#"(.metadata.namespace == "shop") and (.metadata.name | contains("web-")) and ([.spec.containers[]?.image // ""] | any(. == "example.org/web:1"))"#
        );
        assert_eq!(all.template(), r#"eq .image "example.org/web:1""#);
        let none = never_ready(FaultMatch::default());
        assert_eq!(
            (none.jq(), none.template()),
            ("(.spec.containers // [] | length > 0)".to_owned(), "true".to_owned())
        );
    }

    #[test]
    fn a_text_cannot_leave_its_literal() {
        for (text, expected) in [
            (r#"a"b"#, r#""a\"b""#),
            (r"\(input)", r#""\\(input)""#),
            ("}} {{ fail }}", r#""}} {{ fail }}""#),
            ("two\nlines", r#""two\nlines""#),
        ] {
            assert_eq!(literal(text), expected);
        }
    }

    #[test]
    fn a_fault_can_be_written_down_and_read() {
        let fault = Fault::by_image("web", FaultKind::CrashLoop { exit_code: 2, log: vec!["no database".to_owned()] });
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(
            text,
            r#"{"matches":{"image":{"contains":"web"},"namespace":null,"pod":null},"kind":{"crash_loop":{"exit_code":2,"log":["no database"]}}}"#
        );
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
    }
}
