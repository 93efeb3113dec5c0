//! What the cluster holds of a release before it is touched.

use crate::context::Context;
use crate::stored;
use pilothouse_core::ObjectRef;
use pilothouse_core::{
    ChartInfo, Class, Decision, Finding, HelmAction, Observation, ReleaseState, RevisionMeta, RevisionStatus, Wish,
    code, decide, determine, lenient_version,
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
}

/// How the release's namespace stands.
#[derive(Debug, Clone)]
pub(crate) enum NamespaceState {
    Active,
    Absent,
    Terminating,
    Unreadable(String),
}

/// Reads what matters for the decision about this release, side by side.
pub(crate) async fn observe(ctx: &Context) -> Observed {
    let wanted_version = ctx.wanted_version().await;
    let release = ctx.release();
    let (revisions, namespace) = tokio::join!(
        ctx.cluster().release_revisions(ctx.session().driver, Some(&release.namespace), Some(&release.name)),
        namespace_state(ctx, &release.namespace),
    );
    let mut revisions = revisions.map_err(|error| ctx.error_text(&error));
    let mut deployed = None;
    if needs_record(ctx.info())
        && let Some(last) = revisions.as_ref().ok().and_then(|revisions| newest_good(revisions))
    {
        match stored::record(ctx, last).await {
            Ok(Some(record)) if lenient_version(record.chart_version()).is_none() => {
                revisions =
                    Err(format!("the deployed chart has the version `{}`, which is not one", record.chart_version()));
            }
            Ok(Some(record)) => deployed = Some(record),
            Ok(None) => revisions = Err("helm's record vanished while it was read".to_owned()),
            Err(error) => revisions = Err(ctx.error_text(&error)),
        }
    }
    Observed { revisions, deployed, namespace, wanted_version }
}

impl Observed {
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
            deployed_version: self.deployed.as_ref().and_then(|record| lenient_version(record.chart_version())),
            wanted_version: self.wanted_version.clone(),
            breaking_version: info.last_breaking_version_requiring_restart.clone(),
            // A pending revision is healed before the first phase, or left; and neither our record nor what is rendered or
            // live is looked at yet.
            ..Observation::of(self.revisions.clone())
        })
    }

    /// What would have been decided when this revision was the newest. Where helm has pruned it meanwhile, nobody knows what it
    /// was, but that it was no first install.
    pub(crate) fn decide_as_of(&self, revision: u32, info: &ChartInfo) -> Decision {
        let then = self.as_of(revision);
        let pruned = revision > 0 && then.revisions.as_ref().is_ok_and(Vec::is_empty);
        if pruned { Decision::Upgrade { last_good: None } } else { then.decide(info) }
    }

    /// What `exec` is going to do.
    pub(crate) fn decide(&self, info: &ChartInfo) -> Decision {
        let wish =
            Wish { action: info.action, skip_if_already_installed: info.skip_if_already_installed, ..Wish::default() };
        self.without_comparing(decide(&self.state(info), &wish))
    }

    /// Nothing is compared yet, so whatever is deployed is upgraded.
    fn without_comparing(&self, decision: Decision) -> Decision {
        match decision {
            Decision::Compare { last_good } => Decision::Upgrade { last_good },
            // Decided of deployed revisions only.
            Decision::Look | Decision::Validate { .. } | Decision::Steps { .. } => {
                Decision::Upgrade { last_good: Some(self.newest_revision()) }
            }
            Decision::Nothing { .. }
            | Decision::Stop { .. }
            | Decision::Unlock { .. }
            | Decision::Install
            | Decision::FinishUninstallThenInstall
            | Decision::Upgrade { .. }
            | Decision::Reinstall { .. }
            | Decision::Uninstall => decision,
        }
    }

    /// Why the release cannot be acted on as it stands.
    pub(crate) fn findings(&self, info: &ChartInfo) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subject = info.key();
        let blocked = |code, message: String| Finding::new(Class::Blocked, code, &subject, message);
        match self.state(info) {
            ReleaseState::Unknown { why } | ReleaseState::LiveUnreadable { why, .. } => {
                findings.push(blocked(code::UNREADABLE, why));
            }
            ReleaseState::Foreign { foreign, .. } => {
                findings
                    .push(blocked(code::OWNERSHIP_CONFLICT, format!("{} manages it: {}", foreign.tool, foreign.why)));
            }
            ReleaseState::Locked { revision, status, since, why } => {
                let since = since.map(|at| format!(" since {at:.0}")).unwrap_or_default();
                findings.push(blocked(code::RELEASE_LOCKED, format!("revision {revision} is {status}{since}: {why}")));
            }
            ReleaseState::Stale { revision, status, why } => {
                findings.push(blocked(code::RELEASE_LOCKED, format!("revision {revision} is {status}: {why}")));
            }
            ReleaseState::Absent
            | ReleaseState::HalfRemoved
            | ReleaseState::FailedClean { .. }
            | ReleaseState::FailedDirty { .. }
            | ReleaseState::Breaking { .. }
            | ReleaseState::Unmanaged { .. }
            | ReleaseState::InputUnknown { .. }
            | ReleaseState::OutOfSync { .. }
            | ReleaseState::LifecycleChanged { .. }
            | ReleaseState::Unfinished { .. }
            | ReleaseState::LiveUnknown { .. }
            | ReleaseState::Drifted { .. }
            | ReleaseState::Unvalidated { .. }
            | ReleaseState::InSync { .. } => {}
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

/// Whether the decision depends on what is in the record: a breaking version to compare, or objects to be deleted.
fn needs_record(info: &ChartInfo) -> bool {
    info.action == HelmAction::Destroy || info.last_breaking_version_requiring_restart.is_some()
}

/// The newest revision that is or was deployed; without one (a failed first install) the newest at all.
pub(crate) fn newest_good(revisions: &[RevisionMeta]) -> Option<&RevisionMeta> {
    let good = |meta: &&RevisionMeta| matches!(meta.status, RevisionStatus::Deployed | RevisionStatus::Superseded);
    let newest = |metas: &mut dyn Iterator<Item = &RevisionMeta>| metas.map(|m| m.revision).max();
    let revision = newest(&mut revisions.iter().filter(good)).or_else(|| newest(&mut revisions.iter()))?;
    revisions.iter().find(|meta| meta.revision == revision)
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
