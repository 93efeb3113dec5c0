//! Hooks that want what their chart makes only after them.

use pilothouse_core::needed_by_pods;
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;

/// When helm makes an object on a first install: hooks of `pre-install` by their weight, then everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Before(i64),
    WithTheRest,
}

/// A line for each ConfigMap, Secret, ServiceAccount or claim that the pods of a `pre-install` hook need and that helm makes after the
/// hook: on a first install the hook waits for it in vain.
pub(super) fn too_early(rendered: &[RenderedDoc]) -> Vec<String> {
    let mut lines = Vec::new();
    for hook in rendered {
        let Some(Turn::Before(weight)) = turn(hook) else { continue };
        for (kind, name) in needed_by_pods(&hook.object) {
            let makers = || rendered.iter().filter(|doc| is(&doc.object, kind, &name, &hook.object));
            let first = makers().filter_map(turn).min();
            if first.is_none_or(|first| first <= Turn::Before(weight)) {
                continue;
            }
            lines.push(format!(
                "{}: {} {} is a pre-install hook of weight {weight} and names {kind} {name}, which helm makes only after it: on a first install the hook waits for it in vain. Give {kind} {name} helm.sh/hook: pre-install and a lower helm.sh/hook-weight, or make the hook a post-install one",
                hook.source.as_deref().unwrap_or_default(),
                text(&hook.object, "/kind"),
                text(&hook.object, "/metadata/name"),
            ));
        }
    }
    lines
}

/// `None` for what is not made on a first install, or made by nobody in time.
fn turn(doc: &RenderedDoc) -> Option<Turn> {
    match &doc.origin {
        Origin::Template => Some(Turn::WithTheRest),
        Origin::Hook { events, weight, .. } if events.iter().any(|event| event == "pre-install") => {
            Some(Turn::Before((*weight).into()))
        }
        Origin::Hook { events, .. } if events.iter().any(|event| event == "post-install") => Some(Turn::WithTheRest),
        _ => None,
    }
}

/// Whether it is the object of that kind and name in the namespace of `user`. Where no namespace is written, it is the release's.
fn is(object: &Value, kind: &str, name: &str, user: &Value) -> bool {
    let namespace = "/metadata/namespace";
    text(object, "/apiVersion") == "v1"
        && text(object, "/kind") == kind
        && text(object, "/metadata/name") == name
        && text(object, namespace) == text(user, namespace)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Rendering;
    use rstest::rstest;

    /// A hook of weight 0 whose pods take their environment from ConfigMap `settings` and run as `account`.
    fn hook(event: &str) -> String {
        format!(
            "---\n# Source: a/templates/hook.yaml\napiVersion: batch/v1\nkind: Job\nmetadata: {{ name: migrate, annotations: {{ helm.sh/hook: '{event}' }} }}\nspec: {{ template: {{ spec: {{ serviceAccountName: account, containers: [{{ envFrom: [{{ configMapRef: {{ name: settings }} }}] }}] }} }} }}\n"
        )
    }

    fn object(kind: &str, name: &str, metadata: &str) -> String {
        format!(
            "---\n# Source: a/templates/o.yaml\napiVersion: v1\nkind: {kind}\nmetadata: {{ name: {name}{metadata} }}\n"
        )
    }

    fn lines(docs: &[String]) -> Vec<String> {
        too_early(&Rendering::new(&docs.concat()).unwrap().docs())
    }

    #[rstest]
    #[case::the_chart_makes_it_after(hook("pre-install"), "", 1)]
    #[case::of_several_events(hook("pre-upgrade,pre-install"), "", 1)]
    #[case::by_a_hook_after_it(
        hook("pre-install"),
        ", annotations: { helm.sh/hook: pre-install, helm.sh/hook-weight: '5' }",
        1
    )]
    #[case::by_a_hook_at_the_end(hook("pre-install"), ", annotations: { helm.sh/hook: post-install }", 1)]
    #[case::by_a_hook_before_it(
        hook("pre-install"),
        ", annotations: { helm.sh/hook: pre-install, helm.sh/hook-weight: '-5' }",
        0
    )]
    #[case::by_a_hook_of_the_same_weight(hook("pre-install"), ", annotations: { helm.sh/hook: pre-install }", 0)]
    #[case::in_another_namespace(hook("pre-install"), ", namespace: other", 0)]
    #[case::the_hook_comes_after(hook("post-install"), "", 0)]
    #[case::it_is_there_by_then(hook("pre-upgrade"), "", 0)]
    fn what_a_hook_waits_for(#[case] hook: String, #[case] metadata: &str, #[case] expected: usize) {
        assert_eq!(lines(&[object("ConfigMap", "settings", metadata), hook]).len(), expected);
    }

    #[test]
    fn what_is_optional_is_not_waited_for() {
        let optional = hook("pre-install").replace("name: settings }", "name: settings, optional: true }");
        assert_eq!(lines(&[object("ConfigMap", "settings", ""), optional]), [""; 0]);
    }

    #[test]
    fn what_is_told() {
        let told =
            lines(&[hook("pre-install"), object("ServiceAccount", "account", ""), object("ConfigMap", "other", "")]);
        assert_eq!(
            told,
            [
                "a/templates/hook.yaml: Job migrate is a pre-install hook of weight 0 and names ServiceAccount account, which helm makes only after it: on a first install the hook waits for it in vain. Give ServiceAccount account helm.sh/hook: pre-install and a lower helm.sh/hook-weight, or make the hook a post-install one"
            ]
        );
    }
}
