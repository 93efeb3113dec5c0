//! A release's chart as it is wanted: resolved and rendered, with everything that is wrong with it.

use crate::context::rendering::Rendering;
use crate::context::session::Target;
use crate::context::steps_seen::StepsSeen;
use crate::error::PhaseError;
use pilothouse_core::{Class, Finding, Payload};
use pilothouse_helm::ResolvedChart;
use std::fmt::Display;
use std::sync::Arc;

/// A release's chart as it is going to be deployed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// What it was rendered for, or why that is not known; nothing where no cluster was asked.
    pub(crate) target: Option<Result<Arc<Target>, String>>,
    /// What helm is going to find served: the same, with the chart's own definitions.
    pub(crate) serves: Arc<Target>,
    /// The chart; `None` when it cannot be resolved, which is among the findings.
    pub(crate) chart: Option<Arc<ResolvedChart>>,
    /// Everything it renders, hooks and definitions included; empty when it cannot be rendered.
    pub(crate) rendering: Rendering,
    /// The digest of the values files that it was rendered with.
    pub(crate) values_files: String,
    /// The values of earlier phases it is rendered with.
    pub(crate) payload: Payload,
    /// What is known of the steps around it.
    pub(crate) steps: Arc<StepsSeen>,
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// What its author probably did not mean, and is no reason to stop; a line each.
    pub(crate) warnings: Vec<String>,
}

impl Wanted {
    /// The chart, or why there is none.
    pub(crate) fn chart(&self) -> Result<&ResolvedChart, PhaseError> {
        self.chart.as_deref().ok_or_else(|| PhaseError::Refused(self.findings.clone()))
    }

    /// Whether it defines new kinds, in `crds/` folders or in templates.
    pub(crate) fn brings_kinds(&self) -> bool {
        self.rendering.brings_kinds()
    }

    /// Notes something that is wrong.
    pub(crate) fn wrong(&mut self, code: &str, subject: impl Display, message: impl Display) {
        self.findings.push(Finding::new(Class::BadInput, code, subject, message));
    }

    /// The same, as small as it can be kept.
    pub(crate) fn packed(&self) -> Self {
        Self { rendering: self.rendering.packed(), ..self.clone() }
    }
}
