//! A chart as the stack file declares it.

use crate::context::Step;
use crate::phases::chart::HelmChart;
use crate::steps;
use pilothouse_core::{ChartInfo, HelmAction, Phase, ReleaseSpec};
use std::sync::Arc;

/// A release of a stack file: the default lifecycle with the file's steps.
pub struct DeclaredChart {
    spec: ReleaseSpec,
}

impl DeclaredChart {
    /// The release as declared.
    pub fn new(spec: ReleaseSpec) -> Self {
        Self { spec }
    }

    /// The same release, to be destroyed.
    #[must_use]
    pub fn destroyed(mut self) -> Self {
        if self.spec.info.action != HelmAction::Skip {
            self.spec.info.action = HelmAction::Destroy;
        }
        self
    }
}

impl HelmChart for DeclaredChart {
    fn chart_info(&self) -> &ChartInfo {
        &self.spec.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let declared = self.spec.steps.get(&phase).map(Vec::as_slice).unwrap_or_default();
        declared.iter().map(steps::built_in).collect()
    }
}
