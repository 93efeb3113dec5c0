//! Codes that are found before anything is changed only.

use super::story::Story;

pub(super) const STORIES: &[Story] = &[
    Story {
        code: "CHART_ACCESS_DENIED",
        shows: "The chart's repository or registry has answered 401 or 403: it wants credentials that it was not given, or does not let those in that it was. Some registries answer so for a chart that is not there, too.",
        usually: "Nobody has logged in on this machine, a token that has expired, or a login for another address than the stack file has.",
        todo: &[
            "helm repo add NAME URL --username USER, with the URL as the stack file has it",
            "helm registry login HOST for a chart from a registry",
            "helm pull CHART --version VERSION shows whether helm itself is let in",
        ],
    },
    Story {
        code: "CHART_INVALID",
        shows: "The chart is there, but its archive is damaged, it has no usable Chart.yaml, or it is of another version than wanted.",
        usually: "A download that was cut off, a folder that is not a chart, or a version that was not raised.",
        todo: &["helm lint CHART", "correct chart in the stack file"],
    },
    Story {
        code: "CHART_SCHEMA_UNUSABLE",
        shows: "The chart's values.schema.json refers to an address that cannot be loaded, or is no schema itself. The address is told. The values were not looked at.",
        usually: "A schema on the internet, and a machine that does not get there; or a chart that was packaged without a file its schema needs.",
        todo: &[
            "let the machine reach the address: NO_PROXY and HTTPS_PROXY count for helm too",
            "say skip_schema_validation: true for the release",
            "package the chart again without values.schema.json",
        ],
    },
    Story {
        code: "CHECK_FAILED",
        shows: "A step of check_prerequisites failed. Its output is told.",
        usually: "What the step checks is not as it must be.",
        todo: &["do what the step asks for, then run again"],
    },
    Story {
        code: "CRD_FIELDS_REMOVED",
        shows: "The chart's CustomResourceDefinition lacks fields that the one in the cluster has in a version that is served, or in which custom resources may be stored; or it stores them in another version that lacks the fields. The API server drops what custom resources hold there, with their next write.",
        usually: "A chart that is older than the definitions in the cluster, which a newer chart or another release has brought.",
        todo: &[
            "take a chart version whose definitions are at least as new as those in the cluster",
            "or leave the definitions alone: crds: create",
            "give consent that names the CustomResourceDefinition, if what is in these fields may go",
        ],
    },
    Story {
        code: "DATA_ATTACHED",
        shows: "An object with data would be deleted (a PersistentVolumeClaim, a PersistentVolume, a Namespace), or lose its data by a change (a StatefulSet with fewer pods, a released volume that is not kept any more), and no consent names it.",
        usually: "A release that is destroyed, a chart that does not have the object any more, or `force_upgrade`, which takes what others have set.",
        todo: &[
            "give the consent that the message names, if the data may go",
            "or keep it: annotate the object with helm.sh/resource-policy: keep",
        ],
    },
    Story {
        code: "DOWNGRADE_BREAKING",
        shows: "The deployed chart is at or beyond last_breaking_version_requiring_restart, and the wanted one is before it.",
        usually: "A version that was set back to get rid of a fault of the newer one.",
        todo: &[
            "keep the deployed version, or a newer one",
            "or uninstall the release first (action: destroy), then install the older version",
        ],
    },
    Story {
        code: "FILE_NOT_READABLE",
        shows: "A values file or manifest is missing or cannot be read. Paths count from the folder of the stack file.",
        usually: "A wrong path, or a file that is not in the repository.",
        todo: &["correct the path in the stack file"],
    },
    Story {
        code: "GRAPH_INVALID",
        shows: "A release is given twice, needs itself or one that is not there, or needs form a cycle. The cycle is told.",
        usually: "A misspelt name in needs, or two releases that need each other.",
        todo: &["pilothouse graph", "correct needs in the stack file"],
    },
    Story {
        code: "CLUSTER_MISMATCH",
        shows: "The stack file names the one cluster it is for, and the context, the server or the UID of `kube-system` is another one, or cannot be read. Nothing is sent to a server that is not the one named.",
        usually: "Another context is the current one, `--context` names another, or the cluster was made anew and has another UID.",
        todo: &[
            "pilothouse apply --context NAME, with the context that `cluster:` of the stack file names",
            "correct `cluster:` in the stack file, where the cluster was made anew",
        ],
    },
    Story {
        code: "STACK_FILE_MISMATCH",
        shows: "The run that is to be resumed was begun with another stack file, whose stack has the same name. Nothing is changed.",
        usually: "`pilothouse resume` takes the file of the current folder, and the run was of another one.",
        todo: &[
            "pilothouse resume --stack FILE, with the file that is named",
            "pilothouse apply FILE, to carry out this one instead",
        ],
    },
    Story {
        code: "PLAN_OUTDATED",
        shows: "A plan is carried out, saved or approved in the terminal, and what it was made from or an object that it touches is not what it was then. What has moved is told, and by whom where the server knows; nothing is changed.",
        usually: "Somebody has deployed, scaled or edited something since, or the stack file, the chart or the values have changed.",
        todo: &[
            "pilothouse plan --out FILE, look at the new plan, then pilothouse apply FILE",
            "of a destroy: pilothouse destroy --plan --out FILE, then pilothouse destroy FILE",
            "of what was approved in the terminal: the same command again",
        ],
    },
    Story {
        code: "RELEASE_NAME_INVALID",
        shows: "Helm or Kubernetes would refuse the name of the release or of its namespace.",
        usually: "Capital letters, underscores, or more than 53 characters.",
        todo: &["correct the name in the stack file"],
    },
    Story {
        code: "ROLLBACK_IMPOSSIBLE",
        shows: "The release is to be rolled back if it fails, and before anything is changed it is found that this could not be done. The reason is told.",
        usually: "The revision that worked is no longer kept (max_history), its record is damaged, or the cluster has lost an API that it uses.",
        todo: &[
            "helm history NAME -n NAMESPACE",
            "mend what the reason names, or say on_failure: { upgrade: leave } for this release in the stack file",
        ],
    },
    Story {
        code: "STEP_OUTPUT_UNTRUSTED",
        shows: "A run on another machine has done a step, later ones need what it has put out, and nothing proves that the journal in the cluster was not changed since.",
        usually: "A run is continued on another machine, and no state key is used.",
        todo: &[
            "give the state key with which the first run was started (--state-key)",
            "or run the step again, or consent to `state` if you trust all who may write Secrets in the state namespace",
        ],
    },
    Story {
        code: "STEP_UNCERTAIN",
        shows: "An earlier run has begun a step that must not be repeated, and was killed before it knew how the step ended.",
        usually: "A run that was killed while a command ran.",
        todo: &["look whether the step has done its work", "tell pilothouse resume how it ended"],
    },
    Story {
        code: "UNREADABLE",
        shows: "Something that has to be known cannot be read, so that nothing is decided. An error of reading is never taken for absence.",
        usually: "A missing permission, or an API that does not answer.",
        todo: &["kubectl auth can-i get KIND -n NAMESPACE", "run again when the API answers"],
    },
    Story {
        code: "VERSION_INVALID",
        shows: "The wanted version of a chart is neither a version nor a constraint.",
        usually: "A typing error, or a word such as `latest`.",
        todo: &["write a version or a constraint: 1.2.3, ~1.2, >=1.2 <2"],
    },
    Story {
        code: "BACKUP_IMPOSSIBLE",
        shows: "What you consented to lose is to be saved before (`before_destructive: backup`), and that cannot be done, so nothing is lost.",
        usually: "A claim with data: the API has its definition, and what is on the volume is not in it.",
        todo: &[
            "back the data up by a step of your own, for instance a `command` in pre_exec",
            "then say `before_destructive: proceed` for this release",
        ],
    },
    Story {
        code: "SECRET_REGENERATED",
        shows: "A Secret holds a value that the chart makes anew in every rendering, or of the time or the number of the revision, so that an upgrade replaces it; or it is deleted while a Secret with such a value takes its place. The key is told, never the value.",
        usually: "A chart that makes a random password and does not look up the one that is there. Whoever has been given the old one, a database for instance, keeps it.",
        todo: &[
            "give the chart the password as a value, or the name of an existing Secret",
            "give consent that names the Secret, if everything that uses it can take a new value",
        ],
    },
];
