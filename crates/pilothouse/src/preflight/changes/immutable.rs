//! What helm would fail on, since the server says so beforehand.

use crate::context::Compared;
use crate::context::Outcome;
use crate::preflight::losses::consent::Consent;
use jiff::Timestamp;
use pilothouse_core::{ChartInfo, Class, Finding, ObjectChange, ReleaseKey, code};
use pilothouse_health::{HelmEvidence, helm_causes};
use serde_json::Value;

/// The objects that cannot be changed in place, and those the server refuses.
pub(super) fn findings(compared: &[Compared], consent: &Consent, info: &ChartInfo) -> Vec<Finding> {
    let finding = |one: &Compared| match &one.outcome {
        Outcome::Change(ObjectChange::Replace { because }) => replaced(one, because, consent, info),
        Outcome::Change(ObjectChange::Refused { why }) => refused(one, why, compared.iter(), &info.key()),
        Outcome::Change(
            ObjectChange::Create
            | ObjectChange::Update
            | ObjectChange::Delete
            | ObjectChange::Keep
            | ObjectChange::Adopt
            | ObjectChange::After { .. }
            | ObjectChange::Same,
        )
        | Outcome::NoNamespace { .. }
        | Outcome::NotServed { .. }
        | Outcome::Unreadable { .. } => None,
    };
    compared.iter().filter_map(finding).collect()
}

fn replaced(one: &Compared, because: &str, consent: &Consent, info: &ChartInfo) -> Option<Finding> {
    // Nothing that the manifest sets changes in it.
    if info.force_upgrade && one.fields.is_empty() {
        let message = format!(
            "{because}, so helm would fail on it: `force_upgrade` sends it without what others have set in it; without `force_upgrade` it is left as it is"
        );
        return Some(Finding::new(Class::Blocked, code::IMMUTABLE_FIELD, &one.object, message));
    }
    let remedy = "to replace it, delete it with a `delete` step in pre_exec";
    if one.object.kind != "StatefulSet" {
        let message = format!("{because}, so helm would fail on it: {remedy}");
        return Some(Finding::new(Class::Blocked, code::IMMUTABLE_FIELD, &one.object, message));
    }
    let why = if only_labels_of_claims(one) {
        "; only labels of its claims differ, into which the chart writes what changes with its version"
    } else {
        ""
    };
    let message =
        format!("{because}{why}, so helm would fail on it: {remedy}, and consent to it; all its pods stop then");
    (!consent.names(&one.object)).then(|| Finding::new(Class::Unsafe, code::IMMUTABLE_FIELD, &one.object, message))
}

/// Whether the claims of a StatefulSet differ in their labels and annotations only.
fn only_labels_of_claims(one: &Compared) -> bool {
    let (Some(live), Some(then)) = (&one.live, &one.then) else { return false };
    let claims = |object: &Value| object.pointer("/spec/volumeClaimTemplates").cloned();
    let bare = |object: &Value| {
        let mut claims = claims(object);
        for metadata in
            claims.iter_mut().filter_map(Value::as_array_mut).flatten().filter_map(|c| c.get_mut("metadata"))
        {
            if let Some(map) = metadata.as_object_mut() {
                map.retain(|key, _| key == "name");
            }
        }
        claims
    };
    claims(live.expose()) != claims(then.expose()) && bare(live.expose()) == bare(then.expose())
}

/// What the server refuses, unless it misses only what is created among `beside`.
pub(crate) fn refused<'a>(
    one: &Compared,
    why: &str,
    beside: impl IntoIterator<Item = &'a Compared>,
    release: &ReleaseKey,
) -> Option<Finding> {
    if lacks_what_is_created(why, beside) {
        return None;
    }
    let causes = helm_causes(&HelmEvidence::new(release.clone(), why), Timestamp::UNIX_EPOCH);
    let known = causes.first().map(|cause| cause.code.as_str()).filter(|code| *code != code::UNKNOWN);
    Some(Finding::new(Class::Blocked, known.unwrap_or(code::OBJECT_INVALID), &one.object, why))
}

/// Whether the server misses something that the release itself is going to create before.
fn lacks_what_is_created<'a>(why: &str, compared: impl IntoIterator<Item = &'a Compared>) -> bool {
    let is_named = |name: &str| why.contains(&format!("\"{name}\"")) || why.contains(&format!("/{name}:"));
    let is_created = |one: &Compared| one.outcome == Outcome::Change(ObjectChange::Create);
    why.contains("not found") && compared.into_iter().any(|one| is_created(one) && is_named(&one.object.name))
}
