//! The failure policy at work: what is done after a failed deploy, once the evidence is safe.

use crate::actions;
use crate::context::Attempts;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Action;
use crate::observe::Situation;
use crate::observe::Stopped;
use crate::preflight;
use pilothouse_core::{ChartInfo, Failure, NextStep, Phase, RevisionMeta, RevisionStatus};
use std::time::Duration;

/// Why the release must not be touched although the policy asks for it, by what Helm's records say now. They must show
/// a revision that was written on this very way: failed when helm failed, deployed when helm had done its part. What
/// somebody else has deployed meanwhile is theirs.
fn untouchable(attempts: &Attempts, before: u32, failed_in: Phase, newest: Option<&RevisionMeta>) -> Option<String> {
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
        Some(newest) if !attempts.has_written(newest) => {
            Some(format!("revision {} is not the one that this run has written", newest.revision))
        }
        Some(_) => None,
    }
}

/// What follows a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Following {
    /// It is over: this was done.
    Over(NextStep),
    /// The deploy is to be tried again.
    Retry {
        /// The attempt that follows.
        attempt: u32,
        /// How many there are at most.
        of: u32,
        /// How long is waited before it.
        wait: Duration,
    },
}

/// Decides by the release's policy what follows a failure, and carries it out unless it is a retry. Notes in the failure why
/// there is none. Never fails: what goes wrong is part of the answer.
pub(crate) async fn after(info: &ChartInfo, ctx: &Context, run: &mut ReleaseRun, failure: &mut Failure) -> Following {
    let (before, decision) = observe::baseline(ctx, run).await;
    let certain = observe::certain_cause(&failure.causes);
    let decided = observe::decide_remedy(&Situation {
        on_failure: &info.on_failure,
        action: info.action,
        failed_in: failure.phase,
        decision: &decision,
        attempt: run.attempts.current(),
        certain: certain.as_deref(),
        no_return: run.attempts.no_return(),
        stopped: stopped(ctx),
    });
    failure.attempts.extend(decided.not_retried);
    let undo = match decided.action {
        Action::Leave(why) => return Following::Over(NextStep::Left { why }),
        Action::Retry { attempt, of, wait } => return Following::Retry { attempt, of, wait },
        Action::Rollback(revision) => Undo::Rollback(revision),
        Action::Uninstall => Undo::Uninstall,
    };
    Following::Over(carry_out(ctx, run, undo, (before, failure.phase)).await)
}

fn stopped(ctx: &Context) -> Option<Stopped> {
    if ctx.lost().is_cancelled() {
        Some(Stopped::LockLost)
    } else {
        ctx.cancel().is_cancelled().then_some(Stopped::Interrupted)
    }
}

/// Why the deploy must not be tried again, by what Helm's records say now: another run is or was at work. When they cannot
/// be read, the attempt finds that out.
pub(crate) async fn taken_meanwhile(ctx: &Context, run: &ReleaseRun, failed_in: Phase) -> Option<String> {
    let (before, _) = observe::baseline(ctx, run).await;
    let history = observe::release_history(ctx).await.ok()?;
    // A try that came to nothing may have left nothing.
    let newest = history.newest().filter(|newest| newest.revision > before)?;
    untouchable(&run.attempts, before, failed_in, Some(newest))
}

/// How a deploy is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    /// By going back to this revision.
    Rollback(u32),
    /// By an uninstall.
    Uninstall,
}

/// Undoes a deploy that began when the newest revision was `before` and has come to the given phase.
///
/// Deletes or writes nothing when helm wrote no revision in this run, when data would be lost without consent, and when objects
/// would go that were adopted on this way.
pub(crate) async fn carry_out(
    ctx: &Context,
    run: &mut ReleaseRun,
    undo: Undo,
    (before, reached): (u32, Phase),
) -> NextStep {
    let left = |why: String| NextStep::Left { why };
    let history = match observe::release_history(ctx).await {
        Ok(history) => history,
        Err(error) => return left(format!("helm's records cannot be read: {}", ctx.error_text(&error))),
    };
    let untouchable = untouchable(&run.attempts, before, reached, history.newest());
    if let Some(why) = untouchable {
        return left(why);
    }
    let newest = history.newest_revision();
    let refused = |undo: &str, error: PhaseError| match error {
        PhaseError::Refused(findings) => {
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            left(format!("{undo} would lose data: {}", findings.join("; ")))
        }
        error => left(format!("what {undo} would lose is not known: {}", ctx.error_text(&error))),
    };
    let (tried, result) = match undo {
        Undo::Rollback(revision) => {
            let permit = match preflight::permit_rollback(ctx, run, &history, revision).await {
                Ok(permit) => permit,
                Err(error) => return refused(&format!("a rollback to revision {revision}"), error),
            };
            ctx.doing(format!("rolling back to revision {revision}"));
            let done = actions::roll_back(ctx, run, permit, newest).await;
            (
                format!("the rollback to revision {revision}"),
                done.map(|()| NextStep::RolledBack { to_revision: revision }),
            )
        }
        Undo::Uninstall => {
            if run.attempts.has_adopted() {
                return left("objects that were adopted would be deleted".to_owned());
            }
            let permit = match preflight::permit_uninstall(ctx, run).await {
                Ok(permit) => permit,
                Err(error) => return refused("an uninstall", error),
            };
            ctx.doing("uninstalling");
            let done = actions::uninstall_as_permitted(ctx, run, permit, newest, ctx.timeout(), ctx.lost()).await;
            if let Ok(done) = &done {
                actions::tell_what_stays(ctx, &done.stays).await;
            }
            ("the uninstall".to_owned(), done.map(|_| NextStep::Uninstalled))
        }
    };
    result.unwrap_or_else(|error| match error {
        // It was never begun.
        PhaseError::Stopped(_) | PhaseError::Locked(_) => left(ctx.error_text(&error)),
        PhaseError::Refused(_) => refused(&tried, error),
        error => NextStep::RemediationFailed { tried, error: ctx.error_text(&error) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::release;
    use pilothouse_core::RunId;
    use rstest::rstest;

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
        let newest = newest.map(|(revision, status)| RevisionMeta::new(&release(), revision, status));
        let mut attempts = Attempts::default();
        attempts.note_written(before + 1, None);
        assert_eq!(untouchable(&attempts, before, failed_in, newest.as_ref()).is_some(), expected);
    }

    /// Somebody has gone on from what this run has deployed, or another run has written what this one was to write.
    #[rstest]
    #[case::ours(4, Some(1), true)]
    #[case::a_hotfix(5, Some(1), false)]
    #[case::of_another_run(4, Some(2), false)]
    #[case::without_a_run(4, None, false)]
    fn what_somebody_else_has_deployed_is_theirs(
        #[case] revision: u32,
        #[case] run: Option<u128>,
        #[case] expected: bool,
    ) {
        let id = |run| RunId(uuid::Uuid::from_u128(run));
        let mut attempts = Attempts::default();
        attempts.note_written(4, Some(id(1)));
        let newest =
            RevisionMeta { run: run.map(id), ..RevisionMeta::new(&release(), revision, RevisionStatus::Deployed) };
        assert_eq!(untouchable(&attempts, 3, Phase::Validate, Some(&newest)).is_none(), expected);
    }
}
