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
    /// The state of a broken container.
    broken: String,
    /// The state of a main container that is not broken.
    sound: &'static str,
    conditions: Conditions,
    events: Vec<Event>,
}

/// What the conditions of a pod say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conditions {
    Ready,
    Unready,
    Uninitialized,
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
const NO_CRASH: &str = r"[.status.containerStatuses[]? | .state.terminated, .lastState.terminated] | all(. == null)";
const CRASHED: &str = r"[.status.containerStatuses[]?.state.terminated] | any(. != null)";
const CRASH_LOOP: &str = r#"[.status.containerStatuses[]?.state.waiting.reason] | any(. == "CrashLoopBackOff")"#;
const NO_INIT_CRASH: &str = r"[.status.initContainerStatuses[]? | .state.terminated, .lastState.terminated | .exitCode] | all(. == null or . == 0)";
const INIT_CRASHED: &str = r"[.status.initContainerStatuses[]?.state.terminated.exitCode] | any(. != null and . != 0)";
const INIT_CRASH_LOOP: &str =
    r#"[.status.initContainerStatuses[]?.state.waiting.reason] | any(. == "CrashLoopBackOff")"#;

/// States of a container: fields of its status in YAML, in a Go template whose `.` is the container. `$count` is how
/// often it was restarted, `$since` when it was started, `$pod` the pod.
const RUNS: &str = "\
ready: true
started: true
restartCount: {{ $count }}
state:
  running:
    startedAt: {{ $since | Quote }}";
const RUNS_UNREADY: &str = "\
ready: false
started: true
restartCount: {{ $count }}
state:
  running:
    startedAt: {{ $since | Quote }}";
const INITIALIZING: &str = "\
ready: false
started: false
restartCount: 0
state:
  waiting:
    reason: PodInitializing";
const COMPLETED: &str = "\
ready: true
started: false
restartCount: 0
state:
  terminated:
    exitCode: 0
    reason: Completed
    startedAt: {{ $since | Quote }}
    finishedAt: {{ $now | Quote }}";
const WAITS: &str = "\
ready: false
started: false
restartCount: {{ $count }}
state:
  waiting:
    reason: REASON
    message: {{ MESSAGE | Quote }}";
const ENDED: &str = "\
ready: false
started: false
restartCount: {{ $count }}
state:
  terminated:
    exitCode: EXIT_CODE
    reason: REASON
    startedAt: {{ $since | Quote }}
    finishedAt: {{ $now | Quote }}
    containerID: {{ $id | Quote }}";
/// It was started once more and has ended again.
const BACKS_OFF: &str = "\
ready: false
started: false
restartCount: {{ add $count 1 }}
lastState:
  terminated:
    exitCode: EXIT_CODE
    reason: REASON
    startedAt: {{ $now | Quote }}
    finishedAt: {{ $now | Quote }}
    containerID: {{ $id | Quote }}
state:
  waiting:
    reason: CrashLoopBackOff
    message: {{ printf \"back-off 10s restarting failed container=%s pod=%s_%s(%s)\" .name $pod.metadata.name $pod.metadata.namespace $pod.metadata.uid | Quote }}";

/// The stages of one fault. `index` makes their names unique; `others` are jq expressions of the faults before it.
pub(crate) fn stages(fault: &Fault, index: usize, before: &[String], logs: Option<&Path>) -> Vec<Value> {
    let mut matches = fault.jq();
    for other in before {
        matches = format!("{matches} and (({other}) | not)");
    }
    acts(&fault.kind).iter().map(|act| stage(fault, act, index, &matches, logs)).collect()
}

fn waiting(reason: &str, message: &str) -> String {
    fill(WAITS, &[("REASON", reason), ("MESSAGE", message)])
}

fn event(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Event {
    Event { kind, reason, message: message.into() }
}

/// What a kubelet says when a container starts (kubernetes `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
fn start_events() -> Vec<Event> {
    vec![
        event(
            "Normal",
            "Pulled",
            r#"printf "Container image %q already present on machine and can be accessed by the pod" $c.image"#,
        ),
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
                broken: RUNS.to_owned(),
                sound: RUNS,
                conditions: Conditions::Ready,
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
    let act = |name, seen, delay, broken, events| Act {
        name,
        when: vec![PENDING, seen],
        delay,
        phase: "Pending",
        broken,
        sound: RUNS,
        conditions: Conditions::Unready,
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
    let pulled = r#"printf "Container image %q already present on machine and can be accessed by the pod" $c.image"#;
    vec![Act {
        name: "config-error",
        when: vec![PENDING, NO_CONFIG_ERROR],
        delay: 0,
        phase: "Pending",
        broken: waiting("CreateContainerConfigError", &message),
        sound: RUNS,
        conditions: Conditions::Unready,
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
        broken: RUNS_UNREADY.to_owned(),
        sound: RUNS,
        conditions: Conditions::Unready,
        events,
    }
}

fn ended(exit_code: u8, reason: &str) -> String {
    fill(ENDED, &[("EXIT_CODE", &exit_code.to_string()), ("REASON", reason)])
}

fn backing_off(exit_code: u8, reason: &str) -> String {
    fill(BACKS_OFF, &[("EXIT_CODE", &exit_code.to_string()), ("REASON", reason)])
}

fn back_off_event() -> Event {
    event(
        "Warning",
        "BackOff",
        r#"printf "Back-off restarting failed container %s in pod %s_%s(%s)" $c.name $pod.metadata.name $pod.metadata.namespace $pod.metadata.uid"#,
    )
}

fn crash(exit_code: u8, reason: &str, again: u32) -> Vec<Act> {
    let act = |name, when, delay, phase, broken, events| Act {
        name,
        when,
        delay,
        phase,
        broken,
        sound: RUNS,
        conditions: Conditions::Unready,
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
    let act = |name, when, delay, phase, broken, events| Act {
        name,
        when,
        delay,
        phase,
        broken,
        sound: INITIALIZING,
        conditions: Conditions::Uninitialized,
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
    let mut steps = Vec::new();
    // Whoever sees the status can read the log, as of a kubelet.
    if let Some(file) = logs {
        steps.push(json!({ "apply": { "template": logs_template(file) } }));
    }
    steps.push(json!({ "patch": { "subresource": "status", "root": "status", "template": status } }));
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

fn status(fault: &Fault, act: &Act) -> String {
    let is_broken = fault.template();
    let init = fault.is_of_init_containers();
    let yes_no = |yes: bool| if yes { "true" } else { "false" };
    let conditions = fill(
        include_str!("templates/conditions.gotpl"),
        &[
            ("PHASE", act.phase),
            ("IS_UNREADY", if init { "true" } else { &is_broken }),
            ("IS_INCOMPLETE", if init { &is_broken } else { "false" }),
            ("IS_INITIALIZED", yes_no(act.conditions != Conditions::Uninitialized)),
            ("IS_READY", yes_no(act.conditions == Conditions::Ready)),
            ("HAS_FAILED", yes_no(act.phase == "Failed")),
            ("HAS_SANDBOX", if act.phase == "Failed" { "False" } else { "True" }),
        ],
    );
    let (init_containers, main_containers) = if init {
        // Init containers run one after the other: before the broken one they have ended, after it they wait.
        let first_broken = format!("and (not $broken) ({is_broken})");
        let sound = format!("{{{{ if $broken }}}}\n{INITIALIZING}\n{{{{ else }}}}\n{COMPLETED}\n{{{{ end }}}}");
        (containers(true, &first_broken, &act.broken, &sound), containers(false, "false", "", act.sound))
    } else {
        (containers(true, "false", "", COMPLETED), containers(false, &is_broken, &act.broken, act.sound))
    };
    [&conditions, &init_containers, &main_containers, include_str!("templates/address.gotpl")].concat()
}

/// The statuses of all init or main containers, the broken ones in the state `broken`.
fn containers(init: bool, is_broken: &str, broken: &str, sound: &str) -> String {
    let (field, statuses) =
        if init { ("initContainers", "initContainerStatuses") } else { ("containers", "containerStatuses") };
    // The states stand inside a list.
    let indented = |state: &str| state.replace('\n', "\n  ");
    fill(
        include_str!("templates/containers.gotpl"),
        &[
            ("CONTAINERS", field),
            ("STATUSES", statuses),
            ("IS_BROKEN", is_broken),
            ("BROKEN_STATE", &indented(broken)),
            ("SOUND_STATE", &indented(sound)),
        ],
    )
}

fn event_template(fault: &Fault, event: &Event) -> String {
    fill(
        include_str!("templates/event.gotpl"),
        &[
            ("CONTAINERS", if fault.is_of_init_containers() { "initContainers" } else { "containers" }),
            ("IS_BROKEN", &fault.template()),
            ("EVENT_TYPE", event.kind),
            ("EVENT_REASON", event.reason),
            ("EVENT_MESSAGE", &event.message),
        ],
    )
}

/// kwok looks for a `Logs` object of the pod's name when somebody asks for the pod's log.
fn logs_template(file: &Path) -> String {
    fill(include_str!("templates/logs.gotpl"), &[("LOG_FILE", &literal(&file.to_string_lossy()))])
}

/// Puts values in the place of words in capitals. What was put in is not looked at again, so a text of the user's
/// that looks like such a word stays what it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let is_word = |c: char| c.is_ascii_uppercase() || c == '_';
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find(is_word) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
        filled.push_str(before);
        filled.push_str(values.iter().find(|(name, _)| *name == word).map_or(word, |(_, value)| value));
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_is_not_looked_at_again() {
        let filled = fill("{{ MESSAGE }} of REASON, OTHER", &[("MESSAGE", "REASON"), ("REASON", "x"), ("THE", "y")]);
        assert_eq!(filled, "{{ REASON }} of x, OTHER");
    }

    #[test]
    fn no_placeholder_stays_in_any_stage() {
        let kinds = [
            FaultKind::ImagePullError { message: "m".to_owned() },
            FaultKind::CrashLoop { exit_code: 1, log: vec!["l".to_owned()] },
            FaultKind::NeverReady,
            FaultKind::ConfigError { message: "m".to_owned() },
            FaultKind::OomKilled,
            FaultKind::FailingJob { exit_code: 1, log: Vec::new() },
            FaultKind::SlowStart { seconds: 1 },
            FaultKind::InitFailed { exit_code: 1 },
        ];
        for kind in kinds {
            let fault = Fault::by_namespace("shop", kind);
            for stage in stages(&fault, 0, &[], Some(Path::new("/logs"))) {
                let text = stage.to_string();
                let left = text
                    .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
                    .find(|word| word.len() > 2 && word.contains('_'));
                assert_eq!(left, None, "{text}");
                for word in ["MESSAGE", "REASON", "CONTAINERS", "STATUSES", "PHASE"] {
                    assert!(!text.contains(word), "{word} in {text}");
                }
            }
        }
    }

    #[test]
    fn a_fault_leaves_the_pods_of_those_before_it_alone() {
        let fault = Fault::by_namespace("shop", FaultKind::NeverReady);
        let stage = &stages(&fault, 1, &["(.first)".to_owned()], None)[0];
        let key = &stage["spec"]["selector"]["matchExpressions"][1]["jq"]["key"];
        let expected =
            r#"(.metadata.namespace == "shop") and (.spec.containers // [] | length > 0) and (((.first)) | not)"#;
        assert_eq!(key, expected);
    }
}
