//! Containers that run and end, or run and do not answer.

use super::draft::Draft;
use super::evidence::{Evidence, LogTail, Want};
use super::line::{Line, RESTARTS, RESTARTS_AT_MOST};
use super::read::{Seen, between, events_about, list, name, namespace, number, one_line, text, time};
use super::runtime;
use super::surroundings::while_open;
use super::traces;
use crate::readiness;
use jiff::Timestamp;
use serde_json::Value;

/// Lines of a log that a cause shows.
const LOG_LINES: usize = 10;

/// One container of a pod, with its status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    pub pod: &'a Value,
    pub status: &'a Value,
    /// Whether the others wait until it has ended. A sidecar among the init containers is not one.
    pub init: bool,
}

impl<'a> Container<'a> {
    /// All containers of the pod that have a status, init containers first.
    pub(super) fn all(pod: &'a Value) -> Vec<Self> {
        let is_sidecar = |status: &Value| {
            list(pod, "/spec/initContainers")
                .iter()
                .any(|spec| spec.get("name") == status.get("name") && text(spec, "/restartPolicy") == "Always")
        };
        let init = list(pod, "/status/initContainerStatuses").iter().map(|status| (status, !is_sidecar(status)));
        let main = list(pod, "/status/containerStatuses").iter().map(|status| (status, false));
        init.chain(main).map(|(status, init)| Self { pod, status, init }).collect()
    }

    pub(super) fn name(&self) -> &'a str {
        text(self.status, "/name")
    }

    /// `container web` or `init container wait`.
    pub(super) fn label(&self) -> String {
        format!("{} {}", if self.init { "init container" } else { "container" }, self.name())
    }

    /// Reason and message, when it waits.
    pub(super) fn waiting(&self) -> Option<(&'a str, &'a str)> {
        let waiting = self.status.pointer("/state/waiting")?;
        Some((text(waiting, "/reason"), text(waiting, "/message")))
    }

    /// How it ended: its present run, or the one before.
    pub(super) fn ended(&self) -> Option<&'a Value> {
        self.status.pointer("/state/terminated").or_else(|| self.status.pointer("/lastState/terminated"))
    }

    /// Whether it has ended with an error, and has not run for as long since.
    pub(super) fn comes_and_goes(&self, now: Timestamp) -> bool {
        !self.init && readiness::comes_and_goes(self.status, now)
    }

    pub(super) fn restarts(&self) -> i64 {
        number(self.status, "/restartCount")
    }

    /// The image as the spec names it.
    pub(super) fn image(&self) -> &'a str {
        let specs = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|at| list(self.pod, at));
        let mut specs = specs.filter(|spec| spec.get("name") == self.status.get("name"));
        specs.next().map_or_else(|| text(self.status, "/image"), |spec| text(spec, "/image"))
    }

    /// The part of its spec with this name, or null.
    pub(super) fn spec(&self) -> Option<&'a Value> {
        let specs = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|at| list(self.pod, at));
        specs.into_iter().find(|spec| spec.get("name") == self.status.get("name"))
    }

    /// The events that name it, and those of its pod that name no container.
    pub(super) fn events(&self, evidence: &'a Evidence) -> Vec<Seen<'a>> {
        let mut events = events_about(evidence, self.pod);
        events.retain(|seen| {
            let path = text(seen.event, "/involvedObject/fieldPath");
            between(path, "{", "}").is_none_or(|container| container == self.name())
        });
        events
    }

    /// One line about its state.
    pub(super) fn says(&self) -> String {
        let waiting = self.waiting().map(|(reason, message)| match message {
            "" => reason.to_owned(),
            // What the kubelet says of its waiting is nothing but waiting.
            _ if reason == "CrashLoopBackOff" => reason.to_owned(),
            message => format!("{reason}: {}", one_line(message)),
        });
        let running = || self.status.pointer("/state/running").map(|_| "running".to_owned());
        let ended = self.ended().map(|ended| {
            let code = number(ended, "/exitCode");
            match text(ended, "/reason") {
                "" | "Error" | "Completed" => format!("ended with exit code {code}"),
                reason => format!("ended with exit code {code} ({reason})"),
            }
        });
        let restarts = match self.restarts() {
            0 => None,
            1 => Some("1 restart".to_owned()),
            more => Some(format!("{more} restarts")),
        };
        let parts: Vec<String> = [waiting.or_else(running), ended, restarts].into_iter().flatten().collect();
        format!("pod {}, {}: {}", name(self.pod), self.label(), parts.join("; "))
    }
}

/// A container that has ended, or ends again and again.
pub(super) fn ended(evidence: &Evidence, container: Container<'_>) -> Option<Draft> {
    let ended = container.ended()?;
    let (code, reason) = (number(ended, "/exitCode"), text(ended, "/reason"));
    let root = format!("{} {}", evidence.object, container.label());
    let said = log(evidence, container).and_then(traces::decisive);
    let mut logs = log_lines(evidence, container);
    // It may stand far above the end.
    if let Some(said) = said.as_ref().filter(|said| !logs.contains(said)) {
        logs.insert(0, said.clone());
    }
    let draft = if reason == "OOMKilled" {
        out_of_memory(evidence, container, &root)
    } else if let Some((line, why, next)) = cannot_start(container, ended, &logs) {
        Draft::new(line, &root, why).next(next)
    } else if let Some(hook) = post_start(evidence, container, &root) {
        hook
    } else if code != 0
        && let Some(killed) = killed_by_probe(evidence, container)
    {
        killed
    } else if container.init {
        let why = format!("{} {}", container.label(), ends_with(code, said.as_deref()));
        if never_restarted(container.pod) {
            Draft::new(Line::InitFailing, &root, why).settled(true)
        } else {
            tried(Line::InitFailing, starts(evidence, container), &root, why)
        }
    } else {
        let why = format!("{} {}", container.label(), ends_with(code, said.as_deref()));
        if text(container.pod, "/status/phase") == "Failed" && never_restarted(container.pod) {
            Draft::new(Line::EndedForGood, &root, why)
        } else {
            tried(Line::Crashing, starts(evidence, container), &root, why)
        }
    };
    let runs = container.status.pointer("/state/running").is_some();
    let draft = if runs { Draft { line: while_it_runs(draft.line), ..draft } } else { draft };
    // What is never started again is not tried again either.
    let is_tried_again = draft.line != Line::EndedForGood && !never_restarted(container.pod);
    let draft = draft.last_seen(time(ended, "/finishedAt").filter(|_| is_tried_again), evidence);
    let (pod, namespace) = (name(container.pod), namespace(container.pod));
    let previous = if container.restarts() > 0 { " --previous" } else { "" };
    Some(
        draft
            .seen(container.says())
            .seen(last_words(ended))
            .all_seen(logs.iter().map(|line| format!("log of {}: {line}", container.name())))
            .next(format!("kubectl logs -n {namespace} {pod} -c {}{previous}", container.name())),
    )
}

/// How its last run ended decides nothing while the next one goes on: this one may go well.
fn while_it_runs(line: Line) -> Line {
    match line {
        Line::Oom => Line::OomFew,
        Line::CannotStart | Line::EndedForGood => Line::CrashingFew,
        other => while_open(other),
    }
}

/// What the container wrote into its termination message, or the runtime about it.
fn last_words(ended: &Value) -> String {
    match text(ended, "/message") {
        "" => String::new(),
        message => format!("its last message: {}", one_line(message)),
    }
}

/// `ends with exit code 3: "no database"`, with the line of the log that says why.
fn ends_with(code: i64, said: Option<&str>) -> String {
    let last = said.map(|line| format!(": {line}")).unwrap_or_default();
    match code {
        0 => format!("ends by itself, with exit code 0{last}"),
        137 => format!("was killed (exit code 137){last}"),
        code => format!("ends with exit code {code}{last}"),
    }
}

fn out_of_memory(evidence: &Evidence, container: Container<'_>, root: &str) -> Draft {
    let limit = container.spec().map_or("", |spec| text(spec, "/resources/limits/memory"));
    let line = if starts(evidence, container) >= RESTARTS { Line::Oom } else { Line::OomFew };
    let why = if limit.is_empty() {
        format!("{} used up the memory of its node or pod and was killed", container.label())
    } else {
        format!("{} used more than its memory limit of {limit} and was killed", container.label())
    };
    Draft::new(line, root, why).next(format!("raise resources.limits.memory of {} in the values", container.label()))
}

/// A postStart hook that fails: the kubelet kills the container for it, and how that ended says nothing.
fn post_start(evidence: &Evidence, container: Container<'_>, root: &str) -> Option<Draft> {
    let events = container.events(evidence);
    let failed = events.iter().rfind(|seen| seen.reason == "FailedPostStartHook");
    let waits = container.waiting().filter(|(reason, _)| *reason == "PostStartHookError").map(|(_, message)| message);
    let words = waits.filter(|words| !words.is_empty()).or_else(|| failed.map(|seen| seen.message))?;
    // Since a run of the program that went on, the hook has worked.
    let went_on = failed.and_then(Seen::last).zip(time(container.status, "/state/running/startedAt"));
    if went_on.is_some_and(|(failed, started)| failed < started) {
        return None;
    }
    let why = format!("{}: its postStart hook fails: {}", container.label(), one_line(words));
    let next = "correct lifecycle.postStart in the values: run its command in the container by hand (kubectl exec)";
    let draft = tried(Line::PostStartFailing, starts(evidence, container), root, why);
    Some(draft.all_seen(failed.map(Seen::says)).next(next))
}

/// The same of a container that waits for it.
pub(super) fn post_start_failed(evidence: &Evidence, container: Container<'_>) -> Option<Draft> {
    let root = format!("{} {}", evidence.object, container.label());
    post_start(evidence, container, &root).map(|draft| draft.seen(container.says()))
}

/// Why a program cannot even be started, and what to do.
fn cannot_start(container: Container<'_>, ended: &Value, logs: &[String]) -> Option<(Line, String, String)> {
    if logs.iter().any(|line| line.contains("exec format error")) {
        let why = format!("{}: the program is made for another processor: exec format error", container.label());
        return Some((Line::CannotStart, why, "use an image for the processor of the nodes".to_owned()));
    }
    let refused = matches!(text(ended, "/reason"), "StartError" | "ContainerCannotRun");
    let message = text(ended, "/message");
    (refused || runtime::is_about_program(message)).then(|| runtime::start_error(container, message))
}

/// Whether nothing starts it again. A pod with an owner is not the end: its owner may make another one.
fn never_restarted(pod: &Value) -> bool {
    text(pod, "/spec/restartPolicy") == "Never" && list(pod, "/metadata/ownerReferences").is_empty()
}

/// How often it was started again since the last thing came that it may have waited for.
fn starts(evidence: &Evidence, container: Container<'_>) -> i64 {
    let key = (text(container.pod, "/metadata/uid").to_owned(), container.name().to_owned());
    container.restarts() - evidence.starts_before.get(&key).copied().unwrap_or_default()
}

/// What has failed so often: a few times are none, and after many it does not matter what else is at work.
fn tried(line: Line, times: i64, root: &str, why: String) -> Draft {
    let line = if times >= RESTARTS { line } else { while_open(line) };
    Draft::new(line, root, why).settled(times >= RESTARTS_AT_MOST)
}

/// A container that the kubelet killed because of a probe, and not by its own program.
fn killed_by_probe(evidence: &Evidence, container: Container<'_>) -> Option<Draft> {
    let events = container.events(evidence);
    let killed = |seen: &&Seen<'_>| {
        seen.reason == "Killing"
            && ["failed liveness probe", "failed startup probe"].iter().any(|sign| seen.message.contains(sign))
    };
    let killing = events.iter().rfind(killed)?;
    // Restarts for other reasons do not count, nor those from before what it may have waited for.
    let kills: i64 = events.iter().filter(killed).map(Seen::count).sum();
    let kills = kills.min(starts(evidence, container));
    let startup = killing.message.contains("startup");
    let unhealthy = |seen: &&Seen<'_>| {
        seen.reason == "Unhealthy" && seen.message.starts_with(if startup { "Startup" } else { "Liveness" })
    };
    let answer = events.iter().rfind(unhealthy);
    let why = answer.map_or_else(|| one_line(killing.message), |seen| one_line(seen.message));
    let root = format!("{} {}", evidence.object, container.label());
    let why = format!("{}: {why}; the kubelet kills it for that", container.label());
    let draft = tried(Line::ProbeKills, kills, &root, why);
    Some(draft.all_seen(answer.map(Seen::says)).seen(killing.says()).next(probe_hint(container)))
}

/// A container that runs and is not ready: what its probes say.
pub(super) fn unready(evidence: &Evidence, container: Container<'_>) -> Option<Draft> {
    let started = time(container.status, "/state/running/startedAt");
    let events = container.events(evidence);
    let newest = |seen: &&Seen<'_>| {
        seen.reason == "Unhealthy" && started.is_none_or(|started| seen.last().is_none_or(|last| last >= started))
    };
    let probe = events.iter().rfind(newest);
    let Some(seen) = probe else {
        // What ended its last run counts while it is not ready again.
        return (container.restarts() > 0).then(|| ended(evidence, container)).flatten();
    };
    let root = format!("{} {}", evidence.object, container.label());
    let draft = Draft::new(Line::ProbeFailing, root, format!("{}: {}", container.label(), one_line(seen.message)))
        .seen(container.says())
        .seen(seen.says())
        .all_seen(log_lines(evidence, container).iter().map(|line| format!("log of {}: {line}", container.name())))
        .next(probe_hint(container))
        .next(format!("kubectl logs -n {} {} -c {}", namespace(container.pod), name(container.pod), container.name()));
    Some(draft)
}

/// What a person would compare: the probe and the ports.
fn probe_hint(container: Container<'_>) -> String {
    let ports = container.spec().map_or(&[][..], |spec| list(spec, "/ports"));
    let ports: Vec<String> = ports.iter().map(|port| number(port, "/containerPort").to_string()).collect();
    match ports.len() {
        0 => "compare path, port and delay of the probe with what the program does".to_owned(),
        _ => format!(
            "compare path, port and delay of the probe with what the program does; the container names port {}",
            ports.join(", ")
        ),
    }
}

/// The end of the container's log, of the run that ended if it was read.
pub(super) fn log_lines(evidence: &Evidence, container: Container<'_>) -> Vec<String> {
    let lines = log(evidence, container).unwrap_or_default();
    lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| one_line(line)).collect()
}

/// What was read of the container's log, of the run that ended if it was read.
fn log<'a>(evidence: &'a Evidence, container: Container<'_>) -> Option<&'a [String]> {
    let of =
        |log: &&LogTail| log.pod == name(container.pod) && log.container == container.name() && !log.lines.is_empty();
    let previous = evidence.logs.iter().filter(of).find(|log| log.previous);
    previous.or_else(|| evidence.logs.iter().find(of)).map(|log| log.lines.as_slice())
}

/// The log that tells why the container ended or does not answer.
pub(super) fn wanted_log(container: Container<'_>) -> Option<Want> {
    let waits_for_restart = container.waiting().is_some_and(|(reason, _)| reason == "CrashLoopBackOff");
    let ended = container.status.pointer("/state/terminated").is_some_and(|ended| number(ended, "/exitCode") != 0);
    let runs = container.status.pointer("/state/running").is_some();
    let unready = runs && container.status.get("ready") != Some(&Value::Bool(true)) && !container.init;
    (waits_for_restart || ended || unready || (runs && container.restarts() > 0)).then(|| Want::Log {
        namespace: namespace(container.pod).to_owned(),
        pod: name(container.pod).to_owned(),
        container: container.name().to_owned(),
        // A container that has just ended has no run before that is of interest: its log is that of the ended run.
        previous: container.restarts() > 0 && !ended,
    })
}
