//! Codes about pods: images, what they refer to, how their programs run.

use super::story::Story;

pub(super) const STORIES: &[Story] = &[
    Story {
        code: "IMAGE_NOT_FOUND",
        shows: "The container waits with ErrImagePull, then ImagePullBackOff, and an event says that the registry answered `not found`. The registry was reached and has no image with this name and tag, or none for the processor of the node.",
        usually: "A typing error in image.repository or image.tag, a tag that was never pushed or was cleaned up, an image for another processor, or a private repository that hides itself from those who may not read it.",
        todo: &[
            "docker manifest inspect IMAGE, or skopeo inspect docker://IMAGE",
            "correct image.repository or image.tag in the values, or push the image",
            "where the repository is private: name a pull Secret in imagePullSecrets",
        ],
    },
    Story {
        code: "IMAGE_PULL_DENIED",
        shows: "The container waits with ErrImagePull, and the registry answered `unauthorized`, `denied` or `insufficient_scope`. The cause says whether the pull Secrets that the pod names exist. A Secret of the same name that is missing in several namespaces is one cause.",
        usually: "The pull Secret was not made in this namespace, is not named by the pod or its ServiceAccount, or holds a token that has expired. Docker Hub gives the same answer for repositories that do not exist.",
        todo: &[
            "kubectl get pod POD -o jsonpath='{.spec.imagePullSecrets}'",
            "kubectl create secret docker-registry NAME -n NAMESPACE --from-file=.dockerconfigjson=FILE",
            "name it in imagePullSecrets of the values, or in the ServiceAccount",
        ],
    },
    Story {
        code: "IMAGE_NAME_INVALID",
        shows: "The container waits with InvalidImageName. The node cannot even make out which registry to ask.",
        usually: "Capital letters in the repository, an empty tag (`web:`), two tags, or a template that puts a registry in front of one that is there already.",
        todo: &[
            "pilothouse render, and look at the image fields",
            "correct image.repository and image.tag in the values",
        ],
    },
    Story {
        code: "IMAGE_PULL_FAILED",
        shows: "The container waits for its image, and what the node says about it is nothing but that, or is not understood. All that was said stands in the evidence.",
        usually: "The node's disk is full, the image is damaged, its signature is refused, or the events that told the reason have expired.",
        todo: &[
            "kubectl describe pod POD",
            "kubectl describe node NODE, and look for disk pressure",
            "on the node: crictl pull IMAGE",
        ],
    },
    Story {
        code: "REGISTRY_UNREACHABLE",
        shows: "The container waits with ErrImagePull, and the node could not talk to the registry: name resolution, a connection that is refused or times out, TLS, an error of the registry itself, or a limit on pulls.",
        usually: "A proxy or firewall between node and registry, a certificate the node does not trust, an outage, or Docker Hub's limit for pulls without credentials.",
        todo: &[
            "from a node: curl -v https://REGISTRY/v2/",
            "limits of pulls: use credentials, a mirror, or a pull-through cache",
            "certificates: give the node's container runtime the registry's authority",
        ],
    },
    Story {
        code: "SECRET_MISSING",
        shows: "The container waits with CreateContainerConfigError, or an event FailedMount names the Secret. It is looked for, and the cluster says that it does not exist. Objects that would make it (ExternalSecret, Certificate, SealedSecret, VaultStaticSecret) are looked for too, and waited for.",
        usually: "It was never made in this namespace, the values name it wrongly, or what makes it comes later: another release, a Job, an operator.",
        todo: &[
            "kubectl get secrets -n NAMESPACE",
            "create it, or correct its name in the values (existingSecret and the like)",
            "where another release makes it: have this release need that one",
        ],
    },
    Story {
        code: "SECRET_KEY_MISSING",
        shows: "The container waits with CreateContainerConfigError, or an event FailedMount says that a key does not exist. The names of the keys that are there are told, never their values, and the nearest of them.",
        usually: "The chart expects another name for the key than whoever made the Secret has chosen: `password` and `postgres-password`.",
        todo: &["set the name of the key in the values (secretKeys and the like)", "or add the key to the Secret"],
    },
    Story {
        code: "CONFIGMAP_MISSING",
        shows: "The container waits with CreateContainerConfigError, or an event FailedMount names the ConfigMap, and the cluster says that it does not exist.",
        usually: "The values name it wrongly, a condition of the chart leaves it out, or another release makes it later.",
        todo: &[
            "kubectl get configmaps -n NAMESPACE",
            "correct its name in the values, or have this release need the one that makes it",
        ],
    },
    Story {
        code: "CONFIGMAP_KEY_MISSING",
        shows: "The container waits with CreateContainerConfigError, or an event FailedMount says that a key of a ConfigMap does not exist. The keys that are there are told.",
        usually: "A file of the ConfigMap was renamed, and the volume's items or the variable's key were not.",
        todo: &["kubectl get configmap NAME -n NAMESPACE -o yaml", "correct the key in the values or in the ConfigMap"],
    },
    Story {
        code: "CONTAINER_CONFIG_INVALID",
        shows: "The container waits with CreateContainerConfigError or CreateContainerError for a reason that is neither a Secret nor a ConfigMap: it must not run as root and its image does, nothing says what to run, or the runtime refuses.",
        usually: "runAsNonRoot with an image whose user is root or is given by name, or an image without a command.",
        todo: &[
            "set securityContext.runAsUser to a number other than 0",
            "set command in the values where the image has none",
            "kubectl describe pod POD",
        ],
    },
    Story {
        code: "CRASH_LOOP",
        shows: "The container ends, is started again, and ends again: CrashLoopBackOff. The exit code and the last lines of the run that ended are told. A program that cannot be started at all counts too: it is not in the image, not executable, or made for another processor.",
        usually: "Configuration the program does not accept, something it needs that is not there yet, a missing setting, a wrong command. Exit code 137 is a kill, 127 a command that was not found, 126 one that may not be executed.",
        todo: &[
            "kubectl logs POD -c CONTAINER --previous",
            "correct what its last lines complain about",
            "where it needs another release: have this release need it",
        ],
    },
    Story {
        code: "OOM_KILLED",
        shows: "The container's last run ended with OOMKilled, exit code 137: the kernel killed it because it used more memory than its limit, or than the node had.",
        usually: "A memory limit that is too low for the start of the program, a runtime that does not know its limit (heap size), or a leak.",
        todo: &[
            "raise resources.limits.memory in the values",
            "tell the runtime its limit: -XX:MaxRAMPercentage, GOMEMLIMIT, --max-old-space-size",
        ],
    },
    Story {
        code: "PROBE_FAILING",
        shows: "The container runs, and events Unhealthy say how it answers its startup, readiness or liveness probe. A liveness or startup probe that fails has the container killed and started again.",
        usually: "A wrong port or path, a program that listens on localhost only, a probe that asks sooner than the program has started, or a program that says that it is not well because what it needs is missing.",
        todo: &[
            "kubectl logs POD -c CONTAINER",
            "kubectl port-forward POD PORT, and ask what the probe asks",
            "slow starts: use a startupProbe, or raise initialDelaySeconds and failureThreshold",
        ],
    },
    Story {
        code: "INIT_FAILED",
        shows: "An init container ends with an error or is started again and again. The pod's containers are not begun before it has succeeded.",
        usually: "It waits for something that does not come (a database, a service of another release), or a migration fails.",
        todo: &[
            "kubectl logs POD -c INIT_CONTAINER --previous",
            "have this release need what the init container waits for",
        ],
    },
    Story {
        code: "POD_EVICTED",
        shows: "The pod's phase is Failed with the reason Evicted or Preempting: its node needed the room, or a pod of higher priority did.",
        usually: "A node short of memory or disk, and a pod that uses more than it requests.",
        todo: &["kubectl describe node NODE", "raise resources.requests so that the pod is put where there is room"],
    },
    Story {
        code: "POD_REJECTED",
        shows: "The pod's phase is Failed, none of its containers was begun, and `status.reason` and `status.message` say why the kubelet of its node does not run it: SysctlForbidden, AppArmor, OutOfcpu, NodeAffinity, TopologyAffinityError, UnexpectedAdmissionError and others. The controller makes another pod, which may be rejected as well.",
        usually: "A sysctl or profile that the node does not allow, a pod that was bound to a node by its name, or a node that has less room than the scheduler believed.",
        todo: &[
            "kubectl get pod POD -o jsonpath='{.status.reason}: {.status.message}'",
            "change what the message names in the values, or set up the nodes for it",
        ],
    },
    Story {
        code: "POST_START_FAILED",
        shows: "An event FailedPostStartHook, or a container that waits with PostStartHookError: the command or request of `lifecycle.postStart` failed, and the kubelet killed the container for it. The exit code of the container (137, mostly) follows from that.",
        usually: "The hook runs before the program listens, or needs a program that is not in the image.",
        todo: &[
            "kubectl describe pod POD: the event FailedPostStartHook has the hook's output",
            "correct lifecycle.postStart in the values, or have it wait for the program",
        ],
    },
    Story {
        code: "SANDBOX_FAILED",
        shows: "Events FailedCreatePodSandBox or NetworkNotReady: the node cannot set up the pod before its first container.",
        usually: "The network plugin is not ready or out of addresses, or the container runtime is in trouble.",
        todo: &["kubectl get pods -n kube-system -o wide", "kubectl describe node NODE"],
    },
    Story {
        code: "VOLUME_MOUNT_FAILED",
        shows: "Events FailedMount or FailedAttachVolume, or a PersistentVolumeClaim that the pod names and that does not exist. A Secret or ConfigMap that is missing has its own code.",
        usually: "A claim that was never made, a folder of the node that is not there, a volume that is still attached to another node, or a storage driver that does not run on the node.",
        todo: &["kubectl describe pod POD", "kubectl get pvc,volumeattachments -n NAMESPACE", "kubectl get csinodes"],
    },
    Story {
        code: "SERVICE_ACCOUNT_MISSING",
        shows: "The controller cannot make pods: an event FailedCreate says that the service account is not found.",
        usually: "serviceAccount.create is false in the values and the account was not made by anybody, or its name is wrong.",
        todo: &[
            "kubectl get serviceaccounts -n NAMESPACE",
            "set serviceAccount.create, or correct serviceAccount.name in the values; Kubernetes keeps a name that is left out, so say default for none",
            "or make it: kubectl create serviceaccount NAME, then kubectl rollout restart deployment NAME, to have it tried at once",
        ],
    },
    Story {
        code: "CLASS_MISSING",
        shows: "The controller cannot make pods: the PriorityClass or RuntimeClass that they name does not exist.",
        usually: "A class of another cluster in the values, or a release that brings it and comes later.",
        todo: &[
            "kubectl get priorityclasses,runtimeclasses",
            "correct priorityClassName or runtimeClassName in the values",
        ],
    },
    Story {
        code: "JOB_FAILED",
        shows: "A Job of the release has a pod that failed, or says that it has used up its tries or its time. The exit code and last lines of its pod are told while the pod exists.",
        usually: "The program in the Job fails: a migration, a check, a missing setting.",
        todo: &[
            "kubectl logs -n NAMESPACE job/NAME --all-containers",
            "kubectl delete job NAME before the next try: the template of a Job cannot be changed",
        ],
    },
    Story {
        code: "ROLLOUT_STUCK",
        shows: "The Deployment says ProgressDeadlineExceeded: that follows from something else, which is told in its place where it is found. Or a pod of an older revision is not ready, and its StatefulSet waits for it and never makes it anew.",
        usually: "New pods that do not become ready, for any of the reasons that pods have; a StatefulSet whose values were put right after a pod of it had broken.",
        todo: &[
            "kubectl rollout status deployment NAME",
            "kubectl describe deployment NAME, its newest ReplicaSet and its pods",
            "of an older revision: kubectl delete pod NAME, which is made anew as it is wanted now; its claims stay",
        ],
    },
];
