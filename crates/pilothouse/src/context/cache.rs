//! What was found out about a release, kept so that no phase finds out what an earlier one did.

use crate::context::observed::Observed;
use crate::context::preflight_report::Foreseen;
use crate::context::rendering::Rendering;
use crate::context::session::Target;
use crate::context::wanted::Wanted;
use serde_json::Value;
use std::sync::Arc;

/// The slots. Whoever fills one says when it holds no more.
#[derive(Default)]
pub(crate) struct Cache {
    /// What is wanted.
    pub(crate) wanted: Option<WantedFor>,
    /// What the cluster held when the release's turn came, or after it was last uninstalled here.
    pub(crate) observed: Option<Arc<Observed>>,
    /// What the chart renders as an upgrade, once or more.
    pub(crate) as_upgrade: Vec<(Arc<Wanted>, Rendering)>,
    /// What was found before the first change of the run.
    pub(crate) foreseen: Option<Foreseen>,
}

/// What is wanted, and for which target and payload values.
pub(crate) struct WantedFor {
    pub(crate) target: Result<Arc<Target>, String>,
    pub(crate) values: Vec<Value>,
    pub(crate) wanted: Arc<Wanted>,
}
