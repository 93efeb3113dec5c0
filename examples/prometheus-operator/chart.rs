//! The Prometheus operator as a chart with a lifecycle, written in Rust.

use pilothouse::steps::{DeleteStep, On, StepKind, StepSpec, built_in};
use pilothouse::{ChartInfo, ChartRef, CrdPolicy, HelmAction, HelmChart, Phase, Step, Version};
use std::sync::Arc;

/// kube-prometheus-stack.
pub struct PrometheusOperator(pub ChartInfo);

impl PrometheusOperator {
    /// The release in namespace `monitoring`, from this chart.
    pub fn new(chart: ChartRef, action: HelmAction) -> Self {
        Self(ChartInfo {
            name: "kube-prometheus-stack".into(),
            namespace: "monitoring".into(),
            chart,
            action,
            crds: CrdPolicy::Upgrade,
            last_breaking_version_requiring_restart: Some(Version::new(67, 3, 1)),
            ..ChartInfo::default()
        })
    }
}

impl HelmChart for PrometheusOperator {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    /// A destroy removes the definitions of the chart too. Whether it may is checked before anything is uninstalled.
    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let definitions = DeleteStep { objects: Vec::new(), chart_crds: true, timeout_in_seconds: 120 };
        let delete = StepSpec { on: On::Destroy, ..StepSpec::new(StepKind::Delete(definitions)) };
        if phase == Phase::PostExec { vec![built_in(&delete)] } else { Vec::new() }
    }
}
