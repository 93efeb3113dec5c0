//! What of a rendering helm will apply, and the definitions in the chart's `crds/` folders, which Helm never upgrades.

use crate::context::Context;
use crate::context::Wanted;
use pilothouse_core::{CrdPolicy, ObjectRef, object_ref};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The objects helm will create or change: all that is rendered but hooks and what is in `crds/` folders.
pub(crate) fn rendered_objects(rendered: &[RenderedDoc]) -> Vec<ObjectRef> {
    let own = rendered.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    own.filter_map(|doc| object_ref(&doc.object)).collect()
}

/// Rendered documents that helm fails on, with the reason. Those that a deploy does not reach (hooks of an uninstall, a rollback or
/// a test, and definitions that are not brought) are no reason to refuse it.
pub(super) fn unusable(
    rendered: &[RenderedDoc],
    crds: CrdPolicy,
) -> impl Iterator<Item = (&RenderedDoc, String, bool)> {
    rendered.iter().filter_map(move |doc| {
        let why = doc.unusable.as_ref()?;
        let text = |at: &str| doc.object.pointer(at).and_then(Value::as_str).filter(|text| !text.is_empty());
        let prefix = text("/metadata/generateName").map(|prefix| format!("{prefix}*"));
        let name = text("/metadata/name").map(str::to_owned).or(prefix);
        let named: Vec<&str> = text("/kind").into_iter().chain(name.as_deref()).collect();
        let message = if named.is_empty() { why.clone() } else { format!("{}: {why}", named.join(" ")) };
        let is_reached = match &doc.origin {
            Origin::Template => true,
            Origin::Crd => crds != CrdPolicy::Skip,
            Origin::Hook { events, .. } => {
                events.iter().any(|event| event.ends_with("-install") || event.ends_with("-upgrade"))
            }
        };
        Some((doc, message, is_reached))
    })
}

/// What its author probably did not mean, a line each: objects that are there twice.
pub(super) fn doubtful(rendered: &[RenderedDoc]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let own = rendered.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let line = |doc: &RenderedDoc| {
        let (source, object) = (doc.source.clone().unwrap_or_default(), object_ref(&doc.object)?);
        let before = seen.insert(object.clone(), source.clone())?;
        Some(format!("{source}: {object} is in {before} already: helm applies one over the other"))
    };
    own.filter_map(line).collect()
}

/// Whether the release's own namespace is among the chart's templates.
pub(crate) fn has_own_namespace(ctx: &Context, wanted: &Wanted) -> bool {
    let own = ctx.release().namespace;
    let is_own = |object: &ObjectRef| object.is_namespace() && object.name == own;
    rendered_objects(&wanted.rendering.docs()).iter().any(is_own)
}

/// The definitions in the chart's `crds/` folders, those of enabled subcharts included. A subchart that is there twice has its
/// definitions once: helm leaves out what is there already.
pub(crate) fn chart_definitions(wanted: &Wanted) -> Vec<Value> {
    let (docs, mut seen) = (wanted.rendering.docs(), BTreeSet::new());
    let crds = docs.iter().filter(|doc| matches!(doc.origin, Origin::Crd));
    crds.filter(|doc| object_ref(&doc.object).is_none_or(|object| seen.insert(object)))
        .map(|doc| doc.object.clone())
        .collect()
}

/// The definitions of the chart that a deploy brings, or has brought.
pub(crate) fn definitions_brought(ctx: &Context, wanted: &Wanted) -> Vec<ObjectRef> {
    match ctx.info().crds {
        CrdPolicy::Skip => Vec::new(),
        CrdPolicy::Create | CrdPolicy::Upgrade => chart_definitions(wanted).iter().filter_map(object_ref).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Rendering;
    use rstest::rstest;

    #[test]
    fn objects_that_are_there_twice() {
        let object = |source: &str, kind: &str, metadata: &str| {
            format!("---\n# Source: a/templates/{source}\napiVersion: v1\nkind: {kind}\nmetadata: {{ {metadata} }}\n")
        };
        let text = [
            object("a.yaml", "ConfigMap", "name: a"),
            object("a.yaml", "Secret", "name: a"),
            object("a.yaml", "ConfigMap", "name: a, namespace: other"),
            object("b.yaml", "ConfigMap", "name: a"),
        ];
        let docs = Rendering::new(&text.concat()).unwrap().docs();
        let expected =
            ["a/templates/b.yaml: ConfigMap a is in a/templates/a.yaml already: helm applies one over the other"];
        assert_eq!(doubtful(&docs), expected);
    }

    #[rstest]
    #[case::of_the_release("templates/a.yaml", "name: 1", CrdPolicy::Create, Some(true))]
    #[case::usable("templates/a.yaml", "name: '1'", CrdPolicy::Create, None)]
    #[case::hook(
        "templates/a.yaml",
        "name: 1, annotations: { helm.sh/hook: 'test, post-upgrade' }",
        CrdPolicy::Create,
        Some(true)
    )]
    #[case::test("templates/a.yaml", "name: 1, annotations: { helm.sh/hook: test }", CrdPolicy::Create, Some(false))]
    #[case::uninstall(
        "templates/a.yaml",
        "name: 1, annotations: { helm.sh/hook: pre-delete }",
        CrdPolicy::Create,
        Some(false)
    )]
    #[case::definition("crds/a.yaml", "name: 1", CrdPolicy::Create, Some(true))]
    #[case::definition_that_is_not_brought("crds/a.yaml", "name: 1", CrdPolicy::Skip, Some(false))]
    fn what_helm_fails_on(
        #[case] path: &str,
        #[case] metadata: &str,
        #[case] crds: CrdPolicy,
        #[case] expected: Option<bool>,
    ) {
        let text = format!("---\n# Source: a/{path}\napiVersion: v1\nkind: Thing\nmetadata: {{ {metadata} }}\n");
        let docs = Rendering::new(&text).unwrap().docs();
        let found: Vec<(String, bool)> = unusable(&docs, crds).map(|(_, why, is_reached)| (why, is_reached)).collect();
        let why = "Thing: metadata.name is the number 1 to helm, not text: write it in quotes".to_owned();
        assert_eq!(found, expected.map(|is_reached| (why, is_reached)).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_subchart_that_is_there_twice_has_its_definitions_once() {
        let crd = |path: &str, name: &str| {
            format!(
                "---\n# Source: a/charts/{path}/crds/crd.yaml\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: {name} }}\n"
            )
        };
        let text = [crd("one", "a.example"), crd("two", "a.example"), crd("two", "b.example")].concat();
        let wanted = Wanted { rendering: Rendering::new(&text).unwrap(), ..Wanted::default() };
        let names: Vec<String> =
            chart_definitions(&wanted).iter().filter_map(object_ref).map(|object| object.name).collect();
        assert_eq!(names, ["a.example", "b.example"]);
    }
}
