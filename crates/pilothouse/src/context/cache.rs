//! What was found out about a release, kept so that no phase finds out what an earlier one did.

use crate::context::observed::Observed;
use crate::context::rendering::Rendering;
use crate::context::session::Target;
use crate::context::wanted::Wanted;
use pilothouse_core::CrdFacts;
use serde_json::Value;
use std::sync::Arc;

/// The slots. Whoever fills one says when it holds no more.
#[derive(Default)]
pub(crate) struct Cache {
    /// In a plan, the definitions that earlier releases bring before the release's turn comes.
    pub(crate) coming: Arc<[CrdFacts]>,
    /// What is wanted: nothing but its steps until it was asked for.
    pub(crate) wanted: Arc<Wanted>,
    /// What the cluster held when the release's turn came, or after it was last uninstalled here.
    pub(crate) observed: Option<Arc<Observed>>,
    /// What the chart renders with a look at the cluster, as an install or as an upgrade, once or more of each.
    pub(crate) rendered: Vec<RenderedFor>,
}

/// A rendering, and of what.
pub(crate) struct RenderedFor {
    /// The digest of the chart.
    pub(crate) chart: String,
    pub(crate) target: Arc<Target>,
    pub(crate) values: Vec<Value>,
    pub(crate) is_upgrade: bool,
    pub(crate) rendering: Rendering,
}
