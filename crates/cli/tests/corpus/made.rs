//! Cases that are made of tables: of every reason for which a kubelet rejects a pod, every reason for which a container waits, what the
//! scheduler says of nodes, the warnings about volumes and sandboxes, and conditions of any kind. The tables are taken from
//! Kubernetes' sources, not from the rules, so that a reason that the rules do not know shows up; which codes they must get is said
//! here, by what Kubernetes means with them.

#![expect(clippy::needless_pass_by_value, reason = "what is made is handed on")]

use crate::kubernetes::{REJECTED, REMOVED, WARNINGS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The node of pods for which no kubelet speaks.
const NOWHERE: &str = "nowhere";

static MADE: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let families =
        [rejected(), waiting(), unscheduled(), volumes(), conditions(), jobs(), claims(), healed(), suspicious()];
    let mut made = BTreeMap::new();
    for (name, case) in families.into_iter().flatten() {
        // Long messages are cut for a name, and some begin alike.
        let name = if made.contains_key(&name) { format!("{name}-2") } else { name };
        let before = made.insert(name.clone(), case.to_string());
        assert!(before.is_none(), "two cases named {name}");
    }
    made
});

/// The names of all of them.
pub(crate) fn names() -> impl Iterator<Item = String> {
    MADE.keys().cloned()
}

/// What would stand in the file of a case.
pub(crate) fn text(name: &str) -> Option<String> {
    MADE.get(name).cloned()
}

type Made = (String, Value);

/// A name of it that a namespace may have.
fn named(family: &str, of: &str) -> String {
    let letters = of.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    format!("{family}-{}", letters.collect::<String>().trim_matches('-'))
}

/// A case with these keys and those of both.
fn with(mut case: Value, more: &Value) -> Value {
    case.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    case
}

/// A Deployment whose pods are on the node that nobody has, and what is said of them.
fn on_nowhere(code: &str, breaks: &str, word: &str, acts: Value) -> Value {
    json!({ "code": code, "object": "Deployment/web", "breaks": breaks, "values": { "pod": { "nodeName": NOWHERE } },
        "acts": acts, "seconds": 8, "words": [word] })
}

fn scheduled() -> Value {
    json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": "NOW" })
}

/// Every reason for which a kubelet rejects or removes a pod.
fn rejected() -> Vec<Made> {
    let case = |code: &str, reason: &str, message: &str, name: &str| {
        let phase = if reason == "NodeLost" { "Running" } else { "Failed" };
        let status = json!({ "phase": phase, "reason": reason, "message": message, "conditions": [scheduled()] });
        let acts = json!([{ "status": status, "at_most": 4 }]);
        (named("rejected", name), on_nowhere(code, &format!("Its node fails the pods: {reason}."), reason, acts))
    };
    let rejected = REJECTED.iter().map(|(reason, message)| {
        // As `rejectPod` in kubelet.go says it.
        case("POD_REJECTED", reason, &format!("Pod was rejected: {message}"), reason)
    });
    let removed = REMOVED.iter().map(|(reason, message, name)| case("POD_EVICTED", reason, message, name));
    rejected.chain(removed).collect()
}

/// The status of the only container, as the kubelet gives it.
fn container(state: Value, more: &Value) -> Value {
    let status = json!({ "name": "web", "ready": false, "restartCount": 0, "image": "pilothouse.dev/workload:1", "imageID": "", "state": state });
    with(status, more)
}

fn pending(container: Value) -> Value {
    json!({ "phase": "Pending", "startTime": "NOW", "conditions": [scheduled()], "containerStatuses": [container] })
}

fn running(container: Value) -> Value {
    with(pending(container), &json!({ "phase": "Running" }))
}

fn waits(reason: &str, message: &str) -> Value {
    pending(container(json!({ "waiting": { "reason": reason, "message": message } }), &json!({})))
}

/// A container that has ended like this, so often, and waits to be started again.
fn loops(restarts: i64, ended: Value) -> Value {
    let ended = with(ended, &json!({ "startedAt": "NOW", "finishedAt": "NOW", "containerID": "containerd://1" }));
    let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=web" } });
    running(container(waiting, &json!({ "restartCount": restarts, "lastState": { "terminated": ended } })))
}

const IMAGE: &str = "pilothouse.dev/workload:1";

/// Every reason for which a container waits.
fn waiting() -> Vec<Made> {
    let pull = |said: &str| {
        format!("failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": {said}")
    };
    let rows: Vec<(&str, &str, &str, String)> = vec![
        ("manifest-unknown", "IMAGE_NOT_FOUND", "ErrImagePull", pull(&format!("{IMAGE}: not found"))),
        ("name-unknown", "IMAGE_NOT_FOUND", "ErrImagePull", "reading manifest 1 in pilothouse.dev/workload: name unknown: repository name not known to registry".to_owned()),
        ("no-platform", "IMAGE_NOT_FOUND", "ErrImagePull", "no match for platform in manifest: not found".to_owned()),
        ("unauthorized", "IMAGE_PULL_DENIED", "ErrImagePull", pull("unexpected status from HEAD request to https://pilothouse.dev/v2/workload/manifests/1: 401 Unauthorized")),
        ("no-basic-auth", "IMAGE_PULL_DENIED", "ErrImagePull", pull("no basic auth credentials")),
        ("forbidden", "IMAGE_PULL_DENIED", "ErrImagePull", pull("unexpected status from HEAD request to https://pilothouse.dev/v2/workload/manifests/1: 403 Forbidden")),
        ("no-such-host", "REGISTRY_UNREACHABLE", "ErrImagePull", pull("failed to do request: Head \"https://pilothouse.dev/v2/workload/manifests/1\": dial tcp: lookup pilothouse.dev on 10.0.0.10:53: no such host")),
        ("timeout", "REGISTRY_UNREACHABLE", "ErrImagePull", pull("failed to do request: Head \"https://pilothouse.dev/v2/workload/manifests/1\": dial tcp 10.1.2.3:443: i/o timeout")),
        ("certificate", "REGISTRY_UNREACHABLE", "ErrImagePull", pull("failed to do request: Head \"https://pilothouse.dev/v2/workload/manifests/1\": tls: failed to verify certificate: x509: certificate signed by unknown authority")),
        ("too-many-requests", "REGISTRY_UNREACHABLE", "ErrImagePull", pull("unexpected status from GET request to https://pilothouse.dev/v2/workload/manifests/1: 429 Too Many Requests: toomanyrequests: You have reached your pull rate limit")),
        ("plain-http", "REGISTRY_UNREACHABLE", "ErrImagePull", pull("failed to do request: Head \"https://pilothouse.dev/v2/workload/manifests/1\": http: server gave HTTP response to HTTPS client")),
        ("no-space", "IMAGE_PULL_FAILED", "ErrImagePull", format!("failed to pull and unpack image \"{IMAGE}\": failed to extract layer: write /var/lib/containerd/tmp: no space left on device")),
        ("wrong-digest", "IMAGE_PULL_FAILED", "ErrImagePull", format!("failed to pull and unpack image \"{IMAGE}\": failed commit on ref \"layer-sha256:1\": unexpected commit digest sha256:2, expected sha256:1: failed precondition")),
        ("never-pulled", "IMAGE_NOT_FOUND", "ErrImageNeverPull", format!("Container image \"{IMAGE}\" is not present with pull policy of Never")),
        ("invalid-name", "IMAGE_NAME_INVALID", "InvalidImageName", format!("Failed to apply default image tag \"{IMAGE}\": couldn't parse image name \"{IMAGE}\": invalid reference format")),
        ("inspect", "IMAGE_PULL_FAILED", "ImageInspectError", format!("Failed to inspect image \"{IMAGE}\": rpc error: code = Unknown desc = short name mode is enforcing, but image name returns ambiguous list")),
        ("registry-unavailable", "REGISTRY_UNREACHABLE", "RegistryUnavailable", "RegistryUnavailable: unable to reach the registry".to_owned()),
        ("image-volume", "VOLUME_MOUNT_FAILED", "CreateContainerError", "ImageVolumeMountFailed: failed to mount image volume \"models\": mount /var/lib/containerd/1: input/output error".to_owned()),
        ("signature", "IMAGE_PULL_FAILED", "SignatureValidationFailed", "SignatureValidationFailed: Source image rejected: A signature was required, but no signature exists".to_owned()),
        ("secret", "SECRET_MISSING", "CreateContainerConfigError", "secret \"db\" not found".to_owned()),
        ("configmap", "CONFIGMAP_MISSING", "CreateContainerConfigError", "configmap \"settings\" not found".to_owned()),
        ("root", "CONTAINER_CONFIG_INVALID", "CreateContainerConfigError", "container has runAsNonRoot and image will run as root (pod: \"web\", container: web)".to_owned()),
        ("user-name", "CONTAINER_CONFIG_INVALID", "CreateContainerConfigError", "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root (pod: \"web\", container: web)".to_owned()),
        ("sub-path", "CONTAINER_CONFIG_INVALID", "CreateContainerConfigError", "failed to create subPath directory for volumeMount \"data\" of container \"web\"".to_owned()),
        ("no-command", "CONTAINER_CONFIG_INVALID", "CreateContainerError", "failed to generate container spec: failed to generate spec: no command specified".to_owned()),
        ("name-reserved", "CONTAINER_CONFIG_INVALID", "CreateContainerError", "failed to reserve container name \"web_web_1\": name \"web_web_1\" is reserved for \"1\"".to_owned()),
        ("create-timeout", "CONTAINER_CONFIG_INVALID", "CreateContainerError", "context deadline exceeded".to_owned()),
        ("not-executable", "CRASH_LOOP", "RunContainerError", "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"/app\": permission denied".to_owned()),
        ("no-program", "CRASH_LOOP", "RunContainerError", "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"serv\": executable file not found in $PATH: unknown".to_owned()),
        ("mount-of-a-file", "CONTAINER_CONFIG_INVALID", "RunContainerError", "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting \"/var/lib/kubelet/pods/1/volumes/a\" to rootfs at \"/etc/app.conf\": mount src=/a, dst=/etc/app.conf: not a directory: Are you trying to mount a directory onto a file (or vice-versa)?".to_owned()),
        ("pre-create", "CONTAINER_CONFIG_INVALID", "PreCreateHookError", "the hook before the creation has failed".to_owned()),
        ("pre-start", "CONTAINER_CONFIG_INVALID", "PreStartHookError", "the hook before the start has failed".to_owned()),
        ("post-start", "POST_START_FAILED", "PostStartHookError", "Exec lifecycle hook ([/warm-up]) for Container \"web\" failed - error: command '/warm-up' exited with 1".to_owned()),
    ];
    let mut made: Vec<Made> = rows
        .into_iter()
        .map(|(name, code, reason, message)| {
            let breaks = format!("The container waits: {reason}, {name}.");
            let acts = json!([{ "status": waits(reason, &message) }]);
            (named("waits", name), on_nowhere(code, &breaks, reason, acts))
        })
        .collect();
    let probe = |which: &str| json!(["Killing", format!("Container web failed {which} probe, will be restarted")]);
    let killed = json!({ "exitCode": 137, "reason": "Error" });
    let ends: Vec<(&str, &str, Value, Value)> = vec![
        ("error", "CRASH_LOOP", json!({ "exitCode": 1, "reason": "Error" }), Value::Null),
        ("by-itself", "CRASH_LOOP", json!({ "exitCode": 0, "reason": "Completed" }), Value::Null),
        ("oom", "OOM_KILLED", json!({ "exitCode": 137, "reason": "OOMKilled" }), Value::Null),
        (
            "cannot-run",
            "CRASH_LOOP",
            json!({ "exitCode": 127, "reason": "ContainerCannotRun", "message": "exec: \"serv\": executable file not found in $PATH" }),
            Value::Null,
        ),
        (
            "start-error",
            "CRASH_LOOP",
            json!({ "exitCode": 128, "reason": "StartError", "message": "failed to create containerd task: exec: \"/app\": permission denied" }),
            Value::Null,
        ),
        (
            "status-unknown",
            "CRASH_LOOP",
            json!({ "exitCode": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located when the pod was terminated" }),
            Value::Null,
        ),
        ("segmentation-fault", "CRASH_LOOP", json!({ "exitCode": 139, "reason": "Error" }), Value::Null),
        ("liveness", "PROBE_FAILING", killed.clone(), probe("liveness")),
        ("startup", "PROBE_FAILING", killed, probe("startup")),
    ];
    made.extend(ends.into_iter().map(|(name, code, ended, warns)| {
        let mut act = json!({ "status": loops(2, ended) });
        if !warns.is_null() {
            act["warns"] = warns;
        }
        (
            named("ends", name),
            on_nowhere(code, &format!("The program ends again and again: {name}."), "CrashLoopBackOff", json!([act])),
        )
    }));
    made
}

/// What the scheduler says of nodes, as its plugins word it: `ErrReason...` in Kubernetes' pkg/scheduler/framework/plugins (1.36.2,
/// and what versions before it said of taints and volumes).
fn unscheduled() -> Vec<Made> {
    let rows = [
        ("UNSCHEDULABLE_RESOURCES", "0/3 nodes are available: 3 Insufficient cpu."),
        (
            "UNSCHEDULABLE_RESOURCES",
            "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {dedicated: db}.",
        ),
        ("UNSCHEDULABLE_RESOURCES", "0/3 nodes are available: 3 Insufficient ephemeral-storage."),
        (
            "UNSCHEDULABLE_RESOURCES",
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
        ),
        ("UNSCHEDULABLE_RESOURCES", "0/3 nodes are available: 3 Insufficient hugepages-2Mi."),
        ("UNSCHEDULABLE_RESOURCES", "0/3 nodes are available: 3 Too many pods."),
        (
            "UNSCHEDULABLE_RESOURCES",
            "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports.",
        ),
        ("UNSCHEDULABLE_RESOURCES", "no nodes available to schedule pods"),
        ("UNSCHEDULABLE_TAINT", "0/3 nodes are available: 3 node(s) were unschedulable."),
        (
            "UNSCHEDULABLE_TAINT",
            "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
        ),
        (
            "UNSCHEDULABLE_TAINT",
            "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.",
        ),
        ("UNSCHEDULABLE_TAINT", "0/3 nodes are available: 3 node(s) had untolerated taint(s)."),
        (
            "UNSCHEDULABLE_TAINT",
            "0/3 nodes are available: 3 node(s) had taint {dedicated: db}, that the pod didn't tolerate.",
        ),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) didn't match pod affinity rules."),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."),
        (
            "UNSCHEDULABLE_AFFINITY",
            "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.",
        ),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints."),
        (
            "UNSCHEDULABLE_AFFINITY",
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints (missing required label).",
        ),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) had volume node affinity conflict."),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) had no available volume zone."),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) exceed max volume count."),
        (
            "UNSCHEDULABLE_AFFINITY",
            "0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
        ),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: 3 node(s) didn't match scheduler-enforced node affinity."),
        ("UNSCHEDULABLE_AFFINITY", "0/3 nodes are available: pod affinity terms conflict. not found"),
        (
            "UNSCHEDULABLE_RESOURCES",
            "0/3 nodes are available: 3 cannot allocate all claims. still not schedulable, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
        ),
        ("UNSCHEDULABLE_RESOURCES", "0/3 nodes are available: 3 resourceclaim not available on the node."),
        (
            "CLASS_MISSING",
            "0/3 nodes are available: request gpu: device class gpu.example.com does not exist. not found",
        ),
        (
            "PVC_UNBOUND",
            "0/3 nodes are available: 3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
        ),
        (
            "PVC_UNBOUND",
            "0/3 nodes are available: persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"pv-1\". not found",
        ),
        (
            "PVC_UNBOUND",
            "0/3 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim \"web-data\". not found",
        ),
        ("VOLUME_MOUNT_FAILED", "0/3 nodes are available: 3 node(s) had no available disk."),
        ("VOLUME_MOUNT_FAILED", "0/3 nodes are available: 3 ebs.csi.aws.com CSI driver is not installed on the node."),
        ("PVC_UNBOUND", "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"),
        ("PVC_UNBOUND", "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind."),
        ("VOLUME_MOUNT_FAILED", "0/3 nodes are available: persistentvolumeclaim \"data\" not found. not found"),
        (
            "VOLUME_MOUNT_FAILED",
            "0/3 nodes are available: 3 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.",
        ),
    ];
    let case = |(code, message): (&str, &str)| {
        let short =
            message.trim_start_matches("0/3 nodes are available: ").trim_start_matches(|c: char| !c.is_alphabetic());
        let end = short.char_indices().nth(42).map_or(short.len(), |(at, _)| at);
        let short = short[..end].to_owned();
        let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": "NOW" });
        let acts = json!([{ "status": { "conditions": [condition] } }]);
        let values = json!({ "pod": { "schedulerName": "nobody" } });
        let case = json!({ "code": code, "object": "Deployment/web", "also": ["PersistentVolumeClaim/data"], "breaks": format!("The scheduler says: {message}"),
            "values": values, "acts": acts, "seconds": 8, "words": ["Unschedulable"] });
        (named("scheduler", &short), case)
    };
    rows.into_iter().map(case).collect()
}

/// The warnings about volumes and sandboxes.
fn volumes() -> Vec<Made> {
    let case = |(code, reason, message, name): &(&str, &str, &str, &str)| {
        let acts = json!([{ "status": waits("ContainerCreating", ""), "warns": [reason, message] }]);
        (named("warns", name), on_nowhere(code, &format!("Its node says of the pods: {reason}."), reason, acts))
    };
    WARNINGS.iter().map(case).collect()
}

fn definition() -> Value {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let version =
        json!({ "name": "v1", "served": true, "storage": true, "schema": schema, "subresources": { "status": {} } });
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.made.example.com" },
        "spec": { "group": "made.example.com", "scope": "Namespaced", "versions": [version],
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" } } })
}

/// A release of one custom resource, of which its controller says this.
fn widget(status: &Value) -> Value {
    let widget = json!({ "apiVersion": "made.example.com/v1", "kind": "Widget", "metadata": { "name": "web" }, "spec": { "size": 3 } });
    json!({ "before": [definition()], "values": { "kind": "", "objects": [widget] },
        "acts": [{ "path": "/apis/made.example.com/v1/namespaces/THE_NAMESPACE/widgets/web", "status": status }] })
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "NOW", "observedGeneration": 1 })
}

/// Conditions of a custom resource, good and bad ones, with what their controller gives as the reason.
fn conditions() -> Vec<Made> {
    let rows = [
        ("Ready", "False", "BucketMissing", "no backup bucket named b1"),
        ("Available", "False", "MinimumMembersUnavailable", "1 of 3 members answers"),
        ("Healthy", "False", "HealthCheckFailed", "the leader does not answer"),
        ("Synced", "False", "ReconcileError", "cannot assume role arn:aws:iam::1:role/db: access denied"),
        ("Accepted", "False", "UnsupportedValue", "size 3 is not one of 1, 5"),
        ("Programmed", "False", "AddressNotUsable", "the address 10.0.0.1 is taken"),
        ("ResolvedRefs", "False", "BackendNotFound", "Service web/api does not exist"),
        ("Reconciled", "False", "TemplateError", "the template has an error in line 3"),
        ("Established", "False", "NotAccepted", "not all names are accepted"),
        ("Initialized", "False", "RestoreFailed", "the snapshot s1 cannot be read"),
        ("Valid", "False", "InvalidSpec", "spec.size is too small"),
        ("Provisioned", "False", "QuotaExceeded", "the project has no more volumes"),
        ("Deployed", "False", "InstallFailed", "install retries exhausted"),
        ("Issued", "False", "DoesNotExist", "the issuer letsencrypt does not exist"),
        ("Succeeded", "False", "StepFailed", "step build has failed with exit code 1"),
        ("Complete", "False", "BackoffLimitExceeded", "it has been tried 6 times"),
        ("Degraded", "True", "MemberLost", "member 2 is lost for good"),
        ("Stalled", "True", "RetriesExceeded", "the retries are used up"),
        ("Failed", "True", "SchemaMismatch", "the schema is newer than the program"),
        ("ReconcileError", "True", "Conflict", "another operator manages the object"),
        ("ConfigError", "True", "UnknownKey", "the key colour is not known"),
        ("NotReady", "True", "LicenceExpired", "the licence has expired"),
    ];
    let case = |(kind, status, reason, message): (&str, &str, &str, &str)| {
        let mut case =
            widget(&json!({ "observedGeneration": 1, "conditions": [condition(kind, status, reason, message)] }));
        case["seconds"] = json!(8);
        let breaks = format!("Its controller says of the custom resource: {kind} is {status}, {reason}.");
        let told = json!({ "code": "CONDITION_NOT_MET", "object": "Widget/web", "breaks": breaks, "words": [message] });
        (named("condition", kind), with(case, &told))
    };
    rows.into_iter().map(case).collect()
}

/// Jobs that fail for good, each for another reason of the Job controller.
fn jobs() -> Vec<Made> {
    let job = |more: &Value| {
        let pod = json!({ "restartPolicy": "Never", "nodeName": NOWHERE, "containers": [{ "name": "import", "image": IMAGE }] });
        let spec = with(json!({ "template": { "spec": pod } }), more);
        json!({ "kind": "", "objects": [{ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "import" }, "spec": spec }] })
    };
    let ended = json!({ "terminated": { "exitCode": 42, "reason": "Error", "startedAt": "NOW", "finishedAt": "NOW" } });
    let mut failed = pending(container(ended, &json!({})));
    failed["phase"] = json!("Failed");
    failed["containerStatuses"][0]["name"] = json!("import");
    let rule =
        json!({ "action": "FailJob", "onExitCodes": { "containerName": "import", "operator": "In", "values": [42] } });
    let rows = [
        ("BackoffLimitExceeded", json!({ "backoffLimit": 0 })),
        ("PodFailurePolicy", json!({ "podFailurePolicy": { "rules": [rule] } })),
        ("FailedIndexes", json!({ "completionMode": "Indexed", "completions": 1, "backoffLimitPerIndex": 0 })),
        (
            "MaxFailedIndexesExceeded",
            json!({ "completionMode": "Indexed", "completions": 3, "parallelism": 1, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0 }),
        ),
    ];
    let case = |(reason, spec): (&str, Value)| {
        let case = json!({ "code": "JOB_FAILED", "object": "Job/import", "breaks": format!("The Job fails for good: {reason}."),
            "values": job(&spec), "acts": [{ "status": failed }], "seconds": 12, "words": [reason] });
        (named("job", reason), case)
    };
    rows.into_iter().map(case).collect()
}

/// Claims and load balancers of which their controllers give a reason.
fn claims() -> Vec<Made> {
    let class = json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "made" }, "provisioner": "example.com/made" });
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
        "spec": { "storageClassName": "made", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
        "spec": { "type": "LoadBalancer", "loadBalancerClass": "example.com/made", "selector": { "app": "web" }, "ports": [{ "port": 80 }] } });
    let of_claim = |reason: &str, message: &str| {
        let path = "/api/v1/namespaces/THE_NAMESPACE/persistentvolumeclaims/data";
        let case = json!({ "code": "PVC_UNBOUND", "object": "PersistentVolumeClaim/data", "breaks": format!("The provisioner says of the claim: {reason}, {message}."),
            "before": [class], "values": { "kind": "", "objects": [claim] }, "acts": [{ "path": path, "warns": [reason, message] }], "seconds": 8, "words": [message] });
        (named("claim", message), case)
    };
    let of_service = |reason: &str, message: &str| {
        let path = "/api/v1/namespaces/THE_NAMESPACE/services/web";
        let case = json!({ "code": "LOAD_BALANCER_PENDING", "object": "Service/web", "breaks": format!("The cloud says of the load balancer: {reason}."),
            "values": { "kind": "", "objects": [service] }, "acts": [{ "path": path, "warns": [reason, message] }], "seconds": 8, "words": [message] });
        (named("service", reason), case)
    };
    vec![
        of_claim("ProvisioningFailed", "failed to provision volume: no space left in pool"),
        of_claim("ProvisioningFailed", "failed to get zone: permission denied"),
        of_claim("ProvisioningFailed", "invalid AccessModes ReadWriteMany"),
        of_service(
            "SyncLoadBalancerFailed",
            "Error syncing load balancer: failed to ensure load balancer: no subnets found",
        ),
        of_service(
            "SyncLoadBalancerFailed-quota",
            "Error syncing load balancer: failed to ensure load balancer: quota of addresses is used up",
        ),
    ]
    .into_iter()
    .map(|(name, mut case)| {
        if let Some(reason) = case.pointer_mut("/acts/0/warns/0") {
            *reason = json!(reason.as_str().unwrap().split('-').next().unwrap());
        }
        (name, case)
    })
    .collect()
}

/// A pod that runs and is ready.
fn ready() -> Value {
    let state = json!({ "running": { "startedAt": "NOW" } });
    let yes = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": "NOW" });
    let mut status = running(container(state, &json!({ "ready": true, "started": true })));
    status["conditions"] = json!([yes("PodScheduled"), yes("Initialized"), yes("ContainersReady"), yes("Ready")]);
    status
}

fn ends_well(breaks: &str, more: &Value) -> Value {
    with(json!({ "ends_well": true, "breaks": breaks, "seconds": 30 }), more)
}

/// What passes by itself: after some seconds the pods are ready.
fn healed() -> Vec<Made> {
    let first = [
        (
            "pull",
            waits("ImagePullBackOff", &format!("Back-off pulling image \"{IMAGE}\": ErrImagePull: {IMAGE}: not found")),
        ),
        ("denied", waits("ErrImagePull", "unexpected status from HEAD request: 401 Unauthorized")),
        ("registry", waits("ErrImagePull", "dial tcp: lookup pilothouse.dev: no such host")),
        ("secret", waits("CreateContainerConfigError", "secret \"db\" not found")),
        ("configmap", waits("CreateContainerConfigError", "configmap \"settings\" not found")),
        ("create", waits("CreateContainerError", "context deadline exceeded")),
        ("creating", waits("ContainerCreating", "")),
        ("crash", loops(1, json!({ "exitCode": 1, "reason": "Error" }))),
        ("crash-three-times", loops(2, json!({ "exitCode": 1, "reason": "Error" }))),
        ("oom", loops(1, json!({ "exitCode": 137, "reason": "OOMKilled" }))),
        ("probe", running(container(json!({ "running": { "startedAt": "NOW" } }), &json!({ "started": true })))),
    ];
    let case = |(name, status): (&str, Value)| {
        let acts = json!([{ "status": status }, { "status": ready(), "after_in_seconds": 4 }]);
        let values = json!({ "pod": { "nodeName": NOWHERE } });
        (
            named("heals", name),
            ends_well(&format!("It heals after some seconds: {name}."), &json!({ "values": values, "acts": acts })),
        )
    };
    let mut made: Vec<Made> = first.into_iter().map(case).collect();
    for (name, reason, message) in [
        (
            "mount",
            "FailedMount",
            "MountVolume.SetUp failed for volume \"data\" : rpc error: code = Internal desc = driver is starting",
        ),
        (
            "attach",
            "FailedAttachVolume",
            "Multi-Attach error for volume \"pvc-1\" Volume is already used by pod(s) old",
        ),
        ("sandbox", "FailedCreatePodSandBox", "Failed to create pod sandbox: cni plugin not initialized"),
    ] {
        let acts = json!([{ "status": waits("ContainerCreating", ""), "warns": [reason, message] }, { "status": ready(), "after_in_seconds": 4 }]);
        let more = json!({ "values": { "pod": { "nodeName": NOWHERE } }, "acts": acts });
        made.push((named("heals", name), ends_well(&format!("It heals after some seconds: {name}."), &more)));
    }
    for (name, message) in [
        ("resources", "0/3 nodes are available: 3 Insufficient cpu."),
        ("taint", "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."),
    ] {
        let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": "NOW" });
        let acts = json!([{ "status": { "conditions": [condition] } }, { "status": ready(), "after_in_seconds": 4 }]);
        let more = json!({ "values": { "pod": { "schedulerName": "nobody" } }, "acts": acts });
        made.push((named("heals", name), ends_well(&format!("Nodes come after some seconds: {name}."), &more)));
    }
    made
}

/// What looks bad to a hasty reader and is as it should be.
fn suspicious() -> Vec<Made> {
    let yes = || condition("Ready", "True", "AllGood", "");
    let statuses = [
        (
            "part-of-it",
            json!({ "conditions": [condition("UnhealthyReplicas", "True", "OneIsDown", "one of five is down"), yes()] }),
        ),
        ("degraded-false", json!({ "conditions": [condition("Degraded", "False", "AsExpected", ""), yes()] })),
        ("stalled-false", json!({ "conditions": [condition("Stalled", "False", "Progressing", ""), yes()] })),
        ("last-error", json!({ "lastError": "the leader was lost for a second", "conditions": [yes()] })),
        ("progressing-over", json!({ "conditions": [condition("Progressing", "False", "Done", ""), yes()] })),
        (
            "updating-false",
            json!({ "conditions": [condition("Updating", "False", "AsExpected", ""), condition("Available", "True", "AsExpected", "")] }),
        ),
        ("phase", json!({ "phase": "Running", "failedAttempts": 3 })),
        ("sentence", json!({ "state": "all members are ready" })),
        ("counts", json!({ "readyReplicas": 3, "replicas": 3, "unavailableReplicas": 0 })),
    ];
    let mut made: Vec<Made> = statuses
        .into_iter()
        .map(|(name, status)| {
            let status = with(status, &json!({ "observedGeneration": 1 }));
            (
                named("suspicious", name),
                ends_well(&format!("A status that looks bad and is not: {name}."), &widget(&status)),
            )
        })
        .collect();
    let object = |kind: &str, version: &str, spec: Value| json!({ "kind": "", "objects": [{ "apiVersion": version, "kind": kind, "metadata": { "name": "web" }, "spec": spec }] });
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "restartPolicy": "Never", "containers": [{ "name": "web", "image": IMAGE }] } });
    let hpa = json!({ "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "minReplicas": 1, "maxReplicas": 2,
        "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }] });
    let claim = json!({ "storageClassName": "lazy", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let lazy = json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "lazy" }, "provisioner": "example.com/lazy", "volumeBindingMode": "WaitForFirstConsumer" });
    let rows: Vec<(&str, Value)> = vec![
        (
            "cron-job-suspended",
            json!({ "values": object("CronJob", "batch/v1", json!({ "schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": { "spec": { "template": template } } })) }),
        ),
        (
            "job-suspended",
            json!({ "values": object("Job", "batch/v1", json!({ "suspend": true, "template": template })) }),
        ),
        (
            "budget-of-nobody",
            json!({ "values": object("PodDisruptionBudget", "policy/v1", json!({ "minAvailable": 3, "selector": { "matchLabels": { "app": "nobody" } } })) }),
        ),
        (
            "service-of-nobody",
            json!({ "values": object("Service", "v1", json!({ "selector": { "app": "nobody" }, "ports": [{ "port": 80 }] })) }),
        ),
        (
            "external-name",
            json!({ "values": object("Service", "v1", json!({ "type": "ExternalName", "externalName": "db.example.com" })) }),
        ),
        (
            "ingress-without-address",
            json!({ "values": object("Ingress", "networking.k8s.io/v1", json!({ "defaultBackend": { "service": { "name": "nobody", "port": { "number": 80 } } } })) }),
        ),
        ("claim-without-pod", json!({ "before": [lazy], "values": object("PersistentVolumeClaim", "v1", claim) })),
        (
            "policy-that-denies-all",
            json!({ "values": object("NetworkPolicy", "networking.k8s.io/v1", json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })) }),
        ),
        ("no-replicas", json!({ "values": { "workload": { "replicas": 0 } } })),
        (
            "no-replicas-of-a-stateful-set",
            json!({ "values": { "kind": "StatefulSet", "workload": { "replicas": 0 } } }),
        ),
        ("paused-by-the-chart", json!({ "values": { "workload": { "paused": true } } })),
        (
            "daemons-for-no-node",
            json!({ "values": { "kind": "DaemonSet", "pod": { "nodeSelector": { "pool": "nobody" } } } }),
        ),
        ("min-ready-seconds", json!({ "values": { "workload": { "minReadySeconds": 5 } } })),
        (
            "optional-secret",
            json!({ "values": { "container": { "envFrom": [{ "secretRef": { "name": "absent", "optional": true } }] } } }),
        ),
        ("slow", json!({ "fault": { "slow_start": { "seconds": 6 } } })),
        (
            "autoscaler-without-metrics",
            json!({ "values": { "objects": [{ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" }, "spec": hpa }] } }),
        ),
    ];
    made.extend(rows.into_iter().map(|(name, more)| {
        (named("suspicious", name), ends_well(&format!("It looks bad and is as it should be: {name}."), &more))
    }));
    made
}
