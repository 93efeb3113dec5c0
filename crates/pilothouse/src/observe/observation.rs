//! What the cluster holds of a release before it is touched.

use crate::context::release_context::Context;
use crate::observe::deploy_records;
use crate::observe::deploy_records::Found;
use crate::observe::drift;
use crate::observe::failed_deploy;
use crate::observe::other_tools;
use crate::observe::release_storage;
use crate::observe::rendered_diff;
use crate::render::input_digests;
use pilothouse_core::ObjectRef;
use pilothouse_core::{
    ChartInfo, Class, Decision, Finding, Foreign, HelmAction, InputDigests, InputPart, LiveSeen, Observation, Payload,
    RecordSeen, ReleaseState, Rendered, RevisionMeta, Wish, code, decide, determine, last_deployed, lenient_version,
};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::ClusterError;
use semver::Version;
use serde_json::Value;

/// What was seen of a release and its namespace.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// Helm's records, or why they could not be read.
    pub(crate) revisions: Result<Vec<RevisionMeta>, String>,
    /// The newest revision that was deployed, read only when it matters for the decision.
    pub(crate) deployed: Option<ReleaseRecord>,
    /// The namespace.
    pub(crate) namespace: NamespaceState,
    /// The chart version that is wanted.
    pub(crate) wanted_version: Option<Version>,
    /// Another tool that still manages it.
    pub(crate) foreign: Option<Foreign>,
    /// What is remembered of its last deploy.
    pub(crate) record: RecordSeen,
    /// What is wanted, as digests.
    pub(crate) inputs: Option<InputDigests>,
    /// Why its templates have to be rendered to tell what is wanted, if so.
    pub(crate) must_render: Option<String>,
    /// What comparing the rendered result with what is deployed said.
    pub(crate) rendered: Option<Rendered>,
    /// The live objects, looked at only when it matters for the decision.
    pub(crate) live: LiveSeen,
    /// Whether a newest revision that failed has applied anything, where that is known.
    pub(crate) failed_applied: Option<bool>,
}

/// How the release's namespace stands.
#[derive(Debug, Clone)]
pub(crate) enum NamespaceState {
    Active,
    Absent,
    Terminating,
    Unreadable(String),
}

/// Reads what matters for the decision about this release, side by side, and no more than that.
pub(crate) async fn observe(ctx: &Context) -> Observed {
    let wanted_version = ctx.wanted_version().await;
    let release = ctx.release();
    let (revisions, namespace, record) = tokio::join!(
        ctx.cluster().release_revisions(ctx.session().driver, Some(&release.namespace), Some(&release.name)),
        namespace_state(ctx, &release.namespace),
        record_of(ctx),
    );
    // A record that is there and cannot be read may say that steps are still to be run.
    let (record, unread) = match record {
        Ok(record) => (record, None),
        Err(why) => (RecordSeen::NotLooked, Some(why)),
    };
    let revisions = revisions.map_err(|error| ctx.error_text(&error));
    let mut seen = Observed {
        revisions: unread.map_or(revisions, Err),
        deployed: None,
        namespace,
        wanted_version,
        foreign: None,
        record,
        inputs: None,
        must_render: None,
        rendered: None,
        live: LiveSeen::NotLooked,
        failed_applied: None,
    };
    if let Some(newest) = seen.newest() {
        match other_tools::still_managed_by(ctx, newest).await {
            Ok(foreign) => seen.foreign = foreign,
            Err(error) => seen.revisions = Err(ctx.error_text(&error)),
        }
    }
    if needs_record(ctx.info()) {
        seen.read_deployed(ctx).await;
        let version = seen.deployed.as_ref().map(ReleaseRecord::chart_version);
        if let Some(version) = version.filter(|version| lenient_version(version).is_none()) {
            seen.revisions = Err(format!("the deployed chart has the version `{version}`, which is not one"));
        }
    }
    if ctx.info().action == HelmAction::Deploy {
        seen.look_at_input(ctx).await;
        // What this very run has begun it goes on with, whatever it has left.
        if ctx.attempts().current() == 1 && !ctx.is_continued() {
            seen.failed_applied = failed_deploy::has_applied(ctx, &seen).await;
        }
    }
    seen
}

impl Observed {
    /// What is wanted, and as much of what is there as the decision depends on.
    async fn look_at_input(&mut self, ctx: &Context) {
        let prepared = ctx.prepared(&Payload::default()).await;
        let (Some(chart), Ok(target)) = (&prepared.chart, ctx.session().target().await) else { return };
        let uses = ctx.templates_of(chart).await;
        self.inputs = input_digests::wanted(ctx, chart, &uses, &Payload::default(), &target).await;
        self.must_render = uses.must_render();
        if matches!(self.decide(ctx.info()), Decision::Compare { .. }) {
            self.read_deployed(ctx).await;
            if let Some(deployed) = &self.deployed {
                match rendered_diff::rendered(ctx, &prepared, &uses, deployed, self.has_same_input()).await {
                    Ok(rendered) => self.rendered = Some(rendered),
                    Err(error) => self.revisions = Err(ctx.error_text(&error)),
                }
            }
        }
        if self.decide(ctx.info()) == Decision::Look {
            self.live = drift::look(ctx, self).await;
        }
    }

    /// Whether what is wanted is proven to be what was given to the newest revision, but for its steps.
    fn has_same_input(&self) -> bool {
        let (RecordSeen::Some(record), Some(newest), Some(inputs)) = (&self.record, self.newest(), &self.inputs) else {
            return false;
        };
        record.revision == newest.revision
            && Some(&record.revision_uid) == newest.uid.as_ref()
            && record.input.differs(inputs).iter().all(|part| *part == InputPart::Lifecycle)
    }

    /// Reads the record of the newest revision that was deployed, unless that was done.
    async fn read_deployed(&mut self, ctx: &Context) {
        let Some(last) = self.revisions.as_ref().ok().and_then(|revisions| newest_good(revisions)) else { return };
        if self.deployed.is_some() {
            return;
        }
        match release_storage::record(ctx, last).await {
            Ok(Some(record)) => self.deployed = Some(record),
            Ok(None) => self.revisions = Err("helm's record vanished while it was read".to_owned()),
            Err(error) => self.revisions = Err(ctx.error_text(&error)),
        }
    }

    /// The metadata of the newest revision there was, if it could be told.
    pub(crate) fn newest(&self) -> Option<&RevisionMeta> {
        self.revisions.iter().flatten().max_by_key(|meta| meta.revision)
    }

    /// The newest revision there was; 0 when there was none or it could not be told.
    pub(crate) fn newest_revision(&self) -> u32 {
        self.newest().map(|meta| meta.revision).unwrap_or_default()
    }

    /// What was seen, without revisions newer than this one.
    pub(crate) fn as_of(&self, revision: u32) -> Self {
        let older = |revisions: &Vec<RevisionMeta>| {
            revisions.iter().filter(|meta| meta.revision <= revision).cloned().collect()
        };
        Self { revisions: self.revisions.as_ref().map(older).map_err(Clone::clone), ..self.clone() }
    }

    /// The state of the release.
    pub(crate) fn state(&self, info: &ChartInfo) -> ReleaseState {
        determine(&Observation {
            foreign: self.foreign.clone(),
            deployed_version: self.deployed.as_ref().and_then(|record| lenient_version(record.chart_version())),
            wanted_version: self.wanted_version.clone(),
            breaking_version: info.last_breaking_version_requiring_restart.clone(),
            record: self.record.clone(),
            inputs: self.inputs.clone(),
            must_render: self.must_render.is_some(),
            rendered: self.rendered,
            live: self.live.clone(),
            failed_applied: self.failed_applied,
            // A pending revision is healed before the first phase, or left.
            ..Observation::of(self.revisions.clone())
        })
    }

    /// What would have been decided when this revision was the newest. Where helm has pruned it meanwhile, nobody knows what it
    /// was, but that it was no first install.
    pub(crate) fn decide_as_of(&self, revision: u32, info: &ChartInfo) -> Decision {
        let then = self.as_of(revision);
        let pruned = revision > 0 && then.revisions.as_ref().is_ok_and(Vec::is_empty);
        if pruned { Decision::Upgrade { last_good: None } } else { then.decide_anew(info) }
    }

    /// What is to be done about the release as it stands.
    pub(crate) fn decide(&self, info: &ChartInfo) -> Decision {
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
        match self.decide(info) {
            Decision::Compare { .. } | Decision::Look | Decision::Validate { .. } | Decision::Steps { .. } => {
                Decision::Upgrade { last_good: self.last_good() }
            }
            Decision::Nothing { .. }
                if info.action == HelmAction::Deploy
                    && !info.skip_if_already_installed
                    && self.last_good().is_some() =>
            {
                Decision::Upgrade { last_good: self.last_good() }
            }
            decision @ (Decision::Nothing { .. }
            | Decision::Stop { .. }
            | Decision::Unlock { .. }
            | Decision::Install
            | Decision::FinishUninstallThenInstall
            | Decision::Upgrade { .. }
            | Decision::Reinstall { .. }
            | Decision::Uninstall) => decision,
        }
    }

    fn last_good(&self) -> Option<u32> {
        last_deployed(self.revisions.iter().flatten()).map(|meta| meta.revision)
    }

    /// Why the release cannot be acted on as it stands.
    pub(crate) fn findings(&self, info: &ChartInfo) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subject = info.key();
        let blocked = |code, message: String| Finding::new(Class::Blocked, code, &subject, message);
        if let Decision::Stop { state } = self.decide(info) {
            findings.extend(why_stopped(info, &state));
        } else if let ReleaseState::Stale { revision, status, why } = self.state(info) {
            findings.push(blocked(code::RELEASE_LOCKED, format!("revision {revision} is {status}: {why}")));
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
fn why_stopped(info: &ChartInfo, state: &ReleaseState) -> Option<Finding> {
    let subject = info.key();
    let blocked = |code, message: String| Some(Finding::new(Class::Blocked, code, &subject, message));
    match state {
        ReleaseState::Unknown { why } | ReleaseState::LiveUnreadable { why, .. } => {
            blocked(code::UNREADABLE, why.clone())
        }
        ReleaseState::Foreign { foreign, .. } => {
            let message = format!("{} still manages it: {}", foreign.tool, foreign.why);
            Some(Finding::new(Class::Unsafe, code::RELEASE_FOREIGN, &subject, message))
        }
        ReleaseState::Locked { revision, status, since, why } => {
            let since = since.map(|at| format!(" since {at:.0}")).unwrap_or_default();
            blocked(code::RELEASE_LOCKED, format!("revision {revision} is {status}{since}: {why}"))
        }
        ReleaseState::Stale { .. }
        | ReleaseState::Absent
        | ReleaseState::HalfRemoved
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
        | ReleaseState::InSync { .. } => None,
    }
}

/// What is remembered of the release's last deploy.
async fn record_of(ctx: &Context) -> Result<RecordSeen, String> {
    match deploy_records::read(ctx.cluster(), &ctx.release()).await {
        Ok(None) => Ok(RecordSeen::None),
        Ok(Some(Found::Record(record))) => Ok(RecordSeen::Some(record)),
        Ok(Some(Found::Damaged(why))) => Ok(RecordSeen::Unreadable(why)),
        // Whoever may not read Secrets here has no record, and compares.
        Err(error @ ClusterError::Forbidden { .. }) => Ok(RecordSeen::Unreadable(ctx.error_text(&error))),
        Err(error) => Err(ctx.error_text(&error)),
    }
}

/// Whether the decision depends on what is in the record: a breaking version to compare, or objects to be deleted.
fn needs_record(info: &ChartInfo) -> bool {
    info.action == HelmAction::Destroy || info.last_breaking_version_requiring_restart.is_some()
}

/// The newest revision that is or was deployed; without one (a failed first install) the newest at all.
pub(crate) fn newest_good(revisions: &[RevisionMeta]) -> Option<&RevisionMeta> {
    last_deployed(revisions).or_else(|| revisions.iter().max_by_key(|meta| meta.revision))
}

async fn namespace_state(ctx: &Context, name: &str) -> NamespaceState {
    let object = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    match ctx.cluster().get(&object).await {
        Ok(None) => NamespaceState::Absent,
        Ok(Some(namespace)) if is_terminating(&namespace) => NamespaceState::Terminating,
        Ok(Some(_)) => NamespaceState::Active,
        // Whoever may not read namespaces may well deploy into one; helm does not need to either.
        Err(ClusterError::Forbidden { .. }) => NamespaceState::Active,
        Err(error) => NamespaceState::Unreadable(ctx.error_text(&error)),
    }
}

fn is_terminating(namespace: &Value) -> bool {
    namespace.pointer("/metadata/deletionTimestamp").is_some()
        || namespace.pointer("/status/phase").and_then(Value::as_str) == Some("Terminating")
}
