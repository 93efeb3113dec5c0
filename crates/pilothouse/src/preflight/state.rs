//! Why a release cannot be acted on as it stands.

use crate::context::NamespaceState;
use crate::context::Observed;
use pilothouse_core::{ChartInfo, Class, Decision, Finding, HelmAction, ReleaseState, code};

/// Why the release cannot be acted on as it stands, after what was decided.
pub(crate) fn state_findings(info: &ChartInfo, observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let subject = info.key();
    let blocked = |code, message: String| Finding::new(Class::Blocked, code, &subject, message);
    if let Decision::Refuse { state } = &observed.decision {
        findings.push(why_refused(info, state));
    }
    let namespace = info.namespace.as_str();
    match &observed.namespace {
        NamespaceState::Active => {}
        NamespaceState::Absent if info.action == HelmAction::Deploy && !info.create_namespace => {
            let message = format!("namespace `{namespace}` does not exist and create_namespace is false");
            findings.push(blocked(code::NAMESPACE_MISSING, message));
        }
        NamespaceState::Absent => {}
        NamespaceState::Terminating if info.action == HelmAction::Deploy => {
            findings.push(blocked(code::NAMESPACE_TERMINATING, format!("namespace `{namespace}` is being deleted")));
        }
        NamespaceState::Terminating => {}
        NamespaceState::Unreadable(why) => findings.push(blocked(code::UNREADABLE, why.clone())),
    }
    findings
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
