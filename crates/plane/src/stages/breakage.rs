//! The stages of faults.

use super::fault::{Fault, FaultKind, literal};
use serde_json::{Value, json};
use std::path::Path;

/// How long a broken container waits between what a kubelet would do after seconds or minutes, in milliseconds.
const SOON: u32 = 300;
const BACK_OFF: u32 = 10_000;

/// One step in the life of a broken pod.
struct Act {
    name: &'static str,
    /// jq expressions over the pod that must all be true. Something in `status` must make one of them false.
    when: Vec<&'static str>,
    delay: u32,
    phase: &'static str,
    /// The states of a broken container and of a main container that is not broken, as YAML flow mappings in a Go
    /// template whose `.` is the container; `$old` is its status so far, `$pod` the pod.
    bad: String,
    good: &'static str,
    conditions: &'static str,
    events: Vec<Event>,
}

/// An Event of the first broken container (`$c` in the template).
struct Event {
    kind: &'static str,
    reason: &'static str,
    /// A Go template expression.
    message: String,
}

const PENDING: &str = r#".status.phase == "Pending""#;
const RUNNING: &str = r#".status.phase == "Running""#;
const NOT_ENDED: &str = r#".status.phase | . == "Pending" or . == "Running""#;
const RESTARTED: &str = r#".spec.restartPolicy != "Never""#;
const NOT_RESTARTED: &str = r#".spec.restartPolicy == "Never""#;
const NOT_READY: &str = r#"[.status.conditions[]? | select(.type == "Ready") | .status] | any(. == "False")"#;
const NOT_SHOWN_UNREADY: &str = r#"([.status.conditions[]? | select(.type == "Ready") | .status] | any(. == "False") | not) or .status.phase == "Pending""#;
const NO_PULL_ERROR: &str = r#"[.status.containerStatuses[]?.state.waiting.reason] | any(. == "ErrImagePull" or . == "ImagePullBackOff") | not"#;
const PULL_ERROR: &str = r#"[.status.containerStatuses[]?.state.waiting.reason] | any(. == "ErrImagePull")"#;
const NO_CONFIG_ERROR: &str =
    r#"[.status.containerStatuses[]?.state.waiting.reason] | any(. == "CreateContainerConfigError") | not"#;
const NO_CRASH: &str = r#"[.status.containerStatuses[]? | .state.terminated, .lastState.terminated] | all(. == null)"#;
const CRASHED: &str = r#"[.status.containerStatuses[]?.state.terminated] | any(. != null)"#;
const CRASH_LOOP: &str = r#"[.status.containerStatuses[]?.state.waiting.reason] | any(. == "CrashLoopBackOff")"#;
const NO_INIT_CRASH: &str = r#"[.status.initContainerStatuses[]? | .state.terminated, .lastState.terminated | .exitCode] | all(. == null or . == 0)"#;
const INIT_CRASHED: &str =
    r#"[.status.initContainerStatuses[]?.state.terminated.exitCode] | any(. != null and . != 0)"#;
const INIT_CRASH_LOOP: &str =
    r#"[.status.initContainerStatuses[]?.state.waiting.reason] | any(. == "CrashLoopBackOff")"#;

const STARTED: &str =
    "ready: true, started: true, restartCount: {{ $count }}, state: {running: {startedAt: {{ $since | Quote }}}}";
const UNREADY: &str =
    "ready: false, started: true, restartCount: {{ $count }}, state: {running: {startedAt: {{ $since | Quote }}}}";
const INITIALIZING: &str = "ready: false, started: false, restartCount: 0, state: {waiting: {reason: PodInitializing}}";
const READY: &str = "True True";
const UNREADY_CONDITIONS: &str = "True False";
const UNINITIALIZED: &str = "False False";

/// The stages of one fault. `index` makes their names unique; `others` are jq expressions of the faults before it.
pub(crate) fn stages(fault: &Fault, index: usize, before: &[String], logs: Option<&Path>) -> Vec<Value> {
    let mut matches = fault.jq();
    for other in before {
        matches = format!("{matches} and (({other}) | not)");
    }
    acts(&fault.kind).iter().map(|act| stage(fault, act, index, &matches, logs)).collect()
}

fn waiting(reason: &str, message: &str) -> String {
    format!(
        "ready: false, started: false, restartCount: {{{{ $count }}}}, state: {{waiting: {{reason: {reason}, message: {{{{ {message} | Quote }}}}}}}}"
    )
}

fn event(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Event {
    Event { kind, reason, message: message.into() }
}

/// What a kubelet says when a container starts (kubernetes `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
fn start_events() -> Vec<Event> {
    vec![
        event("Normal", "Pulled", r#"printf "Container image %q already present on machine" $c.image"#),
        event("Normal", "Created", r#"printf "Container created""#),
        event("Normal", "Started", r#"printf "Container started""#),
    ]
}

fn acts(kind: &FaultKind) -> Vec<Act> {
    match kind {
        FaultKind::ImagePullError { message } => image_pull(message),
        FaultKind::ConfigError { message } => config_error(message),
        FaultKind::NeverReady => vec![unready("never-ready", vec![NOT_ENDED, NOT_SHOWN_UNREADY])],
        FaultKind::SlowStart { seconds } => {
            let becomes_ready = Act {
                name: "slow-start-ready",
                when: vec![RUNNING, NOT_READY],
                delay: seconds.saturating_mul(1000),
                phase: "Running",
                bad: STARTED.to_owned(),
                good: STARTED,
                conditions: READY,
                events: Vec::new(),
            };
            vec![unready("slow-start", vec![PENDING]), becomes_ready]
        }
        FaultKind::CrashLoop { exit_code, .. } => crash(*exit_code, "Error", BACK_OFF),
        FaultKind::OomKilled => crash(137, "OOMKilled", BACK_OFF),
        FaultKind::FailingJob { exit_code, .. } => crash(*exit_code, "Error", 1000),
        FaultKind::InitFailed { exit_code } => init_crash(*exit_code),
    }
}

fn image_pull(message: &str) -> Vec<Act> {
    let message = literal(message);
    let back_off = format!(r#"printf "Back-off pulling image %q: ErrImagePull: %s" .image {message}"#);
    let act = |name, seen, delay, bad, events| Act {
        name,
        when: vec![PENDING, seen],
        delay,
        phase: "Pending",
        bad,
        good: STARTED,
        conditions: UNREADY_CONDITIONS,
        events,
    };
    vec![
        act(
            "image-pull-error",
            NO_PULL_ERROR,
            0,
            waiting("ErrImagePull", &message),
            vec![
                event("Normal", "Pulling", r#"printf "Pulling image %q" $c.image"#),
                event("Warning", "Failed", format!(r#"printf "Failed to pull image %q: %s" $c.image {message}"#)),
                event("Warning", "Failed", r#"print "Error: ErrImagePull""#),
            ],
        ),
        act(
            "image-pull-back-off",
            PULL_ERROR,
            SOON,
            waiting("ImagePullBackOff", &back_off),
            vec![
                event("Normal", "BackOff", r#"printf "Back-off pulling image %q" $c.image"#),
                event("Warning", "Failed", r#"print "Error: ImagePullBackOff""#),
            ],
        ),
    ]
}

fn config_error(message: &str) -> Vec<Act> {
    let message = literal(message);
    let pulled = r#"printf "Container image %q already present on machine" $c.image"#;
    vec![Act {
        name: "config-error",
        when: vec![PENDING, NO_CONFIG_ERROR],
        delay: 0,
        phase: "Pending",
        bad: waiting("CreateContainerConfigError", &message),
        good: STARTED,
        conditions: UNREADY_CONDITIONS,
        events: vec![
            event("Normal", "Pulled", pulled),
            event("Warning", "Failed", format!(r#"printf "Error: %s" {message}"#)),
        ],
    }]
}

fn unready(name: &'static str, when: Vec<&'static str>) -> Act {
    let mut events = start_events();
    let message = r#"print "Readiness probe failed: HTTP probe failed with statuscode: 503""#;
    events.push(event("Warning", "Unhealthy", message));
    Act {
        name,
        when,
        delay: 0,
        phase: "Running",
        bad: UNREADY.to_owned(),
        good: STARTED,
        conditions: UNREADY_CONDITIONS,
        events,
    }
}

/// The inner part of a container's terminated state.
fn terminated(exit_code: u8, reason: &str) -> String {
    format!(
        "terminated: {{exitCode: {exit_code}, reason: {reason}, startedAt: {{{{ $now | Quote }}}}, finishedAt: {{{{ $now | Quote }}}}, containerID: {{{{ $id | Quote }}}}}}"
    )
}

fn ended(exit_code: u8, reason: &str) -> String {
    let terminated = terminated(exit_code, reason);
    format!("ready: false, started: false, restartCount: {{{{ $count }}}}, state: {{{terminated}}}")
}

/// `$count` has not been raised yet: the container was started once more and has ended again.
fn backing_off(exit_code: u8, reason: &str) -> String {
    let terminated = terminated(exit_code, reason);
    let message = r#"printf "back-off 10s restarting failed container=%s pod=%s_%s(%s)" .name $pod.metadata.name $pod.metadata.namespace $pod.metadata.uid"#;
    format!(
        "ready: false, started: false, restartCount: {{{{ add $count 1 }}}}, lastState: {{{terminated}}}, state: {{waiting: {{reason: CrashLoopBackOff, message: {{{{ {message} | Quote }}}}}}}}"
    )
}

fn back_off_event() -> Event {
    event(
        "Warning",
        "BackOff",
        r#"printf "Back-off restarting failed container %s in pod %s_%s(%s)" $c.name .metadata.name .metadata.namespace .metadata.uid"#,
    )
}

fn crash(exit_code: u8, reason: &str, again: u32) -> Vec<Act> {
    let act = |name, when, delay, phase, bad, events| Act {
        name,
        when,
        delay,
        phase,
        bad,
        good: STARTED,
        conditions: UNREADY_CONDITIONS,
        events,
    };
    vec![
        act("fail", vec![NOT_ENDED, NOT_RESTARTED], 0, "Failed", ended(exit_code, reason), start_events()),
        act("crash", vec![NOT_ENDED, RESTARTED, NO_CRASH], 0, "Running", ended(exit_code, reason), start_events()),
        act(
            "crash-loop",
            vec![RUNNING, RESTARTED, CRASHED],
            SOON,
            "Running",
            backing_off(exit_code, reason),
            vec![back_off_event()],
        ),
        act(
            "crash-again",
            vec![RUNNING, RESTARTED, CRASH_LOOP],
            again,
            "Running",
            backing_off(exit_code, reason),
            vec![back_off_event()],
        ),
    ]
}

fn init_crash(exit_code: u8) -> Vec<Act> {
    let act = |name, when, delay, phase, bad, events| Act {
        name,
        when,
        delay,
        phase,
        bad,
        good: INITIALIZING,
        conditions: UNINITIALIZED,
        events,
    };
    let (ended, backing_off) = (ended(exit_code, "Error"), backing_off(exit_code, "Error"));
    vec![
        act("init-fail", vec![PENDING, NOT_RESTARTED], 0, "Failed", ended.clone(), start_events()),
        act("init-crash", vec![PENDING, RESTARTED, NO_INIT_CRASH], 0, "Pending", ended, start_events()),
        act(
            "init-crash-loop",
            vec![PENDING, RESTARTED, INIT_CRASHED],
            SOON,
            "Pending",
            backing_off.clone(),
            vec![back_off_event()],
        ),
        act(
            "init-crash-again",
            vec![PENDING, RESTARTED, INIT_CRASH_LOOP],
            BACK_OFF,
            "Pending",
            backing_off,
            vec![back_off_event()],
        ),
    ]
}

fn stage(fault: &Fault, act: &Act, index: usize, matches: &str, logs: Option<&Path>) -> Value {
    let mut expressions = vec![
        json!({ "jq": { "key": ".metadata.deletionTimestamp", "operator": "DoesNotExist" } }),
        json!({ "jq": { "key": matches, "operator": "In", "values": ["true"] } }),
    ];
    for when in &act.when {
        expressions.push(json!({ "jq": { "key": when, "operator": "In", "values": ["true"] } }));
    }
    let status = status(fault, act);
    let mut steps = vec![json!({ "patch": { "subresource": "status", "root": "status", "template": status } })];
    if let Some(file) = logs {
        steps.push(json!({ "apply": { "template": logs_template(file) } }));
    }
    for event in &act.events {
        steps.push(json!({ "apply": { "template": event_template(fault, event) } }));
    }
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": { "name": format!("fault-{}-{}", index + 1, act.name) },
        "spec": {
            "resourceRef": { "apiGroup": "v1", "kind": "Pod" },
            "selector": { "matchExpressions": expressions },
            "delay": { "durationMilliseconds": act.delay },
            "steps": steps,
        },
    })
}

/// A list of container statuses: every container of `list`, the broken ones in the state `bad`.
fn container_statuses(field: &str, list: &str, bad: &str, good: &str, is_bad: &str) -> String {
    format!(
        r#"{{{{ if {list} }}}}
{field}:
{{{{ $broken := false }}}}
{{{{ range {list} }}}}
{{{{ $name := .name }}}}{{{{ $id := printf "simulated://%s/%s" $pod.metadata.uid .name }}}}
{{{{ $old := dict }}}}{{{{ range $pod.status.{field} }}}}{{{{ if eq .name $name }}}}{{{{ $old = . }}}}{{{{ end }}}}{{{{ end }}}}
{{{{ $count := $old.restartCount | default 0 }}}}
{{{{ $since := $now }}}}{{{{ with $old.state }}}}{{{{ with .running }}}}{{{{ $since = .startedAt }}}}{{{{ end }}}}{{{{ end }}}}
{{{{ if {is_bad} }}}}{{{{ $broken = true }}}}
- {{name: {{{{ .name | Quote }}}}, image: {{{{ .image | Quote }}}}, imageID: "", containerID: {{{{ $id | Quote }}}}, {bad}}}
{{{{ else }}}}
- {{name: {{{{ .name | Quote }}}}, image: {{{{ .image | Quote }}}}, imageID: "", containerID: {{{{ $id | Quote }}}}, {good}}}
{{{{ end }}}}
{{{{ end }}}}
{{{{ end }}}}
"#
    )
}

fn status(fault: &Fault, act: &Act) -> String {
    let completed = "ready: true, started: false, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}";
    let is_bad = fault.template();
    let containers = if fault.is_of_init_containers() {
        // Init containers run one after the other: before the broken one they have ended, after it they wait.
        let first_bad = format!("and (not $broken) ({is_bad})");
        let good = format!("{{{{ if $broken }}}}{INITIALIZING}{{{{ else }}}}{completed}{{{{ end }}}}");
        container_statuses("initContainerStatuses", ".spec.initContainers", &act.bad, &good, &first_bad)
            + &container_statuses("containerStatuses", ".spec.containers", "", act.good, "false")
    } else {
        container_statuses("initContainerStatuses", ".spec.initContainers", "", completed, "false")
            + &container_statuses("containerStatuses", ".spec.containers", &act.bad, act.good, &is_bad)
    };
    let mut text = String::from("{{ $now := Now }}{{ $pod := . }}\n");
    text += &format!("phase: {}\n", act.phase);
    text += &conditions(fault, act, &is_bad);
    text += &containers;
    text + include_str!("address.gotpl")
}

/// The pod's conditions, in the words of kubernetes `pkg/kubelet/status/generate.go`.
fn conditions(fault: &Fault, act: &Act, is_bad: &str) -> String {
    let list = |list: &str, is_bad: &str, name: &str| {
        format!(
            "{{{{ ${name} := list }}}}{{{{ range {list} }}}}{{{{ if {is_bad} }}}}{{{{ ${name} = append ${name} .name }}}}{{{{ end }}}}{{{{ end }}}}\n"
        )
    };
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        format!(
            "- {{type: {kind}, status: \"{status}\", reason: {reason}, message: {message}, lastProbeTime: null, lastTransitionTime: {{{{ $now | Quote }}}}}}\n"
        )
    };
    let broken_init = fault.is_of_init_containers();
    let all_unready = if broken_init { "true" } else { is_bad };
    let mut text = list(".spec.containers", all_unready, "unready");
    text += &list(".spec.initContainers", if broken_init { is_bad } else { "false" }, "incomplete");
    text += "conditions:\n";
    text +=
        &condition("PodReadyToStartContainers", if act.phase == "Failed" { "False" } else { "True" }, "null", "null");
    text += &if act.conditions == UNINITIALIZED {
        let message = r#"{{ printf "containers with incomplete status: [%s]" (join " " $incomplete) | Quote }}"#;
        condition("Initialized", "False", "ContainersNotInitialized", message)
    } else {
        condition("Initialized", "True", "null", "null")
    };
    for kind in ["Ready", "ContainersReady"] {
        text += &if act.conditions == READY {
            condition(kind, "True", "null", "null")
        } else if act.phase == "Failed" {
            condition(kind, "False", "PodFailed", "null")
        } else {
            let message = r#"{{ printf "containers with unready status: [%s]" (join " " $unready) | Quote }}"#;
            condition(kind, "False", "ContainersNotReady", message)
        };
    }
    text
}

fn first_broken(fault: &Fault) -> String {
    let list = if fault.is_of_init_containers() { ".spec.initContainers" } else { ".spec.containers" };
    let is_bad = fault.template();
    format!(
        "{{{{ $c := dict }}}}{{{{ range reverse {list} }}}}{{{{ if {is_bad} }}}}{{{{ $c = . }}}}{{{{ end }}}}{{{{ end }}}}\n"
    )
}

fn event_template(fault: &Fault, event: &Event) -> String {
    let field = if fault.is_of_init_containers() { "initContainers" } else { "containers" };
    let (kind, reason, message) = (event.kind, event.reason, &event.message);
    first_broken(fault)
        + &format!(
            r#"{{{{ $now := now | date "2006-01-02T15:04:05Z07:00" }}}}
apiVersion: v1
kind: Event
metadata:
  generateName: {{{{ printf "%s." .metadata.name | Quote }}}}
  namespace: {{{{ .metadata.namespace | Quote }}}}
involvedObject:
  apiVersion: v1
  kind: Pod
  name: {{{{ .metadata.name | Quote }}}}
  namespace: {{{{ .metadata.namespace | Quote }}}}
  uid: {{{{ .metadata.uid | Quote }}}}
  fieldPath: {{{{ printf "spec.{field}{{%s}}" $c.name | Quote }}}}
type: {kind}
reason: {reason}
message: {{{{ {message} | Quote }}}}
source: {{component: kubelet, host: {{{{ .spec.nodeName | Quote }}}}}}
reportingComponent: kubelet
reportingInstance: {{{{ .spec.nodeName | Quote }}}}
firstTimestamp: {{{{ $now | Quote }}}}
lastTimestamp: {{{{ $now | Quote }}}}
count: 1
"#
        )
}

/// kwok looks for a `Logs` object of the pod's name when somebody asks for the pod's log.
fn logs_template(file: &Path) -> String {
    let file = literal(&file.to_string_lossy());
    format!(
        r#"apiVersion: kwok.x-k8s.io/v1alpha1
kind: Logs
metadata:
  name: {{{{ .metadata.name | Quote }}}}
  namespace: {{{{ .metadata.namespace | Quote }}}}
  ownerReferences:
  - {{apiVersion: v1, kind: Pod, name: {{{{ .metadata.name | Quote }}}}, uid: {{{{ .metadata.uid | Quote }}}}}}
spec:
  logs:
  - {{logsFile: {{{{ {file} | Quote }}}}, previousLogsFile: {{{{ {file} | Quote }}}}}}
"#
    )
}
