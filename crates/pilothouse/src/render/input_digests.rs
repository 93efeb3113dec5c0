//! All that decides what a deploy makes of a release, as digests: when they are the same, so is what helm would apply.

use crate::context::Context;
use crate::context::DeployedBefore;
use crate::context::PlainInputs;
use crate::context::ReleaseRun;
use crate::context::Steps;
use crate::context::StepsSeen;
use crate::context::Target;
use crate::context::Wanted;
use crate::digest::{of_files, part};
use crate::kept_digest::Given;
use crate::render::wanted::{payload_values, values_are_missing};
use pilothouse_core::{ChartInfo, CrdPolicy, HelmAction, InputDigests, Payload, Phase, RevisionMeta, ValueSource, hex};
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
            seen.secrets.extend(step.secrets());
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
pub(crate) async fn wanted_inputs(
    ctx: &Context,
    steps: &StepsSeen,
    resolved: &ResolvedChart,
    uses: &TemplateUse,
    payload: &Payload,
    target: &Target,
) -> Option<PlainInputs> {
    let info = ctx.info();
    if values_are_missing(info, payload) {
        return None;
    }
    let mut options = Sha256::new();
    part(&mut options, &[u8::from(info.force_upgrade), u8::from(info.recreate_pods), u8::from(info.wait)]);
    part(&mut options, policy_of_crds(info).as_bytes());
    skipped_schema(&mut options, info);
    Some(PlainInputs(InputDigests {
        chart: resolved.digest.clone(),
        values: of_values(info, payload).await,
        options: hex(&options.finalize()),
        helm_major: ctx.helm().version().major,
        capabilities: uses.capabilities.then(|| capabilities(uses, target)),
        lifecycle: steps.digest.clone(),
    }))
}

/// What the templates ask of the cluster, as it answers now: its version, and of what it serves no more than they ask for.
pub(crate) fn capabilities(uses: &TemplateUse, target: &Target) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, target.kube_version.as_bytes());
    if uses.all_served {
        target.api_versions.iter().for_each(|served| part(&mut hash, served.as_bytes()));
    } else {
        for asked in &uses.asked {
            let is_served = target.api_versions.contains(asked);
            part(&mut hash, format!("{asked} {is_served}").as_bytes());
        }
    }
    hex(&hash.finalize())
}

/// What helm is given by `exec`, and what it has done of that before, so that it is not run again; `newest` is Helm's newest revision.
/// `None` where nothing is deployed, or nothing that could be resolved.
pub(crate) async fn earlier_deploy(
    ctx: &Context,
    run: &ReleaseRun,
    wanted: &Wanted,
    newest: Option<&RevisionMeta>,
) -> Option<(Given, Option<DeployedBefore>)> {
    let given = match ctx.info().action {
        HelmAction::Deploy => given_of_deploy(ctx, run, wanted.chart.as_ref()?, &wanted.payload).await,
        HelmAction::Destroy | HelmAction::Skip => return None,
    };
    let before = run.deployed_before(&given, newest);
    Some((given, before))
}

/// What a deploy is given, to be kept, and to be compared with what was kept.
pub(crate) async fn given_of_deploy(
    ctx: &Context,
    run: &ReleaseRun,
    chart: &ResolvedChart,
    payload: &Payload,
) -> Given {
    let digest = digest_of_deploy(ctx, chart, payload).await;
    // It was the same in the form before, but for the key.
    Given::new(&run.digest_key, &digest, std::slice::from_ref(&digest))
}

/// The digest of all that decides what helm deploys: the chart's content, every value, the options that change what is
/// applied, and helm's major version.
pub(crate) async fn digest_of_deploy(ctx: &Context, chart: &ResolvedChart, payload: &Payload) -> String {
    let info = ctx.info();
    let mut hash = Sha256::new();
    part(&mut hash, chart.digest.as_bytes());
    part(&mut hash, &ctx.helm().version().major.to_be_bytes());
    part(&mut hash, &[u8::from(info.force_upgrade), u8::from(info.recreate_pods)]);
    part(&mut hash, policy_of_crds(info).as_bytes());
    skipped_schema(&mut hash, info);
    all_values(&mut hash, info, payload).await;
    hex(&hash.finalize())
}

/// Only where it is: digests of before it could be stay the same.
fn skipped_schema(hash: &mut Sha256, info: &ChartInfo) {
    if info.skip_schema_validation {
        part(hash, b"skip_schema_validation");
    }
}

/// The policy for definitions, by the name it has in digests.
fn policy_of_crds(info: &ChartInfo) -> &'static str {
    match info.crds {
        CrdPolicy::Skip => "Skip",
        CrdPolicy::Create => "Create",
        CrdPolicy::Upgrade => "Upgrade",
    }
}

/// The digest of all values a release is given, wherever they come from.
async fn of_values(info: &ChartInfo, payload: &Payload) -> String {
    let mut hash = Sha256::new();
    all_values(&mut hash, info, payload).await;
    hex(&hash.finalize())
}

async fn all_values(hash: &mut Sha256, info: &ChartInfo, payload: &Payload) {
    part(hash, of_files(&info.values_files).await.as_bytes());
    // How many there are keeps documents and values apart.
    part(hash, &(info.yaml_files_content.len() as u64).to_be_bytes());
    for document in &info.yaml_files_content {
        part(hash, document.content.as_bytes());
    }
    values(hash, info);
    for value in payload_values(info, payload) {
        part(hash, value.to_string().as_bytes());
    }
}

fn values(hash: &mut Sha256, info: &ChartInfo) {
    for value in &info.values {
        part(hash, value.key.as_bytes());
        match &value.value {
            ValueSource::Auto(text) => part(hash, format!("auto {text}").as_bytes()),
            ValueSource::String(text) => part(hash, format!("string {text}").as_bytes()),
            ValueSource::Json(value) => part(hash, format!("json {value}").as_bytes()),
            ValueSource::Sensitive(secret) => part(hash, format!("string {}", secret.expose()).as_bytes()),
            ValueSource::Payload(key) => part(hash, format!("payload {key}").as_bytes()),
        }
    }
}
