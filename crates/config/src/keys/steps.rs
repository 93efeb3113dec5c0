//! The keys of steps that change something or wait.

use super::checks::{ASSERT, EXEC, HELM_TEST, HTTP, JOB, PROMETHEUS, TCP};
use super::table::{Kind as K, Need::Default, Need::Required, Table, key};

/// A step of any phase.
pub(crate) static STEP: Table = Table {
    name: "step",
    doc: "One step of a phase.",
    exactly_one: &[
        "adopt",
        "apply",
        "delete",
        "wait",
        "command",
        "restart",
        "http",
        "tcp",
        "exec",
        "assert",
        "job",
        "helm_test",
        "prometheus",
    ],
    keys: &[
        key(
            "name",
            K::Text,
            Default("made from what the step does"),
            "take over aws-node",
            "wait: { objects: [deployment/web] }",
            "A name for people.",
        ),
        key(
            "on",
            K::Choice(&["deploy", "destroy", "always"]),
            Default("deploy"),
            "destroy",
            "wait: { objects: [deployment/web], for: deleted }",
            "For which action of the release the step runs.",
        ),
        key(
            "point_of_no_return",
            K::Flag,
            Default("false"),
            "true",
            "command: { run: [./migrate.sh] }",
            "Whether nothing can be taken back once this step has begun, as after a migration that only goes forward: what fails from then on is left as it is, whatever `on_failure` says. Only in `pre_exec` and `post_exec`.",
        ),
        key(
            "every_run",
            K::Flag,
            Default("false"),
            "true",
            "command: { run: [./sync-users.sh] }",
            "Whether the step runs in every run, also in one that finds nothing else to do.",
        ),
        key(
            "adopt",
            K::Mapping(&ADOPT),
            Default("none"),
            "{ objects: [daemonset/aws-node] }",
            "",
            "Give existing objects to the release. Not in `check_prerequisites` and `validate`.",
        ),
        key(
            "apply",
            K::Mapping(&APPLY),
            Default("none"),
            "{ files: [extra.yaml] }",
            "",
            "Apply manifests (server-side apply). Not in `check_prerequisites` and `validate`.",
        ),
        key(
            "delete",
            K::Mapping(&DELETE),
            Default("none"),
            "{ objects: [job/migrate] }",
            "",
            "Delete objects. Not in `check_prerequisites` and `validate`.",
        ),
        key(
            "wait",
            K::Mapping(&WAIT_STEP),
            Default("none"),
            "{ objects: [deployment/web] }",
            "",
            "Wait until objects are in a state.",
        ),
        key(
            "command",
            K::Mapping(&COMMAND),
            Default("none"),
            "{ run: [./smoke-test.sh] }",
            "",
            "Run a program. It gets KUBECONFIG, PILOTHOUSE_RELEASE, PILOTHOUSE_NAMESPACE, PILOTHOUSE_PHASE and PILOTHOUSE_ACTION.",
        ),
        key(
            "restart",
            K::Mapping(&RESTART),
            Default("none"),
            "{ objects: [deployment/web] }",
            "",
            "Restart workloads, as `kubectl rollout restart` does. Not in `check_prerequisites` and `validate`.",
        ),
        key("http", K::Mapping(&HTTP), Default("none"), "{ service: web, port: 80, path: /healthz }", "", HTTP.doc),
        key("tcp", K::Mapping(&TCP), Default("none"), "{ service: db, port: 5432 }", "", TCP.doc),
        key("exec", K::Mapping(&EXEC), Default("none"), "{ in: deployment/web, command: [\"true\"] }", "", EXEC.doc),
        key(
            "assert",
            K::Mapping(&ASSERT),
            Default("none"),
            "{ object: deployment/web, that: \"object.status.readyReplicas >= 2\" }",
            "",
            ASSERT.doc,
        ),
        key("job", K::Mapping(&JOB), Default("none"), "{ file: checks/smoke.yaml }", "", JOB.doc),
        key("helm_test", K::Mapping(&HELM_TEST), Default("none"), "{ timeout_in_seconds: 60 }", "", HELM_TEST.doc),
        key(
            "prometheus",
            K::Mapping(&PROMETHEUS),
            Default("none"),
            "{ service: monitoring/prometheus, port: 9090, query: up, expect: \"> 0\" }",
            "",
            PROMETHEUS.doc,
        ),
    ],
};

/// `adopt`.
pub(crate) static ADOPT: Table = Table {
    name: "adopt",
    doc: "Give existing objects to the release, by Helm's ownership label and annotations.",
    exactly_one: &["objects", "unowned"],
    keys: &[
        key(
            "objects",
            K::Objects,
            Default("none"),
            "[daemonset/aws-node, clusterrole/aws-node]",
            "",
            "Exactly these, as `kind/name` or `kind/namespace/name`, also where another tool has them, or a release has left them that is gone. One that does not exist is no error: Helm will create it.",
        ),
        key(
            "unowned",
            K::Flag,
            Default("false"),
            "true",
            "",
            "Every object of the chart that exists and belongs to nobody: no release, no other tool, no controller. `plan` names them. What another tool has, or a release has left that is gone, is adopted too where `consent` names it.",
        ),
    ],
};

/// `apply`.
pub(crate) static APPLY: Table = Table {
    name: "apply",
    doc: "Apply manifests.",
    exactly_one: &[],
    keys: &[
        key(
            "files",
            K::Texts,
            Default("none"),
            "[extra.yaml]",
            "",
            "Files with YAML documents. A relative path starts at the folder of the stack file.",
        ),
        key(
            "manifests",
            K::Documents,
            Default("none"),
            "[{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }]",
            "",
            "Manifests given directly: mappings, or text that holds YAML documents.",
        ),
    ],
};

/// `delete`.
pub(crate) static DELETE: Table = Table {
    name: "delete",
    doc: "Delete objects. What holds data needs `consent`.",
    exactly_one: &[],
    keys: &[
        key(
            "objects",
            K::Objects,
            Default("none"),
            "[job/migrate]",
            "",
            "Exactly these; one that does not exist is no error.",
        ),
        key(
            "chart_crds",
            K::Flag,
            Default("false"),
            "true",
            "",
            "Also the definitions in the chart's `crds/` folders.",
        ),
        key(
            "timeout_in_seconds",
            K::Seconds,
            Default("120"),
            "60",
            "objects: [job/migrate]",
            "Wall-clock seconds until they must be gone.",
        ),
    ],
};

/// `wait`.
pub(crate) static WAIT_STEP: Table = Table {
    name: "wait",
    doc: "Wait until objects are in a state.",
    exactly_one: &[],
    keys: &[
        key("objects", K::Objects, Required, "[deployment/web]", "", "These."),
        key(
            "for",
            K::Choice(&["ready", "exists", "deleted"]),
            Default("ready"),
            "exists",
            "objects: [deployment/web]",
            "What to wait for.",
        ),
        key(
            "timeout_in_seconds",
            K::Seconds,
            Default("300"),
            "60",
            "objects: [deployment/web]",
            "Wall-clock seconds until the step fails.",
        ),
    ],
};

/// `command`.
pub(crate) static COMMAND: Table = Table {
    name: "command",
    doc: "Run a program.",
    exactly_one: &[],
    keys: &[
        key(
            "run",
            K::Arguments,
            Required,
            "[sh, -c, \"echo hello\"]",
            "",
            "The program and its arguments; no shell is involved unless it is named here.",
        ),
        key("env", K::TextMap, Default("none"), "{ COLOUR: blue }", "run: [./a.sh]", "More environment variables."),
        key(
            "cwd",
            K::Text,
            Default("the folder of the stack file"),
            "scripts",
            "run: [./a.sh]",
            "The folder it starts in. A relative path starts at the folder of the stack file.",
        ),
        key(
            "output_to",
            K::Text,
            Default("none"),
            "selector",
            "run: [./a.sh]",
            "Puts its standard output, without white space around it, into the payload under this key. It is shown nowhere.",
        ),
        key(
            "sensitive",
            K::Flag,
            Default("false"),
            "true",
            "run: [./a.sh], output_to: password",
            "Whether the output is a secret: then it is hidden wherever it turns up later, and not kept, so that a run that continues this one runs the step again (or asks, where it is not `repeatable`).",
        ),
        key(
            "repeatable",
            K::Flag,
            Default("false"),
            "true",
            "run: [./a.sh]",
            "Whether it may be run again when it is not known whether it has run.",
        ),
        key(
            "timeout_in_seconds",
            K::Seconds,
            Default("300"),
            "60",
            "run: [./a.sh]",
            "Wall-clock seconds until it is stopped.",
        ),
    ],
};

/// `restart`.
pub(crate) static RESTART: Table = Table {
    name: "restart",
    doc: "Restart workloads.",
    exactly_one: &[],
    keys: &[key("objects", K::Objects, Required, "[deployment/web]", "", "Deployments, StatefulSets or DaemonSets.")],
};
