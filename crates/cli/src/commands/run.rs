//! What apply, destroy, validate and rehearse have in common: a run with its report.

use crate::exit::{CommandError, Exit};
use crate::printer::{self, FAINT, STRONG, paint};
use crate::report::{Lines, Live, summary};
use crate::settings::Settings;
use pilothouse::{HelmChart, Session};
use pilothouse_core::{Event, EventKind, HelmAction, RunId, RunOutcome, Stack};
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a run is about.
pub(crate) struct Run<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) charts: Vec<Box<dyn HelmChart>>,
    pub(crate) session: &'a Arc<Session>,
}

/// Runs and reports: lines as it goes, then what became of each release; or one JSON document at the end.
pub(crate) async fn run(settings: &Settings, run: Run<'_>) -> RunOutcome {
    let mut report = Report::new(settings);
    report.begin(&run);
    let id = RunId(Uuid::now_v7());
    let outcome = pilothouse::run(&run.stack.name, id, &run.charts, run.session, |event| report.see(event)).await;
    report.finish(&outcome);
    outcome
}

/// Runs only the validate phase of every release, and reports in the same way.
pub(crate) async fn validate(settings: &Settings, run: Run<'_>) -> RunOutcome {
    let mut report = Report::new(settings);
    report.begin(&run);
    let id = RunId(Uuid::now_v7());
    let outcome = pilothouse::validate(&run.stack.name, id, &run.charts, run.session, |event| report.see(event)).await;
    report.finish(&outcome);
    outcome
}

/// The report of one run.
struct Report {
    human: bool,
    lines: Lines,
    live: Live,
    events: Vec<Event>,
    elapsed_ms: u64,
}

impl Report {
    fn new(settings: &Settings) -> Self {
        Self {
            human: settings.human(),
            lines: Lines::default(),
            live: Live::new(settings.live),
            events: Vec::new(),
            elapsed_ms: 0,
        }
    }

    /// What is run, where, and with which helm.
    fn begin(&self, run: &Run<'_>) {
        if !self.human {
            return;
        }
        let releases = match run.charts.len() {
            1 => "1 release".to_owned(),
            n => format!("{n} releases"),
        };
        let on = run.session.describe();
        printer::out(format!("{}  {}", paint(STRONG, &run.stack.name), paint(FAINT, format!("{releases}, {on}"))));
    }

    fn see(&mut self, event: &Event) {
        if let EventKind::RunFinished { elapsed_ms, .. } = event.kind {
            self.elapsed_ms = elapsed_ms;
        }
        if self.human {
            let lines = self.lines.of(event);
            self.live.show(event, &lines, |line| printer::out(line));
        } else {
            self.live.show(event, &[], |_| {});
            self.events.push(event.clone());
        }
    }

    fn finish(&self, outcome: &RunOutcome) {
        self.live.clear();
        if self.human {
            for line in summary(outcome, self.elapsed_ms) {
                printer::out(line);
            }
        } else {
            let releases: Vec<_> = outcome
                .releases
                .iter()
                .map(|(release, outcome)| json!({"release": release, "result": outcome}))
                .collect();
            let verdict = outcome.verdict();
            let exit = Exit::from(verdict).number();
            printer::json(&json!({
                "verdict": verdict,
                "exit_code": exit,
                "elapsed_ms": self.elapsed_ms,
                "releases": releases,
                "events": self.events,
            }));
        }
    }
}

/// Asks whether to go on; says what is going to be done. Without a terminal to ask on, `--yes` is required.
pub(crate) async fn confirm(
    settings: &Settings,
    yes: bool,
    charts: &[Box<dyn HelmChart>],
    where_: &str,
    cancel: &CancellationToken,
) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !settings.can_ask {
        return Err(CommandError::input("there is no terminal to ask on").hint("give --yes to go on without asking"));
    }
    printer::err(format!("On {where_}:"));
    for chart in charts {
        let info = chart.chart_info();
        if info.action != HelmAction::Skip {
            printer::err(format!("  {} {} ({})", info.action, info.key(), info.chart));
        }
    }
    printer::ask("Go on? [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        answer = answer => answer,
        () = cancel.cancelled() => return Err(CommandError::new(Exit::Interrupted, "stopped: nothing was changed")),
    };
    match answer {
        Ok(Ok(answer)) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(CommandError::new(Exit::Interrupted, "stopped: nothing was changed")),
    }
}
