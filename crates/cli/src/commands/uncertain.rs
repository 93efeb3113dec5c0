//! Steps whose end is not known: what only the user can tell is asked, where somebody can be asked.

use crate::commands::run::{answer, line_of_answer};
use crate::input::settings::Settings;
use crate::terminal::printer::{self, STRONG, paint};
use pilothouse::state::Answer;
use pilothouse_core::{Finding, ReleaseOutcome, RunOutcome, code};
use tokio_util::sync::CancellationToken;

/// Asks about each such step of a run that was refused for it. Empty when there is nothing to ask, nobody to ask, or when
/// one is left open.
pub(crate) async fn ask(settings: &Settings, outcome: &RunOutcome, cancel: &CancellationToken) -> Vec<Answer> {
    let mut answers = Vec::new();
    if !settings.can_ask || !settings.human() {
        return answers;
    }
    for finding in open(outcome) {
        printer::err(format!("{}: {}", paint(STRONG, &finding.subject), finding.message));
        printer::ask("Has it done its work? [yes: go on behind it / no: run it again / anything else: stop] ");
        let done = match line_of_answer(cancel).await.as_deref() {
            Some("y" | "Y" | "yes") => true,
            Some("n" | "N" | "no") => false,
            _ => return Vec::new(),
        };
        // A finding names its step as the flags do.
        answers.extend(answer(&finding.subject, done).ok());
    }
    answers
}

/// The findings about such steps.
fn open(outcome: &RunOutcome) -> Vec<&Finding> {
    let findings = outcome.releases.iter().flat_map(|(_, outcome)| match outcome {
        ReleaseOutcome::Refused { findings } => findings.as_slice(),
        ReleaseOutcome::Done { .. }
        | ReleaseOutcome::Unchanged { .. }
        | ReleaseOutcome::Skipped { .. }
        | ReleaseOutcome::Failed(_)
        | ReleaseOutcome::Undone { .. }
        | ReleaseOutcome::Interrupted { .. }
        | ReleaseOutcome::NotStarted { .. } => &[],
    });
    findings.filter(|finding| finding.code == code::STEP_UNCERTAIN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse::state::StepAnswer;
    use pilothouse_core::{Class, Phase, ReleaseKey};

    #[test]
    fn what_a_finding_names_can_be_answered() {
        let finding = |code: &str, subject: &str| Finding::new(Class::Unsafe, code, subject, "its end is not known");
        let findings =
            vec![finding(code::DATA_ATTACHED, "pvc/a"), finding(code::STEP_UNCERTAIN, "web/shop:pre_exec:2")];
        let release = ReleaseKey::new("web", "shop");
        let outcome =
            RunOutcome { releases: vec![(release.clone(), ReleaseOutcome::Refused { findings })], stopped: None };
        let subjects: Vec<&str> = open(&outcome).iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(subjects, ["web/shop:pre_exec:2"]);
        let expected = Answer { release, step: StepAnswer { phase: Phase::PreExec, index: 1, done: true } };
        assert_eq!(answer(subjects[0], true).unwrap(), expected);
    }
}
