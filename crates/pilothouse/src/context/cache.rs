//! What was found out about a release, kept so that no phase finds out what an earlier one did.

use crate::context::observed::Observed;
use crate::context::rendering::Rendering;
use crate::context::wanted::Wanted;
use std::sync::Arc;

/// The slots. Whoever fills one says when it holds no more.
#[derive(Default)]
pub(crate) struct Cache {
    /// What is wanted: nothing but its steps until it was asked for.
    pub(crate) wanted: Arc<Wanted>,
    /// What the cluster held when the release's turn came, or after it was last uninstalled here.
    pub(crate) observed: Option<Arc<Observed>>,
    /// What it renders besides: with a look at the cluster, as an install or as an upgrade, once or more of each.
    pub(crate) rendered: Vec<RenderedAgain>,
}

/// One more rendering of what is wanted.
pub(crate) struct RenderedAgain {
    pub(crate) upgrade: Option<u32>,
    pub(crate) rendering: Rendering,
}
