//! The trait every chart with a lifecycle implements.

use crate::context::Context;
use crate::context::Foresight;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::Steps;
use crate::error::PhaseError;
use crate::phases::defaults;
use async_trait::async_trait;
use pilothouse_core::{ChartInfo, Failure, Finding, Payload, Phase};
use std::sync::Arc;

/// A chart with a lifecycle around it. Only [`chart_info`](Self::chart_info) has to be written; every phase has a
/// useful default, and an overridden phase can still call it (the functions of [`crate::phases::defaults`]).
///
/// ```
/// use pilothouse::{ChartInfo, ChartRef, HelmChart, Namespace};
///
/// struct Podinfo(ChartInfo);
///
/// impl HelmChart for Podinfo {
///     fn chart_info(&self) -> &ChartInfo {
///         &self.0
///     }
/// }
///
/// let podinfo = Podinfo(ChartInfo {
///     name: "podinfo".to_owned(),
///     namespace: Namespace::from("web"),
///     chart: ChartRef::path("charts/podinfo-6.9.0.tgz"),
///     ..ChartInfo::default()
/// });
/// assert_eq!(podinfo.chart_info().key().to_string(), "web/podinfo");
/// ```
#[async_trait]
pub trait HelmChart: Send + Sync {
    /// What the release is to be.
    fn chart_info(&self) -> &ChartInfo;

    /// The user's steps of a phase, for the action of [`chart_info`](Self::chart_info). The default phases run them,
    /// and `check_prerequisites` asks each of them beforehand whether it could run. Asked once per run, before its first phase.
    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let _ = phase;
        Vec::new()
    }

    /// To be changed whenever phases that are written in Rust change what they do. A release whose chart, values and steps
    /// are as they were deployed, and this too, is left alone: its phases are not run then.
    #[expect(clippy::unnecessary_literal_bound, reason = "a chart may keep it in itself")]
    fn lifecycle_version(&self) -> &str {
        ""
    }

    /// Read-only: every reason why the release cannot be acted on, not just the first.
    async fn check_prerequisites(&self, ctx: &Context, run: &mut ReleaseRun, payload: &Payload) -> Vec<Finding> {
        defaults::check_prerequisites(self, ctx, run, payload).await
    }

    /// What of that is known before a run changes anything at all, in whichever release: all of them are asked before the first is
    /// begun, and so are they for a plan. Read-only. Whoever checks less in [`check_prerequisites`](Self::check_prerequisites), or
    /// more, says so here too.
    async fn look_ahead(&self, ctx: &Context, run: &mut ReleaseRun, payload: &Payload) -> Foresight {
        defaults::look_ahead(ctx, run, payload).await
    }

    /// Before Helm runs. By default: the steps.
    ///
    /// # Errors
    /// What failed. `exec` is not run then.
    async fn pre_exec(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        defaults::run_steps(Phase::PreExec, ctx, run, payload).await
    }

    /// Install, upgrade or uninstall, decided from the observed state. Returns what it did, in one line.
    ///
    /// # Errors
    /// What failed.
    async fn exec(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<String, PhaseError> {
        defaults::exec(ctx, run, payload).await
    }

    /// After `pre_exec`, `exec`, `post_exec` or `validate` failed. The evidence is already in `failure`, and the
    /// release's failure policy is carried out afterwards. By default: the steps.
    ///
    /// # Errors
    /// What failed. It is reported beside the failure that caused all this, never instead of it.
    async fn on_deploy_failure(
        &self,
        ctx: &Context,
        run: &mut ReleaseRun,
        payload: &mut Payload,
        failure: &Failure,
    ) -> Result<(), PhaseError> {
        let _ = failure;
        defaults::run_steps(Phase::OnDeployFailure, ctx, run, payload).await
    }

    /// After Helm ran. By default: the steps.
    ///
    /// # Errors
    /// What failed.
    async fn post_exec(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        defaults::run_steps(Phase::PostExec, ctx, run, payload).await
    }

    /// Read-only: the release is deployed and every object of it is ready, then the steps. After a destroy: the steps.
    ///
    /// # Errors
    /// What is not as it should be.
    async fn validate(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        defaults::validate(ctx, run, payload).await
    }
}

/// The chart's steps for its action.
pub(crate) fn steps_of<C: HelmChart + ?Sized>(chart: &C) -> Steps {
    let action = chart.chart_info().action;
    let mut steps = Steps::default();
    for phase in Phase::ALL {
        let mut of_phase = chart.steps(phase);
        of_phase.retain(|step| step.describe().on.includes(action));
        steps.insert(phase, of_phase);
    }
    steps
}
