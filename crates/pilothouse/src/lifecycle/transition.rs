//! Which phase follows which: one pure function.

use pilothouse_core::Phase;

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It did what it is for.
    Well,
    /// It failed, or found reasons not to begin.
    Badly,
    /// The user stopped it.
    Interrupted,
    /// It found that the phases before this one can be left out. Only `check_prerequisites` can find that, and `exec` once values
    /// that come from steps are known.
    On(Phase),
    /// It did what it is for, and there is nothing to do after it.
    Complete,
    /// It is over, and the deploy is tried again.
    Again,
    /// It came to something of which only the user can tell whether an earlier run has done it.
    Uncertain,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// This phase.
    To(Phase),
    /// The release is done.
    Done,
    /// The release was not begun.
    Refused,
    /// The release failed.
    Failed,
    /// The release was stopped.
    Interrupted,
}

/// What follows `phase`, which `ended` so.
pub(crate) fn next(phase: Phase, ended: Ended) -> Transition {
    match (phase, ended) {
        (Phase::OnDeployFailure, Ended::Again) => Transition::To(Phase::Exec),
        // Cleaning up after a failure ends in a failure, however the cleaning went.
        (Phase::OnDeployFailure, _) => Transition::Failed,
        (_, Ended::Interrupted) => Transition::Interrupted,
        (_, Ended::Uncertain) => Transition::Refused,
        (_, Ended::Complete) | (Phase::Validate, Ended::Well | Ended::On(_)) => Transition::Done,
        (Phase::CheckPrerequisites | Phase::Exec, Ended::On(phase)) => Transition::To(phase),
        (Phase::CheckPrerequisites, Ended::Badly | Ended::Again) => Transition::Refused,
        (Phase::CheckPrerequisites, Ended::Well) => Transition::To(Phase::PreExec),
        (Phase::PreExec, Ended::Well | Ended::On(_)) => Transition::To(Phase::Exec),
        (Phase::Exec, Ended::Well) => Transition::To(Phase::PostExec),
        (Phase::PostExec, Ended::Well | Ended::On(_)) => Transition::To(Phase::Validate),
        (Phase::PreExec | Phase::Exec | Phase::PostExec | Phase::Validate, Ended::Badly | Ended::Again) => {
            Transition::To(Phase::OnDeployFailure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: [Ended; 7] = [
        Ended::Well,
        Ended::Badly,
        Ended::Interrupted,
        Ended::Complete,
        Ended::Again,
        Ended::Uncertain,
        Ended::On(Phase::Validate),
    ];

    /// Every phase with every ending, written down as one table.
    #[test]
    fn all_transitions() {
        let row = |phase: Phase| {
            let cells = ENDED.map(|ended| format!("{ended:?} -> {:?}", next(phase, ended)));
            format!("{phase}: {}", cells.join(", "))
        };
        insta::assert_snapshot!(Phase::ALL.map(row).join("\n"), @r"
        check_prerequisites: Well -> To(PreExec), Badly -> Refused, Interrupted -> Interrupted, Complete -> Done, Again -> Refused, Uncertain -> Refused, On(Validate) -> To(Validate)
        pre_exec: Well -> To(Exec), Badly -> To(OnDeployFailure), Interrupted -> Interrupted, Complete -> Done, Again -> To(OnDeployFailure), Uncertain -> Refused, On(Validate) -> To(Exec)
        exec: Well -> To(PostExec), Badly -> To(OnDeployFailure), Interrupted -> Interrupted, Complete -> Done, Again -> To(OnDeployFailure), Uncertain -> Refused, On(Validate) -> To(Validate)
        on_deploy_failure: Well -> Failed, Badly -> Failed, Interrupted -> Failed, Complete -> Failed, Again -> To(Exec), Uncertain -> Failed, On(Validate) -> Failed
        post_exec: Well -> To(Validate), Badly -> To(OnDeployFailure), Interrupted -> Interrupted, Complete -> Done, Again -> To(OnDeployFailure), Uncertain -> Refused, On(Validate) -> To(Validate)
        validate: Well -> Done, Badly -> To(OnDeployFailure), Interrupted -> Interrupted, Complete -> Done, Again -> To(OnDeployFailure), Uncertain -> Refused, On(Validate) -> Done
        ");
    }

    /// From the first phase, whatever happens but another attempt (which the policy counts), an end is reached and no phase
    /// is entered twice.
    #[test]
    fn every_path_ends() {
        fn walk(phase: Phase, seen: &mut Vec<Phase>) {
            assert!(!seen.contains(&phase), "{phase} again after {seen:?}");
            seen.push(phase);
            for ended in ENDED.into_iter().filter(|ended| *ended != Ended::Again) {
                if let Transition::To(phase) = next(phase, ended) {
                    walk(phase, &mut seen.clone());
                }
            }
        }
        walk(Phase::CheckPrerequisites, &mut Vec::new());
    }
}
