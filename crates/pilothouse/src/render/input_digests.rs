//! All that decides what a deploy makes of a release, as digests: when they are the same, so is what helm would apply.

use crate::context::release_context::Context;
use crate::context::session::Target;
use crate::context::step::Steps;
use crate::context::steps_seen::StepsSeen;
use crate::digest;
use crate::digest::part;
use crate::render::wanted::payload_values;
use pilothouse_core::Phase;
use pilothouse_core::{InputDigests, Payload, hex};
use pilothouse_helm::{ResolvedChart, TemplateUse};
use sha2::{Digest, Sha256};

/// Looks at a chart's steps. `version` is that of its phases written in Rust.
pub(crate) async fn steps_seen(steps: &Steps, version: &str) -> StepsSeen {
    let mut seen = StepsSeen::default();
    let mut hash = Sha256::new();
    part(&mut hash, version.as_bytes());
    for phase in Phase::ALL {
        part(&mut hash, phase.name().as_bytes());
        for step in steps.of(phase) {
            seen.every_run |= step.describe().every_run;
            seen.before_exec |= phase == Phase::PreExec;
            part(&mut hash, step.digest().await.as_bytes());
        }
    }
    seen.digest = hex(&hash.finalize());
    seen
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
    if payload_values(info, payload).iter().any(serde_json::Value::is_null) {
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
