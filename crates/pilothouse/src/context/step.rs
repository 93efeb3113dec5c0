//! What a user adds to the phases, and a chart's steps as plain data.

use crate::context::release_context::Context;
use crate::context::release_run::ReleaseRun;
use crate::digest;
use crate::error::PhaseError;
use async_trait::async_trait;
use pilothouse_core::{CheckReport, Finding, ObjectRef, On, Payload, Phase, Sensitive};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One step of a phase. It describes itself before it runs, so that it can be checked, shown and resumed.
#[async_trait]
pub trait Step: Send + Sync {
    /// What it is going to do.
    fn describe(&self) -> StepDescription;

    /// What tells this step from one that does something else: everything it is given that [`describe`](Self::describe) does not tell,
    /// and a number that is raised when its code changes what it does. What an earlier run has done counts only if this is the same. It
    /// may be of secrets: what is kept of it is put under a key.
    ///
    /// A step that a program has run before this was asked for answers with an empty text: then it is the same step still.
    fn version(&self) -> String;

    /// Text that must never be shown. It is known before anything of the run begins: wherever it would be told, `***` stands instead.
    /// By default none.
    fn secrets(&self) -> Vec<Sensitive<String>> {
        Vec::new()
    }

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

    /// Objects that it writes over what is there, as far as they are known before it runs. By default none are known.
    async fn applies(&self) -> Vec<Value> {
        Vec::new()
    }

    /// SHA-256, in hex, of everything the step is given, wherever it is carried out. By default: of what
    /// [`describe`](Self::describe) and [`version`](Self::version) tell. Whoever has to read files for it writes it anew.
    async fn digest(&self) -> String {
        self.describe().digest(&self.version())
    }

    /// What [`digest`](Self::digest) may have given in the form before: by default, of the text by which Rust shows what
    /// [`describe`](Self::describe) tells.
    #[doc(hidden)]
    async fn former_digests(&self) -> Vec<String> {
        vec![digest::of(format!("{:?}", self.describe())), self.digest().await]
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
    async fn run(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError>;
}

/// What a step is going to do.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StepDescription {
    /// One line for people.
    pub text: String,
    /// Objects it gives to the release: they are no ownership conflict.
    pub adopts: Vec<ObjectRef>,
    /// Whether it gives every object of the chart to the release that exists and belongs to nobody.
    pub adopts_unowned: bool,
    /// Objects it deletes: what is deleted before helm runs is no ownership conflict either.
    pub deletes: Vec<ObjectRef>,
    /// Whether it deletes the definitions of the chart's `crds/`.
    pub deletes_chart_crds: bool,
    /// Whether it may be run again when it is not known whether it has run.
    pub repeatable: bool,
    /// For which action of the release it runs.
    pub on: On,
    /// Whether nothing can be taken back once it has begun: what fails after it is left as it is.
    pub point_of_no_return: bool,
    /// Whether it runs in every run, also when nothing else is to be done.
    pub every_run: bool,
}

/// Digests of the form before are of this text: what was added since stands in it only where it is not the default.
impl fmt::Debug for StepDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            text,
            adopts,
            adopts_unowned,
            deletes,
            deletes_chart_crds,
            repeatable,
            on,
            point_of_no_return,
            every_run,
        } = self;
        let mut shown = f.debug_struct("StepDescription");
        shown.field("text", text).field("adopts", adopts).field("adopts_unowned", adopts_unowned);
        shown.field("deletes", deletes);
        if *deletes_chart_crds {
            shown.field("deletes_chart_crds", deletes_chart_crds);
        }
        shown.field("repeatable", repeatable).field("on", on);
        shown.field("point_of_no_return", point_of_no_return).field("every_run", every_run).finish()
    }
}

impl StepDescription {
    /// A repeatable step for every action, that neither adopts nor deletes.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), repeatable: true, on: On::Always, ..Self::default() }
    }

    /// The digest of all that it tells, and of the step's version. What is added later is left out where it has its default, so that no step seems to
    /// have changed with the version of the program.
    fn digest(&self, version: &str) -> String {
        let Self {
            text,
            adopts,
            adopts_unowned,
            deletes,
            deletes_chart_crds,
            repeatable,
            on,
            point_of_no_return,
            every_run,
        } = self;
        let on = match on {
            On::Deploy => "deploy",
            On::Destroy => "destroy",
            On::Always => "always",
        };
        let mut told = json!({
            "text": text, "adopts": adopts, "adopts_unowned": adopts_unowned, "deletes": deletes, "repeatable": repeatable,
            "on": on, "point_of_no_return": point_of_no_return, "every_run": every_run,
        });
        if *deletes_chart_crds {
            told["deletes_chart_crds"] = json!(true);
        }
        let mut given = json!({"description": told});
        if !version.is_empty() {
            given["version"] = json!(version);
        }
        digest::of_step(&given)
    }
}

/// A chart's steps for its action, by phase.
#[derive(Clone, Default)]
pub(crate) struct Steps(BTreeMap<Phase, Vec<Arc<dyn Step>>>);

impl Steps {
    /// Notes the steps of a phase.
    pub(crate) fn insert(&mut self, phase: Phase, steps: Vec<Arc<dyn Step>>) {
        self.0.insert(phase, steps);
    }

    /// The steps of a phase, in their order.
    pub(crate) fn of(&self, phase: Phase) -> &[Arc<dyn Step>] {
        self.0.get(&phase).map(Vec::as_slice).unwrap_or_default()
    }

    /// All steps, in the order in which they run.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn Step>> {
        Phase::ALL.into_iter().flat_map(|phase| self.of(phase))
    }

    /// What is wrong with what they were given, without a look at the cluster.
    pub(crate) async fn input_findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for step in self.all() {
            findings.extend(step.check_input().await);
        }
        findings
    }
}
