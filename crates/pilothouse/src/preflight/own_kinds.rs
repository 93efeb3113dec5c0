//! Objects of a kind that the chart defines among its own templates.

use crate::context::Compared;
use crate::context::Outcome;
use crate::preflight::adoption::Adopting;
use pilothouse_core::{Class, Finding, ObjectRef, code, crd_facts, object_ref};
use serde_json::Value;

/// Helm has to know every kind of a manifest before it applies anything (`Client.Build`), so that a definition among the
/// templates comes too late for the objects beside it. One that a step adopts is there by then.
pub(crate) fn findings(compared: &[Compared], wanted: &[Value], adopting: &Adopting) -> Vec<Finding> {
    let own: Vec<(ObjectRef, (String, String))> = wanted
        .iter()
        .filter_map(|object| Some((object_ref(object)?, crd_facts(object)?)))
        .filter(|(definition, _)| !adopting.adopts(definition))
        .map(|(definition, facts)| (definition, (facts.group, facts.kind)))
        .collect();
    let unknown = compared.iter().filter(|one| matches!(one.outcome, Outcome::NotServed { .. }));
    let finding = |one: &Compared| {
        let kind = (one.object.group().unwrap_or_default().to_owned(), one.object.kind.clone());
        let (definition, _) = own.iter().find(|(_, of)| *of == kind)?;
        let message = format!(
            "its kind is defined by {definition} among the templates of the same chart, and helm applies nothing before it knows all kinds: \
             put the definition into the chart's crds/, or apply it in a step of pre_exec and name it in an `adopt` step after that"
        );
        Some(Finding::new(Class::Blocked, code::API_NOT_SERVED, &one.object, message))
    };
    unknown.filter_map(finding).collect()
}
