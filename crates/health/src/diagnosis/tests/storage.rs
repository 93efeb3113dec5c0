//! Claims without volumes, and volumes that cannot be mounted.

use super::{Of, ago, all, object};
use crate::diagnosis::Want;
use crate::diagnosis::line::Line;
use rstest::rstest;
use serde_json::{Value, json};

fn claim(spec: &Value, seconds: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "web", "creationTimestamp": ago(seconds)},
        "spec": spec, "status": {"phase": "Pending"},
    })
}

fn class(name: &str, is_default: bool) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": is_default.to_string()}},
    })
}

fn classes() -> Want {
    all("storage.k8s.io/v1", "StorageClass", None)
}

const NO_CLASS: &str = "no persistent volumes available for this claim and no storage class is set";

#[rstest]
#[case::class_missing(json!({"storageClassName": "fast"}), 40, "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found",
    Line::ClaimHopeless, "PersistentVolumeClaim web/data wants StorageClass fast, which does not exist; there are standard", "StorageClass fast")]
#[case::class_missing_at_first(json!({"storageClassName": "fast"}), 4, "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found",
    Line::ClaimWaiting, "PersistentVolumeClaim web/data wants StorageClass fast, which does not exist; there are standard", "StorageClass fast")]
#[case::no_class(json!({}), 40, "FailedBinding", NO_CLASS,
    Line::ClaimHopeless, "PersistentVolumeClaim web/data names no StorageClass, the cluster has no default one; there are standard, and no volume fits", "no default StorageClass")]
#[case::asks_for_no_class(json!({"storageClassName": ""}), 40, "FailedBinding", NO_CLASS,
    Line::ClaimHopeless, "PersistentVolumeClaim web/data asks for no StorageClass; there are standard, and no volume fits", "PersistentVolumeClaim web/data")]
#[case::consumer(json!({"storageClassName": "standard"}), 40, "WaitForFirstConsumer", "waiting for first consumer to be created before binding",
    Line::ClaimWaiting, "PersistentVolumeClaim web/data waits for a pod that mounts it to be scheduled", "PersistentVolumeClaim web/data")]
#[case::provisioner(json!({"storageClassName": "standard"}), 400, "ExternalProvisioning", "Waiting for a volume to be created either by the external provisioner 'x' or manually by the system administrator.",
    Line::ClaimWaiting, "PersistentVolumeClaim web/data waits for its provisioner: Waiting for a volume to be created either by the external provisioner 'x' or manually by the system administrator.", "PersistentVolumeClaim web/data of StorageClass standard")]
#[case::capacity(json!({"storageClassName": "standard"}), 400, "ProvisioningFailed", "failed to provision volume with StorageClass \"standard\": rpc error: code = ResourceExhausted desc = not enough space",
    Line::ClaimWaiting, "PersistentVolumeClaim web/data gets no volume: not enough space", "PersistentVolumeClaim web/data of StorageClass standard")]
fn claims(
    #[case] spec: Value,
    #[case] seconds: i64,
    #[case] reason: &str,
    #[case] message: &str,
    #[case] line: Line,
    #[case] why: &str,
    #[case] root: &str,
) {
    let of = Of::object(claim(&spec, seconds))
        .event("PersistentVolumeClaim/data", reason, message)
        .around(class("standard", false))
        .read(classes())
        .read(volumes());
    of.tells(line, why);
    assert_eq!(of.roots(), [root]);
}

#[test]
fn a_claim_without_events() {
    let bare = || Of::object(claim(&json!({"storageClassName": "fast"}), 40));
    bare().wants(&[classes()]);
    bare().tells(Line::ClaimWaiting, "PersistentVolumeClaim web/data is not bound to a volume");
    let why = "PersistentVolumeClaim web/data wants StorageClass fast, which does not exist; the cluster has none";
    bare().read(classes()).tells(Line::ClaimWaiting, why);
    bare().read(classes()).read(volumes()).tells(Line::ClaimHopeless, why);
    let mut unanswered = bare().read(classes());
    unanswered.0.unanswered.push(classes());
    unanswered.tells(Line::ClaimWaiting, "PersistentVolumeClaim web/data is not bound to a volume");
}

#[test]
fn a_default_class_that_has_come_is_given_to_the_claim() {
    let of = Of::object(claim(&json!({}), 40))
        .event("PersistentVolumeClaim/data", "FailedBinding", NO_CLASS)
        .around(class("standard", true))
        .read(classes());
    assert_eq!(of.told()[0].0, Line::ClaimWaiting);
}

const NO_OBJECT: &str = "storageclass.storage.k8s.io \"static\" not found";

fn volumes() -> Want {
    all("v1", "PersistentVolume", None)
}

/// A volume of class `static` that stands like this, for this claim.
fn volume(phase: &str, claim: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {"storageClassName": "static", "claimRef": claim, "capacity": {"storage": "1Gi"}}, "status": {"phase": phase},
    })
}

/// A claim of class `static` waits, with volumes that were read.
fn among(spec: &Value, volumes: impl IntoIterator<Item = Value>) -> Of {
    let mut claim = claim(spec, 40);
    claim["metadata"]["uid"] = json!("new");
    let of = Of::object(claim).event("PersistentVolumeClaim/data", "ProvisioningFailed", NO_OBJECT).read(classes());
    volumes.into_iter().fold(of, Of::around).read(self::volumes())
}

/// A volume binds to the claim it is held for, which is told by its UID; that a class has no object matters to nobody then.
#[rstest]
#[case::of_the_claim_before(json!({"storageClassName": "static"}), "Released", json!({"namespace": "web", "name": "data", "uid": "old"}),
    Line::ClaimHopeless, "PersistentVolumeClaim web/data is not bound: PersistentVolume disk is Released, and held for an earlier claim of this name", "PersistentVolume disk")]
#[case::of_another_claim(json!({"storageClassName": "static", "volumeName": "disk"}), "Bound", json!({"namespace": "web", "name": "other", "uid": "other"}),
    Line::ClaimHopeless, "PersistentVolumeClaim web/data is not bound: PersistentVolume disk is Bound, and held for claim web/other", "PersistentVolume disk")]
#[case::of_the_claim_itself(json!({"storageClassName": "static"}), "Available", json!({"namespace": "web", "name": "data", "uid": "new"}),
    Line::ClaimWaiting, "PersistentVolumeClaim web/data is not bound: none of the volumes of StorageClass static is free and fits", "PersistentVolumeClaim web/data of StorageClass static")]
#[case::of_another_name(json!({"storageClassName": "static"}), "Released", json!({"namespace": "web", "name": "other", "uid": "old"}),
    Line::ClaimWaiting, "PersistentVolumeClaim web/data is not bound: none of the volumes of StorageClass static is free and fits", "PersistentVolumeClaim web/data of StorageClass static")]
#[case::of_another_class(json!({"storageClassName": "fast"}), "Released", json!({"namespace": "web", "name": "data", "uid": "old"}),
    Line::ClaimHopeless, "PersistentVolumeClaim web/data wants StorageClass fast, which does not exist; the cluster has none", "StorageClass fast")]
fn a_volume_that_is_held(
    #[case] spec: Value,
    #[case] phase: &str,
    #[case] held_for: Value,
    #[case] line: Line,
    #[case] why: &str,
    #[case] root: &str,
) {
    let of = among(&spec, [volume(phase, &held_for)]);
    of.tells(line, why);
    assert_eq!(of.roots(), [root]);
}

/// A claim that binds by itself once its pod is scheduled, or for which a program makes a volume, does not wait for that of the claim before.
#[rstest]
#[case::another_is_free("local", "WaitForFirstConsumer", true, Line::ClaimWaiting, "PersistentVolumeClaim web/data")]
#[case::its_pod_is_not_scheduled("local", "WaitForPodScheduled", false, Line::ClaimWaiting, "PersistentVolume disk")]
#[case::a_program_makes_it(
    "ebs",
    "ProvisioningFailed",
    false,
    Line::ClaimWaiting,
    "PersistentVolumeClaim web/data of StorageClass ebs"
)]
#[case::none_is_free("local", "ProvisioningFailed", false, Line::ClaimHopeless, "PersistentVolume disk")]
fn a_volume_of_the_claim_before(
    #[case] of_class: &str,
    #[case] reason: &str,
    #[case] one_is_free: bool,
    #[case] line: Line,
    #[case] root: &str,
) {
    let mut class = class(of_class, false);
    class["provisioner"] = json!(if of_class == "local" { "kubernetes.io/no-provisioner" } else { "ebs.csi.aws.com" });
    let mut claim = claim(&json!({"storageClassName": of_class}), 40);
    claim["metadata"]["uid"] = json!("new");
    let held = |name: &str, phase: &str, of: Value| {
        let mut volume = volume(phase, &of);
        volume["metadata"]["name"] = json!(name);
        volume["spec"]["storageClassName"] = json!(of_class);
        volume
    };
    let mut of = Of::object(claim).event("PersistentVolumeClaim/data", reason, "it is not there yet");
    of = of.around(class).read(classes()).read(volumes());
    of = of.around(held("disk", "Released", json!({"namespace": "web", "name": "data", "uid": "old"})));
    if one_is_free {
        of = of.around(held("free", "Available", json!(null)));
    }
    assert_eq!((of.told()[0].0, of.roots()), (line, vec![root.to_owned()]));
}

/// A claim that names its volume waits for that one only.
#[test]
fn a_volume_of_the_claim_before_where_another_is_named() {
    let mut other = volume("Available", &json!(null));
    other["metadata"]["name"] = json!("other");
    let of = among(
        &json!({"storageClassName": "static", "volumeName": "other"}),
        [volume("Released", &json!({"namespace": "web", "name": "data", "uid": "old"})), other],
    );
    assert_eq!(of.told()[0].0, Line::ClaimWaiting);
    assert_eq!(of.roots(), ["PersistentVolumeClaim web/data of StorageClass static"]);
}

/// What could not be read is not absent; and a volume that a program has made says that its class had an object.
#[rstest]
#[case::not_answered(None, Line::ClaimWaiting)]
#[case::none(Some(vec![]), Line::ClaimHopeless)]
#[case::made_by_people(Some(vec![json!({})]), Line::ClaimWaiting)]
#[case::made_by_a_program(Some(vec![json!({"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"})]), Line::ClaimHopeless)]
fn a_class_that_is_gone(#[case] answer: Option<Vec<Value>>, #[case] line: Line) {
    let is_by_people = answer == Some(vec![json!({})]);
    let found = answer.iter().flatten().map(|annotations| {
        let mut volume = volume("Bound", &json!({"namespace": "web", "name": "other", "uid": "other"}));
        volume["metadata"]["annotations"] = annotations.clone();
        volume
    });
    let mut of = among(&json!({"storageClassName": "static"}), found);
    if answer.is_none() {
        of.0.unanswered.push(volumes());
    }
    let root =
        if is_by_people { "PersistentVolumeClaim web/data of StorageClass static" } else { "StorageClass static" };
    assert_eq!((of.told()[0].0, of.roots()), (line, vec![root.to_owned()]));
}

#[test]
fn how_a_volume_is_given_to_the_new_claim() {
    let of = among(
        &json!({"storageClassName": "static"}),
        [volume("Released", &json!({"namespace": "web", "name": "data", "uid": "old"}))],
    );
    let next = crate::causes(&of.0, super::now()).remove(0).next;
    let patch = "if its data is wanted: kubectl patch pv disk --type=merge -p '{\"spec\":{\"claimRef\":{\"uid\":null,\"resourceVersion\":null}}}'";
    assert!(next.iter().any(|line| line == patch), "{next:?}");
}

/// Volumes are read where nothing makes them.
#[rstest]
#[case::no_such_class("static", json!({"storageClassName": "static"}), true)]
#[case::made_by_people("kubernetes.io/no-provisioner", json!({"storageClassName": "standard"}), true)]
#[case::made_by_a_program("example.com/disks", json!({"storageClassName": "standard"}), false)]
#[case::named("example.com/disks", json!({"storageClassName": "standard", "volumeName": "disk"}), true)]
fn when_volumes_are_read(#[case] provisioner: &str, #[case] spec: Value, #[case] expected: bool) {
    let mut class = class("standard", false);
    class["provisioner"] = json!(provisioner);
    let of = Of::object(claim(&spec, 40)).around(class).read(classes());
    assert_eq!(crate::wanted(&of.0, super::now()).contains(&volumes()), expected);
    // Who may not list classes is told by the event that there is none of this name.
    let mut said = Of::object(claim(&json!({"storageClassName": "static"}), 40));
    said = said.event("PersistentVolumeClaim/data", "ProvisioningFailed", NO_OBJECT).read(classes());
    said.0.unanswered.push(classes());
    assert!(crate::wanted(&said.0, super::now()).contains(&volumes()));
    let pod = unscheduled(UNBOUND, 40).around(claim(&json!({"storageClassName": "static"}), 40)).read(classes());
    assert!(crate::wanted(&pod.0, super::now()).contains(&volumes()));
}

fn unscheduled(message: &str, seconds: i64) -> Of {
    Of::web().pod_since(
        seconds,
        &json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}),
        &json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": ago(seconds),
        }]}),
    )
}

const UNBOUND: &str = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";

#[test]
fn a_pod_that_waits_for_its_claim() {
    let of = unscheduled(UNBOUND, 40);
    of.wants(&[Want::Object(object("v1", "PersistentVolumeClaim/web/data")), classes()]);
    of.tells(Line::ClaimWaiting, "PersistentVolumeClaim web/data is not bound to a volume");
    let of = of.around(claim(&json!({"storageClassName": "fast"}), 40)).read(classes()).read(volumes());
    of.tells(
        Line::ClaimHopeless,
        "PersistentVolumeClaim web/data wants StorageClass fast, which does not exist; the cluster has none",
    );
    assert_eq!(of.roots(), ["StorageClass fast"]);
}

#[rstest]
#[case(3, Line::ClaimMissingYet)]
#[case(31, Line::ClaimMissing)]
fn a_claim_that_is_missing(#[case] seconds: i64, #[case] line: Line) {
    let of = unscheduled("0/2 nodes are available: persistentvolumeclaim \"data\" not found. not found", seconds);
    of.tells(line, "PersistentVolumeClaim web/data does not exist, and a volume of the pod is to be it");
}

#[rstest]
#[case::no_folder(
    "MountVolume.SetUp failed for volume \"data\" : hostPath type check failed: /srv/x is not a directory",
    31,
    Line::MountHopeless,
    "volume data: MountVolume.SetUp failed for volume \"data\" : hostPath type check failed: /srv/x is not a directory"
)]
#[case::no_socket(
    "MountVolume.SetUp failed for volume \"data\" : hostPath type check failed: /run/x.sock is not a socket file",
    600,
    Line::MountFailing,
    "volume data: MountVolume.SetUp failed for volume \"data\" : hostPath type check failed: /run/x.sock is not a socket file"
)]
#[case::attached_elsewhere(
    "Multi-Attach error for volume \"pvc-1\" Volume is already exclusively attached to one node and can't be attached to another",
    300,
    Line::MountFailing,
    "volume pvc-1: Multi-Attach error for volume \"pvc-1\" Volume is already exclusively attached to one node and can't be attached to another"
)]
#[case::driver(
    "MountVolume.MountDevice failed for volume \"data\" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name x not found in the list of registered CSI drivers",
    300,
    Line::MountFailing,
    "volume data: MountVolume.MountDevice failed for volume \"data\" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name x not found in the list of registered CSI drivers"
)]
fn mounts_that_fail(#[case] message: &str, #[case] seconds: i64, #[case] line: Line, #[case] why: &str) {
    let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    Of::web()
        .container_since(seconds, &waiting)
        .events("Pod/web-1", "FailedMount", message, 3, seconds)
        .tells(line, why);
}

#[test]
fn a_folder_that_something_else_may_make() {
    let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    let message =
        "MountVolume.SetUp failed for volume \"data\" : hostPath type check failed: /srv/x is not a directory";
    let of = Of::web().container_since(60, &waiting).events("Pod/web-1", "FailedMount", message, 3, 60);
    let of = of.beside("apps/v1", "DaemonSet/web/agent");
    of.tells(Line::MountFailing, &format!("volume data: {message}"));
}

#[rstest]
#[case("FailedAttachVolume", "AttachVolume.Attach failed for volume \"data\" : rpc error: no such disk")]
#[case("FailedMapVolume", "MapVolume.SetUpDevice failed for volume \"data\" : no such device")]
#[case(
    "FailedMountOnFilesystemMismatch",
    "MountVolume.MountDevice failed for volume \"data\" : it has xfs, asked for ext4"
)]
fn what_the_node_says_of_a_volume(#[case] reason: &str, #[case] message: &str) {
    let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    let of = Of::web().container_since(60, &waiting).events("Pod/web-1", reason, message, 3, 60);
    of.tells(Line::MountFailing, &format!("volume data: {message}"));
}
