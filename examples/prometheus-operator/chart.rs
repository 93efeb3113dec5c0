//! The Prometheus operator as a chart with a lifecycle of its own, written in Rust.

use async_trait::async_trait;
use pilothouse::{
    ChartInfo, ChartRef, Context, CrdPolicy, Finding, HelmAction, HelmChart, Namespace, Payload, PhaseError,
    ReleaseRun, defaults, helpers,
};
use std::time::Duration;

/// What the chart brings along, and what a destroy removes: exactly these.
pub const CRDS: [&str; 10] = [
    "alertmanagerconfigs.monitoring.coreos.com",
    "alertmanagers.monitoring.coreos.com",
    "podmonitors.monitoring.coreos.com",
    "probes.monitoring.coreos.com",
    "prometheusagents.monitoring.coreos.com",
    "prometheuses.monitoring.coreos.com",
    "prometheusrules.monitoring.coreos.com",
    "scrapeconfigs.monitoring.coreos.com",
    "servicemonitors.monitoring.coreos.com",
    "thanosrulers.monitoring.coreos.com",
];

/// kube-prometheus-stack.
pub struct PrometheusOperator {
    info: ChartInfo,
}

impl PrometheusOperator {
    /// The release in namespace `monitoring`, from this chart.
    pub fn new(chart: ChartRef, action: HelmAction) -> Self {
        Self {
            info: ChartInfo {
                name: "kube-prometheus-stack".to_owned(),
                namespace: Namespace::Monitoring,
                chart,
                action,
                crds: CrdPolicy::Upgrade,
                last_breaking_version_requiring_restart: Some(semver::Version::new(67, 3, 1)),
                ..ChartInfo::default()
            },
        }
    }

    /// The same release with other settings.
    pub fn with(mut self, change: impl FnOnce(&mut ChartInfo)) -> Self {
        change(&mut self.info);
        self
    }
}

#[async_trait]
impl HelmChart for PrometheusOperator {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    /// All that is checked anyway and, before anything is uninstalled, whether the CRDs could be removed afterwards.
    async fn check_prerequisites(&self, ctx: &Context, run: &mut ReleaseRun, payload: &Payload) -> Vec<Finding> {
        let mut findings = defaults::check_prerequisites(self, ctx, run, payload).await;
        if self.info.action == HelmAction::Destroy {
            findings.extend(helpers::crds_in_use(ctx, &CRDS).await);
        }
        findings
    }

    async fn post_exec(&self, ctx: &Context, _run: &mut ReleaseRun, _payload: &mut Payload) -> Result<(), PhaseError> {
        if self.info.action == HelmAction::Destroy {
            helpers::delete_crds(ctx, &CRDS, Duration::from_secs(120)).await?;
        }
        Ok(())
    }
}
