//! The failure policy: what is done after a failed deploy, once the evidence is safe.

use crate::changes;
use crate::context::Context;
use crate::helpers;
use crate::stored;
use pilothouse_core::{
    ChartInfo, Decision, FailurePolicy, HelmAction, HelmCommand, NextStep, Phase, RevisionMeta, RevisionStatus,
};
use pilothouse_helm::{RollbackRequest, UninstallRequest};

/// What the policy asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    Leave(&'static str),
    Rollback(u32),
    Uninstall,
}

/// Decides by the policy, what was being done, and how far it came.
fn remedy(policy: FailurePolicy, action: HelmAction, failed_in: Phase, decision: &Decision) -> Remedy {
    if action != HelmAction::Deploy {
        return Remedy::Leave("a destroy that failed is left as it is");
    }
    match failed_in {
        Phase::CheckPrerequisites | Phase::PreExec => return Remedy::Leave("helm had not run"),
        Phase::Exec | Phase::OnDeployFailure | Phase::PostExec | Phase::Validate => {}
    }
    match policy {
        FailurePolicy::Leave => Remedy::Leave("on_failure is leave"),
        FailurePolicy::Rollback => match decision {
            Decision::Upgrade { last_good: Some(revision) } => Remedy::Rollback(*revision),
            Decision::Upgrade { last_good: None }
            | Decision::Nothing { .. }
            | Decision::Stop { .. }
            | Decision::Unlock { .. }
            | Decision::Install
            | Decision::FinishUninstallThenInstall
            | Decision::Reinstall { .. }
            | Decision::Uninstall => Remedy::Leave("there is no revision to roll back to"),
        },
        FailurePolicy::Uninstall => match decision {
            Decision::Install => Remedy::Uninstall,
            Decision::Upgrade { .. }
            | Decision::Nothing { .. }
            | Decision::Stop { .. }
            | Decision::Unlock { .. }
            | Decision::FinishUninstallThenInstall
            | Decision::Reinstall { .. }
            | Decision::Uninstall => Remedy::Leave("only a first install that failed is uninstalled"),
        },
    }
}

/// Why the release must not be touched although the policy asks for it, by what Helm's records say now. They must show
/// a revision that this run has written: a new one, failed when helm failed, deployed when helm had done its part. What
/// another run has deployed meanwhile looks different.
fn untouchable(before: u32, failed_in: Phase, newest: Option<&RevisionMeta>) -> Option<String> {
    let expected = match failed_in {
        Phase::CheckPrerequisites | Phase::PreExec | Phase::Exec => RevisionStatus::Failed,
        Phase::OnDeployFailure | Phase::PostExec | Phase::Validate => RevisionStatus::Deployed,
    };
    match newest {
        None => Some("helm has written no revision".to_owned()),
        Some(newest) if newest.revision <= before => Some("helm has written no revision".to_owned()),
        Some(newest) if newest.status != expected => {
            Some(format!("revision {} is {}, it may be another run's", newest.revision, newest.status))
        }
        Some(_) => None,
    }
}

/// Carries the policy out, at most once per release and run. Never fails: what goes wrong is part of the answer.
///
/// Deletes or writes nothing when the run was interrupted, when helm wrote no revision in this run, and, for an
/// uninstall, when objects were adopted in this run or data hangs on the release without consent.
pub(crate) async fn carry_out(info: &ChartInfo, ctx: &Context, failed_in: Phase) -> NextStep {
    let left = |why: String| NextStep::Left { why };
    let (before, decision) = ctx.baseline().await;
    let wanted = match remedy(info.on_failure, info.action, failed_in, &decision) {
        Remedy::Leave(why) => return left(why.to_owned()),
        wanted @ (Remedy::Rollback(_) | Remedy::Uninstall) => wanted,
    };
    if ctx.cancel().is_cancelled() {
        return left("the run was interrupted".to_owned());
    }
    let newest = match stored::revisions(ctx).await {
        Ok(revisions) => revisions.into_iter().max_by_key(|meta| meta.revision),
        Err(error) => return left(format!("helm's records cannot be read: {}", ctx.error_text(&error))),
    };
    if let Some(why) = untouchable(before, failed_in, newest.as_ref()) {
        return left(why);
    }
    let newest = newest.map(|newest| newest.revision).unwrap_or_default();
    // helm does not handle signals in a rollback, which would stay pending: only without the lock it must not go on.
    let undisturbed = ctx.lost();
    let (tried, result) = match wanted {
        Remedy::Leave(why) => return left(why.to_owned()),
        Remedy::Rollback(revision) => {
            ctx.doing(format!("rolling back to revision {revision}"));
            let request = RollbackRequest {
                force: info.force_upgrade,
                max_history: info.max_history,
                ..RollbackRequest::new(info.key(), revision, ctx.timeout())
            };
            let run = ctx.helm().rollback(&request, undisturbed);
            let done =
                changes::run_helm_after(ctx, HelmCommand::Rollback, String::new(), request.timeout, newest, run).await;
            (
                format!("the rollback to revision {revision}"),
                done.map(|_| NextStep::RolledBack { to_revision: revision }),
            )
        }
        Remedy::Uninstall => {
            if ctx.has_adopted() {
                return left("objects that were adopted would be deleted".to_owned());
            }
            let findings = helpers::uninstall_findings(ctx).await;
            if let Some(finding) = findings.first() {
                return left(format!("an uninstall would lose data: {finding}"));
            }
            ctx.doing("uninstalling");
            let request = UninstallRequest::new(info.key(), ctx.timeout());
            let run = ctx.helm().uninstall(&request, undisturbed);
            let done =
                changes::run_helm_after(ctx, HelmCommand::Uninstall, String::new(), request.timeout, newest, run).await;
            ("the uninstall".to_owned(), done.map(|_| NextStep::Uninstalled))
        }
    };
    result.unwrap_or_else(|error| NextStep::RemediationFailed { tried, error: ctx.error_text(&error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const UPGRADE: Decision = Decision::Upgrade { last_good: Some(3) };

    #[rstest]
    #[case(FailurePolicy::Leave, Phase::Exec, UPGRADE, Remedy::Leave("on_failure is leave"))]
    #[case(FailurePolicy::Rollback, Phase::Exec, UPGRADE, Remedy::Rollback(3))]
    #[case(FailurePolicy::Rollback, Phase::Validate, UPGRADE, Remedy::Rollback(3))]
    #[case(FailurePolicy::Rollback, Phase::PreExec, UPGRADE, Remedy::Leave("helm had not run"))]
    #[case(
        FailurePolicy::Rollback,
        Phase::Exec,
        Decision::Install,
        Remedy::Leave("there is no revision to roll back to")
    )]
    #[case(FailurePolicy::Uninstall, Phase::Exec, Decision::Install, Remedy::Uninstall)]
    #[case(
        FailurePolicy::Uninstall,
        Phase::Exec,
        UPGRADE,
        Remedy::Leave("only a first install that failed is uninstalled")
    )]
    #[case(FailurePolicy::Uninstall, Phase::Exec, Decision::Upgrade { last_good: None }, Remedy::Leave("only a first install that failed is uninstalled"))]
    #[case(
        FailurePolicy::Uninstall,
        Phase::Exec,
        Decision::FinishUninstallThenInstall,
        Remedy::Leave("only a first install that failed is uninstalled")
    )]
    fn policies(
        #[case] policy: FailurePolicy,
        #[case] failed_in: Phase,
        #[case] decision: Decision,
        #[case] expected: Remedy,
    ) {
        assert_eq!(remedy(policy, HelmAction::Deploy, failed_in, &decision), expected);
    }

    #[test]
    fn a_failed_destroy_is_left() {
        let remedy = remedy(FailurePolicy::Rollback, HelmAction::Destroy, Phase::Exec, &Decision::Uninstall);
        assert_eq!(remedy, Remedy::Leave("a destroy that failed is left as it is"));
    }

    #[rstest]
    #[case(3, Phase::Exec, None, true)]
    #[case(3, Phase::Exec, Some((3, RevisionStatus::Deployed)), true)]
    #[case(3, Phase::Exec, Some((4, RevisionStatus::PendingUpgrade)), true)]
    #[case(3, Phase::Exec, Some((4, RevisionStatus::Failed)), false)]
    // Somebody else's upgrade was faster.
    #[case(3, Phase::Exec, Some((4, RevisionStatus::Deployed)), true)]
    #[case(0, Phase::Exec, Some((1, RevisionStatus::Deployed)), true)]
    #[case(3, Phase::Validate, Some((4, RevisionStatus::Deployed)), false)]
    #[case(3, Phase::PostExec, Some((4, RevisionStatus::Failed)), true)]
    #[case(0, Phase::Exec, Some((1, RevisionStatus::Failed)), false)]
    fn what_must_not_be_touched(
        #[case] before: u32,
        #[case] failed_in: Phase,
        #[case] newest: Option<(u32, RevisionStatus)>,
        #[case] expected: bool,
    ) {
        let newest = newest.map(|(revision, status)| RevisionMeta {
            namespace: String::new(),
            name: String::new(),
            revision,
            status,
            written_at: None,
            created_at: None,
            run: None,
            resource_version: None,
        });
        assert_eq!(untouchable(before, failed_in, newest.as_ref()).is_some(), expected);
    }
}
