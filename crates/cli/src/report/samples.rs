//! Events made by hand, for the tests of what is shown.

use jiff::{SignedDuration, Timestamp};
use pilothouse_core::{
    AdoptionUndo, Cause, CauseClass, Certainty, CheckComparison, CheckReport, CheckVerdict, Class, Drift, Ended, Event,
    EventKind, Evidence, Failure, Finding, HelmAction, HelmCommand, HelmProgress, Holder, NextStep, Note, ObjectRef,
    ObjectStatus, Phase, PhasePart, PhaseProgress, PlannedRelease, Readiness, ReleaseEnding, ReleaseKey,
    ReleaseOutcome, ReleaseProgress, ReleaseStanding, ReleaseWay, RunId, RunKind, RunVerdict, StepProgress, StopReason,
    code,
};
use serde_json::json;
use std::collections::BTreeMap;

/// `namespace/name` as a release.
pub(crate) fn key(name: &str) -> ReleaseKey {
    let (namespace, name) = name.split_once('/').unwrap();
    ReleaseKey::new(namespace, name)
}

pub(crate) fn run_id() -> RunId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn earlier_run_id() -> RunId {
    "01890a5d-ac96-774b-bcce-0123456789ab".parse().unwrap()
}

pub(crate) fn holder() -> Holder {
    Holder {
        run: earlier_run_id(),
        user: "ada".to_owned(),
        host: "build-7".to_owned(),
        pid: 4711,
        process: Some("boot 1, started 2".to_owned()),
        ci_job: Some("https://ci.example.com/jobs/9".to_owned()),
    }
}

pub(crate) fn planned(name: &str, waits_for: &[&str]) -> PlannedRelease {
    PlannedRelease {
        release: key(name),
        action: HelmAction::Deploy,
        waits_for: waits_for.iter().copied().map(key).collect(),
    }
}

pub(crate) fn run_started(releases: Vec<PlannedRelease>) -> EventKind {
    EventKind::RunStarted {
        run: run_id(),
        stack: "shop".to_owned(),
        kind: RunKind::Apply,
        holder: None,
        cluster: None,
        stack_file: None,
        concurrency: 4,
        releases,
    }
}

pub(crate) fn started(name: &str) -> EventKind {
    EventKind::ReleaseStarted { release: key(name), action: HelmAction::Deploy }
}

pub(crate) fn begins(name: &str, phase: Phase) -> EventKind {
    EventKind::PhaseStarted { release: key(name), phase }
}

pub(crate) fn ends(name: &str, phase: Phase, ok: bool, summary: &str, elapsed_ms: u64) -> EventKind {
    EventKind::PhaseFinished { release: key(name), phase, ok, summary: summary.to_owned(), elapsed_ms }
}

pub(crate) fn step(name: &str, phase: Phase, description: &str) -> EventKind {
    EventKind::StepStarted {
        release: key(name),
        phase,
        index: 0,
        description: description.to_owned(),
        repeatable: true,
        digest: "e3b0c442".to_owned(),
    }
}

pub(crate) fn step_skipped(name: &str, phase: Phase, description: &str) -> EventKind {
    EventKind::StepSkipped { release: key(name), phase, index: 0, description: description.to_owned() }
}

pub(crate) fn helm(name: &str) -> EventKind {
    EventKind::HelmStarted {
        release: key(name),
        phase: Phase::Exec,
        command: HelmCommand::Upgrade,
        revision_before: 3,
        digest: "e3b0c442".to_owned(),
        timeout_ms: 300_000,
    }
}

pub(crate) fn said(name: &str, phase: Phase, note: Note, text: &str) -> EventKind {
    EventKind::Said { release: key(name), phase, note, text: text.to_owned() }
}

pub(crate) fn finished(name: &str, outcome: ReleaseOutcome, elapsed_ms: u64) -> EventKind {
    EventKind::ReleaseFinished { release: key(name), outcome, elapsed_ms }
}

pub(crate) fn done(summary: &str) -> ReleaseOutcome {
    ReleaseOutcome::Done { summary: summary.to_owned() }
}

pub(crate) fn failed(phase: Phase, error: &str) -> ReleaseOutcome {
    ReleaseOutcome::Failed(Failure {
        phase,
        step: Some("a step".to_owned()),
        error: vec![error.to_owned(), "its cause".to_owned()],
        causes: vec![Cause {
            evidence: vec!["Pod web/podinfo-1 waits".to_owned()],
            ..Cause::unknown(
                ObjectRef::parse("Deployment/web/podinfo").unwrap(),
                ObjectStatus::new(Readiness::InProgress, "0 of 1 available").because("ImagePullBackOff"),
            )
        }],
        attempts: vec!["attempt 1 of 2 failed in exec: helm failed".to_owned()],
        on_deploy_failure_error: None,
        next: NextStep::RolledBack { to_revision: 3 },
    })
}

pub(crate) fn blocked(by: &str) -> ReleaseOutcome {
    ReleaseOutcome::NotStarted { reason: format!("it needs {by}, which failed"), blocked_by: Some(key(by)) }
}

/// What an earlier run has done of a release: these phases ended well, and it ended in this way.
pub(crate) fn earlier(name: &str, phases: &[Phase], way: Option<ReleaseWay>) -> ReleaseProgress {
    let at = Timestamp::UNIX_EPOCH;
    let ended = Some(Ended { ok: true, elapsed_ms: 1 });
    ReleaseProgress {
        release: key(name),
        action: HelmAction::Deploy,
        run: earlier_run_id(),
        started_at: Some(at),
        phases: phases
            .iter()
            .map(|phase| PhaseProgress {
                phase: *phase,
                started_at: at,
                steps: vec![StepProgress {
                    index: 0,
                    description: "a step".to_owned(),
                    digest: "e3b0c442".to_owned(),
                    repeatable: true,
                    run: earlier_run_id(),
                    started_at: at,
                    ended,
                    output: BTreeMap::from([("port".to_owned(), json!(8080))]),
                    output_kept: true,
                    output_untrusted: false,
                }],
                helm: vec![HelmProgress {
                    run: earlier_run_id(),
                    holder: None,
                    command: HelmCommand::Upgrade,
                    revision_before: 0,
                    digest: "e3b0c442".to_owned(),
                    started_at: at,
                    timeout_ms: 1,
                    ended,
                }],
                ended,
                part: PhasePart::default(),
            })
            .collect(),
        adopted: Vec::new(),
        backups: Vec::new(),
        no_return: None,
        attempt: 0,
        baselines: BTreeMap::new(),
        ending: way.map(|way| ReleaseEnding { way, summary: "installed".to_owned(), at, elapsed_ms: 1 }),
        standing: ReleaseStanding::default(),
    }
}

/// Events with their times.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) events: Vec<Event>,
    millis: i64,
}

impl Script {
    /// Time goes on.
    pub(crate) fn after(&mut self, millis: i64) -> &mut Self {
        self.millis += millis;
        self
    }

    pub(crate) fn then(&mut self, kinds: impl IntoIterator<Item = EventKind>) -> &mut Self {
        for kind in kinds {
            let seq = self.events.len() as u64 + 1;
            self.events.push(Event { seq, at: self.now(), kind });
        }
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_millis(self.millis)
    }
}

/// A run of eight releases in its middle: some done, some at work in several ways, some waiting, one failed.
pub(crate) fn shop() -> Script {
    let mut script = Script::default();
    script
        .then([run_started(vec![
            planned("monitoring/crds", &[]),
            planned("monitoring/kube-prometheus-stack", &["monitoring/crds"]),
            planned("shop/postgres", &[]),
            planned("shop/redis", &[]),
            planned("shop/search", &[]),
            planned("shop/api", &["shop/postgres", "shop/search"]),
            planned("shop/cache", &["shop/redis"]),
            planned("shop/worker", &[]),
        ])])
        .then([EventKind::RunResumed {
            from: earlier_run_id(),
            releases: vec![
                earlier("monitoring/crds", &Phase::ALL, Some(ReleaseWay::Done)),
                earlier("shop/search", &[Phase::CheckPrerequisites, Phase::PreExec, Phase::Exec], None),
            ],
        }])
        .after(400)
        .then([started("monitoring/crds"), begins("monitoring/crds", Phase::CheckPrerequisites)])
        .then([started("shop/postgres"), begins("shop/postgres", Phase::CheckPrerequisites)])
        .then([started("shop/redis"), begins("shop/redis", Phase::CheckPrerequisites)])
        .then([started("shop/search"), begins("shop/search", Phase::CheckPrerequisites)])
        .after(300)
        .then([ends("monitoring/crds", Phase::CheckPrerequisites, true, "already installed", 300)])
        .then([finished("monitoring/crds", done("already installed"), 300)])
        .then([started("monitoring/kube-prometheus-stack")])
        .then([begins("monitoring/kube-prometheus-stack", Phase::CheckPrerequisites)])
        .then([ends("shop/redis", Phase::CheckPrerequisites, true, "", 300), begins("shop/redis", Phase::PreExec)])
        .then([step("shop/redis", Phase::PreExec, "smoke test")])
        .then([said("shop/redis", Phase::PreExec, Note::Info, "no answer from redis:6379")])
        .then([ends("shop/search", Phase::CheckPrerequisites, true, "", 300)])
        .then([begins("shop/search", Phase::PreExec)])
        .then([step_skipped("shop/search", Phase::PreExec, "make an index")])
        .then([ends("shop/search", Phase::PreExec, true, "", 0), begins("shop/search", Phase::Exec)])
        .then([ends("shop/search", Phase::Exec, true, "done by an earlier run", 0)])
        .then([begins("shop/search", Phase::PostExec)])
        .then([step("shop/search", Phase::PostExec, "restart the indexer")])
        .after(500)
        .then([
            ends("shop/redis", Phase::PreExec, false, "step failed: smoke test: exit code 1", 500),
            begins("shop/redis", Phase::OnDeployFailure),
            ends("shop/redis", Phase::OnDeployFailure, false, "left as it is", 100),
            finished("shop/redis", failed(Phase::PreExec, "step failed: smoke test: exit code 1"), 900),
            finished("shop/cache", blocked("shop/redis"), 0),
        ])
        .then([ends("shop/postgres", Phase::CheckPrerequisites, true, "", 800)])
        .then([begins("shop/postgres", Phase::PreExec), ends("shop/postgres", Phase::PreExec, true, "", 0)])
        .then([begins("shop/postgres", Phase::Exec), helm("shop/postgres")])
        .then([ends("monitoring/kube-prometheus-stack", Phase::CheckPrerequisites, true, "", 500)])
        .then([begins("monitoring/kube-prometheus-stack", Phase::Exec)])
        .then([ends("monitoring/kube-prometheus-stack", Phase::Exec, true, "installed", 0)])
        .then([begins("monitoring/kube-prometheus-stack", Phase::Validate)])
        .then([said(
            "monitoring/kube-prometheus-stack",
            Phase::Validate,
            Note::Doing,
            "3 of 12 ready, waiting for Deployment monitoring/grafana: 0 of 1 available",
        )])
        .after(61_000);
    script
}

/// One event of every kind: the first for `None`, else the one behind. A new kind does not compile until it has its place
/// here.
fn kind_after(kind: Option<&EventKind>) -> Option<EventKind> {
    let name = "web/podinfo";
    let release = || key(name);
    Some(match kind {
        None => EventKind::RunStarted {
            run: run_id(),
            stack: "shop".to_owned(),
            kind: RunKind::Destroy,
            holder: Some(holder()),
            cluster: None,
            stack_file: None,
            concurrency: 4,
            releases: vec![planned(name, &["web/db"])],
        },
        Some(EventKind::RunStarted { .. }) => EventKind::LockWaiting { holder: Some(holder()), timeout_ms: 300_000 },
        Some(EventKind::LockWaiting { .. }) => {
            EventKind::LockTaken { waited_ms: 12_000, taken_over: Some("process 4711 is gone".to_owned()) }
        }
        Some(EventKind::LockTaken { .. }) => EventKind::RunResumed {
            from: earlier_run_id(),
            releases: vec![earlier(name, &Phase::ALL, Some(ReleaseWay::Interrupted))],
        },
        Some(EventKind::RunResumed { .. }) => {
            EventKind::RunStopping { reason: StopReason::LockLost { why: "it was taken".to_owned() } }
        }
        Some(EventKind::RunStopping { .. }) => started(name),
        Some(EventKind::ReleaseStarted { .. }) => begins(name, Phase::PreExec),
        Some(EventKind::PhaseStarted { .. }) => step(name, Phase::PreExec, "a step"),
        Some(EventKind::StepStarted { .. }) => EventKind::StepFinished {
            release: release(),
            phase: Phase::PreExec,
            index: 0,
            error: Some("exit code 1".to_owned()),
            output: Some(BTreeMap::from([("port".to_owned(), json!({"of": [8080, "http", null]}))])),
            elapsed_ms: 12,
        },
        Some(EventKind::StepFinished { .. }) => EventKind::Checked {
            release: release(),
            phase: Phase::Validate,
            report: CheckReport {
                check: "GET http service web port 80 /".to_owned(),
                kind: "http".to_owned(),
                verdict: CheckVerdict::NotHeld,
                why: "the status is 503, not 2xx".to_owned(),
                comparison: Some(CheckComparison::Broken),
                evidence: Evidence {
                    asked: vec!["GET http service web port 80 /".to_owned()],
                    got: vec!["503 from pod web/web-0 port 8080".to_owned()],
                },
                attempts: 3,
                elapsed_ms: 12,
            },
            baseline_of: Some("e3b0c442".to_owned()),
        },
        Some(EventKind::Checked { .. }) => step_skipped(name, Phase::PreExec, "a step"),
        Some(EventKind::StepSkipped { .. }) => helm(name),
        Some(EventKind::HelmStarted { .. }) => EventKind::HelmFinished {
            release: release(),
            phase: Phase::Exec,
            command: HelmCommand::Uninstall,
            error: None,
            elapsed_ms: 12,
        },
        Some(EventKind::HelmFinished { .. }) => EventKind::HealStarted {
            release: release(),
            what: "mark revision 3 failed".to_owned(),
            why: "process 4711 is gone".to_owned(),
        },
        Some(EventKind::HealStarted { .. }) => EventKind::HealFinished { release: release(), error: None },
        Some(EventKind::HealFinished { .. }) => {
            EventKind::AdoptionStarted { release: release(), phase: Phase::PreExec, undo: vec![adoption_undo()] }
        }
        Some(EventKind::AdoptionStarted { .. }) => EventKind::BackupStarted {
            release: release(),
            phase: Phase::Exec,
            path: "/state/backups/web.json".to_owned(),
            objects: vec![ObjectRef::parse("pvc/web/data").expect("it is one")],
        },
        Some(EventKind::BackupStarted { .. }) => EventKind::PointOfNoReturn {
            release: release(),
            phase: Phase::PreExec,
            what: "migrate the database".to_owned(),
        },
        Some(EventKind::PointOfNoReturn { .. }) => {
            EventKind::Retrying { release: release(), attempt: 2, of: 3, wait_ms: 10_000, phase: Phase::Exec }
        }
        Some(EventKind::Retrying { .. }) => said(name, Phase::Exec, Note::Warning, "something is odd"),
        Some(EventKind::Said { .. }) => {
            EventKind::CauseFound { release: release(), phase: Phase::Validate, cause: cause() }
        }
        Some(EventKind::CauseFound { .. }) => EventKind::DriftFound {
            release: release(),
            drifts: vec![Drift {
                object: ObjectRef::parse("Deployment/web/podinfo").unwrap(),
                what: "spec.replicas: 1 -> 3 (kubectl-edit)".to_owned(),
                comes_again: false,
            }],
        },
        Some(EventKind::DriftFound { .. }) => ends(name, Phase::Exec, true, "installed", 12),
        Some(EventKind::PhaseFinished { .. }) => finished(name, done("installed"), 12),
        Some(EventKind::ReleaseFinished { .. }) => {
            EventKind::RunFinished { verdict: RunVerdict::Refused, elapsed_ms: 12 }
        }
        Some(EventKind::RunFinished { .. }) => return None,
    })
}

/// What takes back that two objects were adopted.
pub(crate) fn adoption_undo() -> AdoptionUndo {
    AdoptionUndo {
        patch: json!({"metadata": {
            "annotations": {"meta.helm.sh/release-name": null, "meta.helm.sh/release-namespace": null},
            "labels": {"app.kubernetes.io/managed-by": "it's ours"},
        }}),
        objects: ["ConfigMap/web/podinfo", "ClusterRole/podinfo"].map(|name| ObjectRef::parse(name).unwrap()).to_vec(),
    }
}

/// A cause with everything a cause can have.
pub(crate) fn cause() -> Cause {
    Cause {
        code: "IMAGE_NOT_FOUND".to_owned(),
        class: CauseClass::Config,
        certainty: Certainty::Certain,
        why: "the registry has no image registry.example.com/operator:1".to_owned(),
        root: "image registry.example.com/operator:1".to_owned(),
        evidence: vec![
            "pod podinfo-1: container podinfo: ImagePullBackOff".to_owned(),
            "event on Pod: Failed: not found (3 times)".to_owned(),
        ],
        next: vec!["correct the image's name or tag in the values".to_owned()],
        ..Cause::unknown(
            ObjectRef::parse("Deployment/web/podinfo").unwrap(),
            ObjectStatus::new(Readiness::InProgress, "0 of 1 pods are ready"),
        )
    }
}

/// As [`kind_after`], of the ways a release ends.
fn outcome_after(outcome: Option<&ReleaseOutcome>) -> Option<ReleaseOutcome> {
    Some(match outcome {
        None => done("installed"),
        Some(ReleaseOutcome::Done { .. }) => ReleaseOutcome::Unchanged { why: "it is as it was deployed".to_owned() },
        Some(ReleaseOutcome::Unchanged { .. }) => ReleaseOutcome::Skipped { reason: "action is skip".to_owned() },
        Some(ReleaseOutcome::Skipped { .. }) => ReleaseOutcome::Refused {
            findings: vec![Finding::new(Class::Unsafe, code::CRD_IN_USE, "crd/x", "it is in use")],
        },
        Some(ReleaseOutcome::Refused { .. }) => failed(Phase::Validate, "1 of 3 objects is not ready"),
        Some(ReleaseOutcome::Failed(_)) => ReleaseOutcome::Undone {
            because_of: key("web/shop"),
            next: NextStep::RemediationFailed { tried: "the uninstall".to_owned(), error: "it is locked".to_owned() },
        },
        Some(ReleaseOutcome::Undone { .. }) => ReleaseOutcome::Interrupted { phase: Phase::PostExec },
        Some(ReleaseOutcome::Interrupted { .. }) => blocked("web/db"),
        Some(ReleaseOutcome::NotStarted { .. }) => return None,
    })
}

/// As [`kind_after`], of what is done after a failure.
fn next_step_after(next: Option<&NextStep>) -> Option<NextStep> {
    let text = || "text".to_owned();
    Some(match next {
        None => NextStep::Left { why: text() },
        Some(NextStep::Left { .. }) => NextStep::RolledBack { to_revision: 3 },
        Some(NextStep::RolledBack { .. }) => NextStep::Uninstalled,
        Some(NextStep::Uninstalled) => NextStep::RemediationFailed { tried: text(), error: text() },
        Some(NextStep::RemediationFailed { .. }) => return None,
    })
}

/// As [`kind_after`], of why a run stops.
fn stop_reason_after(reason: Option<&StopReason>) -> Option<StopReason> {
    let why = || "a reason".to_owned();
    Some(match reason {
        None => StopReason::User,
        Some(StopReason::User) => StopReason::FailFast { release: key("web/db") },
        Some(StopReason::FailFast { .. }) => StopReason::LockLost { why: why() },
        Some(StopReason::LockLost { .. }) => StopReason::JournalFailed { why: why() },
        Some(StopReason::JournalFailed { .. }) => return None,
    })
}

/// Events of every kind, and with every kind of ending, next step and reason to stop.
pub(crate) fn every_kind() -> Vec<EventKind> {
    let mut kinds: Vec<EventKind> = std::iter::successors(kind_after(None), |kind| kind_after(Some(kind))).collect();
    let outcomes = std::iter::successors(outcome_after(None), |outcome| outcome_after(Some(outcome)));
    kinds.extend(outcomes.map(|outcome| finished("web/podinfo", outcome, 12)));
    for next in std::iter::successors(next_step_after(None), |next| next_step_after(Some(next))) {
        let mut outcome = failed(Phase::Exec, "helm failed");
        if let ReleaseOutcome::Failed(failure) = &mut outcome {
            failure.next = next;
        }
        kinds.push(finished("web/podinfo", outcome, 12));
    }
    let reasons = std::iter::successors(stop_reason_after(None), |reason| stop_reason_after(Some(reason)));
    kinds.extend(reasons.map(|reason| EventKind::RunStopping { reason }));
    kinds
}
