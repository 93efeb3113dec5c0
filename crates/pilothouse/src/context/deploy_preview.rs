//! What a deploy is going to do to each object, as the server was asked about it.

use crate::context::compared::Compared;
use pilothouse_core::{CrdFacts, Sensitive};
use pilothouse_helm::RenderedDoc;
use serde_json::Value;
use std::sync::Arc;

/// What is going to be applied, and what becomes of each object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeployPreview {
    /// The definitions that steps bring or change before helm runs.
    pub(crate) by_steps: Vec<CrdFacts>,
    /// Everything that is rendered.
    pub(crate) docs: Arc<Vec<RenderedDoc>>,
    /// The chart's own definitions, where they take the place of those in the cluster.
    pub(crate) definitions: Vec<Compared>,
    /// The objects of the release in what is rendered.
    pub(crate) manifests: Sensitive<Vec<Value>>,
    /// What becomes of them, and of those that are deployed and not rendered any more.
    pub(crate) compared: Vec<Compared>,
    /// What becomes of the hooks that helm runs with it.
    pub(crate) hooks: Vec<HookPreview>,
}

/// What becomes of a hook.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HookPreview {
    /// When helm runs it first: `pre-install`.
    pub(crate) event: String,
    /// Among those of its event.
    pub(crate) weight: i32,
    pub(crate) compared: Compared,
}
