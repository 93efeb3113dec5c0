//! What a run prints, as it goes and at its end: the thin shell around the pure views.

use crate::input::settings::Settings;
use crate::report::causes;
use crate::report::heartbeat::{QUIET, heartbeat};
use crate::report::lines::Lines;
use crate::report::live::Live;
use crate::report::outcome::{Afterwards, summary};
use crate::report::view::View;
use crate::terminal::args::Output;
use crate::terminal::exit::Exit;
use crate::terminal::printer::{self, FAINT, STRONG, paint};
use jiff::Timestamp;
use pilothouse_core::{Event, EventKind, RunOutcome};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::task::AbortOnDropHandle;

/// How often it is looked whether nothing was printed for long.
const LOOK: Duration = Duration::from_secs(1);

/// The report of one run. To be made inside the runtime.
pub(crate) struct RunReport {
    shared: Arc<Shared>,
    /// Ends with the report.
    _heart: Option<AbortOnDropHandle<()>>,
}

struct Shared {
    output: Output,
    /// The columns that results are broken to, if they go to a terminal.
    width: Option<usize>,
    view: Arc<Mutex<View>>,
    live: Live,
    printed: Mutex<Printed>,
}

/// What was printed, and what is kept for what is to be printed.
struct Printed {
    lines: Lines,
    /// When something was printed for the last time.
    last: Instant,
    /// What happened, for the one document at the end.
    events: Vec<Event>,
    elapsed_ms: u64,
}

impl RunReport {
    pub(crate) fn new(settings: &Settings) -> Self {
        let view = Arc::new(Mutex::new(View::default()));
        let shared = Arc::new(Shared {
            output: settings.output,
            width: settings.width(),
            live: Live::new(settings.live, view.clone()),
            view,
            printed: Mutex::new(Printed {
                lines: Lines::new(settings.lines_above_view),
                last: Instant::now(),
                events: Vec::new(),
                elapsed_ms: 0,
            }),
        });
        let beats = settings.human() && !settings.lines_above_view;
        let heart = beats.then(|| AbortOnDropHandle::new(tokio::spawn(shared.clone().beat())));
        Self { shared, _heart: heart }
    }

    /// What is run (a stack with so many releases), and where.
    pub(crate) fn begin(&self, stack: &str, releases: usize, on: &str) {
        if self.shared.output != Output::Human {
            return;
        }
        let releases = match releases {
            1 => "1 release".to_owned(),
            n => format!("{n} releases"),
        };
        printer::out(format!("{}  {}", paint(STRONG, stack), paint(FAINT, format!("{releases}, {on}"))));
    }

    pub(crate) fn see(&self, event: &Event) {
        let mut printed = self.shared.printed();
        self.shared.view().see(event);
        if let EventKind::RunFinished { elapsed_ms, .. } = event.kind {
            printed.elapsed_ms = elapsed_ms;
        }
        match self.shared.output {
            Output::Human => {
                let lines = printed.lines.of(event);
                if !lines.is_empty() {
                    printed.last = Instant::now();
                    self.shared.live.above(|| lines.iter().for_each(printer::out));
                }
            }
            Output::Json => printed.events.push(event.clone()),
            Output::Jsonl => self.shared.live.above(|| printer::json_line(event)),
        }
    }

    /// Ends the view of a run that could not begin.
    pub(crate) fn clear(&self) {
        self.shared.live.clear();
    }

    /// What became of the releases. The one JSON document, where that is what is wanted, is given to be printed.
    pub(crate) fn finish(&self, outcome: &RunOutcome, afterwards: &Afterwards) -> Option<Value> {
        self.clear();
        let printed = self.shared.printed();
        match self.shared.output {
            Output::Human => {
                let continued = self.shared.view().continued().cloned();
                let lines = summary(outcome, printed.elapsed_ms, continued.as_ref(), afterwards, self.shared.width);
                lines.iter().for_each(printer::out);
                None
            }
            Output::Json => {
                let releases: Vec<_> = outcome
                    .releases
                    .iter()
                    .map(|(release, outcome)| json!({"release": release, "result": outcome}))
                    .collect();
                let verdict = outcome.verdict();
                Some(json!({
                    "verdict": verdict,
                    "exit_code": Exit::from(verdict).number(),
                    "elapsed_ms": printed.elapsed_ms,
                    "releases": releases,
                    "causes": causes::of_run(outcome),
                    "events": printed.events,
                }))
            }
            // The last event has said it.
            Output::Jsonl => None,
        }
    }
}

impl Shared {
    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says now and then that the run still goes on.
    async fn beat(self: Arc<Self>) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let mut printed = self.printed();
            if printed.last.elapsed() < QUIET {
                continue;
            }
            let line = heartbeat(&self.view(), Timestamp::now());
            if let Some(line) = line {
                printed.last = Instant::now();
                self.live.above(|| printer::out(paint(FAINT, line)));
            }
        }
    }
}
