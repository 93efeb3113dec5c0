//! Codes about helm, its records and what charts change.

use super::story::Story;

pub(super) const STORIES: &[Story] = &[
    Story {
        code: "IMMUTABLE_FIELD",
        shows: "The API refuses a change, `field is immutable` or `updates to statefulset spec ... are forbidden`. The object and the field are told. helm's --force does not help: it gets the same answer.",
        usually: "A new version of the chart with other selector labels, a larger volumeClaimTemplate, a changed Job template, another roleRef.",
        todo: &[
            "undo the change in the values, where it comes from there",
            "kubectl delete deployment|statefulset NAME --cascade=orphan: its pods stay, and the next apply makes it anew",
            "a Job: kubectl delete job NAME",
        ],
    },
    Story {
        code: "OWNERSHIP_CONFLICT",
        shows: "An object of the chart exists and is not the release's own: helm says `invalid ownership metadata` or `already exists`. Helm names the first one only; before a run all of them are looked for.",
        usually: "It was made by hand, by another release or tool, or is left of an earlier installation under another name.",
        todo: &[
            "kubectl get KIND NAME -o yaml: its labels and annotations meta.helm.sh/...",
            "hand it over: a step `adopt` in pre_exec",
            "or rename it in the values, or delete it",
        ],
    },
    Story {
        code: "FIELD_CONFLICT",
        shows: "Server-side apply refuses to change fields that another field manager has set. Manager and fields are told.",
        usually: "kubectl edit or scale, an autoscaler that sets replicas, or an operator that writes into objects of the chart.",
        todo: &[
            "leave the field out of the chart (autoscaling.enabled and the like), so that its manager keeps it",
            "or take it over: helm upgrade --force-conflicts",
            "kubectl get KIND NAME -o yaml --show-managed-fields",
        ],
    },
    Story {
        code: "HOOK_FAILED",
        shows: "A hook's Job or pod failed or did not end in time. The exit code and last lines of its pod are told, also where the chart's policy deletes it at once. What keeps its pod from starting, an image for one, is told in its place.",
        usually: "A migration that fails, a hook that waits for something that is installed after it, or one that needs more time than it is given.",
        todo: &[
            "kubectl logs -n NAMESPACE job/NAME --all-containers",
            "raise the release's timeout where it needs more time",
        ],
    },
    Story {
        code: "HOOK_LEFTOVER",
        shows: "A hook cannot be made because an object of its name exists. Its age is told. Hooks are not part of the release, so that helm does not delete them later.",
        usually: "An operation that was interrupted, and a hook-delete-policy without before-hook-creation.",
        todo: &[
            "kubectl delete the object",
            "have the chart's hook say helm.sh/hook-delete-policy: before-hook-creation",
        ],
    },
    Story {
        code: "RELEASE_FOREIGN",
        shows: "Flux, Terraform or Pulumi has written the newest revision of the release, and nothing shows that it has let go: of Flux, a HelmRelease that is not suspended. Two tools that deploy one release undo each other's work.",
        usually: "The release moves from one tool to another, or two stacks mean the same name and namespace.",
        todo: &[
            "let the other tool go first: flux suspend helmrelease NAME, terraform state rm ADDRESS",
            "or act on it all the same: take_over: true",
        ],
    },
    Story {
        code: "RELEASE_LOCKED",
        shows: "Helm's newest record is pending-install, pending-upgrade, pending-rollback or uninstalling: an operation is in progress, or was killed, and nothing proves which.",
        usually: "A colleague or a pipeline that deploys the same release right now.",
        todo: &[
            "helm history NAME -n NAMESPACE",
            "wait for it; once it is proven dead, pilothouse unlocks it by itself",
        ],
    },
    Story {
        code: "RELEASE_STALE_LOCK",
        shows: "Helm has records of the release, but none that it could upgrade: `has no deployed releases`. An uninstall or first install has stopped half-way, while this run was at work.",
        usually: "A helm that was killed: a pipeline that was cancelled, a machine that went away.",
        todo: &[
            "once that operation has certainly ended, run again with --consent lock: what was begun is brought to its end first",
            "by hand: helm uninstall NAME -n NAMESPACE, then run again",
        ],
    },
    Story {
        code: "RELEASE_TOO_LARGE",
        shows: "Helm keeps each revision with its chart in a Secret, and this one does not fit: `Too long: may not be more than 1048576 bytes`.",
        usually: "Large files in the chart's folder (dashboards, archives, a packaged subchart twice), or definitions in templates.",
        todo: &["list them in .helmignore", "split the chart"],
    },
    Story {
        code: "VALUES_INVALID",
        shows: "The values do not fit the chart's schema, or cannot be read. helm changes nothing in that case.",
        usually: "A text where a number is wanted, a key that the chart does not know any more, or indentation.",
        todo: &["pilothouse lint", "helm show values CHART"],
    },
    Story {
        code: "CHART_TEMPLATE_FAILED",
        shows: "helm cannot render a template with these values. The template and its line are told.",
        usually: "A required value that is not set, a null where a map is wanted, or a kind of value the template does not expect.",
        todo: &["pilothouse render", "set the value that the template asks for"],
    },
    Story {
        code: "CHART_NOT_FOUND",
        shows: "There is no chart at the path, in the repository or in the registry, or not in this version.",
        usually: "A wrong path, a version that was never published, or a repository that cannot be reached.",
        todo: &[
            "helm search repo CHART --versions, or helm show chart CHART --version VERSION",
            "correct chart in the stack file",
        ],
    },
    Story {
        code: "CHART_DEPENDENCY_MISSING",
        shows: "Chart.yaml lists subcharts that are not in the folder charts/.",
        usually: "A chart from a folder whose dependencies were never fetched.",
        todo: &["helm dependency build CHART"],
    },
    Story {
        code: "KUBE_VERSION_UNSUPPORTED",
        shows: "The kubeVersion of Chart.yaml does not allow the version of the cluster.",
        usually: "A chart that is newer or much older than the cluster.",
        todo: &["take a version of the chart that supports this cluster", "or upgrade the cluster"],
    },
];
