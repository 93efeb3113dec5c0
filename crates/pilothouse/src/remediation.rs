//! The failure policy: what is done after a failed deploy, once the evidence is safe.

use crate::context::Context;
use pilothouse_core::{ChartInfo, Decision, FailurePolicy, HelmAction, NextStep, Phase};
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
    if matches!(failed_in, Phase::CheckPrerequisites | Phase::PreExec) {
        return Remedy::Leave("helm had not run");
    }
    let first_install = matches!(
        decision,
        Decision::Install | Decision::FinishUninstallThenInstall | Decision::Upgrade { last_good: None }
    );
    match (policy, decision) {
        (FailurePolicy::Leave, _) => Remedy::Leave("on_failure is leave"),
        (FailurePolicy::Rollback, Decision::Upgrade { last_good: Some(revision) }) => Remedy::Rollback(*revision),
        (FailurePolicy::Rollback, _) => Remedy::Leave("there is no revision to roll back to"),
        (FailurePolicy::Uninstall, _) if first_install => Remedy::Uninstall,
        (FailurePolicy::Uninstall, _) => Remedy::Leave("only a failed first install is uninstalled"),
    }
}

/// Carries the policy out, at most once per release and run. Never fails: what goes wrong is part of the answer.
pub(crate) async fn carry_out(info: &ChartInfo, ctx: &Context, failed_in: Phase) -> NextStep {
    let decision = ctx.decision().await;
    let release = info.key();
    let (tried, result) = match remedy(info.on_failure, info.action, failed_in, &decision) {
        Remedy::Leave(why) => return NextStep::Left { why: why.to_owned() },
        Remedy::Rollback(revision) => {
            ctx.doing(format!("rolling back to revision {revision}"));
            let request = RollbackRequest::new(release, revision, ctx.timeout());
            let done = ctx.helm().rollback(&request, ctx.cancel()).await;
            (
                format!("the rollback to revision {revision}"),
                done.map(|_| NextStep::RolledBack { to_revision: revision }),
            )
        }
        Remedy::Uninstall => {
            ctx.doing("uninstalling");
            let request = UninstallRequest::new(release, ctx.timeout());
            let done = ctx.helm().uninstall(&request, ctx.cancel()).await;
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
    #[case(FailurePolicy::Uninstall, Phase::Exec, Decision::Upgrade { last_good: None }, Remedy::Uninstall)]
    #[case(FailurePolicy::Uninstall, Phase::Exec, UPGRADE, Remedy::Leave("only a failed first install is uninstalled"))]
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
}
