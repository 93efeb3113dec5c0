//! The keys of checks: see [`super::stack`].

use super::table::{Key, Kind as K, Need::Default, Need::Required, Table, key};

const TIMEOUT: &str = "Wall-clock seconds until the check fails; it is tried again until then.";

/// The keys every check has, for a table whose examples need `beside`.
macro_rules! checked {
    ($beside:literal, $($key:expr),+ $(,)?) => {
        &[
            $($key,)+
            key("timeout_in_seconds", K::Seconds, Default("60"), "120", $beside, TIMEOUT),
            key("interval_in_seconds", K::Seconds, Default("2"), "5", $beside, "Seconds between two attempts."),
            key(
                "stable_for_in_seconds",
                K::Seconds,
                Default("none"),
                "30",
                $beside,
                "For so many seconds every attempt must do, within the timeout. Without it the first that does is enough.",
            ),
            key(
                "must_fail",
                K::Flag,
                Default("false"),
                "true",
                $beside,
                "What is expected must not hold. What cannot be told, such as a Service that does not exist, is a failure all the same.",
            ),
            key(
                "baseline",
                K::Flag,
                Default("false"),
                "true",
                $beside,
                "Also made before the change, and judged by comparison: what did not hold before either is a warning, not a failure. Only in `validate`.",
            ),
        ]
    };
}

const SERVICE: Key = key(
    "service",
    K::Text,
    Default("none"),
    "web",
    "port: 80",
    "A Service, as `name` or `namespace/name`. A ready pod of it is reached through the API server.",
);
const POD: Key = key(
    "pod",
    K::Text,
    Default("none"),
    "web-0",
    "port: 80",
    "A pod, as `name` or `namespace/name`, reached through the API server.",
);

/// `http`.
pub(crate) static HTTP: Table = Table {
    name: "http",
    doc: "An HTTP/1.1 request and what must come back. Redirects are not followed.",
    exactly_one: &["service", "pod", "url"],
    keys: checked!(
        "service: web, port: 80",
        SERVICE,
        POD,
        key(
            "url",
            K::Text,
            Default("none"),
            "https://example.com/healthz",
            "",
            "An address that can be reached from where Pilothouse runs."
        ),
        key(
            "port",
            K::Words,
            Default("none"),
            "80",
            "service: web",
            "The port, by number or name; required with `service` and `pod`."
        ),
        key(
            "scheme",
            K::Choice(&["http", "https"]),
            Default("http"),
            "https",
            "service: web, port: 443",
            "With `service` and `pod`."
        ),
        key(
            "path",
            K::Text,
            Default("/"),
            "/healthz?full=1",
            "service: web, port: 80",
            "Path and query; with `service` and `pod`."
        ),
        key("method", K::Choice(METHODS), Default("GET"), "POST", "service: web, port: 80", "The method."),
        key(
            "headers",
            K::List(&HEADER),
            Default("none"),
            "[{ name: Accept, value: text/plain }]",
            "service: web, port: 80",
            "Headers of the request."
        ),
        key("body", K::Text, Default("none"), "'{\"a\": 1}'", "service: web, port: 80", "The body of the request."),
        CA_FILE,
        SKIP_VERIFY,
        SERVER_NAME,
        key(
            "expect",
            K::Mapping(&HTTP_EXPECT),
            Default("a status of 2xx"),
            "{ status: 204 }",
            "service: web, port: 80",
            "What must come back."
        ),
    ),
};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const CA_FILE: Key = key(
    "ca_file",
    K::Text,
    Default("the certificates of the system"),
    "ca.pem",
    "service: web, port: 443, scheme: https",
    "Certificates in PEM that are trusted instead. A relative path starts at the folder of the stack file.",
);
const SKIP_VERIFY: Key = key(
    "skip_tls_verify",
    K::Flag,
    Default("false"),
    "true",
    "service: web, port: 443, scheme: https",
    "Take any certificate.",
);
const SERVER_NAME: Key = key(
    "server_name",
    K::Text,
    Default("`name.namespace.svc` of the Service, or the host"),
    "web.example.com",
    "service: web, port: 443, scheme: https",
    "The name the certificate must have.",
);

/// `expect` of `http`.
pub(crate) static HTTP_EXPECT: Table = Table {
    name: "http expect",
    doc: "What must come back of an HTTP request: all of these.",
    exactly_one: &[],
    keys: &[
        key(
            "status",
            K::Statuses,
            Default("2xx"),
            "[200, 204]",
            "",
            "A status, a hundred of them as `2xx`, or a list.",
        ),
        key("body_contains", K::Words, Default("none"), "ok", "", "What the body has in it."),
        key(
            "json",
            K::Expression,
            Default("none"),
            "body.status == 'ok'",
            "",
            "A CEL expression about `body`, the body as JSON.",
        ),
        key(
            "headers",
            K::TextMap,
            Default("none"),
            "{ content-type: text/plain }",
            "",
            "Headers with exactly these values.",
        ),
    ],
};

/// One of `headers`.
pub(crate) static HEADER: Table = Table {
    name: "header",
    doc: "A header of a request.",
    exactly_one: &["value", "from_env", "from_file"],
    keys: &[
        key("name", K::Text, Required, "Authorization", "from_env: TOKEN", "Its name."),
        key("value", K::Words, Default("none"), "text/plain", "name: Accept", "Its value."),
        key(
            "from_env",
            K::Text,
            Default("none"),
            "TOKEN",
            "name: Authorization",
            "The environment variable that holds the value, which is never shown.",
        ),
        key(
            "from_file",
            K::Text,
            Default("none"),
            "token",
            "name: Authorization",
            "The file that holds the value, which is never shown; read at each run. A relative path starts at the folder of the stack file.",
        ),
        key(
            "prefix",
            K::Text,
            Default("none"),
            "\"Bearer \"",
            "name: Authorization, from_env: TOKEN",
            "What stands before a value from the environment or a file.",
        ),
        key(
            "sensitive",
            K::Flag,
            Default("false"),
            "true",
            "name: X-Key, value: abcd",
            "Whether the value must never be shown.",
        ),
    ],
};

/// `tcp`.
pub(crate) static TCP: Table = Table {
    name: "tcp",
    doc: "A TCP connection that must be accepted.",
    exactly_one: &["service", "pod", "host"],
    keys: checked!(
        "service: web, port: 80",
        SERVICE,
        POD,
        key(
            "host",
            K::Text,
            Default("none"),
            "db.example.com",
            "port: 5432",
            "A host that can be reached from where Pilothouse runs."
        ),
        key(
            "port",
            K::Words,
            Required,
            "5432",
            "service: web",
            "The port, by number or, of a Service or pod, by name."
        ),
    ),
};

/// `exec`.
pub(crate) static EXEC: Table = Table {
    name: "exec",
    doc: "A program in a container that runs already. Not in `check_prerequisites`.",
    exactly_one: &[],
    keys: checked!(
        "in: deployment/web, command: [\"true\"]",
        key(
            "in",
            K::Object,
            Required,
            "deployment/web",
            "command: [\"true\"]",
            "A pod, or a workload one of whose ready pods is taken."
        ),
        key(
            "container",
            K::Text,
            Default("the first"),
            "web",
            "in: deployment/web, command: [\"true\"]",
            "The container."
        ),
        key(
            "command",
            K::Arguments,
            Required,
            "[redis-cli, ping]",
            "in: deployment/web",
            "The program and its arguments; no shell is involved unless it is named here."
        ),
        key(
            "expect",
            K::Mapping(&EXEC_EXPECT),
            Default("exit code 0"),
            "{ stdout_contains: PONG }",
            "in: deployment/web, command: [\"true\"]",
            "What must come back."
        ),
    ),
};

/// `expect` of `exec`.
pub(crate) static EXEC_EXPECT: Table = Table {
    name: "exec expect",
    doc: "What must come back of a program: all of these.",
    exactly_one: &[],
    keys: &[
        key("exit_code", K::Count, Default("0"), "1", "", "The exit code, 0 to 255."),
        key("stdout_contains", K::Words, Default("none"), "PONG", "", "What the standard output has in it."),
    ],
};

/// `assert`.
pub(crate) static ASSERT: Table = Table {
    name: "assert",
    doc: "An expression that must hold for live objects.",
    exactly_one: &["object", "kind"],
    keys: checked!(
        "object: deployment/web, that: \"object.spec.replicas > 1\"",
        key(
            "object",
            K::Object,
            Default("none"),
            "deployment/web",
            "that: \"object.spec.replicas > 1\"",
            "One object."
        ),
        key(
            "kind",
            K::Text,
            Default("none"),
            "pod",
            "that: \"object.status.phase == 'Running'\"",
            "All objects of a kind."
        ),
        key(
            "namespace",
            K::Text,
            Default("that of the release"),
            "web",
            "kind: pod, that: \"object.status.phase == 'Running'\"",
            "With `kind`: where they are."
        ),
        key(
            "labels",
            K::TextMap,
            Default("none"),
            "{ app: web }",
            "kind: pod, that: \"object.status.phase == 'Running'\"",
            "With `kind`: the labels they have."
        ),
        key(
            "for",
            K::Choice(&["all", "any"]),
            Default("all"),
            "any",
            "kind: pod, that: \"object.status.phase == 'Running'\"",
            "With `kind`: whether it must hold for all of them, and there is one, or for any."
        ),
        key(
            "that",
            K::Expression,
            Required,
            "\"object.status.readyReplicas >= 2\"",
            "object: deployment/web",
            "A CEL expression about `object`."
        ),
    ),
};

/// `job`.
pub(crate) static JOB: Table = Table {
    name: "job",
    doc: "A Job that must complete. It is created in the release's namespace and always deleted afterwards. Not in `check_prerequisites`.",
    exactly_one: &["manifest", "file", "template"],
    keys: &[
        key(
            "manifest",
            K::Document,
            Default("none"),
            "{ apiVersion: batch/v1, kind: Job, metadata: { name: smoke }, spec: { template: {} } }",
            "",
            "The Job: a mapping, or text that holds one in YAML. Its name gets an ending of its own.",
        ),
        key(
            "file",
            K::Text,
            Default("none"),
            "checks/smoke.yaml",
            "",
            "A file with the Job. A relative path starts at the folder of the stack file.",
        ),
        key(
            "template",
            K::Document,
            Default("none"),
            "{ spec: { containers: [{ name: smoke, image: \"busybox:1.37\", command: [\"true\"] }] } }",
            "",
            "The template of its pod, for a Job that is not tried again.",
        ),
        key(
            "timeout_in_seconds",
            K::Seconds,
            Default("300"),
            "60",
            "file: smoke.yaml",
            "Wall-clock seconds until it is deleted and the check fails.",
        ),
        key(
            "must_fail",
            K::Flag,
            Default("false"),
            "true",
            "file: smoke.yaml",
            "It must fail. A Job that cannot be created or does not end is a failure all the same.",
        ),
    ],
};

/// `helm_test`.
pub(crate) static HELM_TEST: Table = Table {
    name: "helm_test",
    doc: "The chart's own tests, by `helm test`. Not in `check_prerequisites`.",
    exactly_one: &[],
    keys: &[
        key(
            "tests",
            K::Texts,
            Default("all"),
            "[web-test, \"!slow-test\"]",
            "",
            "Tests to run, or with `!` to leave out, by the name of their object.",
        ),
        key(
            "timeout_in_seconds",
            K::Seconds,
            Default("300"),
            "60",
            "",
            "Wall-clock seconds until helm is stopped and the check fails.",
        ),
    ],
};

/// `prometheus`.
pub(crate) static PROMETHEUS: Table = Table {
    name: "prometheus",
    doc: "An instant query of Prometheus, and what must come back.",
    exactly_one: &["service", "url"],
    keys: checked!(
        "service: monitoring/prometheus, port: 9090, query: up, expect: \"> 0\"",
        key(
            "service",
            K::Text,
            Default("none"),
            "monitoring/prometheus",
            "port: 9090, query: up, expect: \"> 0\"",
            "The Service of Prometheus, as `name` or `namespace/name`, reached through the API server."
        ),
        key(
            "url",
            K::Text,
            Default("none"),
            "https://prometheus.example.com",
            "query: up, expect: \"> 0\"",
            "An address that can be reached from where Pilothouse runs."
        ),
        key(
            "port",
            K::Words,
            Default("none"),
            "9090",
            "service: monitoring/prometheus, query: up, expect: \"> 0\"",
            "The port of the Service, by number or name; required with `service`."
        ),
        key(
            "headers",
            K::List(&HEADER),
            Default("none"),
            "[{ name: Authorization, from_env: TOKEN }]",
            "service: monitoring/prometheus, port: 9090, query: up, expect: \"> 0\"",
            "Headers of the request."
        ),
        key(
            "query",
            K::Text,
            Required,
            "\"sum(rate(http_requests_total[5m]))\"",
            "service: monitoring/prometheus, port: 9090, expect: \"> 0\"",
            "The query, in PromQL."
        ),
        key(
            "expect",
            K::Expression,
            Required,
            "\"< 0.01\"",
            "service: monitoring/prometheus, port: 9090, query: up",
            "A comparison such as `> 0` that must hold for every value, and there is one; or a CEL expression about `values` (a list of numbers) and `results` (a list of `labels` and `value`)."
        ),
    ),
};
