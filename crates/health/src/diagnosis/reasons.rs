//! The warnings that Kubernetes' own components give as events, and what each means: one table, from the sources of Kubernetes 1.36.

/// What a warning tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// A rule reads its message, or a status that says the same: an image, a container, a probe, the scheduler, a claim, a load
    /// balancer, a Job, an autoscaler, a node that removes a pod.
    Read,
    /// A controller cannot make something: the message is a refusal of the API server.
    Refusal,
    /// The node cannot set up the pod.
    Sandbox,
    /// A volume cannot be attached or mounted.
    Mount,
    /// Nothing more than its words: they are shown as evidence.
    Shown,
}

/// The reason, where in the sources of Kubernetes it is given, and what it means. Those of `k8s.io/cloud-provider` begin with
/// `cloud-provider`.
const WARNINGS: &[(&str, &str, Means)] = &[
    ("AlreadyMountedVolume", "pkg/volume/local/local.go", Means::Shown),
    ("AmbiguousSelector", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("BackOff", "pkg/kubelet/kuberuntime/kuberuntime_manager.go", Means::Read),
    ("BackoffLimitExceeded", "pkg/controller/job/job_controller.go", Means::Read),
    ("CalculateExpectedPodCountFailed", "pkg/controller/disruption/disruption.go", Means::Shown),
    ("CertificateExpired", "pkg/kubelet/podcertificate/podcertificatemanager.go", Means::Shown),
    ("CertificateOverdueForRefresh", "pkg/kubelet/podcertificate/podcertificatemanager.go", Means::Shown),
    ("CgroupV1", "pkg/kubelet/kubelet_linux.go", Means::Shown),
    ("CheckLimitsForResolvConf", "pkg/kubelet/network/dns/dns.go", Means::Shown),
    ("ClaimLost", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Read),
    ("ClaimMisbound", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Read),
    ("ConflictingController", "pkg/controller/statefulset/stateful_pod_control.go", Means::Shown),
    ("ContainerGCFailed", "pkg/kubelet/kubelet.go", Means::Shown),
    ("DNSConfigForming", "pkg/kubelet/network/dns/dns.go", Means::Shown),
    ("DeadlineExceeded", "pkg/controller/job/job_controller.go", Means::Read),
    ("DeleteLoadBalancerFailed", "cloud-provider/controllers/service/controller.go", Means::Shown),
    ("DeletingNodeFailed", "cloud-provider/controllers/nodelifecycle/node_lifecycle_controller.go", Means::Shown),
    ("Denied", "pkg/kubelet/podcertificate/podcertificatemanager.go", Means::Shown),
    ("DeploymentRollbackRevisionNotFound", "pkg/controller/deployment/rollback.go", Means::Shown),
    ("DeploymentRollbackTemplateUnchanged", "pkg/controller/deployment/rollback.go", Means::Shown),
    ("ErrImageNeverPull", "pkg/kubelet/images/image_manager.go", Means::Read),
    ("Evicted", "pkg/kubelet/eviction/eviction_manager.go", Means::Read),
    ("EvictionThresholdMet", "pkg/kubelet/eviction/eviction_manager.go", Means::Shown),
    ("ExceededGracePeriod", "pkg/kubelet/pod_workers.go", Means::Shown),
    ("ExternalExpanding", "pkg/controller/volume/expand/expand_controller.go", Means::Shown),
    ("Failed", "pkg/kubelet/images/image_manager.go, pkg/kubelet/kuberuntime", Means::Read),
    ("FailedAttachVolume", "pkg/volume/util/operationexecutor/operation_generator.go", Means::Mount),
    ("FailedBinding", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Read),
    ("FailedComputeMetricsReplicas", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedCreate", "pkg/controller/controller_utils.go", Means::Refusal),
    ("FailedCreatePodContainer", "pkg/kubelet/kubelet.go", Means::Sandbox),
    ("FailedCreatePodSandBox", "pkg/kubelet/kuberuntime/kuberuntime_manager.go", Means::Sandbox),
    ("FailedDaemonPod", "pkg/controller/daemon/daemon_controller.go", Means::Shown),
    ("FailedDelete", "pkg/controller/controller_utils.go", Means::Shown),
    ("FailedGet", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("FailedGetContainerResourceMetric", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedGetExternalMetric", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedGetObjectMetric", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedGetPodsMetric", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedGetResourceMetric", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedGetScale", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedIndexes", "pkg/controller/job/job_controller.go", Means::Read),
    ("FailedKillPod", "pkg/kubelet/kubelet.go", Means::Shown),
    ("FailedMapVolume", "pkg/volume/util/operationexecutor/operation_generator.go", Means::Mount),
    ("FailedMount", "pkg/volume/util/operationexecutor/operation_generator.go", Means::Mount),
    ("FailedMountOnFilesystemMismatch", "pkg/volume/util/operationexecutor/operation_generator.go", Means::Mount),
    ("FailedNodeAllocatableEnforcement", "pkg/kubelet/cm/node_container_manager_linux.go", Means::Shown),
    ("FailedNodeDeclaredFeaturesCheck", "pkg/kubelet/kubelet.go", Means::Shown),
    ("FailedPodSandBoxStatus", "pkg/kubelet/kuberuntime/kuberuntime_manager.go", Means::Sandbox),
    ("FailedPostStartHook", "pkg/kubelet/kuberuntime/kuberuntime_container.go", Means::Read),
    ("FailedPreStopHook", "pkg/kubelet/kuberuntime/kuberuntime_container.go", Means::Shown),
    ("FailedPrepareDynamicResources", "pkg/kubelet/kuberuntime/kuberuntime_manager.go", Means::Sandbox),
    ("FailedRescale", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("FailedResourceClaimCreation", "pkg/controller/resourceclaim/controller.go", Means::Shown),
    ("FailedScheduling", "pkg/scheduler/schedule_one.go", Means::Read),
    ("FailedSync", "pkg/kubelet/pod_workers.go", Means::Shown),
    ("FailedToCreateEndpoint", "pkg/controller/endpoint/endpoints_controller.go", Means::Shown),
    ("FailedToCreateRoute", "cloud-provider/controllers/route/route_controller.go", Means::Shown),
    ("FailedToListEndpointSlices", "pkg/controller/endpointslice/endpointslice_controller.go", Means::Shown),
    ("FailedToListPods", "pkg/controller/endpointslice/endpointslice_controller.go", Means::Shown),
    ("FailedToRetrieveImagePullSecret", "pkg/kubelet/kubelet_pods.go", Means::Shown),
    ("FailedToUpdateEndpoint", "pkg/controller/endpoint/endpoints_controller.go", Means::Shown),
    ("FailedToUpdateEndpointSlices", "pkg/controller/endpointslice/endpointslice_controller.go", Means::Shown),
    ("FailedUpdate", "pkg/controller/statefulset/stateful_pod_control.go", Means::Refusal),
    ("FailedUpdateStatus", "pkg/controller/podautoscaler/horizontal.go", Means::Shown),
    ("FailedValidation", "pkg/kubelet/config/config.go", Means::Shown),
    ("FileSystemResizeFailed", "pkg/volume/util/operationexecutor/operation_generator.go", Means::Shown),
    ("FreeDiskSpaceFailed", "pkg/kubelet/images/image_gc_manager.go", Means::Shown),
    ("HostIPsIPFamilyMismatch", "pkg/kubelet/kubelet_pods.go", Means::Shown),
    ("ImageGCFailed", "pkg/kubelet/kubelet.go", Means::Shown),
    ("InspectFailed", "pkg/kubelet/images/image_manager.go", Means::Read),
    ("InvalidDiskCapacity", "pkg/kubelet/images/image_gc_manager.go", Means::Shown),
    ("InvalidIPAddress", "pkg/controller/endpointslicemirroring/reconciler.go", Means::Shown),
    ("InvalidImageID", "pkg/kubelet/images/image_gc_manager.go", Means::Shown),
    ("InvalidSchedule", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("InvalidSelector", "pkg/controller/podautoscaler/horizontal.go", Means::Read),
    ("KubeletSetupFailed", "pkg/kubelet/kubelet.go", Means::Shown),
    ("KubernetesServiceCIDRError", "pkg/controller/servicecidrs/servicecidrs_controller.go", Means::Shown),
    ("LifecycleHTTPFallback", "pkg/kubelet/lifecycle/handlers.go", Means::Shown),
    ("MaxFailedIndexesExceeded", "pkg/controller/job/job_controller.go", Means::Read),
    ("MissSchedule", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("MissingClusterDNS", "pkg/kubelet/network/dns/dns.go", Means::Shown),
    ("MultiplePodDisruptionBudgets", "pkg/controller/disruption/disruption.go", Means::Shown),
    ("MultipleSELinuxLabels", "pkg/controller/volume/selinuxwarning/selinux_warning_controller.go", Means::Shown),
    ("NetworkNotReady", "pkg/kubelet/kubelet.go", Means::Sandbox),
    ("NoPods", "pkg/controller/disruption/disruption.go", Means::Shown),
    ("NodeNotReady", "pkg/controller/util/node/controller_utils.go", Means::Shown),
    ("NotDeleted", "pkg/controller/disruption/disruption.go", Means::Shown),
    ("OwnerRefInvalidNamespace", "pkg/controller/garbagecollector/graph_builder.go", Means::Shown),
    ("PodFailurePolicy", "pkg/controller/job/job_controller.go", Means::Read),
    ("PossibleMemoryBackedVolumesOnDisk", "pkg/kubelet/cm/container_manager_linux.go", Means::Shown),
    ("Preempting", "pkg/kubelet/preemption/preemption.go", Means::Read),
    ("ProbeWarning", "pkg/kubelet/prober/prober.go", Means::Shown),
    ("ProvisioningCleanupFailed", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Shown),
    ("ProvisioningFailed", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Read),
    ("Rebooted", "pkg/kubelet/nodestatus/setters.go", Means::Shown),
    ("ReplicaSetCreateError", "pkg/controller/deployment/sync.go", Means::Shown),
    ("ResizeDeferred", "pkg/kubelet/allocation/allocation_manager.go", Means::Shown),
    ("ResizeError", "pkg/kubelet/kubelet.go", Means::Shown),
    ("ResizeInfeasible", "pkg/kubelet/allocation/allocation_manager.go", Means::Shown),
    ("SelectingAll", "pkg/controller/deployment/deployment_controller.go", Means::Shown),
    ("SelectorRequired", "pkg/controller/podautoscaler/horizontal.go", Means::Shown),
    ("SyncLoadBalancerFailed", "cloud-provider/controllers/service/controller.go", Means::Read),
    ("SystemOOM", "pkg/kubelet/oom/oom_watcher_linux.go", Means::Shown),
    ("TooManyAddressesToMirror", "pkg/controller/endpointslicemirroring/reconciler.go", Means::Shown),
    ("TooManyMissedTimes", "pkg/controller/cronjob/utils.go", Means::Shown),
    ("TooManySucceededPods", "pkg/controller/job/job_controller.go", Means::Shown),
    ("UnAvailableLoadBalancer", "cloud-provider/controllers/service/controller.go", Means::Read),
    ("UnParseableCronJobSchedule", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("UnexpectedJob", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("Unhealthy", "pkg/kubelet/prober/prober.go", Means::Read),
    ("UnknownCompletionMode", "pkg/controller/job/job_controller.go", Means::Shown),
    ("UnknownTimeZone", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("UnmanagedPods", "pkg/controller/disruption/disruption.go", Means::Shown),
    ("UnparseableSchedule", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("UnsupportedSchedule", "pkg/controller/cronjob/cronjob_controllerv2.go", Means::Shown),
    ("UpdateLoadBalancerFailed", "cloud-provider/controllers/service/controller.go", Means::Read),
    ("VolumeConditionAbnormal", "pkg/kubelet/server/stats/volume_stat_calculator.go", Means::Shown),
    ("VolumeFailedDelete", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Shown),
    ("VolumeFailedRecycle", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Shown),
    ("VolumeMismatch", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Read),
    ("VolumePermissionChangeInProgress", "pkg/volume/volume_linux.go", Means::Shown),
    ("VolumeResizeFailed", "pkg/volume/util/operationexecutor/operation_generator.go", Means::Shown),
    ("VolumeUnknownReclaimPolicy", "pkg/controller/volume/persistentvolume/pv_controller.go", Means::Shown),
];

/// The reasons of warnings that say that a volume cannot be attached or mounted.
pub fn mount_warnings() -> impl Iterator<Item = &'static str> {
    that_mean(Means::Mount)
}

/// The reasons of warnings that say that a node cannot set up a pod.
pub fn sandbox_warnings() -> impl Iterator<Item = &'static str> {
    that_mean(Means::Sandbox)
}

fn that_mean(wanted: Means) -> impl Iterator<Item = &'static str> {
    WARNINGS.iter().filter(move |(.., means)| *means == wanted).map(|(reason, ..)| *reason)
}

/// What a warning with this reason means. One that is not in the table has its words.
pub(super) fn means(reason: &str) -> Means {
    let at = WARNINGS.binary_search_by_key(&reason, |(known, ..)| known);
    at.map_or(Means::Shown, |at| WARNINGS[at].2)
}

#[cfg(test)]
#[path = "tests/reasons.rs"]
mod tests;
