//! The line between what is certain and what may pass by itself, as one table: every cause takes its certainty from here.

use super::surroundings::{Family, family};
use pilothouse_core::{CauseClass, Certainty, code};

/// When a cause is certain, and when it is given its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The code of the cause.
    pub code: &'static str,
    /// Who can do something about it; the same for all rules of a code.
    pub class: CauseClass,
    /// Whether waiting is of use, with nothing else at work.
    pub certainty: Certainty,
    /// What it hangs on: what else is at work may let it pass.
    pub family: Family,
    /// The condition, in words that go on after `when`.
    pub when: &'static str,
    /// Why the line is drawn there.
    pub because: &'static str,
}

/// Seconds in which a controller or another release may still make something that is missing.
pub(super) const GRACE: i64 = 30;
/// Seconds after which a registry that still says no means it, where its answers are not counted.
pub(super) const PULL_GRACE: i64 = 20;
/// Seconds after which what has not moved is worth a word.
pub(super) const PATIENCE: i64 = 15;
/// Restarts after which a program that ends is not waiting for anything else of its release, when nothing else of it is starting.
pub(super) const RESTARTS: i64 = 3;
/// Restarts after which it does not matter what else is starting: the node has waited five minutes by then.
pub(super) const RESTARTS_AT_MOST: i64 = 5;
/// Seconds after which a load balancer that nobody has begun to make is made by nobody.
pub(super) const LOAD_BALANCER_GRACE: i64 = 120;

macro_rules! lines {
    ($($line:ident: $code:ident, $class:ident, $certainty:ident, $when:literal, $because:literal;)*) => {
        /// One line of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Line { $($line),* }

        static RULES: &[Rule] = &[$(Rule {
            code: code::$code, class: CauseClass::$class, certainty: Certainty::$certainty, family: family(Line::$line),
            when: $when, because: $because,
        }),*];

        #[cfg(test)]
        pub(super) const ALL_LINES: &[Line] = &[$(Line::$line),*];
    };
}

lines! {
    ImageAbsentOnce: IMAGE_NOT_FOUND, Config, Passing, "the registry has said once that it has no such image",
        "it may be pushed or mirrored right now, and the node asks again within seconds";
    ImageAbsent: IMAGE_NOT_FOUND, Config, Certain, "the registry has said so twice, or for 20 s",
        "nobody pushes an image because a pod waits for it";
    ImageHidden: IMAGE_NOT_FOUND, Config, Passing, "a pull Secret that the pod names does not exist either",
        "some registries hide what the asker may not see";
    ImageOnNoNode: IMAGE_NOT_FOUND, Config, Certain, "the pull policy is `Never` and the node does not have the image",
        "the node is told not to ask";
    PullDeniedOnce: IMAGE_PULL_DENIED, Config, Passing, "the registry has refused once",
        "tokens of registries expire and are renewed";
    PullDenied: IMAGE_PULL_DENIED, Config, Certain, "the registry has refused twice, or for 20 s",
        "the same credentials get the same answer";
    PullSecretMissingYet: IMAGE_PULL_DENIED, Config, Passing, "a pull Secret has been missing for less than 30 s, or something is at work that may make it, or nobody could look for that",
        "a controller may copy it into the namespace";
    PullSecretMissing: IMAGE_PULL_DENIED, Config, Certain, "a pull Secret that the pod names has been missing for 30 s and nothing is seen that would make it",
        "without it the registry goes on refusing";
    ImageNameInvalid: IMAGE_NAME_INVALID, Config, Certain, "at once", "no registry is asked for it";
    RegistryUnreachable: REGISTRY_UNREACHABLE, Cluster, Passing, "always", "networks and registries recover, and limits of pulls run out";
    PullFailing: IMAGE_PULL_FAILED, Cluster, Passing, "always", "the node tries again, and why it fails is not known";

    SecretMissingYet: SECRET_MISSING, Config, Passing, "it has been missing for less than 30 s, something else of the release is still starting or another release of the run is at work, or whether it exists and who would make it could not be read",
        "a Job, an operator or another release may make it";
    SecretAwaited: SECRET_MISSING, Config, Passing, "an object is there that is to make it: ExternalSecret, Certificate, SealedSecret, VaultStaticSecret",
        "its controller makes the Secret when it can";
    SecretMissing: SECRET_MISSING, Config, Certain, "it has been missing for 30 s and nothing is seen that would make it",
        "Kubernetes does not make Secrets by itself";
    SecretKeyMissingYet: SECRET_KEY_MISSING, Config, Passing, "the key has been missing for less than 30 s, something else of the release is still starting or another release of the run is at work, or the Secret or who would fill it could not be read",
        "controllers fill Secrets step by step";
    SecretKeyMissing: SECRET_KEY_MISSING, Config, Certain, "the key has been missing for 30 s and nothing is seen that would fill it",
        "whoever made the Secret did not mean to put the key there";
    ConfigMapMissingYet: CONFIGMAP_MISSING, Config, Passing, "it has been missing for less than 30 s, something else of the release is still starting or another release of the run is at work, or whether it exists could not be read",
        "a Job, an operator or another release may make it";
    ConfigMapMissing: CONFIGMAP_MISSING, Config, Certain, "it has been missing for 30 s", "nothing is seen that would make it";
    ConfigMapKeyMissingYet: CONFIGMAP_KEY_MISSING, Config, Passing, "the key has been missing for less than 30 s, or something else of the release is still starting or another release of the run is at work",
        "controllers fill ConfigMaps step by step";
    ConfigMapKeyMissing: CONFIGMAP_KEY_MISSING, Config, Certain, "the key has been missing for 30 s",
        "whoever made the ConfigMap did not mean to put the key there";
    ServiceAccountMissingYet: SERVICE_ACCOUNT_MISSING, Config, Passing, "it has been missing for less than 30 s",
        "another release may be about to make it, and the controller tries again";
    ServiceAccountMissing: SERVICE_ACCOUNT_MISSING, Config, Certain, "it has been missing for 30 s, or helm has ended with it", "nothing makes ServiceAccounts by itself";
    ClassMissingYet: CLASS_MISSING, Config, Passing, "it has been missing for less than 30 s", "another release may be about to make it";
    ClassMissing: CLASS_MISSING, Config, Certain, "it has been missing for 30 s, or helm has ended with it", "classes are made by people";
    ContainerRefused: CONTAINER_CONFIG_INVALID, Config, Certain, "the container must not run as root and its image does, or nothing says what to run, or the runtime cannot mount a volume at its path, or it says another reason for the third time",
        "neither the spec nor the image changes by itself";
    ContainerNotMade: CONTAINER_CONFIG_INVALID, Config, Passing, "the node says another reason", "many such reasons are the node's own and pass";
    ClaimMissingYet: VOLUME_MOUNT_FAILED, Config, Passing, "a PersistentVolumeClaim has been missing for less than 30 s, or something else of the release is still starting or another release of the run is at work",
        "another release may be about to make it";
    ClaimMissing: VOLUME_MOUNT_FAILED, Config, Certain, "a PersistentVolumeClaim has been missing for 30 s", "claims of Deployments are made by whoever deploys them";
    MountHopeless: VOLUME_MOUNT_FAILED, Config, Certain, "the node has had no such file or folder for 30 s, it is not a socket, and nothing else of the release is starting", "a node does not get files by itself";
    MountFailing: VOLUME_MOUNT_FAILED, Config, Passing, "attaching or mounting fails for another reason",
        "drivers start, and volumes are detached from other nodes, with time";

    CrashingFew: CRASH_LOOP, App, Passing, "the program was started again less than three times, or less than five times while something else of the release or another release of the run is at work, or it runs again",
        "programs end when what they need is not there yet, a database for one";
    Crashing: CRASH_LOOP, App, Certain, "it was started again three times and nothing else is at work, or five times; starts before the last thing came that it may have waited for do not count",
        "what it needs had its time: the node waits longer before each start";
    CannotStart: CRASH_LOOP, App, Certain, "the program cannot be started: it is not in the image, not executable, or made for another processor",
        "an image does not change";
    EndedForGood: CRASH_LOOP, App, Certain, "its pod has failed and nothing starts it again", "the pod's restart policy says so";
    OomFew: OOM_KILLED, Config, Passing, "it happened less than three times, or the container runs again", "a load at the start may be a single one";
    Oom: OOM_KILLED, Config, Certain, "the container was started again three times or more", "the same program needs the same memory";
    ProbeFailing: PROBE_FAILING, App, Passing, "the container was killed less than three times because of it, or runs", "programs take their time to start";
    ProbeKills: PROBE_FAILING, App, Certain, "the liveness or startup probe had the container killed three times",
        "the probe gives the program less time than it needs, or asks the wrong thing";
    InitFailingFew: INIT_FAILED, App, Passing, "it was started again less than three times, or less than five times while something else of the release or another release of the run is at work, or it runs again, or its Job makes another pod",
        "init containers often wait for something else that way";
    InitFailing: INIT_FAILED, App, Certain, "it was started again three times and nothing else is at work, five times, or is never started again, nor its pod made anew",
        "what it waits for had its time";
    PostStartFailingFew: POST_START_FAILED, App, Passing, "the program was started again less than three times, or less than five times while something else of the release or another release of the run is at work, or it runs again",
        "a hook may wait for what is not there yet";
    PostStartFailing: POST_START_FAILED, App, Certain, "it was started again three times and nothing else is at work, or five times; starts before the last thing came that it may have waited for do not count",
        "what the hook needs had its time";
    Evicted: POD_EVICTED, Cluster, Passing, "always", "the controller makes another pod";
    Rejected: POD_REJECTED, Cluster, Passing, "it happened less than three times, or another node may take the pod",
        "the controller makes another pod, which may go elsewhere";
    Unsupported: POD_REJECTED, Cluster, Certain, "three pods were rejected for what the node is not set up for: a sysctl, AppArmor, an operating system",
        "nodes are set up by people";
    SandboxFailing: SANDBOX_FAILED, Cluster, Passing, "always", "the network of a new node takes its time, and the node tries again";

    ResourcesShort: UNSCHEDULABLE_RESOURCES, Cluster, Passing, "a node could hold the pod if others left, for the first 30 s, while an autoscaler may add nodes, or when no node has any of a device",
        "pods end, nodes are added, and drivers of devices start";
    ResourcesNever: UNSCHEDULABLE_RESOURCES, Cluster, Certain, "the pod asks for more than any node has, for 30 s, and no autoscaler is seen",
        "no pod that leaves makes enough room";
    SelectorUnmatchedYet: UNSCHEDULABLE_SELECTOR, Cluster, Passing, "for the first 30 s, while an autoscaler may add nodes, or when the nodes could not be read",
        "a node with these labels may join";
    SelectorUnmatched: UNSCHEDULABLE_SELECTOR, Cluster, Certain, "no node has had the labels for 30 s, and no autoscaler is seen", "labels of nodes are set by people";
    TaintedYet: UNSCHEDULABLE_TAINT, Cluster, Passing, "the taint is one of Kubernetes' own (not ready, pressure) or of what starts on or removes a node, for the first 30 s, or while an autoscaler may add nodes",
        "such taints go when the node recovers or is set up";
    Tainted: UNSCHEDULABLE_TAINT, Cluster, Certain, "every node has had a taint set by people for 30 s, and no autoscaler is seen", "whoever set the taint wants it there";
    AffinityUnmatched: UNSCHEDULABLE_AFFINITY, Cluster, Certain, "every node has lacked the labels of a required node affinity for 30 s, and no autoscaler is seen",
        "labels of nodes are set by people";
    AffinityUnmet: UNSCHEDULABLE_AFFINITY, Cluster, Passing, "it depends on other pods, for the first 30 s, or while an autoscaler may add nodes", "pods come and go, and with them what affinity and spread rules see";

    ClaimWaiting: PVC_UNBOUND, Cluster, Passing, "a provisioner is at work or fails, the claim waits for its pod, or for the first 30 s", "provisioners try again";
    ClaimHopeless: PVC_UNBOUND, Cluster, Certain, "for 30 s its StorageClass does not exist, or it has none and no volume fits, or its volume is held for another claim",
        "nothing will make a volume for it";

    QuotaUsedUp: QUOTA_EXCEEDED, Cluster, Passing, "what is asked for would fit if others left", "pods that end give their share back";
    QuotaTooSmall: QUOTA_EXCEEDED, Cluster, Certain, "one pod alone asks for more than the whole quota, or does not say what it asks for",
        "nobody who leaves makes enough room";
    LimitRange: LIMIT_RANGE, Cluster, Certain, "at once", "the same pod gets the same answer";
    PodSecurity: POD_SECURITY, Cluster, Certain, "at once", "the same pod gets the same answer";
    WebhookUnreachable: WEBHOOK_UNREACHABLE, Cluster, Passing, "its Service exists, or for the first 30 s",
        "its pods may be starting, and its certificate be on the way";
    WebhookNobody: WEBHOOK_UNREACHABLE, Cluster, Certain, "its Service has not existed for 30 s, or does not when helm has ended with it", "a webhook without its program was left behind";
    WebhookDeniedOnce: WEBHOOK_DENIED, Cluster, Passing, "it has refused once", "some webhooks refuse while they start";
    WebhookDenied: WEBHOOK_DENIED, Cluster, Certain, "it has refused twice, or helm has ended with its answer", "the same object gets the same answer";
    PolicyDeniedOnce: POLICY_DENIED, Cluster, Passing, "it has refused once", "some policy engines refuse while they start";
    PolicyDenied: POLICY_DENIED, Cluster, Certain, "it has refused twice, or helm has ended with its answer", "the same object gets the same answer";
    RbacForbidden: RBAC_FORBIDDEN, Cluster, Certain, "at once", "permissions are given by people";
    ObjectInvalid: OBJECT_INVALID, Chart, Certain, "at once", "the same object gets the same answer";
    NamespaceTerminating: NAMESPACE_TERMINATING, Cluster, Certain, "at once", "whatever is in the namespace goes with it";
    NamespaceMissing: NAMESPACE_MISSING, Config, Certain, "at once", "nobody but whoever deploys makes it";

    CrdPending: CRD_NOT_ESTABLISHED, Cluster, Passing, "the API server has not said why", "it takes a second or two";
    CrdRefused: CRD_NOT_ESTABLISHED, Cluster, Certain, "the API server says what is wrong with the definition", "the definition does not change by itself";
    CrdTerminating: CRD_NOT_ESTABLISHED, Cluster, Certain, "the definition is being deleted", "nothing can be made of it any more";
    CrdNamesConflict: CRD_NAMES_CONFLICT, Cluster, Certain, "at once", "two definitions cannot share a name";
    ApiNotServed: API_NOT_SERVED, Order, Certain, "at once", "helm has ended with it";
    LoadBalancerPending: LOAD_BALANCER_PENDING, Cluster, Passing, "something has begun to make it, for two minutes after the Service was changed, or when that moment is not known", "load balancers of clouds take minutes";
    LoadBalancerNobody: LOAD_BALANCER_PENDING, Cluster, Certain, "for two minutes after the Service was changed there is no event, no condition and no finalizer of a controller on the Service",
        "controllers for load balancers leave such signs within seconds";

    HookFailing: HOOK_FAILED, Chart, Passing, "a pod of the hook failed, and the Job tries again", "its backoff limit gives it more tries";
    HookOutOfTime: HOOK_FAILED, Chart, Passing, "the hook has not ended when the time is up", "with more time it may end";
    HookFailed: HOOK_FAILED, Chart, Certain, "the hook's Job or pod has failed, or helm says so", "helm does not run it again";
    HookLeftover: HOOK_LEFTOVER, State, Certain, "at once", "helm does not delete it";
    JobFailing: JOB_FAILED, App, Passing, "a pod of the Job failed, and the Job tries again", "its backoff limit gives it more tries";
    JobFailed: JOB_FAILED, App, Certain, "the Job says that it has failed", "nothing runs it again";
    RolloutStuck: ROLLOUT_STUCK, Derived, Certain, "the Deployment's progress deadline has passed", "its author gave it this time";
    OldPodBlocksYet: ROLLOUT_STUCK, Derived, Passing, "a pod of an older revision is not ready, and its StatefulSet waits for it or is to be updated by hand (OnDelete)",
        "the old pod may become ready, and then the rollout goes on";
    OldPodBlocks: ROLLOUT_STUCK, Derived, Certain, "such a pod will certainly not become ready", "its controller waits for what will not come";
    ObjectMissing: OBJECT_MISSING, State, Passing, "always", "whoever deleted it may bring it back";
    ObjectTerminating: OBJECT_TERMINATING, State, Passing, "always", "it goes when its finalizers have gone";

    ImmutableField: IMMUTABLE_FIELD, Chart, Certain, "at once", "the same change gets the same answer";
    OwnershipConflict: OWNERSHIP_CONFLICT, Config, Certain, "at once", "owners do not change by themselves";
    FieldConflict: FIELD_CONFLICT, Config, Certain, "at once", "managers keep their fields";
    ReleaseLocked: RELEASE_LOCKED, State, Passing, "nobody knows that the operation is dead", "it may end well";
    ReleaseStaleLock: RELEASE_STALE_LOCK, State, Certain, "helm has ended with it", "helm upgrades nothing that it has begun to remove";
    ValuesInvalid: VALUES_INVALID, Config, Certain, "at once", "the same values get the same answer";
    TemplateFailed: CHART_TEMPLATE_FAILED, Chart, Certain, "at once", "the same templates and values give the same answer";
    ChartNotFound: CHART_NOT_FOUND, Config, Certain, "it is not there, or not where it is looked for", "helm has ended with it";
    ChartUnreachable: CHART_NOT_FOUND, Config, Passing, "the chart's repository or registry does not answer, or is overloaded", "networks and servers recover";
    ChartDependencyMissing: CHART_DEPENDENCY_MISSING, Config, Certain, "at once", "the chart does not change by itself";
    KubeVersionUnsupported: KUBE_VERSION_UNSUPPORTED, Config, Certain, "at once", "neither chart nor cluster changes by itself";
    ReleaseTooLarge: RELEASE_TOO_LARGE, Chart, Certain, "at once", "the limit is Kubernetes' own";
    ApiUnreachable: API_UNREACHABLE, Cluster, Passing, "always", "connections come back";
    ApiServiceDown: APISERVICE_UNAVAILABLE, Cluster, Passing, "its Service exists, or for the first 30 s", "the program behind it may be starting";
    ApiServiceNobody: APISERVICE_UNAVAILABLE, Cluster, Certain, "its Service has not existed for 30 s", "an API that was left behind has nobody to answer";
    Suspended: ROLLOUT_PAUSED, State, Certain, "at once", "who has paused or suspended it wants it so";
    Waiting: WAITING, App, Passing, "nothing has failed, and something has not moved for 15 s, or a hook runs on", "what it waits for may come";
    ConditionNotMet: CONDITION_NOT_MET, Cluster, Passing, "always", "controllers try again";
    Unknown: UNKNOWN, Unknown, Unclear, "always", "what is not understood is not judged";
}

impl Line {
    pub(super) fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

/// The whole table, grouped by family.
pub fn rules() -> &'static [Rule] {
    RULES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_code_has_one_class() {
        let mut classes = HashMap::new();
        for rule in rules() {
            assert_eq!(*classes.entry(rule.code).or_insert(rule.class), rule.class, "{}", rule.code);
        }
    }

    #[test]
    fn each_condition_of_a_code_is_told_once() {
        let mut seen: Vec<(&str, Certainty, &str)> = Vec::new();
        for rule in rules() {
            let condition = (rule.code, rule.certainty, rule.when);
            assert!(!seen.contains(&condition), "{condition:?}");
            seen.push(condition);
        }
    }

    /// The words of the table name these numbers.
    #[test]
    fn the_numbers_of_the_table() {
        assert_eq!(
            (GRACE, PULL_GRACE, PATIENCE, RESTARTS, RESTARTS_AT_MOST, LOAD_BALANCER_GRACE),
            (30, 20, 15, 3, 5, 120)
        );
    }
}
