//! What a release brings to the cluster for those that come after it.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::render;
use pilothouse_core::{HelmAction, Payload, ReleaseKey};

/// What a release brings to the cluster for those that come after it.
#[derive(Debug, Default)]
pub(crate) struct Brings {
    pub(super) release: Option<ReleaseKey>,
    /// Group and kind of each definition.
    pub(crate) kinds: Vec<(String, String)>,
    pub(super) namespaces: Vec<String>,
}

/// What a release is going to bring, as far as that matters for others. Renders it.
pub(super) async fn brings(ctx: &Context, run: &ReleaseRun) -> Brings {
    let info = ctx.info();
    if info.action != HelmAction::Deploy || run.settled.is_some() {
        return Brings::default();
    }
    let prepared = render::make_wanted(ctx, &Payload::default()).await;
    let docs = prepared.rendering.docs();
    let mut brings = Brings { release: Some(info.key()), ..Brings::default() };
    if info.create_namespace {
        brings.namespaces.push(info.namespace.as_str().to_owned());
    }
    for doc in docs.iter() {
        if let Some(facts) = pilothouse_core::crd_facts(&doc.object) {
            brings.kinds.push((facts.group, facts.kind));
        } else if doc.object["kind"] == "Namespace" {
            brings.namespaces.extend(doc.object["metadata"]["name"].as_str().map(str::to_owned));
        }
    }
    ctx.pack().await;
    brings
}
