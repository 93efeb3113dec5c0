//! Shorter forms of a plan's lines: a change that many objects share, several objects of a kind, and the added and removed fields of a
//! CRD's schema.

use crate::report::plan_words as words;
use crate::terminal::text::one_line;
use pilothouse_core::{Effect, FieldChange, ObjectChange, ObjectRef, PlannedHook, PlannedObject, ReleaseKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A label with the same change in at least this many objects is shown once.
const ALIKE: usize = 3;
/// In the shorter form, at least this many objects of a kind share a line.
const MANY: usize = 4;
/// Names of objects listed before the rest is counted.
const NAMED: usize = 5;
/// Fields of a schema listed before the rest is counted.
const SCHEMA_FIELDS: usize = 4;
/// With more hooks, effects or similar lines than this, they are grouped.
const ONE_BY_ONE: usize = 5;

/// A label or annotation that changes alike in many objects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    /// Its key, as it is written in a path: `labels["helm.sh/chart"]`.
    pub(super) key: String,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
    /// In how many objects.
    pub(super) objects: usize,
}

impl Label {
    fn is(&self, field: &FieldChange) -> bool {
        label_key(&field.path) == Some(&self.key) && field.old == self.old && field.new == self.new
    }
}

/// The key of a label or annotation, of an object or of its pods.
fn label_key(path: &str) -> Option<&str> {
    const METADATA: [&str; 2] = ["metadata.", "spec.template.metadata."];
    let rest = METADATA.iter().find_map(|metadata| path.strip_prefix(metadata))?;
    (rest.starts_with("labels") || rest.starts_with("annotations")).then_some(rest)
}

/// The labels and annotations that change alike in many objects, in most of them first.
pub(super) fn labels(objects: &[&PlannedObject]) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for object in objects {
        let mut seen: Vec<usize> = Vec::new();
        for field in object.fields.iter().filter(|field| field.written_by.is_none()) {
            let Some(key) = label_key(&field.path) else { continue };
            let at = labels.iter().position(|label| label.is(field)).unwrap_or_else(|| {
                let (old, new) = (field.old.clone(), field.new.clone());
                labels.push(Label { key: key.to_owned(), old, new, objects: 0 });
                labels.len() - 1
            });
            if !seen.contains(&at) {
                labels[at].objects += 1;
                seen.push(at);
            }
        }
    }
    labels.retain(|label| label.objects >= ALIKE);
    labels.sort_by_key(|label| std::cmp::Reverse(label.objects));
    labels
}

/// The fields of an object without these labels.
pub(super) fn without(object: &PlannedObject, labels: &[Label]) -> Vec<FieldChange> {
    let is_told = |field: &&FieldChange| labels.iter().any(|label| field.written_by.is_none() && label.is(field));
    object.fields.iter().filter(|field| !is_told(field)).cloned().collect()
}

/// What a definition's schema gains and loses, in one line; and the fields that are not of the schema.
pub(super) fn schema(fields: Vec<FieldChange>) -> (Option<String>, Vec<FieldChange>) {
    let (of_schema, rest): (Vec<FieldChange>, Vec<FieldChange>) =
        fields.into_iter().partition(|field| field.path.contains(".schema.openAPIV3Schema"));
    if of_schema.is_empty() {
        return (None, rest);
    }
    let (mut added, mut removed, mut others) = (BTreeSet::new(), BTreeSet::new(), 0);
    for field in &of_schema {
        match (schema_field(&field.path), &field.old, &field.new) {
            (Some(name), None, Some(_)) => drop(added.insert(name)),
            (Some(name), Some(_), None) => drop(removed.insert(name)),
            _ => others += 1,
        }
    }
    let mut told = Vec::new();
    // What goes is the worse.
    for (what, fields) in [("removed", removed), ("added", added)] {
        if !fields.is_empty() {
            told.push(format!("{} {what}: {}", fields.len(), listed(fields.into_iter().collect(), SCHEMA_FIELDS)));
        }
    }
    if others > 0 {
        told.push(format!("texts and rules in {others} {}", if others == 1 { "place" } else { "places" }));
    }
    (Some(format!("schema changed: {}", told.join("; "))), rest)
}

/// The field that a change of a schema is about, if it comes or goes as a whole: `spec.rules[].labels`.
fn schema_field(path: &str) -> Option<String> {
    let (_, schema) = path.split_once(".schema.openAPIV3Schema.properties.")?;
    let (parent, last) = schema.rsplit_once('.').unwrap_or(("properties", schema));
    let is_field = parent == "properties" || parent.ends_with(".properties");
    // A key with a dot in it is written in brackets, and told as it is.
    is_field.then(|| {
        format!("{parent}.{last}").replace(".items", "[]").replace(".properties", "").replace("properties.", "")
    })
}

/// Objects of a kind in one line: those of the release's own namespace, and those without one, by name alone.
pub(super) fn together(kind: &str, objects: &[&PlannedObject], release: &ReleaseKey) -> String {
    match objects {
        [one] => one_line(&one.object.to_string()),
        objects => {
            let names = objects.iter().map(|one| name(&one.object, release)).collect();
            format!("{} {}  {}", objects.len(), one_line(kind), listed(names, NAMED))
        }
    }
}

fn name(object: &ObjectRef, release: &ReleaseKey) -> String {
    match &object.namespace {
        Some(namespace) if *namespace != release.namespace => one_line(&format!("{namespace}/{}", object.name)),
        Some(_) | None => one_line(&object.name),
    }
}

/// Whether an object is told with others of its kind: nothing is to be said of it but that it comes or goes.
pub(super) fn is_plain(object: &PlannedObject) -> bool {
    let comes_or_goes = matches!(object.change, ObjectChange::Create | ObjectChange::Delete);
    comes_or_goes && object.not_adopted.is_none() && words::unhealthy(object).is_none() && object.fields.is_empty()
}

/// The kinds of which so many change that they are told together where there is little room. Definitions are told one by one.
pub(super) fn crowded<'a>(objects: &[&'a PlannedObject], labels: &[Label]) -> BTreeSet<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in
        objects.iter().filter(|object| object.change == ObjectChange::Update && !without(object, labels).is_empty())
    {
        *counts.entry(&object.object.kind).or_default() += 1;
    }
    counts.retain(|kind, count| *count >= MANY && *kind != "CustomResourceDefinition");
    counts.into_keys().collect()
}

/// How many of each kind: `21 PrometheusRule, 12 ServiceMonitor`.
pub(super) fn counted(objects: &[&PlannedObject]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in objects {
        *counts.entry(&object.object.kind).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.iter().map(|(kind, count)| format!("{count} {}", one_line(kind))).collect::<Vec<_>>().join(", ")
}

/// The first names, and how many more there are.
pub(super) fn listed(mut names: Vec<String>, at_most: usize) -> String {
    // One more takes no more room than to say so.
    let left_out = if names.len() > at_most + 1 { names.len() - at_most } else { 0 };
    names.truncate(names.len() - left_out);
    let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// Effects that are the same on several objects, together: their kind, the objects, and what it is.
pub(super) fn effects<'a>(effects: &[&'a Effect]) -> Vec<(&'a Effect, Vec<&'a ObjectRef>)> {
    let mut groups: Vec<(&Effect, Vec<&ObjectRef>)> = Vec::new();
    for effect in effects {
        match groups.iter_mut().find(|(of, _)| of.kind == effect.kind && of.what == effect.what) {
            Some((_, objects)) => objects.push(&effect.object),
            None => groups.push((effect, vec![&effect.object])),
        }
    }
    groups
}

/// Hooks, a line each, or a line for each event where there are many.
pub(super) fn hooks(hooks: &[PlannedHook], full: bool) -> Vec<String> {
    if full || hooks.len() <= ONE_BY_ONE {
        return hooks.iter().map(|hook| format!("{} {}", hook.event, hook.object)).collect();
    }
    let mut events: Vec<(&str, Vec<String>)> = Vec::new();
    for hook in hooks {
        let kind = hook.object.kind.clone();
        match events.iter_mut().find(|(event, _)| *event == hook.event) {
            Some((_, kinds)) => kinds.push(kind),
            None => events.push((&hook.event, vec![kind])),
        }
    }
    let line =
        |(event, kinds): (&str, Vec<String>)| format!("{event}: {} hooks: {}", kinds.len(), listed(kinds, NAMED));
    events.into_iter().map(line).collect()
}

/// Lines of the form `OBJECT: why`, those with the same reason together where there are many.
pub(super) fn same_reasons(lines: &[String], full: bool) -> Vec<String> {
    if full || lines.len() <= ONE_BY_ONE {
        return lines.to_vec();
    }
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let (subject, why) = line.split_once(": ").unwrap_or(("", line));
        match groups.iter_mut().find(|(of, subjects)| *of == why && !subject.is_empty() && !subjects.is_empty()) {
            Some((_, subjects)) => subjects.push(subject),
            None if subject.is_empty() => groups.push((why, Vec::new())),
            None => groups.push((why, vec![subject])),
        }
    }
    let line = |(why, subjects): (&str, Vec<&str>)| match subjects.as_slice() {
        [] => why.to_owned(),
        [one] => format!("{one}: {why}"),
        [first, ..] => format!("{first} and {} more: {why}", subjects.len() - 1),
    };
    groups.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{field, object};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(
        "spec.versions[name=v1].schema.openAPIV3Schema.properties.spec.properties.rules.items.properties.labels",
        Some("spec.rules[].labels")
    )]
    #[case("spec.versions[name=v1].schema.openAPIV3Schema.properties.spec", Some("spec"))]
    #[case("spec.versions[name=v1].schema.openAPIV3Schema.properties.spec.properties.a.description", None)]
    #[case("spec.versions[name=v1].schema.openAPIV3Schema.properties.spec.required", None)]
    #[case("spec.scope", None)]
    fn fields_of_a_schema(#[case] path: &str, #[case] expected: Option<&str>) {
        assert_eq!(schema_field(path).as_deref(), expected);
    }

    #[test]
    fn a_schema_is_told_by_what_comes_and_goes() {
        const IN: &str = "spec.versions[name=v1].schema.openAPIV3Schema.properties.spec.properties";
        let mut fields: Vec<FieldChange> =
            (0..9).map(|n| field(&format!("{IN}.a{n}"), json!(null), json!({"type": "string"}))).collect();
        fields.push(field(&format!("{IN}.gone"), json!({"type": "string"}), json!(null)));
        fields.push(field(&format!("{IN}.a.description"), json!("a"), json!("b")));
        fields.push(field("metadata.labels.a", json!("a"), json!("b")));
        let (told, rest) = schema(fields);
        let told = told.unwrap();
        let expected = "schema changed: 1 removed: spec.gone; 9 added: spec.a0, spec.a1, spec.a2, spec.a3 and 5 more; texts and rules in 1 place";
        assert_eq!((told.as_str(), rest.len()), (expected, 1));
    }

    #[test]
    fn labels_that_change_alike_are_told_once() {
        let version = || field("metadata.labels.version", json!("1"), json!("2"));
        let of_pods = field("spec.template.metadata.labels.version", json!("1"), json!("2"));
        let replicas = field("spec.replicas", json!(1), json!(2));
        let objects = [
            object("ConfigMap/a/a", ObjectChange::Update, vec![version()]),
            object("Deployment/a/a", ObjectChange::Update, vec![version(), of_pods, replicas]),
            object(
                "Service/a/a",
                ObjectChange::Update,
                vec![version(), field("metadata.labels.own", json!(null), json!("a"))],
            ),
        ];
        let objects: Vec<&PlannedObject> = objects.iter().collect();
        let labels = labels(&objects);
        assert_eq!(
            labels.iter().map(|label| (label.key.as_str(), label.objects)).collect::<Vec<_>>(),
            [("labels.version", 3)]
        );
        let left: Vec<usize> = objects.iter().map(|object| without(object, &labels).len()).collect();
        assert_eq!(left, [0, 1, 1]);
    }

    #[rstest]
    #[case(&["a: x", "b: x"], &["a: x", "b: x"])]
    #[case(&["a: x", "b: x", "c: x", "d: y", "plain", "plain", "e: x"], &["a and 3 more: x", "d: y", "plain", "plain"])]
    fn lines_with_the_same_reason(#[case] lines: &[&str], #[case] expected: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(same_reasons(&lines, false), expected);
        assert_eq!(same_reasons(&lines, true), lines);
    }

    #[rstest]
    #[case(2, "a0, a1")]
    #[case(3, "a0, a1, a2")]
    #[case(4, "a0, a1 and 2 more")]
    fn names_are_cut(#[case] count: usize, #[case] expected: &str) {
        assert_eq!(listed((0..count).map(|n| format!("a{n}")).collect(), 2), expected);
    }
}
