//! Commands that take an adoption back, to be run by hand.

use crate::terminal::text::{one_line, quoted, word};
use pilothouse_core::{AdoptionUndo, ObjectRef};

/// One `kubectl patch` for all objects of a namespace that get the same patch. Not broken into lines: it is there to be copied.
pub(crate) fn undo_commands(adopted: &[AdoptionUndo]) -> Vec<String> {
    adopted.iter().flat_map(of_one_patch).collect()
}

fn of_one_patch(undo: &AdoptionUndo) -> Vec<String> {
    let mut namespaces: Vec<Option<&str>> = Vec::new();
    for namespace in undo.objects.iter().map(|object| object.namespace.as_deref()) {
        if !namespaces.contains(&namespace) {
            namespaces.push(namespace);
        }
    }
    let patch = quoted(&undo.patch.to_string());
    let command = |namespace: Option<&str>| {
        let objects = undo.objects.iter().filter(|object| object.namespace.as_deref() == namespace);
        let names: Vec<String> = objects.map(|object| word(&named(object))).collect();
        let within = namespace.map(|namespace| format!("--namespace {namespace} ")).unwrap_or_default();
        one_line(&format!("kubectl patch {within}{} --type merge --patch {patch}", names.join(" ")))
    };
    namespaces.into_iter().map(command).collect()
}

/// As kubectl itself names objects: `deployment.apps/web`.
fn named(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    match object.group().filter(|group| !group.is_empty()) {
        Some(group) => format!("{kind}.{group}/{}", object.name),
        None => format!("{kind}/{}", object.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::adoption_undo;
    use serde_json::json;

    #[test]
    fn a_command_for_each_namespace_and_patch() {
        let object = |api_version: &str, name: &str| ObjectRef {
            api_version: Some(api_version.to_owned()),
            ..ObjectRef::parse(name).unwrap()
        };
        let none = AdoptionUndo {
            patch: json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}),
            objects: vec![
                object("apps/v1", "DaemonSet/kube-system/aws-node"),
                object("v1", "ServiceAccount/kube-system/aws-node"),
                object("rbac.authorization.k8s.io/v1", "ClusterRole/aws-node"),
            ],
        };
        let patch = r#"--type merge --patch '{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}'"#;
        assert_eq!(
            undo_commands(&[none]),
            [
                format!(
                    "kubectl patch --namespace kube-system daemonset.apps/aws-node serviceaccount/aws-node {patch}"
                ),
                format!("kubectl patch clusterrole.rbac.authorization.k8s.io/aws-node {patch}"),
            ]
        );
    }

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        let commands = undo_commands(&[adoption_undo()]);
        assert!(commands.iter().all(|command| command.contains(r#"managed-by":"it'\''s ours""#)), "{commands:#?}");
        let mut undo = adoption_undo();
        undo.patch["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("a\u{1b}[2J\n\u{9b}");
        undo.objects = vec![ObjectRef::parse("ClusterRole/a").unwrap()];
        undo.objects[0].name = "a; rm -rf $HOME".to_owned();
        let text = undo_commands(&[undo]).join("");
        assert!(text.contains("'clusterrole/a; rm -rf $HOME'"), "{text}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}
