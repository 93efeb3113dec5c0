//! Volumes that cannot be mounted, and claims that get none.

use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::line::{GRACE, Line};
use super::read::{
    Seen, around, events, events_about, family, list, name, namespace, object, one_line, quoted, seconds_since, text,
    time, waiting_since, was_read,
};
use super::reasons::{self, Means};
use super::references::{self, Absent, controller};
use super::surroundings::AtWork;
use jiff::Timestamp;
use serde_json::Value;

/// The provisioner of a class whose volumes people make.
const BY_HAND: &str = "kubernetes.io/no-provisioner";
/// The annotation that makes a StorageClass the default.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// The annotation of a volume that a program has made.
const MADE_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Why the volumes of a pod cannot be mounted, by its events.
pub(super) fn mounting(evidence: &Evidence, pod: &Value, events: &[Seen<'_>], now: Timestamp) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let failing = |seen: &&Seen<'_>| reasons::means(seen.reason) == Means::Mount;
    for seen in events.iter().filter(failing) {
        // `Unable to attach or mount volumes: ... timed out` only repeats what another event says.
        let Some(volume) = quoted(seen.message, "volume ") else { continue };
        let since = seen.first().or_else(|| waiting_since(pod));
        if let Some(absent) = references::absent(seen.message, |kind| referred_by(pod, volume, kind)) {
            let missing = references::missing(evidence, namespace(pod), &absent, since, now);
            drafts.extend(missing.map(|draft| draft.seen(seen.says())));
            continue;
        }
        let message = one_line(seen.message);
        let why = message.rsplit_once("desc = ").map_or(message.as_str(), |(_, end)| end);
        let root = format!("{} volume {volume}", evidence.object);
        // Sockets are made by programs that start on the node.
        let hopeless = message.contains("hostPath type check failed")
            && !message.contains("socket")
            && seconds_since(since, now) >= GRACE;
        let line = if hopeless { Line::MountHopeless } else { Line::MountFailing };
        drafts.push(Draft::new(line, root, format!("volume {volume}: {why}")).seen(seen.says()).next(format!(
            "kubectl describe pod -n {} {}",
            namespace(pod),
            name(pod)
        )));
    }
    drafts
}

/// What the events say is missing of what the pod's volumes refer to.
pub(super) fn absent(pod: &Value, events: &[Seen<'_>]) -> Vec<Absent> {
    let mounts = events.iter().filter(|seen| seen.reason == "FailedMount");
    let read = |seen: &Seen<'_>| {
        let volume = quoted(seen.message, "volume ").unwrap_or_default();
        references::absent(seen.message, |kind| referred_by(pod, volume, kind))
    };
    mounts.filter_map(read).collect()
}

/// The Secret or ConfigMap a volume refers to; of a projected volume the first one.
fn referred_by(pod: &Value, volume: &str, kind: &str) -> Option<String> {
    let volume = list(pod, "/spec/volumes").iter().find(|one| text(one, "/name") == volume)?;
    let (own, projected) = match kind {
        "Secret" => (text(volume, "/secret/secretName"), "/secret/name"),
        _ => (text(volume, "/configMap/name"), "/configMap/name"),
    };
    let in_projection = || {
        list(volume, "/projected/sources").iter().map(|source| text(source, projected)).find(|name| !name.is_empty())
    };
    Some(own).filter(|name| !name.is_empty()).or_else(in_projection).map(str::to_owned)
}

/// The names of the claims a pod mounts.
pub(super) fn claims_of(pod: &Value) -> Vec<&str> {
    let volumes = list(pod, "/spec/volumes").iter();
    volumes.map(|volume| text(volume, "/persistentVolumeClaim/claimName")).filter(|name| !name.is_empty()).collect()
}

/// A claim that a pod mounts and that does not exist.
pub(super) fn claim_missing(
    evidence: &Evidence,
    namespace: &str,
    claim: &str,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Draft {
    let line = if seconds_since(since, now) >= GRACE { Line::ClaimMissing } else { Line::ClaimMissingYet };
    let root = format!("PersistentVolumeClaim {namespace}/{claim}");
    let of_controller = controller(evidence, "PersistentVolumeClaim", namespace, claim);
    Draft::new(line, &root, format!("{root} does not exist, and a volume of the pod is to be it"))
        .amid(of_controller.as_ref().map(|_| AtWork::Controller))
        .all_seen(of_controller.map(|object| format!("{object} names it")))
        .next(format!("kubectl get pvc -n {namespace}, and correct the name of the claim in the values"))
}

/// Claims among the object and what it owns and mounts that have no volume.
pub(super) fn unbound(evidence: &Evidence, now: Timestamp) -> Vec<Draft> {
    unbound_claims(evidence).into_iter().map(|claim| of_claim(evidence, claim, now)).collect()
}

fn unbound_claims(evidence: &Evidence) -> Vec<&Value> {
    let own = family(evidence).map(AsRef::as_ref).filter(|object| text(object, "/kind") == "PersistentVolumeClaim");
    let mounted = around(&evidence.around, "PersistentVolumeClaim");
    let mut claims: Vec<&Value> = own.chain(mounted).collect();
    claims.dedup_by_key(|claim| (namespace(claim), name(claim)));
    claims.retain(|claim| text(claim, "/status/phase") != "Bound");
    claims
}

/// What the events say of a claim, also where they do not tell its UID.
fn events_of_claim<'a>(evidence: &'a Evidence, claim: &Value) -> Vec<Seen<'a>> {
    let about = events_about(evidence, claim);
    if !about.is_empty() {
        return about;
    }
    let is_its_own = |seen: &Seen<'_>| {
        text(seen.event, "/involvedObject/kind") == "PersistentVolumeClaim"
            && text(seen.event, "/involvedObject/name") == name(claim)
    };
    events(evidence).filter(is_its_own).collect()
}

/// Whether the last event of a claim says that its class does not exist.
fn says_class_missing(last: Option<&Seen<'_>>) -> bool {
    last.is_some_and(|seen| seen.message.contains("storageclass.storage.k8s.io") && seen.message.contains("not found"))
}

/// Whether no program makes volumes for a claim: its class is one of volumes that people make, or has no object.
fn is_by_hand(evidence: &Evidence, claim: &Value) -> bool {
    let mut classes = around(&evidence.around, "StorageClass");
    let class = classes.find(|class| name(class) == text(claim, "/spec/storageClassName"));
    match class {
        Some(class) => text(class, "/provisioner") == BY_HAND,
        None => {
            was_read(evidence, &all_classes())
                || says_class_missing(events_of_claim(evidence, claim).iter().next_back())
        }
    }
}

fn of_claim(evidence: &Evidence, claim: &Value, now: Timestamp) -> Draft {
    let root = format!("PersistentVolumeClaim {}/{}", namespace(claim), name(claim));
    let events = events_of_claim(evidence, claim);
    let last = events.iter().next_back();
    let says = last.map(|seen| one_line(seen.message)).unwrap_or_default();
    let describe = format!("kubectl describe pvc -n {} {}", namespace(claim), name(claim));
    let evidence_of =
        |draft: Draft| draft.all_seen(events.iter().rev().take(3).rev().map(Seen::says)).next(describe.clone());
    if text(claim, "/status/phase") == "Lost" {
        let draft = Draft::new(Line::ClaimHopeless, &root, format!("{root} has lost its volume"));
        return evidence_of(draft.settled(true));
    }
    let waited = seconds_since(time(claim, "/metadata/creationTimestamp"), now) >= GRACE;
    let hopeless = if waited { Line::ClaimHopeless } else { Line::ClaimWaiting };
    if let Some(volume) = held_for_another(evidence, claim) {
        // Until its pod is scheduled nobody looks for a volume for the claim.
        let looks_later =
            last.is_some_and(|seen| ["WaitForFirstConsumer", "WaitForPodScheduled"].contains(&seen.reason));
        return evidence_of(held(volume, claim, if looks_later { Line::ClaimWaiting } else { hopeless }, &root));
    }
    let class = text(claim, "/spec/storageClassName");
    let classes: Vec<&Value> = around(&evidence.around, "StorageClass").collect();
    let classes_known = was_read(evidence, &all_classes());
    let names: Vec<&str> = classes.iter().map(|class| name(class)).collect();
    let said_missing = says_class_missing(last);
    if said_missing || (classes_known && !class.is_empty() && !names.contains(&class) && last.is_none()) {
        // A class of volumes that people make needs no object; one of volumes that a program has made had one.
        let mut volumes = around(&evidence.around, "PersistentVolume").filter(|volume| is_made_by_hand(volume));
        if volumes.any(|volume| text(volume, "/spec/storageClassName") == class) {
            let why = format!("{root} is not bound: none of the volumes of StorageClass {class} is free and fits");
            let draft = Draft::new(Line::ClaimWaiting, format!("{root} of StorageClass {class}"), why);
            return evidence_of(draft).next("compare size, access modes and labels with those of kubectl get pv");
        }
        let there = match names.len() {
            0 if classes_known => "; the cluster has none".to_owned(),
            0 => String::new(),
            _ => format!("; there are {}", names.join(", ")),
        };
        let line = if was_read(evidence, &all_volumes()) { hopeless } else { Line::ClaimWaiting };
        let draft = Draft::new(
            line,
            format!("StorageClass {class}"),
            format!("{root} wants StorageClass {class}, which does not exist{there}"),
        );
        return evidence_of(draft).next("correct the storage class in the values, or make it");
    }
    let no_class = says.contains("no storage class is set");
    let is_default = |class: &&&Value| {
        class.pointer("/metadata/annotations").is_some_and(|all| text_of(all, DEFAULT_CLASS) == "true")
    };
    if no_class
        || (classes_known
            && class.is_empty()
            && text_of_class(claim).is_none()
            && !classes.iter().any(|class| is_default(&class)))
    {
        // A default class that is there now is given to the claim by the controller, unless it asks for none.
        let has_default = classes.iter().any(|class| is_default(&class));
        let asks_for_none = text_of_class(claim) == Some("");
        let line = if has_default && !asks_for_none { Line::ClaimWaiting } else { hopeless };
        let lacks = match (asks_for_none, has_default, classes_known) {
            (true, _, _) => "asks for no StorageClass",
            (false, true, _) => "names no StorageClass, the default one is not given to it yet",
            (false, false, true) => "names no StorageClass, the cluster has no default one",
            (false, false, false) => "names no StorageClass",
        };
        let there = if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) };
        let why = format!("{root} {lacks}{there}, and no volume fits");
        let blamed = if asks_for_none { root } else { "no default StorageClass".to_owned() };
        return evidence_of(Draft::new(line, blamed, why))
            .next("name a storage class in the values, or mark one as the default");
    }
    let reason = last.map_or("", |seen| seen.reason);
    let why = match reason {
        "WaitForFirstConsumer" => format!("{root} waits for a pod that mounts it to be scheduled"),
        "ProvisioningFailed" => {
            let why = says.rsplit_once("desc = ").map_or(says.as_str(), |(_, end)| end);
            format!("{root} gets no volume: {why}")
        }
        "ExternalProvisioning" => format!("{root} waits for its provisioner: {says}"),
        _ if says.is_empty() => format!("{root} is not bound to a volume"),
        _ => format!("{root} is not bound to a volume: {says}"),
    };
    let root_of = if class.is_empty() || reason == "WaitForFirstConsumer" {
        root
    } else {
        format!("{root} of StorageClass {class}")
    };
    evidence_of(Draft::new(Line::ClaimWaiting, root_of, why))
}

/// The volume a claim names, or that people have made and its predecessor had where none of its class is free, where another claim has
/// it: one is told from another by its UID.
fn held_for_another<'a>(evidence: &'a Evidence, claim: &Value) -> Option<&'a Value> {
    let is_of_another = |volume: &Value| {
        let uid = text(volume, "/spec/claimRef/uid");
        volume.pointer("/spec/claimRef").is_some_and(Value::is_object)
            && (!is_of_its_name(volume, claim) || !uid.is_empty() && uid != text(claim, "/metadata/uid"))
    };
    let mut volumes = around(&evidence.around, "PersistentVolume");
    let named = text(claim, "/spec/volumeName");
    if !named.is_empty() {
        return volumes.find(|volume| name(volume) == named && is_of_another(volume));
    }
    let of_class: Vec<&Value> = volumes
        .filter(|volume| text(volume, "/spec/storageClassName") == text(claim, "/spec/storageClassName"))
        .collect();
    let is_free = |volume: &&Value| text(volume, "/status/phase") == "Available";
    if !is_by_hand(evidence, claim) || of_class.iter().any(is_free) {
        return None;
    }
    let is_held = |volume: &&Value| is_made_by_hand(volume) && is_of_its_name(volume, claim) && is_of_another(volume);
    of_class.into_iter().find(is_held)
}

/// Whether no program has made a volume.
fn is_made_by_hand(volume: &Value) -> bool {
    volume.pointer("/metadata/annotations").is_none_or(|all| text_of(all, MADE_BY).is_empty())
}

/// Whether a volume is held for a claim of this name, this one or an earlier one.
fn is_of_its_name(volume: &Value, claim: &Value) -> bool {
    let of = (text(volume, "/spec/claimRef/namespace"), text(volume, "/spec/claimRef/name"));
    of == (namespace(claim), name(claim))
}

/// A claim that gets no volume since another one has it.
fn held(volume: &Value, claim: &Value, line: Line, root: &str) -> Draft {
    let (disk, phase) = (name(volume), text(volume, "/status/phase"));
    let again = is_of_its_name(volume, claim);
    let by = if again {
        "an earlier claim of this name".to_owned()
    } else {
        format!("claim {}/{}", text(volume, "/spec/claimRef/namespace"), text(volume, "/spec/claimRef/name"))
    };
    let why = format!("{root} is not bound: PersistentVolume {disk} is {phase}, and held for {by}");
    let draft = Draft::new(line, format!("PersistentVolume {disk}"), why);
    if !matches!(phase, "Released" | "Failed") {
        return draft.next("name another volume in the values (volumeName), or none");
    }
    // What is left of the claim before is its UID: without it the volume waits for the next claim of that name, and no other.
    let free = if again {
        r#"{"spec":{"claimRef":{"uid":null,"resourceVersion":null}}}"#
    } else {
        r#"{"spec":{"claimRef":null}}"#
    };
    draft.next(format!("if its data is wanted: kubectl patch pv {disk} --type=merge -p '{free}'"))
}

/// The class a claim names: `None` asks for the default one, an empty name for none.
fn text_of_class(claim: &Value) -> Option<&str> {
    claim.pointer("/spec/storageClassName").and_then(Value::as_str)
}

fn text_of<'a>(map: &'a Value, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn all_classes() -> Want {
    Want::All {
        api_version: "storage.k8s.io/v1".to_owned(),
        kind: "StorageClass".to_owned(),
        namespace: None,
        labels: None,
    }
}

fn all_volumes() -> Want {
    Want::All { api_version: "v1".to_owned(), kind: "PersistentVolume".to_owned(), namespace: None, labels: None }
}

/// What tells more about claims without a volume: the classes, and the volumes where nothing makes any for the claim.
pub(super) fn wanted(evidence: &Evidence) -> Vec<Want> {
    let claims = unbound_claims(evidence);
    if claims.is_empty() {
        return Vec::new();
    }
    let of_volumes = |claim: &&Value| !text(claim, "/spec/volumeName").is_empty() || is_by_hand(evidence, claim);
    let volumes = claims.iter().any(of_volumes).then(all_volumes);
    std::iter::once(all_classes()).chain(volumes).collect()
}

/// The claims of a pod, and the StorageClasses.
pub(super) fn wanted_of_pod(pod: &Value) -> Vec<Want> {
    let claims = claims_of(pod).into_iter();
    let mut wants: Vec<Want> =
        claims.map(|claim| Want::Object(object("v1", "PersistentVolumeClaim", namespace(pod), claim))).collect();
    if !wants.is_empty() {
        wants.push(all_classes());
    }
    wants
}
