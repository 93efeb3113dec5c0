//! Codes about what the cluster does not give or allow.

use super::story::Story;

pub(super) const STORIES: &[Story] = &[
    Story {
        code: "UNSCHEDULABLE_RESOURCES",
        shows: "The pod's condition PodScheduled is False, and the scheduler says `Insufficient cpu`, `memory` or the like. What the pod asks for is compared with the largest node, and how much is short is told.",
        usually: "Requests that are too high, nodes that are full, a kind of device that no node has, or a rolling update that needs room for one more pod.",
        todo: &[
            "kubectl describe nodes | grep -A8 'Allocated resources'",
            "lower resources.requests or replicas in the values",
            "add nodes, or larger ones",
        ],
    },
    Story {
        code: "UNSCHEDULABLE_SELECTOR",
        shows: "The pod's condition PodScheduled is False, and no node has the labels of its nodeSelector. The values that nodes have for these labels are told.",
        usually: "A label of another cluster or cloud in the values, or nodes whose labels were forgotten.",
        todo: &[
            "kubectl get nodes --show-labels",
            "correct nodeSelector in the values, or kubectl label node NODE KEY=VALUE",
        ],
    },
    Story {
        code: "UNSCHEDULABLE_TAINT",
        shows: "The pod's condition PodScheduled is False: every node that it could use has a taint it does not tolerate.",
        usually: "Nodes kept for something else, a node that is not ready or cordoned, or a toleration that was forgotten.",
        todo: &[
            "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints",
            "add tolerations in the values, or kubectl taint nodes NODE KEY-",
        ],
    },
    Story {
        code: "UNSCHEDULABLE_AFFINITY",
        shows: "The pod's condition PodScheduled is False because of node affinity, affinity or anti-affinity to other pods, topology spread, or a volume that other nodes have.",
        usually: "More replicas than nodes with anti-affinity that is required, an affinity to pods that are not there, or a volume in another zone.",
        todo: &[
            "make the rules preferred instead of required in the values",
            "lower replicas, or add nodes in the zones that are asked for",
        ],
    },
    Story {
        code: "PVC_UNBOUND",
        shows: "A PersistentVolumeClaim stays Pending. Its events, its StorageClass and the classes there are tell why: no such class, no default class, a provisioner that fails or waits; where people make the volumes, which claim has the one it needs.",
        usually: "A storage class of another cluster in the values, no default class, a provisioner that does not run or has no room, a claim that waits for its first pod (WaitForFirstConsumer), or a volume that was kept when its claim was deleted and is still held for it (Released).",
        todo: &[
            "kubectl get storageclasses",
            "kubectl describe pvc NAME -n NAMESPACE",
            "set the storage class in the values; the claim must be made anew for it",
        ],
    },
    Story {
        code: "QUOTA_EXCEEDED",
        shows: "The API refuses an object, `exceeded quota` or `failed quota`: in an event FailedCreate of the ReplicaSet, or to helm. What is asked for, what is used and what is allowed are told.",
        usually: "Too many replicas, a rolling update that needs one more pod than the quota has, or containers without requests and limits in a namespace that counts them.",
        todo: &[
            "kubectl describe resourcequota -n NAMESPACE",
            "lower replicas or resources, or set them where they are missing",
            "have the quota raised",
        ],
    },
    Story {
        code: "LIMIT_RANGE",
        shows: "The API refuses pods or claims because they ask for more or less than a LimitRange of the namespace allows.",
        usually: "Resources in the values that were made for another cluster.",
        todo: &["kubectl describe limitrange -n NAMESPACE", "correct resources in the values"],
    },
    Story {
        code: "POD_SECURITY",
        shows: "An event FailedCreate says `violates PodSecurity`: the namespace enforces a level that the pods do not meet. Every setting that is missing is named.",
        usually: "A namespace with the level restricted or baseline, and a chart that runs as root, with host paths or the host's network, or without a securityContext.",
        todo: &[
            "set podSecurityContext and securityContext in the values as the message says",
            "or have the level of the namespace changed: kubectl label namespace NAMESPACE pod-security.kubernetes.io/enforce=LEVEL --overwrite",
        ],
    },
    Story {
        code: "WEBHOOK_UNREACHABLE",
        shows: "The API says `failed calling webhook` or `conversion webhook for ... failed`: to helm, in an event FailedCreate, or to whoever reads an object. The webhook or the CustomResourceDefinition, its Service, and whether that has endpoints that are ready are told.",
        usually: "The program behind the webhook is starting, has crashed or was uninstalled and its configuration was left, or the API server cannot reach it or does not trust its certificate.",
        todo: &[
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            "kubectl get crd NAME -o yaml: spec.conversion",
            "kubectl get pods,endpointslices -n NAMESPACE_OF_THE_WEBHOOK",
            "where it was left behind: kubectl delete the configuration whose webhook has this name and this Service; others may have a webhook of the same name",
            "then kubectl rollout restart the workload whose pods were refused: its controller tries again after ever longer pauses",
            "where another release brings it: have this release need that one",
        ],
    },
    Story {
        code: "WEBHOOK_DENIED",
        shows: "The API says `admission webhook ... denied the request`, with the webhook's own reason.",
        usually: "An operator that checks its resources, or a rule of whoever runs the cluster.",
        todo: &["change the values as the reason says", "ask whoever runs the webhook"],
    },
    Story {
        code: "POLICY_DENIED",
        shows: "A policy refuses an object: a ValidatingAdmissionPolicy, Gatekeeper or Kyverno. The policy is named.",
        usually: "Labels, resources, registries or security settings that the policy asks for.",
        todo: &["change the values so that the policy is met", "or have an exception made for the namespace"],
    },
    Story {
        code: "NAMESPACE_TERMINATING",
        shows: "The namespace is being deleted and takes nothing new. Its conditions tell what keeps it: an API that does not answer, objects that remain, finalizers.",
        usually: "Finalizers whose controller was uninstalled first, or an APIService whose program is gone.",
        todo: &[
            "kubectl get namespace NAMESPACE -o jsonpath='{.status.conditions}'",
            "kubectl get apiservices, and delete those that are not available and not wanted any more",
            "bring back the controller of the finalizer, and let it finish",
        ],
    },
    Story {
        code: "NAMESPACE_MISSING",
        shows: "The namespace of the release does not exist, and nothing was told to make it.",
        usually: "create_namespace is false, or the name is misspelt.",
        todo: &["kubectl create namespace NAMESPACE", "or set create_namespace: true in the stack file"],
    },
    Story {
        code: "CRD_NOT_ESTABLISHED",
        shows: "A CustomResourceDefinition has no condition Established, the API server says what it does not accept in it, or it is being deleted and nothing can be made of it.",
        usually: "The API server is about to serve it, which takes seconds; a schema that it does not accept; or an old definition that waits for its last resources to go.",
        todo: &[
            "kubectl describe crd NAME",
            "being deleted: look at the finalizers of its resources, and at the controller that should remove them",
        ],
    },
    Story {
        code: "CRD_NAMES_CONFLICT",
        shows: "The condition NamesAccepted of a CustomResourceDefinition is False: another definition of the group has its kind, plural or a short name.",
        usually: "Two operators, or two versions of one, that bring definitions of the same kind.",
        todo: &["kubectl get crds | grep GROUP", "keep one of the two"],
    },
    Story {
        code: "CRD_IN_USE",
        shows: "Before anything is changed: a definition would be deleted, or changed so that stored objects are lost, and custom resources exist.",
        usually: "A chart that has moved its definitions, or a version that drops one that is still stored.",
        todo: &[
            "kubectl get KIND --all-namespaces",
            "annotate the definition with helm.sh/resource-policy: keep, or migrate its objects first",
        ],
    },
    Story {
        code: "LOAD_BALANCER_PENDING",
        shows: "A Service of type LoadBalancer has no address. Its events, conditions and finalizers tell whether a controller has begun to make one.",
        usually: "A cluster without a controller for load balancers, a loadBalancerClass nobody serves, no addresses left, or a cloud that takes its minutes.",
        todo: &[
            "kubectl describe service NAME -n NAMESPACE",
            "set service.type to ClusterIP or NodePort in the values",
            "install a controller: the cloud's, MetalLB",
        ],
    },
    Story {
        code: "RBAC_FORBIDDEN",
        shows: "The API says that the user or ServiceAccount may not do something. Verb, kind and namespace are told.",
        usually: "A role that lacks a kind the chart has newly got, or a chart with cluster-wide objects and credentials for one namespace.",
        todo: &["kubectl auth can-i VERB KIND -n NAMESPACE", "have a role with this verb bound to the user"],
    },
    Story {
        code: "API_UNREACHABLE",
        shows: "The API server does not answer, or refuses the credentials.",
        usually: "The wrong context, a VPN that is down, a login that has expired, or a control plane that is being upgraded.",
        todo: &["kubectl cluster-info", "log in again, or choose the context: --context"],
    },
    Story {
        code: "API_NOT_SERVED",
        shows: "helm says `no matches for kind`: the cluster does not serve a kind of the release. Either nothing has brought its definition, or Kubernetes has removed the API.",
        usually: "The chart with the definitions comes later or not at all, or the chart is older than the cluster.",
        todo: &[
            "kubectl api-resources --api-group=GROUP",
            "have this release need the one that brings the definitions",
            "removed APIs: take a newer version of the chart; where the deployed revision still has one, consent to its object, and it is written anew in Helm's record",
        ],
    },
    Story {
        code: "OBJECT_INVALID",
        shows: "The API server refuses an object as invalid, or one with fields that its schema does not know. The field and what is wrong with it are told.",
        usually: "Values of the wrong kind or form, or a chart made for another version of Kubernetes.",
        todo: &["pilothouse render, and look at the field", "correct the values, or take another version of the chart"],
    },
    Story {
        code: "OBJECT_MISSING",
        shows: "An object of the release does not exist on the cluster, though helm has applied it.",
        usually: "Somebody or some controller has deleted it, or it went with its namespace.",
        todo: &[
            "run apply: it makes it again, with an upgrade to what is deployed and its hooks; a Job, a Pod or what held data is only reported, and comes again with drift: correct or, where it held data, with consent",
            "look for who deletes it in the audit log of the API server",
        ],
    },
    Story {
        code: "OBJECT_TERMINATING",
        shows: "An object of the release has a deletion timestamp, and stays as long as its finalizers do.",
        usually: "The controller that should remove the finalizer does not run.",
        todo: &[
            "kubectl get KIND NAME -o yaml: metadata.finalizers",
            "bring back the controller, and let it finish",
            "run apply once it is gone: it makes it again",
        ],
    },
    Story {
        code: "APISERVICE_UNAVAILABLE",
        shows: "The condition Available of an APIService is False. Its reason says how far the API server came: ServiceNotFound, MissingEndpoints, EndpointsNotFound, FailedDiscoveryCheck.",
        usually: "The Service behind it was never made or was removed, its pods do not run, or the API server cannot reach them: a network policy, a wrong certificate.",
        todo: &[
            "kubectl describe apiservice NAME",
            "kubectl get service,endpointslices of the Service that it names",
            "kubectl delete apiservice NAME, where what served it was removed",
        ],
    },
    Story {
        code: "CONDITION_NOT_MET",
        shows: "The status of the object has a condition that does not hold, or a state that is not good, with a reason and a message of its controller. They are told as they are.",
        usually: "Something that the controller needs is missing, or what the object asks for is refused. Its own words say which.",
        todo: &["read the message", "kubectl describe the object, and look at the log of its controller"],
    },
    Story {
        code: "ROLLOUT_PAUSED",
        shows: "`spec.paused` of a Deployment or `spec.suspend` of a Job is true, and its field manager is not helm: somebody has halted it. What the chart itself pauses or suspends is ready.",
        usually: "kubectl rollout pause during an incident, or a queue controller that has not admitted the Job yet.",
        todo: &["kubectl rollout resume deployment NAME", "for a Job of a queue (Kueue): look at its Workload"],
    },
    Story {
        code: "WAITING",
        shows: "Nothing has failed. An init container or a hook still runs, a readiness gate or a scheduling gate is not set, an old pod takes its time to end, a sidecar keeps a Job from completing, or pods are ready and not yet available. It has not moved for 15 seconds.",
        usually: "What is waited for comes later than expected, or not at all: a database, a controller that sets the gate, a lock.",
        todo: &[
            "read what it waits for, and the end of the log",
            "give the release more time with timeout_in_seconds, or let it need what it waits for",
        ],
    },
    Story {
        code: "UNKNOWN",
        shows: "The object is not ready, or helm has failed, and what was seen is not understood. All of it is shown.",
        usually: "A custom resource whose controller says it in its own words, or a situation that was not thought of.",
        todo: &["read the evidence", "kubectl describe the object, and look at the log of its controller"],
    },
];
