//! What apply, destroy, validate and rehearse have in common: a run with its report.

use crate::commands::uncertain;
use crate::input::connect;
use crate::input::continues::state_move_command;
use crate::input::saved_plan::{PlannedWith, SavedPlan};
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::{Afterwards, RunReport};
use crate::terminal::args::{self, Output};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::hints;
use crate::terminal::printer;
use pilothouse::stack::DeclaredChart;
use pilothouse::state::{Answer, Resume, StateConfig, StepAnswer};
use pilothouse::{HelmChart, RunConfig, Session};
use pilothouse_config::Unset;
use pilothouse_core::{Event, HelmAction, Phase, Plan, ReleaseKey, RunId, RunKind, RunOutcome, SetPolicy, Stack};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a run is about.
pub(crate) struct Run<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) charts: Vec<Box<dyn HelmChart>>,
    pub(crate) session: &'a Arc<Session>,
    pub(crate) kind: RunKind,
    pub(crate) flags: &'a args::RunFlags,
    /// How the cluster was named.
    pub(crate) connection: Option<&'a args::Connection>,
    pub(crate) resume: Resume,
    /// The stack file, absolute.
    pub(crate) stack_file: Option<PathBuf>,
    /// The folder for the journals of all stacks and clusters.
    pub(crate) journals: PathBuf,
    /// The plan to be carried out, and nothing else.
    pub(crate) plan: Option<Arc<Plan>>,
    /// How the user may go on when it is stopped before its end.
    pub(crate) afterwards: Afterwards,
}

impl Run<'_> {
    /// What the flags say of steps whose end is not known.
    fn answers(&self) -> Result<Vec<Answer>, CommandError> {
        let mut answers = Vec::new();
        for (texts, done) in [(&self.flags.step_done, true), (&self.flags.step_again, false)] {
            for text in texts {
                let answer = answer(text, done)?;
                let release = self.charts.iter().find(|chart| chart.chart_info().key() == answer.release);
                let step = release.and_then(|chart| chart.steps(answer.step.phase).get(answer.step.index).cloned());
                if step.is_none() {
                    return Err(CommandError::input(format!(
                        "there is no step `{text}` among the releases of this run"
                    )));
                }
                if answers
                    .iter()
                    .any(|known: &Answer| known.release == answer.release && known.step.is_about(&answer.step))
                {
                    return Err(CommandError::input(format!("step `{text}` is answered twice")));
                }
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    /// The command that moves the state of the stack.
    fn state_move(&self) -> String {
        let file = self.stack_file.as_deref().unwrap_or(Path::new("."));
        state_move_command(file, self.connection.unwrap_or(&args::Connection::default()))
    }

    fn config(&self, settings: &Settings, answers: &[Answer]) -> RunConfig {
        let id = RunId::new();
        let policy = match (self.flags.fail_fast, self.flags.keep_going) {
            (true, _) => SetPolicy::FailFast,
            (_, true) => SetPolicy::KeepGoing,
            (false, false) => self.stack.failure_policy,
        };
        RunConfig {
            kind: self.kind,
            concurrency: self.flags.concurrency.map_or_else(pilothouse::default_concurrency, usize::from),
            failure_policy: policy,
            despite_refusals: self.flags.keep_going,
            plan: self.plan.clone(),
            stack_file: self.stack_file.clone(),
            on_release_failure: self.stack.on_release_failure,
            state: Some(StateConfig {
                namespace: self.stack.state_namespace.clone(),
                folder: self.journals.clone(),
                holder: settings.environment.holder(id),
                lock_timeout: self.flags.lock_timeout.unsigned_abs(),
                resume: self.resume,
                answers: answers.to_vec(),
                kill_at: self.flags.kill_at,
            }),
            ..RunConfig::new(&self.stack.name, id)
        }
    }
}

/// Reads `namespace/name:phase:number`, as findings name a step.
pub(crate) fn answer(text: &str, done: bool) -> Result<Answer, CommandError> {
    let parsed = || {
        let (rest, number) = text.rsplit_once(':')?;
        let (release, phase) = rest.rsplit_once(':')?;
        let (namespace, name) = release.split_once('/')?;
        let phase = Phase::ALL.into_iter().find(|known| known.name() == phase)?;
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        Some(Answer { release: ReleaseKey::new(namespace, name), step: StepAnswer { phase, index, done } })
    };
    parsed().ok_or_else(|| {
        CommandError::input(format!("`{text}` does not name a step"))
            .hint("write namespace/name:phase:number, as the finding names it")
    })
}

/// Runs and reports: lines as it goes, then what became of each release; or one JSON document at the end.
pub(crate) async fn run(settings: &Settings, run: Run<'_>) -> Result<RunOutcome, CommandError> {
    let (outcome, document) = run_untold(settings, run).await?;
    tell(document);
    Ok(outcome)
}

/// As [`run`], but the one JSON document is given to be printed.
pub(crate) async fn run_untold(
    settings: &Settings,
    mut run: Run<'_>,
) -> Result<(RunOutcome, Option<Value>), CommandError> {
    let mut answers = run.answers()?;
    loop {
        let config = run.config(settings, &answers);
        let report = begin(settings, &run);
        let outcome = pilothouse::run(&config, &run.charts, run.session, |event| report.see(event)).await;
        let outcome = outcome.map_err(|error| {
            report.clear();
            hints::not_begun(&error, &run.stack.name, &run.state_move())
        })?;
        let document = report.finish(&outcome, &run.afterwards);
        let more = uncertain::ask(settings, &outcome, run.session.cancel()).await;
        if more.is_empty() {
            return Ok((outcome, document));
        }
        tell(document);
        answers.extend(more);
        // What was refused is the last run now.
        run.resume = Resume::Last;
    }
}

/// The releases of a stack, for a run of this kind.
pub(crate) fn charts(stack: &Stack, kind: RunKind) -> Vec<Box<dyn HelmChart>> {
    let declared = stack.releases.iter().cloned().map(DeclaredChart::new);
    let charts = declared.map(|chart| match kind {
        RunKind::Apply | RunKind::Validate => chart,
        RunKind::Destroy => chart.destroyed(),
    });
    charts.map(|chart| Box::new(chart) as Box<dyn HelmChart>).collect()
}

/// The releases of a stack file that are meant, for a run of this kind, with what is consented to.
pub(crate) fn stack_of(
    file: &Path,
    selected: &args::Select,
    consent: &[String],
    kind: RunKind,
    settings: &Settings,
) -> Result<Stack, CommandError> {
    let mut stack = match kind {
        RunKind::Apply | RunKind::Validate => stack::load(file, settings)?,
        // Nothing is rendered.
        RunKind::Destroy => stack::load_for(file, settings, Unset::LeftOutOfValues)?.stack,
    };
    select::select(&mut stack, selected)?;
    stack::add_consent(&mut stack, consent)?;
    Ok(stack)
}

/// The releases that were planned, as the stack file has them now. Whether that is still what was planned is found out with
/// everything else that may have moved.
pub(crate) fn planned_stack(saved: &SavedPlan, settings: &Settings) -> Result<Stack, CommandError> {
    let PlannedWith { stack_file, select, consent, kind, .. } = &saved.saved;
    stack_of(stack_file, select, consent, *kind, settings)
}

/// Runs only the validate phase of every release, and reports in the same way.
pub(crate) async fn validate(settings: &Settings, run: Run<'_>, mut on_event: impl FnMut(&Event)) -> RunOutcome {
    let report = begin(settings, &run);
    let config = RunConfig {
        concurrency: run.flags.concurrency.map_or_else(pilothouse::default_concurrency, usize::from),
        ..RunConfig::new(&run.stack.name, RunId::new())
    };
    let outcome = pilothouse::validate(&config, &run.charts, run.session, |event| {
        report.see(event);
        on_event(event);
    })
    .await;
    tell(report.finish(&outcome, &run.afterwards));
    outcome
}

fn tell(document: Option<Value>) {
    if let Some(document) = document {
        printer::json(Output::Json, &document);
    }
}

fn begin(settings: &Settings, run: &Run<'_>) -> RunReport {
    let report = RunReport::new(settings);
    let on = format!("{}, {}", connect::named(run.session), run.session.describe());
    report.begin(&run.stack.name, run.charts.len(), &on);
    report
}

/// Says what is going to be done, and asks whether to go on.
pub(crate) async fn confirm(
    kind: RunKind,
    charts: &[Box<dyn HelmChart>],
    session: &Session,
    cancel: &CancellationToken,
) -> Result<(), CommandError> {
    printer::err("Releases:");
    for chart in charts {
        let info = chart.chart_info();
        if info.action != HelmAction::Skip {
            printer::err(format!("  {} {} ({})", info.action, info.key(), info.chart));
        }
    }
    ask(kind, session, cancel).await
}

/// Whether there is somebody to ask.
pub(crate) fn can_ask(settings: &Settings) -> Result<(), CommandError> {
    if settings.can_ask {
        return Ok(());
    }
    Err(CommandError::input("there is no terminal to ask on").hint("give --yes to go on without asking"))
}

/// Asks whether to go on, on the cluster that is named.
pub(crate) async fn ask(kind: RunKind, session: &Session, cancel: &CancellationToken) -> Result<(), CommandError> {
    let what = match kind {
        RunKind::Apply => "Apply these changes to",
        RunKind::Destroy => "Destroy these releases of",
        RunKind::Validate => "Validate these releases of",
    };
    printer::ask(&format!("{what} {}? [y/N] ", connect::named(session)));
    match line_of_answer(cancel).await.as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        _ => Err(CommandError::new(Exit::Interrupted, "stopped: nothing was changed")),
    }
}

/// One line from the terminal, without white space around it; `None` when there is none or the user stops the program.
pub(crate) async fn line_of_answer(cancel: &CancellationToken) -> Option<String> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        line = line => line.ok()?.ok().map(|line| line.trim().to_owned()),
        () = cancel.cancelled() => None,
    }
}
