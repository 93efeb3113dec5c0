//! What Kubernetes says of pods that do not run, word for word, taken from its sources.

/// Why a kubelet does not run a pod that it was given, and with which words. The reasons: `admissionRejectionReasons` and
/// `recordAdmissionRejection` in Kubernetes' pkg/kubelet/kubelet.go (1.36.2); the words: pkg/kubelet/lifecycle/predicate.go and
/// handlers.go (`NodeAffinity` and the like are names of the scheduler's plugins), sysctl/allowlist.go, cm/admission/errors.go,
/// cm/cpumanager/policy_static.go, cm/topologymanager/topology_manager.go, cm/devicemanager/manager.go and
/// volumemanager/volume_manager.go. `InitContainerRestartPolicyForbidden` is of kubelets before 1.29.
pub(crate) const REJECTED: [(&str, &str); 25] = [
    ("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"),
    (
        "PodOSSelectorNodeLabelDoesNotMatch",
        "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    ),
    ("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),
    ("InvalidNodeInfo", "Kubelet cannot get node info."),
    ("InitContainerRestartPolicyForbidden", "Init container \"proxy\" may not have a non-default restartPolicy"),
    ("SupplementalGroupsPolicyNotSupported", "SupplementalGroupsPolicy=Strict is not supported in this node"),
    (
        "UnexpectedAdmissionError",
        "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
    ),
    ("UnknownReason", "GeneralPredicates failed due to unknown reason, which is unexpected."),
    ("UnexpectedPredicateFailureType", "GeneralPredicates failed due to <nil>, which is unexpected."),
    ("OutOfcpu", "Node didn't have enough resource: cpu, requested: 2000, used: 7500, capacity: 8000"),
    (
        "OutOfmemory",
        "Node didn't have enough resource: memory, requested: 4294967296, used: 31138512896, capacity: 33554432000",
    ),
    (
        "OutOfephemeral-storage",
        "Node didn't have enough resource: ephemeral-storage, requested: 2147483648, used: 0, capacity: 1073741824",
    ),
    ("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110"),
    ("OutOfnvidia.com/gpu", "Node didn't have enough resource: nvidia.com/gpu, requested: 1, used: 4, capacity: 4"),
    ("PodLevelResourcesNotSupported", "PodLevelResources feature gate is disabled"),
    ("PodFeatureUnsupported", "Pod requires node features that are not available: UserNamespacesHostNetwork"),
    ("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"),
    ("NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name"),
    ("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"),
    ("TaintToleration", "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"),
    ("SysctlForbidden", "forbidden sysctl: \"net.core.somaxconn\" not allowlisted"),
    ("TopologyAffinityError", "Resources cannot be allocated with Topology locality"),
    ("SMTAlignmentError", "SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2"),
    ("EmptyPodSharedPoolError", "pod rejected, pod has shared init containers but no cpus available for them"),
    (
        "VolumeAttachmentLimitExceeded",
        "Node has reached its volume attachment limit, rejecting pod. unmounted volumes=[data], unattached volumes=[data], failed to process volumes=[]: context deadline exceeded",
    ),
];

/// Why a pod is taken from its node. Kubernetes' pkg/kubelet/eviction/helpers.go, preemption/preemption.go,
/// nodeshutdown/nodeshutdown_manager.go and pkg/util/node/node.go (1.36.2). The third is the name of the case, where the reason is
/// not enough for one.
pub(crate) const REMOVED: [(&str, &str, &str); 8] = [
    (
        "Evicted",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container web was using 900Mi, request is 0, has larger consumption of memory. ",
        "evicted",
    ),
    ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. ", "evicted-condition"),
    ("Evicted", "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Gi\". ", "evicted-empty-dir"),
    ("Evicted", "Container web exceeded its local ephemeral storage limit \"1Gi\". ", "evicted-ephemeral-storage"),
    ("Preempting", "Preempted in order to admit critical pod", "preempting"),
    ("NodeShutdown", "Pod was rejected: Pod was rejected as the node is shutting down.", "nodeshutdown"),
    ("Terminated", "Pod was terminated in response to imminent node shutdown.", "terminated"),
    ("NodeLost", "Node nowhere which was running pod web is unresponsive", "nodelost"),
];

/// What is said of pods whose containers are still to be made: the code, the reason, the message, and the name of the case where the
/// reason is not enough for one. The reasons: Kubernetes' pkg/kubelet/events/event.go (1.36.2); the words: kubelet.go,
/// pod_workers.go, kuberuntime/kuberuntime_manager.go, pkg/volume/util/operationexecutor/operation_generator.go and
/// pkg/volume/{csi,hostpath,secret,configmap}.
pub(crate) const WARNINGS: [(&str, &str, &str, &str); 18] = [
    (
        "VOLUME_MOUNT_FAILED",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"data\" : rpc error: code = Internal desc = mount failed: exit status 32",
        "failedmount",
    ),
    (
        "VOLUME_MOUNT_FAILED",
        "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: context deadline exceeded",
        "failedmount-deadline",
    ),
    (
        "VOLUME_MOUNT_FAILED",
        "FailedMount",
        "MountVolume.MountDevice failed for volume \"pvc-1\" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ebs.csi.aws.com not found in the list of registered CSI drivers",
        "failedmount-driver",
    ),
    (
        "VOLUME_MOUNT_FAILED",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"docker\" : hostPath type check failed: /var/run/docker.sock is not a socket file",
        "failedmount-socket",
    ),
    (
        "SECRET_MISSING",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"tls\" : secret \"web-tls\" not found",
        "failedmount-secret",
    ),
    (
        "CONFIGMAP_MISSING",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"settings\" : configmap \"settings\" not found",
        "failedmount-configmap",
    ),
    (
        "VOLUME_MOUNT_FAILED",
        "FailedAttachVolume",
        "Multi-Attach error for volume \"pvc-1\" Volume is already exclusively attached to one node and can't be attached to another",
        "failedattachvolume",
    ),
    (
        "VOLUME_MOUNT_FAILED",
        "FailedAttachVolume",
        "AttachVolume.Attach failed for volume \"pvc-1\" : timed out waiting for external-attacher of ebs.csi.aws.com CSI driver to attach volume vol-1",
        "failedattachvolume-attacher",
    ),
    (
        "VOLUME_MOUNT_FAILED",
        "FailedMapVolume",
        "MapVolume.SetUpDevice failed for volume \"pvc-1\" : rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "failedmapvolume",
    ),
    (
        "SANDBOX_FAILED",
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"1\": plugin type=\"calico\" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized",
        "failedcreatepodsandbox",
    ),
    (
        "SANDBOX_FAILED",
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"1\": plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): add cmd: failed to assign an IP address to container",
        "failedcreatepodsandbox-address",
    ),
    (
        "SANDBOX_FAILED",
        "FailedPodSandBoxStatus",
        "Unable to get pod sandbox status: rpc error: code = NotFound desc = an error occurred when try to find sandbox: not found",
        "failedpodsandboxstatus",
    ),
    (
        "SANDBOX_FAILED",
        "FailedCreatePodContainer",
        "unable to ensure pod container exists: failed to create container for [kubepods besteffort pod1] : mkdir /sys/fs/cgroup/kubepods/besteffort/pod1: cannot allocate memory",
        "failedcreatepodcontainer",
    ),
    (
        "SANDBOX_FAILED",
        "FailedKillPod",
        "error killing pod: failed to \"KillPodSandbox\" for \"1\" with KillPodSandboxError: \"rpc error: code = Unknown desc = failed to destroy network for sandbox\"",
        "failedkillpod",
    ),
    (
        "SANDBOX_FAILED",
        "Failed",
        "error making pod data directories: mkdir /var/lib/kubelet/pods/1: no space left on device",
        "failed",
    ),
    (
        "SANDBOX_FAILED",
        "FailedSync",
        "error determining status: rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "failedsync",
    ),
    (
        "SANDBOX_FAILED",
        "NetworkNotReady",
        "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
        "networknotready",
    ),
    (
        "SANDBOX_FAILED",
        "FailedPrepareDynamicResources",
        "Failed to prepare dynamic resources: prepare dynamic resources: DRA driver gpu.example.com is not registered",
        "failedpreparedynamicresources",
    ),
];
