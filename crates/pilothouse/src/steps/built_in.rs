//! Steps: what a user adds to the phases. Those of the stack file and those written in Rust are the same to the engine.

use crate::context::release_context::Context;
use crate::digest;
use crate::error::PhaseError;
use crate::phases::chart::HelmChart;
use crate::steps::adopt;
use crate::steps::apply;
use crate::steps::check;
use crate::steps::command;
use crate::steps::delete;
use crate::steps::restart;
use crate::steps::wait;
use async_trait::async_trait;
use pilothouse_core::{CheckReport, Finding, ObjectRef, On, Payload, Phase, StepKind, StepSpec};
use std::sync::Arc;

/// One step of a phase. It describes itself before it runs, so that it can be checked, shown and resumed.
#[async_trait]
pub trait Step: Send + Sync {
    /// What it is going to do.
    fn describe(&self) -> StepDescription;

    /// What is wrong with what the step was given, without a look at the cluster: a file that is missing.
    async fn check_input(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Objects it is about, as far as they are known before it runs; without a namespace they are the release's. By default what
    /// [`describe`](Self::describe) says that it adopts or deletes.
    async fn concerns(&self) -> Vec<ObjectRef> {
        let described = self.describe();
        [described.adopts, described.deletes].concat()
    }

    /// SHA-256, in hex, of everything the step is given. What an earlier run has done counts only if it is the same. By
    /// default: of what [`describe`](Self::describe) tells.
    async fn digest(&self) -> String {
        digest::of(&format!("{:?}", self.describe()))
    }

    /// Read-only, during `check_prerequisites`: why the cluster's state does not let it run.
    async fn check(&self, ctx: &Context) -> Vec<Finding> {
        let _ = ctx;
        Vec::new()
    }

    /// Read-only, before anything is changed: what a check that is judged by comparison tells then. By default there is no
    /// such comparison.
    ///
    /// # Errors
    /// When the run is stopped; what is looked at may be as it likes.
    async fn baseline(&self, ctx: &Context) -> Result<Option<CheckReport>, PhaseError> {
        let _ = ctx;
        Ok(None)
    }

    /// Does it.
    ///
    /// # Errors
    /// What failed.
    async fn run(&self, ctx: &Context, payload: &mut Payload) -> Result<(), PhaseError>;
}

/// What a step is going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepDescription {
    /// One line for people.
    pub text: String,
    /// Objects it gives to the release: they are no ownership conflict.
    pub adopts: Vec<ObjectRef>,
    /// Whether it gives every object of the chart to the release that exists and belongs to nobody.
    pub adopts_unowned: bool,
    /// Objects it deletes: what is deleted before helm runs is no ownership conflict either.
    pub deletes: Vec<ObjectRef>,
    /// Whether it may be run again when it is not known whether it has run.
    pub repeatable: bool,
    /// For which action of the release it runs.
    pub on: On,
    /// Whether nothing can be taken back once it has begun: what fails after it is left as it is.
    pub point_of_no_return: bool,
    /// Whether it runs in every run, also when nothing else is to be done.
    pub every_run: bool,
}

impl StepDescription {
    /// A repeatable step for every action, that neither adopts nor deletes.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), repeatable: true, on: On::Always, ..Self::default() }
    }
}

/// A step of the stack file as one of the engine, also for charts written in Rust.
pub fn built_in(spec: &StepSpec) -> Arc<dyn Step> {
    let inner: Arc<dyn Step> = match &spec.kind {
        StepKind::Adopt(step) => Arc::new(adopt::Adopt(step.clone())),
        StepKind::Apply(step) => Arc::new(apply::Apply(step.clone())),
        StepKind::Delete(step) => Arc::new(delete::Delete(step.clone())),
        StepKind::Wait(step) => Arc::new(wait::Wait(step.clone())),
        StepKind::Command(step) => Arc::new(command::Command(step.clone())),
        StepKind::Restart(step) => Arc::new(restart::Restart(step.clone())),
        StepKind::Check(step) => Arc::new(check::Check { step: (**step).clone(), name: spec.name.clone() }),
    };
    Arc::new(BuiltIn { spec: spec.clone(), inner })
}

/// The steps of a phase that run for the chart's action.
pub(crate) fn steps_of<C: HelmChart + ?Sized>(chart: &C, phase: Phase) -> Vec<Arc<dyn Step>> {
    let action = chart.chart_info().action;
    let mut steps = chart.steps(phase);
    steps.retain(|step| step.describe().on.includes(action));
    steps
}

/// A step of the stack file, with the name the user gave it and the action it is for.
struct BuiltIn {
    spec: StepSpec,
    inner: Arc<dyn Step>,
}

#[async_trait]
impl Step for BuiltIn {
    fn describe(&self) -> StepDescription {
        let mut description = StepDescription {
            on: self.spec.on,
            point_of_no_return: self.spec.point_of_no_return,
            every_run: self.spec.every_run,
            ..self.inner.describe()
        };
        if let Some(name) = &self.spec.name {
            description.text.clone_from(name);
        }
        description
    }

    async fn check_input(&self) -> Vec<Finding> {
        self.inner.check_input().await
    }

    async fn digest(&self) -> String {
        let files = match &self.spec.kind {
            StepKind::Apply(step) => step.files.as_slice(),
            StepKind::Adopt(_)
            | StepKind::Delete(_)
            | StepKind::Wait(_)
            | StepKind::Command(_)
            | StepKind::Restart(_) => &[],
            StepKind::Check(_) => return self.inner.digest().await,
        };
        digest::with_files(&format!("{:?}", self.spec.kind), files).await
    }

    async fn check(&self, ctx: &Context) -> Vec<Finding> {
        self.inner.check(ctx).await
    }

    async fn baseline(&self, ctx: &Context) -> Result<Option<CheckReport>, PhaseError> {
        self.inner.baseline(ctx).await
    }

    async fn run(&self, ctx: &Context, payload: &mut Payload) -> Result<(), PhaseError> {
        self.inner.run(ctx, payload).await
    }
}

/// Objects in one line: the first few by name, the rest counted.
pub(super) fn listed(objects: &[ObjectRef]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<String> = objects.iter().take(SHOWN).map(ToString::to_string).collect();
    if objects.len() > SHOWN {
        names.push(format!("{} more", objects.len() - SHOWN));
    }
    names.join(", ")
}
