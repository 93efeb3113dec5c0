//! Secrets, ConfigMaps and their keys that pods want and that are not there.

use super::draft::Draft;
use super::evidence::{Evidence, Want, Whereabouts};
use super::line::{GRACE, Line};
use super::read::{
    self, Seen, kubectl_name, name, object, one_line, quoted, seconds_since, text, was_read, whereabouts,
};
use super::said;
use super::surroundings::AtWork;
use crate::groups::is_built_in;
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, nearest};
use serde_json::Value;

/// What a message of the kubelet says is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Absent {
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    pub name: String,
    /// `None` when the object itself is missing.
    pub key: Option<String>,
}

/// Kinds of objects that make a Secret, with where they say its name; the object's own name where they do not.
const MAKERS: [(&str, &str, &str); 5] = [
    ("external-secrets.io/v1", "ExternalSecret", "/spec/target/name"),
    ("external-secrets.io/v1beta1", "ExternalSecret", "/spec/target/name"),
    ("cert-manager.io/v1", "Certificate", "/spec/secretName"),
    ("bitnami.com/v1alpha1", "SealedSecret", "/spec/template/metadata/name"),
    ("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "/spec/destination/name"),
];

/// Reads the kubelet's words for something missing: `secret "db" not found`, `couldn't find key a in Secret web/db`. `volume` gives
/// what a volume of the pod refers to, for messages that do not name it.
pub(super) fn absent(message: &str, volume: impl Fn(&str) -> Option<String>) -> Option<Absent> {
    for (word, kind) in [("secret", "Secret"), ("configmap", "ConfigMap")] {
        if let Some(name) = quoted(message, &format!("{word} ")).filter(|_| message.contains("not found")) {
            return Some(Absent { kind, name: name.to_owned(), key: None });
        }
    }
    if let Some((_, rest)) = message.split_once("couldn't find key ") {
        for kind in ["Secret", "ConfigMap"] {
            if let Some((key, object)) = rest.split_once(&format!(" in {kind} ")) {
                let object = object.split_whitespace().next()?.trim_end_matches(',');
                let name = object.rsplit('/').next()?;
                return Some(Absent { kind, name: name.to_owned(), key: Some(key.to_owned()) });
            }
        }
    }
    for (sign, kind) in [("non-existent secret key: ", "Secret"), ("non-existent config key: ", "ConfigMap")] {
        if let Some((_, key)) = message.split_once(sign) {
            let key = key.split_whitespace().next()?.to_owned();
            let name = volume(kind)?;
            return Some(Absent { kind, name, key: Some(key) });
        }
    }
    None
}

/// What is missing, as a cause; `seen` is the event that says so, `since` when it began to be wanted.
pub(super) fn missing(
    evidence: &Evidence,
    namespace: &str,
    absent: &Absent,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Draft> {
    let Absent { kind, name, key } = absent;
    let root = format!("{kind} {namespace}/{name}");
    let there = whereabouts(evidence, kind, namespace, name);
    let waited = seconds_since(since, now) >= GRACE;
    // Nothing is certain before it is known who would make it.
    let unseen = (!makers_are_known(evidence, kind, namespace)).then_some(AtWork::Unseen);
    let maker = maker(evidence, kind, namespace, name);
    let of_controller = maker.and_then(pilothouse_core::object_ref);
    let at_work = unseen.into_iter().chain(of_controller.as_ref().map(|_| AtWork::Controller));
    if let Some(Whereabouts::There { keys }) = there {
        // It has come in the meantime: the kubelet sees it with its next look.
        let key = key.as_ref().filter(|key| !keys.contains(key))?;
        let line = match (*kind, waited) {
            ("Secret", true) => Line::SecretKeyMissing,
            ("Secret", false) => Line::SecretKeyMissingYet,
            (_, true) => Line::ConfigMapKeyMissing,
            (_, false) => Line::ConfigMapKeyMissingYet,
        };
        let has = if keys.is_empty() { "it has none".to_owned() } else { format!("it has {}", keys.join(", ")) };
        let meant = nearest(keys.iter().map(String::as_str), key)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        let draft = Draft::new(line, format!("{root} key {key}"), format!("{root} has no key {key}, {has}{meant}"));
        let draft = draft.amid(at_work).all_seen(of_controller.map(|object| format!("{object} fills it")));
        return Some(draft.next(format!("correct the key in the values, or add {key} to {root}")));
    }
    if let (Some(key), None | Some(Whereabouts::Unreadable)) = (key, there) {
        let line = if *kind == "Secret" { Line::SecretKeyMissingYet } else { Line::ConfigMapKeyMissingYet };
        let draft = Draft::new(line, format!("{root} key {key}"), format!("{root} has no key {key}"));
        return Some(draft.next(format!("kubectl describe {} -n {namespace} {name}", kind.to_lowercase())));
    }
    if let Some(draft) = maker.and_then(|maker| not_made(evidence, maker, &root, now)) {
        return Some(draft);
    }
    // What the kubelet said may be old: only the cluster's own word that it is missing counts.
    let waited = waited && there == Some(&Whereabouts::Missing);
    let line = match (*kind, &of_controller) {
        ("Secret", Some(_)) => Line::SecretAwaited,
        ("Secret", None) if waited => Line::SecretMissing,
        ("Secret", None) => Line::SecretMissingYet,
        _ if waited => Line::ConfigMapMissing,
        _ => Line::ConfigMapMissingYet,
    };
    let why = match &of_controller {
        Some(object) => format!("{root} does not exist yet; {object} is to make it"),
        None => format!("{root} does not exist"),
    };
    let draft = Draft::new(line, root, why).amid(at_work);
    Some(match of_controller {
        Some(object) => draft.next(format!("kubectl describe {}", kubectl_name(&object))),
        None if *kind == "Secret" => {
            draft.next(format!("create it in namespace {namespace}, or correct its name in the values"))
        }
        None => draft.next(format!("kubectl get configmaps -n {namespace}, and correct its name in the values")),
    })
}

/// Why the object that is to make what is missing does not, if it says so: what is missing only follows from that.
fn not_made(evidence: &Evidence, maker: &Value, missing: &str, now: Timestamp) -> Option<Draft> {
    let (object, why) = (pilothouse_core::object_ref(maker)?, said::failure(maker, now)?);
    let waits = format!("{missing} does not exist yet; {object} is to make it, and {} waits for it", evidence.object);
    let draft = Draft::new(Line::ConditionNotMet, object.to_string(), why).seen(waits).next(said::look_at(&object));
    Some(Draft { about: Some(object), ..draft })
}

/// The custom resource whose controller is to make a missing object.
pub(super) fn controller(evidence: &Evidence, kind: &str, namespace: &str, name: &str) -> Option<ObjectRef> {
    maker(evidence, kind, namespace, name).and_then(pilothouse_core::object_ref)
}

/// The same as it is on the cluster: one of the kinds that are known to, by the name they say, or
/// one of another kind whose spec has the name in it.
fn maker<'a>(evidence: &'a Evidence, kind: &str, namespace: &str, name_wanted: &str) -> Option<&'a Value> {
    let makes = |object: &Value| {
        let known = MAKERS.iter().find(|(_, maker, _)| text(object, "/kind") == *maker);
        match known {
            Some((_, _, at)) if kind == "Secret" => {
                let target = text(object, at);
                (if target.is_empty() { name(object) } else { target }) == name_wanted
            }
            Some(_) => false,
            None => {
                let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
                !is_built_in(group) && object.get("spec").is_some_and(|spec| says(spec, name_wanted))
            }
        }
    };
    let here = evidence.around.iter().filter(|object| read::namespace(object) == namespace);
    here.map(AsRef::as_ref).find(|object| makes(object))
}

/// Whether this is among the texts of a value.
fn says(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| says(item, wanted)),
        Value::Object(map) => map.values().any(|value| says(value, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What tells whether it is there, which keys it has, and who may make it or its key.
pub(super) fn wanted(evidence: &Evidence, namespace: &str, absent: &Absent) -> Vec<Want> {
    let mut wants = vec![Want::Keys(object("v1", absent.kind, namespace, &absent.name))];
    let lacks = match whereabouts(evidence, absent.kind, namespace, &absent.name) {
        Some(Whereabouts::Missing) => true,
        Some(Whereabouts::There { keys }) => absent.key.as_ref().is_some_and(|key| !keys.contains(key)),
        Some(Whereabouts::Unreadable) | None => false,
    };
    if absent.kind == "Secret" && lacks {
        wants.extend(makers(namespace));
    }
    wants
}

/// The objects of a namespace that make Secrets.
pub(super) fn makers(namespace: &str) -> Vec<Want> {
    let all = |(api_version, kind, _): &(&str, &str, &str)| Want::All {
        api_version: (*api_version).to_owned(),
        kind: (*kind).to_owned(),
        namespace: Some(namespace.to_owned()),
        labels: None,
    };
    MAKERS.iter().map(all).collect()
}

/// Whether it is known who would make a thing of this kind: a list that was refused is not an empty one.
pub(super) fn makers_are_known(evidence: &Evidence, kind: &str, namespace: &str) -> bool {
    kind != "Secret" || makers(namespace).iter().all(|want| was_read(evidence, want))
}

/// When the kubelet first said this, by its events.
pub(super) fn first_said(events: &[Seen<'_>], message: &str) -> Option<Timestamp> {
    let message = one_line(message);
    events.iter().filter(|seen| one_line(seen.message).contains(&message)).filter_map(Seen::first).min()
}
