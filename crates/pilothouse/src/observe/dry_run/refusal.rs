//! What the server's answers to a dry run mean.

use crate::context::Outcome;
use pilothouse_core::{NOT_OF_THIS_KUBERNETES, Redactor, error_chain, forced_replacement, words_of_refusal};
use pilothouse_health::is_built_in;
use pilothouse_kube::ClusterError;
use serde_json::Value;

/// Helm's own field manager: only as helm is the answer what helm would get.
pub(super) const FIELD_MANAGER: &str = "helm";

/// What came of asking the server.
pub(crate) enum Answer {
    /// The object is going to be this.
    Then(Value),
    /// The server does not let us ask; what the manifest declares has to do.
    NotAsked { why: String },
    /// It refuses the object, and would refuse helm's.
    Refused { why: String },
    /// Nothing is known.
    Unknown(Outcome),
}

/// Reads an error of a dry run.
pub(crate) fn read(error: &ClusterError, server_side: bool, redactor: &Redactor) -> Answer {
    let not_asked = |why: &str| Answer::NotAsked { why: format!("not checked by the server: {why}") };
    match error {
        ClusterError::Forbidden { message, .. } if is_of_rbac(message) => not_asked("forbidden"),
        ClusterError::Invalid { message, .. } | ClusterError::Api { message, .. }
            if message.contains("does not support dry run") =>
        {
            not_asked("a webhook does not support dry runs")
        }
        // Only an apply on the server's side minds them.
        ClusterError::Invalid { message, .. } | ClusterError::Api { message, .. }
            if !server_side && message.contains("duplicate entries for key") =>
        {
            not_asked("a list has two items with one key")
        }
        ClusterError::Forbidden { message, .. }
        | ClusterError::Invalid { message, .. }
        | ClusterError::Conflict { message, .. } => Answer::Refused { why: shown(message, redactor) },
        ClusterError::Unnamed { .. } => Answer::Refused { why: shown(&error.to_string(), redactor) },
        ClusterError::NotFound { object } if object.kind == "Namespace" => {
            Answer::Unknown(Outcome::NoNamespace { namespace: object.name.clone() })
        }
        ClusterError::NotFound { .. }
        | ClusterError::NotServed { .. }
        | ClusterError::Stale { .. }
        | ClusterError::Unreachable { .. }
        | ClusterError::Timeout { .. }
        | ClusterError::Unauthorized { .. }
        | ClusterError::Api { .. }
        | ClusterError::Malformed { .. } => Answer::Unknown(unreadable(error, redactor)),
    }
}

/// The part of a conflict that would stop helm: fields of others. Those that helm itself owns by an update, from a time when it
/// applied on the client's side, it moves to itself first.
pub(super) fn conflict(message: &str, redactor: &Redactor) -> Option<String> {
    let managers = message.split("with \"").skip(1).filter_map(|rest| rest.split('"').next());
    let others = managers.filter(|manager| *manager != FIELD_MANAGER).count();
    (others > 0).then(|| shown(message, redactor))
}

/// Why an object could not be looked at.
pub(super) fn unreadable(error: &ClusterError, redactor: &Redactor) -> Outcome {
    let why = shown(&error_chain(error).join(": "), redactor);
    match error {
        // No chart brings it.
        ClusterError::NotServed { group: Some(version), .. } if is_built_in(group_of(version)) => {
            Outcome::NotServed { why: format!("{why}: {NOT_OF_THIS_KUBERNETES}") }
        }
        ClusterError::NotServed { .. } => Outcome::NotServed { why },
        ClusterError::Unreachable { .. }
        | ClusterError::Timeout { .. }
        | ClusterError::Unauthorized { .. }
        | ClusterError::Forbidden { .. }
        | ClusterError::Stale { .. }
        | ClusterError::NotFound { .. }
        | ClusterError::Conflict { .. }
        | ClusterError::Invalid { .. }
        | ClusterError::Unnamed { .. }
        | ClusterError::Api { .. }
        | ClusterError::Malformed { .. } => Outcome::Unreadable { why },
    }
}

/// The group of `group/version`, or of a group alone.
fn group_of(version: &str) -> &str {
    version.split('/').next().unwrap_or_default()
}

/// The field that makes a refused object one to be replaced; `None` when it is refused for something else.
pub(super) fn replaced(kind: &str, why: &str, live: &Value, then: &Value) -> Option<String> {
    // The server knows best that it is about a field; which one, we know better where it names the whole spec.
    let words = words_of_refusal(why)?;
    Some(forced_replacement(kind, live, then).unwrap_or(words))
}

/// Whether an update is refused for what is there, which a creation would not be.
pub(super) fn is_of_what_is_there(why: &str) -> bool {
    let of_changes = ["is immutable", "may not be changed in an update", "updates to ", "may not change", "oldSelf"];
    // In which versions custom resources are stored is forgotten with their definition.
    let of_status = ["status.storedVersions"];
    words_of_refusal(why).is_some() || of_changes.iter().chain(&of_status).any(|words| why.contains(words))
}

/// Whether an apply on the server's side is refused for what does not fit the schema, which nothing else is refused for.
pub(super) fn is_of_schema(why: &str) -> bool {
    why.starts_with("failed to create typed patch object") || why.contains("duplicate entries for key")
}

/// Whether the server names this: not something that begins or ends with it.
pub(super) fn has_word(why: &str, word: &str) -> bool {
    let goes_on = |next: char| next.is_ascii_alphanumeric() || matches!(next, '-' | '_' | '/');
    let is_alone = |start: usize| {
        let (before, after) = (&why[..start], &why[start + word.len()..]);
        let mut next = after.chars();
        let ends = match next.next() {
            // The end of a sentence, or a tag or a domain.
            Some('.' | ':') => !next.next().is_some_and(|next| next.is_ascii_alphanumeric()),
            Some(next) => !goes_on(next),
            None => true,
        };
        ends && !before.ends_with(|last: char| goes_on(last) || last == '.')
    };
    !word.is_empty() && why.match_indices(word).any(|(start, _)| is_alone(start))
}

/// Whether RBAC refuses it, which says nothing of the object; admission refuses with the same status.
pub(crate) fn is_of_rbac(message: &str) -> bool {
    message.contains("User \"") && message.contains("\" cannot ")
}

fn shown(message: &str, redactor: &Redactor) -> String {
    redactor.clean(message).into_string()
}
