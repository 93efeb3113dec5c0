//! What is to be done about a release, decided from what was seen of it.

use crate::context::Context;
use crate::context::DeployedBefore;
use crate::context::NamespaceState;
use crate::context::Observed;
use crate::context::ReleaseRun;
use crate::context::Wanted;
use crate::observe::observation::observed;
use crate::render;
use pilothouse_core::{
    Change, ChartInfo, Class, Decision, Finding, HelmAction, InputPart, Missing, Observation, RecordSeen,
    ReleaseHistory, ReleaseState, Remaining, Wish, code, decide, determine, lenient_version,
};

/// What is going to be done: from one observation, always the same. On the way of a deploy that was begun, by an earlier run
/// or an earlier attempt, it goes on to its end.
pub async fn decision(ctx: &Context) -> Decision {
    let observed = observed(ctx).await;
    if ctx.is_under_way() {
        return observed.decide_anew(ctx.info());
    }
    let decision = observed.decide(ctx.info());
    // Steps that run before helm may be made for helm to run after them: then it does.
    let changed = matches!(observed.state(ctx.info()), ReleaseState::LifecycleChanged { .. });
    let finishes_steps = matches!(decision, Decision::Finish { remaining: Remaining::Steps, .. });
    if changed && finishes_steps && ctx.steps().await.before_exec {
        return observed.decide_anew(ctx.info());
    }
    decision
}

/// What helm has done before of what `exec` would do, so that it is not run again.
pub(crate) async fn deployed_before(ctx: &Context, run: &ReleaseRun, wanted: &Wanted) -> Option<DeployedBefore> {
    if ctx.info().action != HelmAction::Deploy {
        return None;
    }
    let given = render::given_of_deploy(ctx, run, wanted.chart.as_ref()?, &wanted.payload).await;
    run.deployed_before(&given, observed(ctx).await.known_history().newest())
}

/// The newest revision there was before anything was deployed on the way that this run is on, and what was decided
/// then.
pub(crate) async fn baseline(ctx: &Context, run: &ReleaseRun) -> (u32, Decision) {
    if let Some(kept) = run.attempts.baseline() {
        return kept.clone();
    }
    let observed = observed(ctx).await;
    match run.continued_from {
        Some(revision) => (revision, observed.decide_as_of(revision, ctx.info())),
        None => (observed.known_history().newest_revision(), decision(ctx).await),
    }
}

impl Observed {
    /// Whether what is wanted is proven to be what was given to the newest revision, but for its steps and what the cluster
    /// serves.
    pub(crate) fn has_same_input(&self) -> bool {
        let (RecordSeen::Some(record), Some(newest), Some(now)) =
            (&self.record, self.known_history().newest(), &self.in_record)
        else {
            return false;
        };
        record.is_of(newest)
            && record
                .input
                .differs(&now.inputs)
                .iter()
                .all(|part| matches!(part, InputPart::Lifecycle | InputPart::Capabilities))
    }

    /// Helm's history of the release as far as it could be read: none, when it could not. Whether the release may be acted on
    /// then is told by [`Self::decide`].
    pub(crate) fn known_history(&self) -> &ReleaseHistory {
        static NONE: ReleaseHistory = ReleaseHistory::NONE;
        self.history.as_ref().unwrap_or(&NONE)
    }

    /// The state of the release.
    pub(crate) fn state(&self, info: &ChartInfo) -> ReleaseState {
        determine(&Observation {
            foreign: self.foreign.clone(),
            deployed_version: self.deployed.as_ref().and_then(|record| lenient_version(record.chart_version())),
            wanted_version: self.wanted_version.clone(),
            breaking_version: info.last_breaking_version_requiring_restart.clone(),
            record: self.record.clone(),
            inputs: self.in_record.as_ref().map(|now| now.inputs.clone()),
            must_render: self.must_render.is_some(),
            rendered: self.rendered,
            live: self.live.clone(),
            failed_applied: self.failed_applied,
            install_hook: self.install_hook.clone(),
            // A pending revision is healed before the first phase, or left; one that is being uninstalled cannot be marked.
            pending: self.removal_over.clone(),
            ..Observation::of(self.history.clone())
        })
    }

    /// What would have been decided when this revision was the newest. Where helm has pruned it meanwhile, nobody knows what it
    /// was, but that it was no first install.
    pub(crate) fn decide_as_of(&self, revision: u32, info: &ChartInfo) -> Decision {
        let then = Self { history: self.history.clone().map(|history| history.as_of(revision)), ..self.clone() };
        let pruned = revision > 0 && then.history.as_ref().is_ok_and(ReleaseHistory::is_empty);
        if pruned { Decision::Change(Change::Upgrade { last_good: None }) } else { then.decide_anew(info) }
    }

    /// What is to be done about the release as it stands. What could not be found out is no ground to act on.
    pub(crate) fn decide(&self, info: &ChartInfo) -> Decision {
        self.decided(info).unwrap_or_else(|_| Decision::Refuse { state: self.state(info) })
    }

    /// What has to be observed besides before it can be decided.
    pub(crate) fn missing(&self, info: &ChartInfo) -> Option<Missing> {
        self.decided(info).err()
    }

    fn decided(&self, info: &ChartInfo) -> Result<Decision, Missing> {
        let wish = Wish {
            action: info.action,
            skip_if_already_installed: info.skip_if_already_installed,
            drift: info.drift,
            take_over: info.take_over,
        };
        decide(&self.state(info), &wish)
    }

    /// What is to be done where what is there is known not to count: on the way of a deploy that was begun, that goes on to its
    /// end whatever it finds half done.
    pub(crate) fn decide_anew(&self, info: &ChartInfo) -> Decision {
        let upgrade = || Decision::Change(Change::Upgrade { last_good: self.last_good() });
        match self.decided(info) {
            Err(Missing::Comparison | Missing::LiveObjects) | Ok(Decision::Finish { .. }) => upgrade(),
            Err(Missing::Unlock { .. }) => Decision::Refuse { state: self.state(info) },
            Ok(Decision::Keep { .. })
                if info.action == HelmAction::Deploy
                    && !info.skip_if_already_installed
                    && self.last_good().is_some() =>
            {
                upgrade()
            }
            Ok(decision @ (Decision::Keep { .. } | Decision::Refuse { .. } | Decision::Change(_))) => decision,
        }
    }

    fn last_good(&self) -> Option<u32> {
        self.known_history().last_deployed().map(|meta| meta.revision)
    }

    /// Why the release cannot be acted on as it stands, after this decision.
    pub(crate) fn findings(&self, info: &ChartInfo, decision: &Decision) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subject = info.key();
        let blocked = |code, message: String| Finding::new(Class::Blocked, code, &subject, message);
        if let Decision::Refuse { state } = decision {
            findings.push(why_refused(info, state));
        }
        let namespace = info.namespace.as_str();
        match &self.namespace {
            NamespaceState::Active => {}
            NamespaceState::Absent if info.action == HelmAction::Deploy && !info.create_namespace => {
                let message = format!("namespace `{namespace}` does not exist and create_namespace is false");
                findings.push(blocked(code::NAMESPACE_MISSING, message));
            }
            NamespaceState::Absent => {}
            NamespaceState::Terminating if info.action == HelmAction::Deploy => {
                findings
                    .push(blocked(code::NAMESPACE_TERMINATING, format!("namespace `{namespace}` is being deleted")));
            }
            NamespaceState::Terminating => {}
            NamespaceState::Unreadable(why) => findings.push(blocked(code::UNREADABLE, why.clone())),
        }
        findings
    }
}

/// Why a release in this state cannot be acted on.
pub(crate) fn why_refused(info: &ChartInfo, state: &ReleaseState) -> Finding {
    let subject = info.key();
    let blocked = |code, message: String| Finding::new(Class::Blocked, code, &subject, message);
    match state {
        ReleaseState::Unknown { why } | ReleaseState::LiveUnreadable { why, .. } => {
            blocked(code::UNREADABLE, why.clone())
        }
        ReleaseState::Foreign { foreign, .. } => {
            let message = format!("{} still manages it: {}", foreign.tool, foreign.why);
            Finding::new(Class::Unsafe, code::RELEASE_FOREIGN, &subject, message)
        }
        ReleaseState::Locked { revision, status, since, why } => {
            let since = since.map(|at| format!(" since {at:.0}")).unwrap_or_default();
            blocked(code::RELEASE_LOCKED, format!("revision {revision} is {status}{since}: {why}"))
        }
        ReleaseState::Stale { revision, status, why } => {
            blocked(code::RELEASE_LOCKED, format!("revision {revision} is {status}: {why}"))
        }
        // Of these, only what should have been compared and could not be is refused.
        ReleaseState::Absent
        | ReleaseState::HalfRemoved
        | ReleaseState::HalfInstalled { .. }
        | ReleaseState::Breaking { .. }
        | ReleaseState::FailedClean { .. }
        | ReleaseState::FailedDirty { .. }
        | ReleaseState::Unmanaged { .. }
        | ReleaseState::InputUnknown { .. }
        | ReleaseState::OutOfSync { .. }
        | ReleaseState::LifecycleChanged { .. }
        | ReleaseState::Unfinished { .. }
        | ReleaseState::LiveUnknown { .. }
        | ReleaseState::Drifted { .. }
        | ReleaseState::Unvalidated { .. }
        | ReleaseState::InSync { .. } => {
            blocked(code::UNREADABLE, "what is deployed could not be compared with what is wanted".to_owned())
        }
    }
}
