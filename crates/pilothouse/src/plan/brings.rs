//! What a release brings to the cluster for those that come after it.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::side_by_side;
use crate::observe;
use crate::render;
use futures::FutureExt;
use pilothouse_core::{Change, CrdFacts, Decision, HelmAction, Payload, ReleaseGraph, ReleaseKey};
use pilothouse_helm::Origin;

/// What a release brings to the cluster for those that come after it.
#[derive(Debug, Default)]
pub(crate) struct Brings {
    pub(super) release: Option<ReleaseKey>,
    /// The definitions that are going to be there.
    pub(crate) kinds: Vec<CrdFacts>,
    pub(super) namespaces: Vec<String>,
    /// Those that its last hooks make: too late for what is in it itself.
    pub(super) late_namespaces: Vec<String>,
}

/// What is going to be there when the turn of a release comes.
pub(crate) struct Coming<'a> {
    /// What the releases bring that it waits for, directly or not.
    pub(super) earlier: Vec<&'a Brings>,
    /// What all releases of the plan bring.
    pub(super) all: &'a [Brings],
}

impl Coming<'_> {
    /// A release that it waits for and that brings kinds, or, for a template that looks objects up, anything.
    pub(super) fn bringing(&self, looks_up: bool) -> Option<&ReleaseKey> {
        let may_help = |brings: &&&Brings| !brings.kinds.is_empty() || (looks_up && brings.release.is_some());
        self.earlier.iter().find(may_help)?.release.as_ref()
    }
}

/// What each release is going to bring, as far as that matters for others. Renders them. A chart that asks what the cluster
/// serves is from then on rendered as it is going to be when its turn comes, with the kinds that those before it bring.
pub(crate) async fn brings(
    graph: &ReleaseGraph,
    contexts: &[Context],
    runs: &[ReleaseRun],
    stands_on: &[Vec<usize>],
    width: usize,
) -> Vec<Brings> {
    let alone = contexts.iter().zip(runs).map(|(ctx, run)| of_release(ctx, run).boxed());
    let mut all = side_by_side(alone, width).await;
    for node in graph.order() {
        let (ctx, run) = (&contexts[node], &runs[node]);
        let coming: Vec<CrdFacts> = stands_on[node].iter().flat_map(|&on| all[on].kinds.iter().cloned()).collect();
        if !coming.is_empty() && asks(ctx, run).await {
            ctx.expect_kinds(coming.into()).await;
            all[node] = of_release(ctx, run).await;
        }
    }
    all
}

/// Whether it is deployed and its templates ask what the cluster serves.
async fn asks(ctx: &Context, run: &ReleaseRun) -> bool {
    if !is_deployed(ctx, run) {
        return false;
    }
    render::wanted(ctx).await.uses.capabilities
}

fn is_deployed(ctx: &Context, run: &ReleaseRun) -> bool {
    ctx.info().action == HelmAction::Deploy && run.settled.is_none()
}

async fn of_release(ctx: &Context, run: &ReleaseRun) -> Brings {
    let info = ctx.info();
    if !is_deployed(ctx, run) {
        return Brings::default();
    }
    let wanted = render::make_wanted(ctx, &Payload::default()).await;
    let target = wanted.target().cloned().unwrap_or_default();
    let docs = wanted.rendering.docs();
    let mut brings = Brings { release: Some(info.key()), ..Brings::default() };
    if info.create_namespace {
        brings.namespaces.push(info.namespace.as_str().to_owned());
    }
    for doc in docs.iter() {
        if let Some(facts) = pilothouse_core::crd_facts(&doc.object) {
            if !matches!(doc.origin, Origin::Crd) || render::is_brought(info, &facts, &target) {
                brings.kinds.push(facts);
            }
        } else if doc.object["kind"] == "Namespace" {
            let name = doc.object["metadata"]["name"].as_str().map(str::to_owned);
            match &doc.origin {
                Origin::Hook { events, .. } => {
                    let is_upgrade =
                        matches!(observe::observed(ctx).await.decision, Decision::Change(Change::Upgrade { .. }));
                    let [first, last] = observe::events_of_deploy(is_upgrade);
                    if events.iter().any(|event| event == first) {
                        brings.namespaces.extend(name);
                    } else if events.iter().any(|event| event == last) {
                        brings.late_namespaces.extend(name);
                    }
                }
                Origin::Template | Origin::Crd => brings.namespaces.extend(name),
            }
        }
    }
    ctx.compress_renderings().await;
    brings
}
