//! What `check_prerequisites` finds.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a finding stops the release; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// What was given is wrong: the file, the chart, the values, the connection.
    BadInput,
    /// Going on could lose or take over what belongs to someone.
    Unsafe,
    /// The cluster is in a state in which the release cannot be acted on now.
    Blocked,
}

/// One reason why a release cannot be acted on, found before anything was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// A stable code for people and machines, one of [`code`].
    pub code: String,
    /// What kind of reason it is.
    pub class: Class,
    /// What it is about: an object, a file, a chart.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
}

/// What a finding says at its end of a kind of Kubernetes itself that the cluster does not serve: nothing that could be installed brings it.
pub const NOT_OF_THIS_KUBERNETES: &str = "this cluster's Kubernetes does not serve it in that version";

impl Finding {
    /// A finding about `subject`.
    pub fn new(class: Class, code: &str, subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), class, subject: subject.to_string(), message: message.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// The stable codes, each a constant, and [`ALL`](code::ALL) of them with what they mean.
pub mod code {
    macro_rules! codes {
        ($($name:ident: $meaning:literal,)*) => {
            $(#[doc = $meaning] pub const $name: &str = stringify!($name);)*

            /// Every code with what it means.
            pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $meaning)),*];
        };
    }

    codes! {
        API_NOT_SERVED: "The cluster does not serve a kind: its definition is missing, or the API was removed.",
        APISERVICE_UNAVAILABLE: "An aggregated API is registered, and nobody answers for it.",
        API_UNREACHABLE: "The Kubernetes API does not answer, or not to these credentials.",
        BACKUP_IMPOSSIBLE: "What is going to be lost cannot be saved before, as `before_destructive: backup` wants it.",
        CHART_ACCESS_DENIED: "The chart's repository or registry wants other credentials than it was given, or does not let them in.",
        CHART_DEPENDENCY_MISSING: "`Chart.yaml` lists a subchart that is not in `charts/`.",
        CHART_INVALID: "The chart is there but cannot be used: damaged archive, no usable `Chart.yaml`, another version than wanted.",
        CHART_NOT_FOUND: "There is no chart at the path, in the repository or in the registry.",
        CHART_SCHEMA_UNUSABLE: "The schema of the chart's values cannot be used: it or one that it refers to cannot be loaded, or it is none. The values were not looked at.",
        CHART_TEMPLATE_FAILED: "helm cannot render the chart with these values.",
        CHECK_FAILED: "A step of `check_prerequisites` failed.",
        CLASS_MISSING: "A PriorityClass, RuntimeClass or DeviceClass that a pod names does not exist.",
        CLUSTER_MISMATCH: "The cluster is not the one that the stack file's `cluster` names, or cannot be told to be.",
        CONDITION_NOT_MET: "A condition of an object does not hold, for the reason that its controller gives.",
        CONFIGMAP_KEY_MISSING: "A ConfigMap is there, but not the key that a pod wants of it.",
        CONFIGMAP_MISSING: "A ConfigMap that a pod refers to does not exist.",
        CONTAINER_CONFIG_INVALID: "The node refuses to make a container from what its spec says.",
        CRASH_LOOP: "A program in a container ends again and again, or cannot be started.",
        CRD_FIELDS_REMOVED: "The chart's CustomResourceDefinition lacks fields that the one in the cluster has, or stores another version without them: what custom resources hold there would be lost.",
        CRD_IN_USE: "A CustomResourceDefinition would be deleted, or changed so that stored objects are lost, while custom resources exist.",
        CRD_NAMES_CONFLICT: "The names of a CustomResourceDefinition are taken by another one.",
        CRD_NOT_ESTABLISHED: "A CustomResourceDefinition is not served yet.",
        DATA_ATTACHED: "An object with data would be deleted and no consent names it: a PersistentVolumeClaim, a PersistentVolume (also one whose claim is gone and whose reclaim policy becomes Delete), a Namespace, or the claims that go with the pods of a StatefulSet.",
        DOWNGRADE_BREAKING: "The chart would go back over `last_breaking_version_requiring_restart`.",
        FIELD_CONFLICT: "Fields of an object belong to another field manager.",
        FILE_NOT_READABLE: "A values file or manifest is missing or cannot be read.",
        GRAPH_INVALID: "Releases do not fit together: one is given twice, needs itself or one that is not there, or needs form a cycle.",
        HOOK_FAILED: "A hook of the chart failed or ran out of time.",
        HOOK_LEFTOVER: "A hook's object of an earlier, interrupted operation is in the way.",
        IMAGE_NAME_INVALID: "The name of an image is malformed.",
        IMAGE_NOT_FOUND: "The registry has no such image.",
        IMAGE_PULL_DENIED: "The registry does not give the image to these credentials.",
        IMAGE_PULL_FAILED: "An image cannot be pulled, for a reason that was not said or is not understood.",
        IMMUTABLE_FIELD: "A field would change that must not change once the object exists.",
        INIT_FAILED: "An init container fails, so the pod's containers are not started.",
        JOB_FAILED: "A Job failed or ran out of time.",
        KUBE_VERSION_UNSUPPORTED: "The chart's `kubeVersion` does not allow the version of the cluster.",
        LIMIT_RANGE: "A LimitRange of the namespace does not allow what a pod or claim asks for.",
        LOAD_BALANCER_PENDING: "No load balancer has given a Service its address.",
        NAMESPACE_MISSING: "The namespace does not exist and `create_namespace` is false.",
        NAMESPACE_TERMINATING: "The namespace is being deleted.",
        OBJECT_INVALID: "The API refuses an object as invalid.",
        OBJECT_MISSING: "An object of the release does not exist.",
        OBJECT_TERMINATING: "An object of the release is being deleted.",
        OOM_KILLED: "A container used more memory than its limit and was killed.",
        OWNERSHIP_CONFLICT: "An object of the chart exists and belongs to someone else: another release, another tool, nobody. Or one that would be deleted belongs to another release by now, or is not the one that was looked at.",
        PLAN_OUTDATED: "A saved plan does not hold any more: what it was made from or an object that it touches has changed.",
        POD_EVICTED: "A pod was removed from its node: pressure on the node, or a pod of higher priority.",
        POD_REJECTED: "A node does not run a pod that it was given.",
        POD_SECURITY: "Pod Security Admission refuses the pods of a workload.",
        POLICY_DENIED: "A policy of the cluster refuses an object.",
        POST_START_FAILED: "A container's `postStart` hook fails, and the container is killed for it.",
        PROBE_FAILING: "A container runs, but its startup, readiness or liveness probe fails.",
        PVC_UNBOUND: "A PersistentVolumeClaim gets no volume.",
        QUOTA_EXCEEDED: "A ResourceQuota of the namespace does not allow what is asked for.",
        RBAC_FORBIDDEN: "The credentials lack a permission.",
        REGISTRY_UNREACHABLE: "The registry of an image does not answer.",
        RELEASE_FOREIGN: "Another tool still manages the release.",
        RELEASE_LOCKED: "Helm's newest record is `pending-*`: another operation is in progress, or was killed.",
        RELEASE_NAME_INVALID: "Helm or Kubernetes would refuse the name of the release or of its namespace.",
        RELEASE_STALE_LOCK: "Helm has records of the release, but none that it could upgrade: an uninstall or first install has stopped half-way.",
        RELEASE_TOO_LARGE: "Helm's record of the release is larger than a Secret may be.",
        ROLLBACK_IMPOSSIBLE: "`on_failure` asks for a rollback, and the revision to go back to is not there, damaged, not kept by `max_history`, or of kinds that are not served any more.",
        ROLLOUT_PAUSED: "Somebody has paused a rollout or suspended a Job that the chart does not.",
        ROLLOUT_STUCK: "A rollout makes no progress: its deadline has passed, or a pod of an older revision is in its way.",
        SANDBOX_FAILED: "A node cannot set up a pod: its network or its container runtime does not work.",
        SECRET_KEY_MISSING: "A Secret is there, but not the key that a pod wants of it.",
        SECRET_MISSING: "A Secret that a pod refers to does not exist.",
        SECRET_REGENERATED: "A Secret holds a value that the chart makes anew in every rendering, or of the moment: an upgrade would replace it, or put another Secret in its place.",
        SERVICE_ACCOUNT_MISSING: "The ServiceAccount of a pod does not exist.",
        STACK_FILE_MISMATCH: "The run that is to be resumed was of another stack file with the same stack name.",
        STEP_OUTPUT_UNTRUSTED: "A value would come from a step of an earlier run, and only the cluster's journal has it, which anybody with access to it may have written.",
        STEP_UNCERTAIN: "An earlier run has begun a step that must not be repeated, and nobody knows how it ended.",
        UNKNOWN: "What was seen is not understood; all of it is shown.",
        UNREADABLE: "Something that has to be known cannot be read, so nothing is decided.",
        UNSCHEDULABLE_AFFINITY: "No node meets a pod's affinity or spread rules.",
        UNSCHEDULABLE_RESOURCES: "No node has room for a pod.",
        UNSCHEDULABLE_SELECTOR: "No node has the labels a pod asks for.",
        UNSCHEDULABLE_TAINT: "The nodes have taints that a pod does not tolerate.",
        VALUES_INVALID: "The values do not fit the chart's schema, or cannot be put together.",
        VERSION_INVALID: "The wanted version is not a version constraint.",
        VOLUME_MOUNT_FAILED: "A volume of a pod cannot be attached or mounted.",
        WAITING: "Nothing has failed; what the release waits for has not moved.",
        WEBHOOK_DENIED: "An admission webhook refuses an object.",
        WEBHOOK_UNREACHABLE: "A webhook that admits or converts objects does not answer.",
    }
}
