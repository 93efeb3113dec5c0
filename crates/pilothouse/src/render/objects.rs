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

/// What its author probably did not mean, a line each: objects that helm cannot make, and those that are there twice.
pub(super) fn doubtful(rendered: &[RenderedDoc]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let own = rendered.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let line = |doc: &RenderedDoc| {
        let source = doc.source.clone().unwrap_or_default();
        let Some(object) = object_ref(&doc.object) else {
            let metadata = doc.object.get("metadata")?;
            let (prefix, kind) = (metadata.get("generateName")?.as_str()?, doc.object.get("kind")?.as_str()?);
            return Some(format!(
                "{source}: {kind} {prefix}* has no name (generateName): helm fails on what is no hook and has none"
            ));
        };
        let before = seen.insert(object.clone(), source.clone())?;
        Some(format!("{source}: {object} is in {before} already: helm applies one over the other"))
    };
    own.filter_map(line).collect()
}

/// Whether the release's own namespace is among the chart's templates.
pub(crate) fn has_own_namespace(ctx: &Context, wanted: &Wanted) -> bool {
    let own = ctx.release().namespace;
    let is_own = |object: &ObjectRef| {
        object.kind == "Namespace" && object.group().unwrap_or_default().is_empty() && object.name == own
    };
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

    #[test]
    fn objects_without_a_name_and_those_that_are_there_twice() {
        let object = |source: &str, kind: &str, metadata: &str| {
            format!("---\n# Source: a/templates/{source}\napiVersion: v1\nkind: {kind}\nmetadata: {{ {metadata} }}\n")
        };
        let text = [
            object("a.yaml", "ConfigMap", "name: a"),
            object("a.yaml", "Secret", "name: a"),
            object("a.yaml", "ConfigMap", "name: a, namespace: other"),
            object("hook.yaml", "Job", "generateName: h-, annotations: { helm.sh/hook: pre-install }"),
            object("b.yaml", "ConfigMap", "name: a"),
            object("c.yaml", "Job", "generateName: j-"),
        ];
        let docs = Rendering::new(&text.concat()).unwrap().docs();
        let expected = [
            "a/templates/b.yaml: ConfigMap a is in a/templates/a.yaml already: helm applies one over the other",
            "a/templates/c.yaml: Job j-* has no name (generateName): helm fails on what is no hook and has none",
        ];
        assert_eq!(doubtful(&docs), expected);
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
