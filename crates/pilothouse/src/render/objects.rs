//! What of a rendering helm will apply, and the definitions in the chart's `crds/` folders, which Helm never upgrades.

use crate::context::release_context::Context;
use crate::context::wanted::Wanted;
use pilothouse_core::{CrdPolicy, ObjectRef, object_ref};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;

/// The objects helm will create or change: all that is rendered but hooks and what is in `crds/` folders.
pub(crate) fn rendered_objects(rendered: &[RenderedDoc]) -> Vec<ObjectRef> {
    let own = rendered.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    own.filter_map(|doc| object_ref(&doc.object)).collect()
}

/// The definitions in the chart's `crds/` folders, those of enabled subcharts included.
pub(crate) fn of_chart(wanted: &Wanted) -> Vec<Value> {
    let docs = wanted.rendering.docs();
    docs.iter().filter(|doc| matches!(doc.origin, Origin::Crd)).map(|doc| doc.object.clone()).collect()
}

/// The definitions of the chart that a deploy brings, or has brought.
pub(crate) fn brought(ctx: &Context, wanted: &Wanted) -> Vec<ObjectRef> {
    match ctx.info().crds {
        CrdPolicy::Skip => Vec::new(),
        CrdPolicy::Create | CrdPolicy::Upgrade => of_chart(wanted).iter().filter_map(object_ref).collect(),
    }
}
