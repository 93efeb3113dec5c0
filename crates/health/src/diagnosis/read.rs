//! Reading what is in evidence: pods, containers, events, times.

use super::evidence::{Evidence, Want, Whereabouts};
use crate::groups::is_built_in;
use jiff::Timestamp;
use pilothouse_core::ObjectRef;
use serde_json::Value;
use std::sync::Arc;

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// The text on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A condition of the object's status.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// What is between two marks, the first time they come.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    Some(found)
}

/// What is in the first pair of quotation marks after a mark.
pub(super) fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    between(rest, "\"", "\"")
}

/// A thing in a namespace.
pub(super) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        name: name.to_owned(),
    }
}

/// How kubectl is told of an object: `job -n web migrate`. Other groups may have a kind of the same name, so that of a kind
/// that is not Kubernetes' own the group is told too: `service.serving.knative.dev -n web hello`.
pub(super) fn kubectl_name(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    let kind = match object.group().filter(|group| !is_built_in(group)) {
        Some(group) => format!("{kind}.{group}"),
        None => kind,
    };
    match &object.namespace {
        Some(namespace) => format!("{kind} -n {namespace} {}", object.name),
        None => format!("{kind} {}", object.name),
    }
}

/// One event, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub event: &'a Value,
    pub reason: &'a str,
    pub message: &'a str,
}

impl<'a> Seen<'a> {
    fn of(event: &'a Value) -> Self {
        Self { event, reason: text(event, "/reason"), message: text(event, "/message") }
    }
}

impl Seen<'_> {
    /// How often it came.
    pub(super) fn count(&self) -> i64 {
        number(self.event, "/count").max(number(self.event, "/series/count")).max(1)
    }

    pub(super) fn first(&self) -> Option<Timestamp> {
        ["/firstTimestamp", "/eventTime", "/lastTimestamp", "/metadata/creationTimestamp"]
            .iter()
            .find_map(|at| time(self.event, at))
    }

    pub(super) fn last(&self) -> Option<Timestamp> {
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
        times.iter().filter_map(|at| time(self.event, at)).max()
    }

    /// A line of evidence.
    pub(super) fn says(&self) -> String {
        let kind = text(self.event, "/involvedObject/kind").to_lowercase();
        let times = if self.count() > 1 { format!(" ({} times)", self.count()) } else { String::new() };
        format!(
            "event on {kind} {}, {}: {}{times}",
            text(self.event, "/involvedObject/name"),
            self.reason,
            self.message
        )
    }
}

/// The events about one object, oldest first.
pub(super) fn events_about<'a>(evidence: &'a Evidence, about: &Value) -> Vec<Seen<'a>> {
    evidence.events.about(about).into_iter().map(Seen::of).collect()
}

/// All events there are, oldest first.
pub(super) fn events(evidence: &Evidence) -> impl Iterator<Item = Seen<'_>> {
    evidence.events.iter().map(|event| Seen::of(event))
}

/// Seconds from a moment until now; 0 when it is not known or to come.
pub(super) fn seconds_since(moment: Option<Timestamp>, now: Timestamp) -> i64 {
    moment.map_or(0, |moment| (now.as_second() - moment.as_second()).max(0))
}

/// The object and what it owns.
pub(super) fn family(evidence: &Evidence) -> impl Iterator<Item = &Arc<Value>> {
    evidence.live.iter().chain(&evidence.owned)
}

/// What is around of one kind.
pub(super) fn around<'a>(around: &'a [Arc<Value>], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    around.iter().map(AsRef::as_ref).filter(move |object| text(object, "/kind") == kind)
}

/// Where something is that pods refer to; `None` when nobody has looked.
pub(super) fn whereabouts<'a>(
    evidence: &'a Evidence,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Option<&'a Whereabouts> {
    let referred = evidence.referred.iter().find(|referred| {
        let object = &referred.object;
        object.kind == kind && object.namespace.as_deref() == Some(namespace) && object.name == name
    });
    referred.map(|referred| &referred.whereabouts)
}

/// Whether something was read, so that what it lacks is not there.
pub(super) fn was_read(evidence: &Evidence, want: &Want) -> bool {
    evidence.read.contains(want) && !evidence.unanswered.contains(want)
}

/// When the pod came to its node.
pub(super) fn waiting_since(pod: &Value) -> Option<Timestamp> {
    let scheduled = condition(pod, "PodScheduled").and_then(|scheduled| time(scheduled, "/lastTransitionTime"));
    scheduled.or_else(|| time(pod, "/status/startTime")).or_else(|| time(pod, "/metadata/creationTimestamp"))
}
