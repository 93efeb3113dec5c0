//! What somebody else has changed in a release since it was deployed, and what is to be done about it.

use crate::ids::ObjectRef;
use serde::{Deserialize, Serialize};

/// An object that is not as it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drift {
    /// The object.
    pub object: ObjectRef,
    /// What is different, in one line, with who wrote it where that is known. Holds no secret value.
    pub what: String,
    /// Whether it is gone and is made again: not what may have done its work, nor what held data, unless consent names that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub comes_again: bool,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DriftPolicy {
    /// Tell it, and change nothing; what is gone is made again.
    #[default]
    Report,
    /// Upgrade, so that everything is as it was deployed.
    Correct,
    /// Act as if there were none.
    Ignore,
}

/// A field in which others may write what they like: changes of it are no drift.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DriftIgnore {
    /// The kind, with or without its group (`Deployment`, `Widget.example.com`); `*` for any.
    pub kind: String,
    /// The field as drift names it, with what is below it; `[*]` stands for any item of a list:
    /// `webhooks[*].clientConfig.caBundle`.
    pub field: String,
}

impl DriftIgnore {
    /// Whether a changed field of an object, as drift names it, is meant.
    pub fn covers(&self, object: &ObjectRef, path: &str) -> bool {
        let full = format!("{}.{}", object.kind, object.group().unwrap_or_default());
        let is_kind =
            self.kind == "*" || [&object.kind, &full].iter().any(|kind| kind.eq_ignore_ascii_case(&self.kind));
        let (wanted, path) = (segments(&self.field), segments(path));
        let fits = |(wanted, there): (&&str, &&str)| {
            // Keys of maps stand in brackets too, in quotes.
            wanted == there || *wanted == "[*]" && there.starts_with('[') && !there.starts_with("[\"")
        };
        is_kind && wanted.len() <= path.len() && wanted.iter().zip(&path).all(fits)
    }
}

/// The steps of a way into an object: names, and what is in brackets with its brackets.
fn segments(path: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    let (mut is_inside, mut is_quoted, mut is_escaped) = (false, false, false);
    for (at, c) in path.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_inside => is_quoted = !is_quoted,
            _ if is_quoted => {}
            ']' if is_inside => {
                found.push(&path[start..=at]);
                (is_inside, start) = (false, at + 1);
            }
            _ if is_inside => {}
            '.' | '[' => {
                found.push(&path[start..at]);
                (is_inside, start) = (c == '[', if c == '[' { at } else { at + 1 });
            }
            _ => {}
        }
    }
    found.push(&path[start..]);
    found.retain(|segment| !segment.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Deployment", "spec.replicas", "spec.replicas", true)]
    #[case("deployment.apps", "spec.replicas", "spec.replicas", true)]
    #[case("*", "spec.template", "spec.template.spec.containers[name=web].image", true)]
    #[case(
        "Deployment",
        "spec.template.spec.containers[*].image",
        "spec.template.spec.containers[name=web].image",
        true
    )]
    #[case(
        "Deployment",
        "spec.template.spec.containers[name=web]",
        "spec.template.spec.containers[name=web].image",
        true
    )]
    #[case(
        "Deployment",
        "spec.template.spec.containers[name=web]",
        "spec.template.spec.containers[name=db].image",
        false
    )]
    #[case(
        "Deployment",
        r#"metadata.annotations["example.com/a.b"]"#,
        r#"metadata.annotations["example.com/a.b"]"#,
        true
    )]
    #[case("Deployment", "metadata.annotations", r#"metadata.annotations["example.com/a.b"]"#, true)]
    // A key of a map is no item of a list.
    #[case("Deployment", "metadata.annotations[*]", r#"metadata.annotations["example.com/a.b"]"#, false)]
    #[case("Deployment", "spec.replicas", "spec.replicasOfSomethingElse", false)]
    #[case("Deployment", "spec.replicas.more", "spec.replicas", false)]
    #[case("Deployment.extensions", "spec.replicas", "spec.replicas", false)]
    #[case("StatefulSet", "spec.replicas", "spec.replicas", false)]
    fn what_is_left_out(#[case] kind: &str, #[case] field: &str, #[case] path: &str, #[case] expected: bool) {
        let object = ObjectRef {
            api_version: Some("apps/v1".to_owned()),
            kind: "Deployment".to_owned(),
            namespace: None,
            name: "web".to_owned(),
        };
        let ignored = DriftIgnore { kind: kind.to_owned(), field: field.to_owned() };
        assert_eq!(ignored.covers(&object, path), expected);
    }
}
