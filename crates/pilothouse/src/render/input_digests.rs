//! All that decides what a deploy makes of a release, as digests: when they are the same, so is what helm would apply.

use crate::context::inputs::PlainInputs;
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

/// The digest of a step, and those it may have had in the form before.
struct OfStep {
    now: String,
    former: Vec<String>,
}

/// Looks at a chart's steps. `version` is that of its phases written in Rust.
pub(crate) async fn steps_seen(steps: &Steps, version: &str) -> StepsSeen {
    let mut seen = StepsSeen::default();
    let mut all = Vec::new();
    for phase in Phase::ALL {
        let mut digests = Vec::new();
        for step in steps.of(phase) {
            seen.every_run |= step.describe().every_run;
            seen.before_exec |= phase == Phase::PreExec;
            digests.push(OfStep { now: step.digest().await, former: step.former_digests().await });
        }
        all.push((phase, digests));
    }
    let together = |one: &dyn Fn(&OfStep) -> &str| {
        let mut hash = Sha256::new();
        part(&mut hash, version.as_bytes());
        for (phase, digests) in &all {
            part(&mut hash, phase.name().as_bytes());
            for digests in digests {
                part(&mut hash, one(digests).as_bytes());
            }
        }
        hex(&hash.finalize())
    };
    seen.digest = together(&|step| &step.now);
    // All paths of a stack file start in the same folder, whatever it was called. Steps without one have fewer digests: what
    // they tell of themselves, or what they gave themselves.
    let ways = all.iter().flat_map(|(_, digests)| digests).map(|step| step.former.len()).max().unwrap_or(1);
    let former = |way: usize, other: usize| {
        together(&|OfStep { former, .. }| {
            let index = if former.len() == ways { way } else { other.min(former.len() - 1) };
            &former[index]
        })
    };
    seen.former = (0..ways).flat_map(|way| [former(way, 0), former(way, 1)]).collect();
    seen
}

/// What is wanted now; `None` when a value comes from an earlier phase and is not known yet.
pub(crate) async fn wanted(
    ctx: &Context,
    resolved: &ResolvedChart,
    uses: &TemplateUse,
    payload: &Payload,
    target: &Target,
) -> Option<PlainInputs> {
    let info = ctx.info();
    if payload_values(info, payload).iter().any(serde_json::Value::is_null) {
        return None;
    }
    let mut options = Sha256::new();
    part(&mut options, &[u8::from(info.force_upgrade), u8::from(info.recreate_pods), u8::from(info.wait)]);
    part(&mut options, digest::policy_of_crds(info).as_bytes());
    Some(PlainInputs(InputDigests {
        chart: resolved.digest.clone(),
        values: digest::of_values(info, payload).await,
        options: hex(&options.finalize()),
        helm_major: ctx.helm().version().major,
        capabilities: uses.capabilities.then(|| capabilities(target)),
        lifecycle: ctx.steps().digest.clone(),
    }))
}

fn capabilities(target: &Target) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, target.kube_version.as_bytes());
    for version in &target.api_versions {
        part(&mut hash, version.as_bytes());
    }
    hex(&hash.finalize())
}
