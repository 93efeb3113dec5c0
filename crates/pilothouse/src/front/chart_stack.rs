//! A stack of charts written in Rust.

use super::running::Running;
use crate::context::Session;
use crate::environment::{Environment, trusted};
use crate::phases::HelmChart;
use crate::run::{Resume, RunConfig, RunError, StateConfig, default_concurrency, run};
use pilothouse_core::{Event, HelmAction, RunId, RunKind, RunOutcome};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the stack's lock is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Charts that belong together, and how a run over them is to go.
///
/// ```no_run
/// # use pilothouse::{ChartInfo, HelmChart, Session};
/// # struct Podinfo(ChartInfo);
/// # impl HelmChart for Podinfo { fn chart_info(&self) -> &ChartInfo { &self.0 } }
/// # async fn deploy(podinfo: Podinfo) -> Result<(), Box<dyn std::error::Error>> {
/// let session = Session::from_environment().await?;
/// session.stack("shop").chart(podinfo).apply().await?.into_result()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is done until `apply` or `start` is called"]
pub struct ChartStack {
    session: Arc<Session>,
    config: RunConfig,
    charts: Vec<Box<dyn HelmChart>>,
    journals: Journals,
}

/// Where the journals of runs are kept on this machine.
enum Journals {
    OfTheUser,
    In(PathBuf),
    Nowhere,
}

impl Session {
    /// A stack of charts on this session's cluster. Its lock, and what is remembered of its runs, go by this name.
    pub fn stack(self: &Arc<Self>, name: impl Into<String>) -> ChartStack {
        let mut config = RunConfig::new(name, RunId::new());
        config.concurrency = default_concurrency();
        ChartStack { session: self.clone(), config, charts: Vec::new(), journals: Journals::OfTheUser }
    }
}

impl ChartStack {
    /// One chart more. What it needs is deployed before it ([`ChartInfo::needs`](crate::ChartInfo::needs)).
    pub fn chart(self, chart: impl HelmChart + 'static) -> Self {
        self.charts([Box::new(chart) as Box<dyn HelmChart>])
    }

    /// These charts more.
    pub fn charts(mut self, charts: impl IntoIterator<Item = Box<dyn HelmChart>>) -> Self {
        self.charts.extend(charts);
        self
    }

    /// Keeps the journals of runs below this folder, instead of `~/.local/state/pilothouse/runs`.
    pub fn journals(mut self, folder: impl Into<PathBuf>) -> Self {
        self.journals = Journals::In(folder.into());
        self
    }

    /// Writes nothing down, and takes no lock: a run that is killed cannot be continued, and nothing keeps a second one away.
    pub fn without_journal(mut self) -> Self {
        self.journals = Journals::Nowhere;
        self
    }

    /// Changes how the run is to go: how many releases at once, what becomes of the others when one fails.
    pub fn configured(mut self, change: impl FnOnce(&mut RunConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Carries each chart through its lifecycle: it is deployed or destroyed, as its action says. See [`run`](crate::run()).
    ///
    /// # Errors
    /// When the run cannot begin: there is no folder for its journal, the lock is another run's, or what was kept cannot be read. That
    /// a release failed is no error: see [`RunOutcome::into_result`].
    pub async fn apply(self) -> Result<RunOutcome, RunError> {
        self.apply_telling(|_| ()).await
    }

    /// As [`apply`](Self::apply); `on_event` sees every event in order, from the task that awaits this.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn apply_telling(mut self, on_event: impl FnMut(&Event)) -> Result<RunOutcome, RunError> {
        self.complete()?;
        run(&self.config, &self.charts, &self.session, on_event).await
    }

    /// As [`apply`](Self::apply), on a task of its own: its events are a stream.
    pub fn start(self) -> Running {
        let cancel = self.session.cancel().clone();
        Running::new(cancel, |to| {
            self.apply_telling(move |event| {
                let _ = to.send(event.clone());
            })
        })
    }

    /// Fills in what depends on the charts and on where the journals are.
    fn complete(&mut self) -> Result<(), RunError> {
        let actions = self.charts.iter().map(|chart| chart.chart_info().action);
        let mut actions = actions.filter(|action| *action != HelmAction::Skip).peekable();
        if actions.peek().is_some() && actions.all(|action| action == HelmAction::Destroy) {
            self.config.kind = RunKind::Destroy;
        }
        if self.config.state.is_some() {
            return Ok(());
        }
        let environment = Environment::new(self.session.variables().clone());
        let folder = match &self.journals {
            Journals::Nowhere => return Ok(()),
            Journals::In(folder) => folder.clone(),
            Journals::OfTheUser => trusted(environment.state(), "XDG_STATE_HOME")?.join("runs"),
        };
        self.config.state = Some(StateConfig {
            namespace: None,
            folder,
            holder: environment.holder(self.config.id),
            lock_timeout: LOCK_TIMEOUT,
            resume: Resume::IfUnfinished,
            answers: Vec::new(),
            kill_at: None,
        });
        Ok(())
    }
}
