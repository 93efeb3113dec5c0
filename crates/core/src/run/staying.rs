//! What an uninstall or an upgrade leaves in the cluster.

use crate::ids::ObjectRef;
use serde::{Deserialize, Serialize};

/// An object that an uninstall or an upgrade leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Staying {
    /// The object.
    pub object: ObjectRef,
    /// Why it stays.
    pub because: Stays,
}

/// Why an object stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// It has the annotation `helm.sh/resource-policy`.
    ResourcePolicy,
    /// It is a definition of the chart's `crds/`, which Helm never deletes.
    Crds,
    /// It is of a revision before, which the one that is uninstalled or upgraded has no more: Helm looks at that manifest alone.
    EarlierRevision,
    /// It is the release's namespace, which was created for it.
    Namespace,
}

/// What stays, in one line: `3 definitions (resource policy keep), namespace argocd`. Empty when nothing does.
pub fn stays_in_words(staying: &[Staying]) -> String {
    let mut groups: Vec<(Stays, &str, Vec<&ObjectRef>)> = Vec::new();
    for Staying { object, because } in staying {
        match groups.iter_mut().find(|(of, kind, _)| of == because && *kind == object.kind) {
            Some((_, _, objects)) => objects.push(object),
            None => groups.push((*because, &object.kind, vec![object])),
        }
    }
    let is_definition = |kind: &str| kind == "CustomResourceDefinition";
    // Definitions first: everybody's custom resources hang on them.
    groups.sort_by_key(|(because, kind, _)| (*because, !is_definition(kind)));
    let words = |(because, kind, objects): &(Stays, &str, Vec<&ObjectRef>)| {
        let what = match objects.as_slice() {
            [one] if is_definition(kind) => format!("definition {}", one.name),
            [one] if *because == Stays::Namespace => format!("namespace {}", one.name),
            [one] => one.to_string(),
            many if is_definition(kind) => format!("{} definitions", many.len()),
            many => format!("{} objects of kind {kind}", many.len()),
        };
        match because {
            Stays::ResourcePolicy => format!("{what} (resource policy keep)"),
            Stays::Crds => format!("{what} of crds/"),
            Stays::EarlierRevision => format!("{what} of an earlier revision"),
            Stays::Namespace => what,
        }
    };
    groups.iter().map(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], "")]
    #[case(&[("configmap/web/kept", Stays::ResourcePolicy)], "configmap web/kept (resource policy keep)")]
    #[case(
        &[("Namespace/web", Stays::Namespace), ("PersistentVolumeClaim/web/old", Stays::EarlierRevision)],
        "PersistentVolumeClaim web/old of an earlier revision, namespace web"
    )]
    #[case(
        &[
            ("Namespace/web", Stays::Namespace),
            ("ConfigMap/web/a", Stays::ResourcePolicy),
            ("CustomResourceDefinition/c", Stays::Crds),
            ("CustomResourceDefinition/a", Stays::ResourcePolicy),
            ("CustomResourceDefinition/b", Stays::ResourcePolicy),
            ("ConfigMap/web/b", Stays::ResourcePolicy),
        ],
        "2 definitions (resource policy keep), 2 objects of kind ConfigMap (resource policy keep), definition c of crds/, namespace web"
    )]
    fn one_line(#[case] staying: &[(&str, Stays)], #[case] expected: &str) {
        let staying = staying
            .iter()
            .map(|(object, because)| Staying { object: ObjectRef::parse(object).unwrap(), because: *because });
        assert_eq!(stays_in_words(&staying.collect::<Vec<_>>()), expected);
    }
}
