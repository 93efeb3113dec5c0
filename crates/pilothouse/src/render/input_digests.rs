//! All that decides what a deploy makes of a release, as digests: when they are the same, so is what helm would apply.

use crate::context::release_context::Context;
use crate::context::session::Target;
use crate::digest;
use crate::digest::part;
use crate::phases::chart::HelmChart;
use crate::render::wanted;
use crate::steps::built_in::steps_of;
use pilothouse_core::{InputDigests, Payload, Phase, hex};
use pilothouse_helm::{ResolvedChart, TemplateUse};
use sha2::{Digest, Sha256};

/// What is known of a chart's steps before the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StepsSeen {
    /// The digest of all steps that run in a deploy, in their order.
    pub(crate) digest: String,
    /// Whether any of them runs in every run.
    pub(crate) every_run: bool,
    /// Whether there are any before `exec`.
    pub(crate) before_exec: bool,
}

impl StepsSeen {
    /// Asks a chart for its steps.
    pub(crate) async fn of<C: HelmChart + ?Sized>(chart: &C) -> Self {
        let mut seen = Self::default();
        let mut hash = Sha256::new();
        part(&mut hash, chart.lifecycle_version().as_bytes());
        for phase in Phase::ALL {
            part(&mut hash, phase.name().as_bytes());
            for step in steps_of(chart, phase) {
                seen.every_run |= step.describe().every_run;
                seen.before_exec |= phase == Phase::PreExec;
                part(&mut hash, step.digest().await.as_bytes());
            }
        }
        seen.digest = hex(&hash.finalize());
        seen
    }
}

/// What is wanted now; `None` when a value comes from an earlier phase and is not known yet.
pub(crate) async fn wanted(
    ctx: &Context,
    resolved: &ResolvedChart,
    uses: &TemplateUse,
    payload: &Payload,
    target: &Target,
) -> Option<InputDigests> {
    let info = ctx.info();
    if wanted::payload_values(info, payload).iter().any(serde_json::Value::is_null) {
        return None;
    }
    let mut options = Sha256::new();
    part(&mut options, &[u8::from(info.force_upgrade), u8::from(info.recreate_pods), u8::from(info.wait)]);
    part(&mut options, format!("{:?}", info.crds).as_bytes());
    Some(InputDigests {
        chart: resolved.digest.clone(),
        values: digest::of_values(info, payload).await,
        options: hex(&options.finalize()),
        helm_major: ctx.helm().version().major,
        capabilities: uses.capabilities.then(|| capabilities(target)),
        lifecycle: ctx.steps().digest.clone(),
    })
}

fn capabilities(target: &Target) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, target.kube_version.as_bytes());
    for version in &target.api_versions {
        part(&mut hash, version.as_bytes());
    }
    hex(&hash.finalize())
}
