//! All that decides what a deploy makes of a release, as digests: when they are the same, so is what helm would apply.

use crate::chart::HelmChart;
use crate::context::Context;
use crate::digest::{self, part};
use crate::prepare;
use crate::session::Target;
use crate::steps::steps_of;
use pilothouse_core::{InputDigests, Payload, Phase, hex};
use pilothouse_helm::ResolvedChart;
use sha2::{Digest, Sha256};

/// What is wanted now; `None` when a value comes from an earlier phase and is not known yet.
pub(crate) async fn wanted<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    resolved: &ResolvedChart,
    payload: &Payload,
    target: &Target,
) -> Option<InputDigests> {
    let info = ctx.info();
    if prepare::payload_values(info, payload).iter().any(serde_json::Value::is_null) {
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
        capabilities: resolved.templates.capabilities.then(|| capabilities(target)),
        lifecycle: lifecycle(chart).await,
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

/// The steps of all phases that run in a deploy, in their order.
async fn lifecycle<C: HelmChart + ?Sized>(chart: &C) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, chart.lifecycle_version().as_bytes());
    for phase in Phase::ALL {
        part(&mut hash, phase.name().as_bytes());
        for step in steps_of(chart, phase) {
            part(&mut hash, step.digest().await.as_bytes());
        }
    }
    hex(&hash.finalize())
}
