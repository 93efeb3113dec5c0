//! The keys of the file, of its releases and of their charts and values, and the list of all mappings.

use super::checks::{ASSERT, EXEC, EXEC_EXPECT, HEADER, HELM_TEST, HTTP, HTTP_EXPECT, JOB, PROMETHEUS, TCP};
use super::steps::{ADOPT, APPLY, COMMAND, DELETE, RESTART, STEP, WAIT_STEP};
use super::table::{Key, Kind as K, Need::Default, Need::Required, Table, key};

/// The whole file.
pub(crate) static FILE: Table = Table {
    name: "file",
    doc: "The stack file: the releases of one stack, and what they need of each other.",
    exactly_one: &[],
    keys: &[
        key("version", K::FormatVersion, Required, "1", "", "The version of this format; 1 is the only one."),
        key("name", K::Text, Required, "platform", "", "The name of the stack, for output and records."),
        key(
            "cluster",
            K::Mapping(&CLUSTER),
            Default("any"),
            "{ context: prod }",
            "",
            "The one cluster the stack is for. Every command that connects refuses any other (CLUSTER_MISMATCH).",
        ),
        key(
            "defaults",
            K::Mapping(&DEFAULTS),
            Default("none"),
            "{ timeout_in_seconds: 300 }",
            "",
            "What holds for every release that does not say otherwise.",
        ),
        key(
            "releases",
            K::List(&RELEASE),
            Required,
            "[{ name: web, chart: { path: charts/web } }]",
            "",
            "The releases. Each begins as soon as what it `needs` is done; their order in the file means nothing.",
        ),
        key(
            "failure_policy",
            K::Choice(&["keep_going", "fail_fast"]),
            Default("keep_going"),
            "fail_fast",
            "",
            "What becomes of the other releases when one does not end well: with `keep_going` only those that need it are not begun, with `fail_fast` no other is begun.",
        ),
        key(
            "on_release_failure",
            K::Choice(&["leave", "rollback_needs"]),
            Default("leave"),
            "rollback_needs",
            "",
            "What becomes of the releases that a failed one needs, once that one was rolled back or uninstalled by its own `on_failure`: `leave` them, or `rollback_needs`, which at the end of the run takes back those that this run has deployed and that nothing else needs, the last one first, each as its own `on_failure` allows.",
        ),
        key(
            "state_namespace",
            K::Text,
            Default("pilothouse"),
            "ops",
            "",
            "The namespace of the stack's own lock and journal. A stack whose journal is in `default`, where it was kept formerly, stays there without this key until `pilothouse state move` moves it.",
        ),
        key(
            "readiness",
            K::List(&READINESS),
            Default("none"),
            "[{ kind: Backup.example.com, current: status.phase == 'Kept' }]",
            "",
            "When objects of a kind are ready, where the rules of the program do not tell it rightly. These rules win over all others; of several for a kind, the last counts.",
        ),
    ],
};

/// `cluster`.
pub(crate) static CLUSTER: Table = Table {
    name: "cluster",
    doc: "The one cluster the stack is for; what is not given is not compared. A rehearsal on a control plane of its own is not bound by it.",
    exactly_one: &[],
    keys: &[
        key(
            "context",
            K::Text,
            Default("any"),
            "prod",
            "",
            "The name of the context in the kubeconfig. It is used unless `--context` is given, and another `--context` is refused.",
        ),
        key(
            "server",
            K::Text,
            Default("any"),
            "https://api.prod.example.com:6443",
            "",
            "The URL of the API server, as the kubeconfig has it.",
        ),
        key(
            "uid",
            K::Text,
            Default("any"),
            "0c9d1f4e-3b5a-4f57-9a67-5c0f3a4f1c11",
            "",
            "The UID of the namespace `kube-system` (`kubectl get namespace kube-system -o jsonpath={.metadata.uid}`), which tells a cluster from every other and does not depend on names in a kubeconfig. It must be possible to read that namespace.",
        ),
    ],
};

/// One of `drift_ignore`.
pub(crate) static DRIFT_IGNORE_EACH: Table = Table {
    name: "drift_ignore",
    doc: "A field of all objects of one kind.",
    exactly_one: &[],
    keys: &[
        key(
            "kind",
            K::Text,
            Required,
            "ValidatingWebhookConfiguration",
            "field: \"webhooks[*].clientConfig.caBundle\"",
            "The kind, with or without its group (`Widget.example.com`); `*` for any.",
        ),
        key(
            "field",
            K::Text,
            Required,
            "\"webhooks[*].clientConfig.caBundle\"",
            "kind: ValidatingWebhookConfiguration",
            "The field as drift names it, with all that is below it; `[*]` stands for any item of a list.",
        ),
    ],
};

/// One of `readiness`.
pub(crate) static READINESS: Table = Table {
    name: "readiness",
    doc: "When objects of one kind are ready: conditions in CEL, asked in the order failed, suspended, in_progress, current, unknown; the first that holds decides. They see `object`, `metadata`, `spec`, `status`, and `conditions` by their types; one that asks for a field that is not there does not hold.",
    exactly_one: &[],
    keys: &[
        key(
            "kind",
            K::Text,
            Required,
            "Certificate.cert-manager.io",
            "current: 'true'",
            "The kind and its group, in any version. `*` stands for any kind, `*.` at the beginning of the group for anything before the rest.",
        ),
        key(
            "failed",
            K::Words,
            Default("none"),
            "conditions.Ready.reason == 'Refused'",
            "kind: Backup.example.com",
            "When an object has failed.",
        ),
        key(
            "suspended",
            K::Words,
            Default("none"),
            "spec.halted",
            "kind: Backup.example.com",
            "When an object waits because it was told to.",
        ),
        key(
            "in_progress",
            K::Words,
            Default("none"),
            "status.copied < spec.copies",
            "kind: Backup.example.com",
            "When an object is on its way.",
        ),
        key(
            "current",
            K::Words,
            Default("none"),
            "conditions.Ready.status == 'True'",
            "kind: Backup.example.com",
            "When an object is ready.",
        ),
        key(
            "unknown",
            K::Words,
            Default("none"),
            "status.phase == ''",
            "kind: Backup.example.com",
            "When nothing can be said about an object.",
        ),
        key(
            "otherwise",
            K::Choice(&["in_progress", "general"]),
            Default("in_progress with `current`, else general"),
            "general",
            "kind: Backup.example.com, current: 'true'",
            "What holds when no condition does: the object is on its way, or the rules of the program decide.",
        ),
        key(
            "message",
            K::Words,
            Default("the object's own words"),
            "status.message",
            "kind: Backup.example.com, current: 'true'",
            "Gives the line for people.",
        ),
    ],
};

const FAILURE: &[&str] = &["leave", "rollback", "uninstall"];
const FAST: &[&str] = &["certain", "never"];
const CRDS: &[&str] = &["skip", "create", "upgrade"];

const NAMESPACE: Key =
    key("namespace", K::Text, Default("default"), "cert-manager", "", "The namespace of the release.");
const CREATE_NAMESPACE: Key =
    key("create_namespace", K::Flag, Default("true"), "false", "", "Whether a missing namespace is created.");
const ON_FAILURE: Key = key(
    "on_failure",
    K::ChoiceOr(FAILURE, &POLICY_FORMS),
    Default("leave"),
    "rollback",
    "",
    "What to do after a failed deploy, once the evidence is collected and the steps of `on_deploy_failure` have run: `leave` everything to be looked at, `rollback` to the revision that was deployed before (a failed first install is left), `uninstall` what a failed first install left (a failed upgrade is left); or retries, or something else for a first install than for an upgrade. [Failure policy](failure-policy.md) has the table.",
);
const FAIL_FAST: Key = key(
    "fail_fast",
    K::Choice(FAST),
    Default("certain"),
    "never",
    "",
    "When `exec` and waits end before their time is up: with `certain` as soon as a cause is known that will certainly not pass by itself, with `never` causes are only told.",
);
const DRIFT: Key = key(
    "drift",
    K::Choice(&["report", "correct", "ignore"]),
    Default("report"),
    "correct",
    "",
    "What to do about objects that others have changed since the deploy, in a run that finds nothing else to do: `report` who changed what, `correct` it by an upgrade, or `ignore` it. With `report` too, an object that is gone is made again by an upgrade; [states](state.md#drift) says which are not.",
);
const DRIFT_IGNORE: Key = key(
    "drift_ignore",
    K::List(&DRIFT_IGNORE_EACH),
    Default("none"),
    "[{ kind: Deployment, field: spec.replicas }]",
    "",
    "Fields in which others may write what they like: changes of them are no drift. A release has those of `defaults` too. What is known to be injected is left out by itself, as [states](state.md#drift) says.",
);
const TAKE_OVER: Key = key(
    "take_over",
    K::Flag,
    Default("false"),
    "true",
    "",
    "Whether to act on the release although another tool (Flux, Terraform, Pulumi) still manages it. [States](state.md#releases-of-other-tools) says how that is told.",
);
const BEFORE_DESTRUCTIVE: Key = key(
    "before_destructive",
    K::Choice(&["proceed", "backup"]),
    Default("proceed"),
    "backup",
    "",
    "What is done before something goes, or is changed for good, that `consent` names: `proceed` takes the consent for enough, `backup` saves it in a file first, and refuses what cannot be saved. [Backups](guide.md#backups) says what that is.",
);
const TIMEOUT: Key = key(
    "timeout_in_seconds",
    K::Seconds,
    Default("600"),
    "900",
    "",
    "Wall-clock seconds each of `exec` and `validate` may take.",
);
const WAIT: Key = key(
    "wait",
    K::Flag,
    Default("true"),
    "false",
    "",
    "Whether `validate` waits for the objects of the release to become ready.",
);
const FORCE: Key = key(
    "force_upgrade",
    K::Flag,
    Default("false"),
    "true",
    "",
    "Replace objects instead of patching them: fields the chart does not set are removed, whoever set them (replicas, keys of a Secret).",
);
const SKIP_SCHEMA: Key = key(
    "skip_schema_validation",
    K::Flag,
    Default("false"),
    "true",
    "",
    "Take the values without asking the chart's `values.schema.json`, as Helm's flag of that name: for a schema that cannot be loaded. No reason to upgrade.",
);
const DRY_RUN: Key = key("dry_run", K::Flag, Default("false"), "true", "", "Check and render, but change nothing.");
const SKIP_INSTALLED: Key = key(
    "skip_if_already_installed",
    K::Flag,
    Default("false"),
    "true",
    "",
    "Do nothing when the release is deployed, in whatever version.",
);
const RECREATE: Key = key(
    "recreate_pods",
    K::Flag,
    Default("false"),
    "true",
    "",
    "Restart the workloads of the release after an upgrade, also those whose pods did not change.",
);
const HISTORY: Key =
    key("max_history", K::Count, Default("10"), "3", "", "How many revisions Helm keeps; 0 means all.");
const CRD_POLICY: Key = key(
    "crds",
    K::Choice(CRDS),
    Default("create"),
    "upgrade",
    "",
    "What to do with the definitions in the chart's `crds/` folders, which Helm never upgrades: `skip` them, `create` missing ones, or `upgrade` also brings the others to the chart's version.",
);
const LABELS: Key = key(
    "labels",
    K::TextMap,
    Default("none"),
    "{ team: platform }",
    "",
    "Labels of the release, for selecting it. Those of a release are added to the defaults.",
);

/// `defaults`.
pub(crate) static DEFAULTS: Table = Table {
    name: "defaults",
    doc: "What holds for every release that does not say otherwise.",
    exactly_one: &[],
    keys: &[
        NAMESPACE,
        CREATE_NAMESPACE,
        CRD_POLICY,
        ON_FAILURE,
        FAIL_FAST,
        DRIFT,
        DRIFT_IGNORE,
        TAKE_OVER,
        BEFORE_DESTRUCTIVE,
        TIMEOUT,
        WAIT,
        FORCE,
        SKIP_SCHEMA,
        DRY_RUN,
        SKIP_INSTALLED,
        RECREATE,
        HISTORY,
        LABELS,
    ],
};

/// One of `releases`.
pub(crate) static RELEASE: Table = Table {
    name: "release",
    doc: "One release of a chart, and the steps around it. What it does not say, and `defaults` says, comes from there.",
    exactly_one: &[],
    keys: &[
        key(
            "name",
            K::Text,
            Required,
            "cert-manager",
            "",
            "The Helm release name: at most 53 lower-case letters, digits, `-` and `.`.",
        ),
        NAMESPACE,
        CREATE_NAMESPACE,
        key(
            "chart",
            K::Mapping(&CHART),
            Required,
            "{ path: charts/web }",
            "",
            "Where the chart comes from, and which version.",
        ),
        key(
            "action",
            K::Choice(&["deploy", "destroy", "skip"]),
            Default("deploy"),
            "destroy",
            "",
            "What to do: `deploy` installs or upgrades, `destroy` uninstalls, `skip` leaves the release alone and says so.",
        ),
        key(
            "enabled",
            K::Condition,
            Default("true"),
            "env.REGION == 'eu' && release.labels.tier != 'db'",
            "labels: { tier: web }",
            "Whether the release takes part: `true`, `false`, or an expression in CEL that gives one of them, of at most 4096 bytes. It knows `env` (the environment variables) and `release` (`name`, `namespace`, `labels`). One that does not take part is left alone, as with `action: skip`.",
        ),
        CRD_POLICY,
        key(
            "values_files",
            K::Texts,
            Default("none"),
            "[values/web.yaml]",
            "",
            "Values files, as for Helm's `-f`; later ones win. Each must exist and be readable.",
        ),
        key(
            "yaml_files_content",
            K::List(&YAML_FILE),
            Default("none"),
            "[{ name: inline.yaml, content: { replicas: 2 } }]",
            "",
            "Values given directly, as named documents. They win over `values_files`.",
        ),
        key(
            "values",
            K::List(&SET_VALUE),
            Default("none"),
            "[{ key: image.tag, value: 1.2.3 }]",
            "",
            "Single settings, by the key paths of Helm's `--set`. They win over files and documents, later ones over earlier ones.",
        ),
        key(
            "last_breaking_version_requiring_restart",
            K::Text,
            Default("none"),
            "19.0.0",
            "",
            "A deployed chart version below this one, moving to or past it, is uninstalled before it is installed again; only if no data is attached, or consent was given.",
        ),
        ON_FAILURE,
        FAIL_FAST,
        DRIFT,
        DRIFT_IGNORE,
        TAKE_OVER,
        BEFORE_DESTRUCTIVE,
        TIMEOUT,
        WAIT,
        FORCE,
        SKIP_SCHEMA,
        DRY_RUN,
        SKIP_INSTALLED,
        RECREATE,
        HISTORY,
        key(
            "needs",
            K::TextsOr(&NEED),
            Default("none"),
            "[first]",
            "",
            "Releases that must be done before this one begins, as `name` or `namespace/name`, anywhere in the file. A destroy goes the other way round.",
        ),
        LABELS,
        key(
            "consent",
            K::Consents,
            Default("none"),
            "[persistentvolumeclaim/data]",
            "",
            "What may be lost on the way: objects with data as `kind/name` or `kind/namespace/name`, and `lock`, which takes an operation of somebody else that has left the release pending for dead. [What cannot be lost](guide.md#what-cannot-be-lost-by-accident) says more.",
        ),
        key(
            "check_prerequisites",
            K::PrerequisiteSteps,
            Default("none"),
            "[{ wait: { objects: [crd/certificates.cert-manager.io], for: exists } }]",
            "",
            "Steps that check, before anything is changed, whether the release can be acted on. Only `wait`, `command`, `http`, `tcp`, `assert` and `prometheus`.",
        ),
        key(
            "pre_exec",
            K::Steps,
            Default("none"),
            "[{ adopt: { objects: [daemonset/aws-node] } }]",
            "",
            "Steps before Helm runs.",
        ),
        key(
            "on_deploy_failure",
            K::Steps,
            Default("none"),
            "[{ command: { run: [./notify.sh] } }]",
            "",
            "Steps after a failure, once the evidence is collected and before the failure policy.",
        ),
        key(
            "post_exec",
            K::Steps,
            Default("none"),
            "[{ restart: { objects: [deployment/web] } }]",
            "",
            "Steps after Helm ran.",
        ),
        key(
            "validate",
            K::ReadOnlySteps,
            Default("none"),
            "[{ http: { service: web, port: 80, path: /healthz } }]",
            "",
            "Steps that check whether it really works, after every object is ready. Only `wait`, `command` and the checks (`http`, `tcp`, `exec`, `assert`, `job`, `helm_test`, `prometheus`).",
        ),
    ],
};

static POLICY_FORMS: [&Table; 2] = [&RETRY, &ON_FAILURE_EACH];
static RETRY_FORM: [&Table; 1] = [&RETRY];

/// `on_failure` with retries.
pub(crate) static RETRY: Table = Table {
    name: "retry",
    doc: "`on_failure` with retries. What is tried again is the deploy: `exec`, as far as helm had not deployed, and what follows; steps that are done are not repeated. A failure of which it is certain that waiting does not help is not tried again.",
    exactly_one: &[],
    keys: &[
        key("retry", K::Retries, Required, "2", "then: rollback", "How often the deploy is tried again."),
        key(
            "backoff_in_seconds",
            K::Seconds,
            Default("10"),
            "30",
            "retry: 2",
            "Wall-clock seconds before the first retry. They double for each further one, up to 300.",
        ),
        key(
            "then",
            K::Choice(FAILURE),
            Default("leave"),
            "rollback",
            "retry: 2",
            "What to do when the last retry has failed too.",
        ),
    ],
};

/// `on_failure` for each case.
pub(crate) static ON_FAILURE_EACH: Table = Table {
    name: "on failure",
    doc: "`on_failure` for a first install and for an upgrade. What is not given comes from `defaults`.",
    exactly_one: &[],
    keys: &[
        key(
            "install",
            K::ChoiceOr(&["leave", "uninstall"], &RETRY_FORM),
            Default("leave"),
            "uninstall",
            "",
            "When the release was not deployed before.",
        ),
        key(
            "upgrade",
            K::ChoiceOr(&["leave", "rollback"], &RETRY_FORM),
            Default("leave"),
            "{ retry: 2, then: rollback }",
            "",
            "When it was.",
        ),
    ],
};

/// One of `needs`.
pub(crate) static NEED: Table = Table {
    name: "need",
    doc: "A release that must have come so far before this one begins. Its name alone means `until: validated`.",
    exactly_one: &[],
    keys: &[
        key("release", K::Text, Required, "first", "", "The release, as `name` or `namespace/name`."),
        key(
            "until",
            K::Choice(&["deployed", "validated"]),
            Default("validated"),
            "deployed",
            "release: first",
            "How far it must have come: `deployed` by helm, or `validated` too.",
        ),
    ],
};

/// `chart`.
pub(crate) static CHART: Table = Table {
    name: "chart",
    doc: "Where a chart comes from: a repository, a local path or a registry.",
    exactly_one: &["repo", "path", "oci"],
    keys: &[
        key(
            "repo",
            K::Text,
            Default("none"),
            "https://charts.jetstack.io",
            "name: cert-manager",
            "The URL of a chart repository; `name` says which chart of it.",
        ),
        key(
            "name",
            K::Text,
            Default("none"),
            "cert-manager",
            "repo: https://charts.jetstack.io",
            "The chart's name in the repository; only with `repo`.",
        ),
        key(
            "path",
            K::Text,
            Default("none"),
            "charts/web",
            "",
            "A chart folder or a `.tgz` archive. A relative path starts at the folder of the stack file.",
        ),
        key("oci", K::Text, Default("none"), "oci://ghcr.io/stefanprodan/charts/podinfo", "", "A chart in a registry."),
        key(
            "version",
            K::Words,
            Default("the newest stable one"),
            "~1.20",
            "path: charts/web",
            "An exact version or a constraint, by Helm's rules.",
        ),
    ],
};

/// One of `yaml_files_content`.
pub(crate) static YAML_FILE: Table = Table {
    name: "yaml file",
    doc: "Values given directly, under a name for messages.",
    exactly_one: &[],
    keys: &[
        key("name", K::Text, Required, "inline.yaml", "content: {}", "A name for messages."),
        key(
            "content",
            K::Document,
            Required,
            "{ installCRDs: true }",
            "name: inline.yaml",
            "The values: a mapping, or text that holds one in YAML.",
        ),
    ],
};

/// One of `values`.
pub(crate) static SET_VALUE: Table = Table {
    name: "value",
    doc: "One setting of a value.",
    exactly_one: &["value", "from_env", "from_payload"],
    keys: &[
        key(
            "key",
            K::Text,
            Required,
            "image.tag",
            "value: 1.2.3",
            "The path, as in Helm's `--set`: `image.tag`, `hosts[0]`, `annotations.example\\.com/a`.",
        ),
        key("value", K::Anything, Default("none"), "1.2.3", "key: image.tag", "The value."),
        key(
            "from_env",
            K::Text,
            Default("none"),
            "DB_PASSWORD",
            "key: db.password",
            "The environment variable that holds the value.",
        ),
        key(
            "from_payload",
            K::Text,
            Default("none"),
            "selector",
            "key: selector",
            "The payload entry of an earlier step (`output_to`) that holds the value.",
        ),
        key(
            "type",
            K::Choice(&["auto", "string", "json"]),
            Default("`auto` for text, `json` for anything else"),
            "string",
            "key: port, value: \"7\"",
            "How the value is understood: `auto` guesses like `--set`, `string` is like `--set-string`, `json` like `--set-json`.",
        ),
        key(
            "sensitive",
            K::Flag,
            Default("false"),
            "true",
            "key: db.password, from_env: DB_PASSWORD",
            "Whether the value must never be shown. A sensitive value is always a string.",
        ),
    ],
};

/// Every table, in the order of the reference.
pub(crate) static TABLES: &[&Table] = &[
    &FILE,
    &CLUSTER,
    &DEFAULTS,
    &READINESS,
    &DRIFT_IGNORE_EACH,
    &RELEASE,
    &NEED,
    &RETRY,
    &ON_FAILURE_EACH,
    &CHART,
    &YAML_FILE,
    &SET_VALUE,
    &STEP,
    &ADOPT,
    &APPLY,
    &DELETE,
    &WAIT_STEP,
    &COMMAND,
    &RESTART,
    &HTTP,
    &HTTP_EXPECT,
    &HEADER,
    &TCP,
    &EXEC,
    &EXEC_EXPECT,
    &ASSERT,
    &JOB,
    &HELM_TEST,
    &PROMETHEUS,
];
