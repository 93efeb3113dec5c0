//! stub
#![allow(missing_docs, clippy::all, clippy::pedantic)]
use crate::{ClusterClient, ClusterError};
use pilothouse_core::Holder;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
#[derive(Debug, Clone)]
pub struct LeaseConfig;
impl LeaseConfig {
    pub fn new(_: &str, _: String, _: Holder) -> Self {
        Self
    }
}
pub struct LeaseLock;
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("held")]
    Held { holder: Option<Holder>, waited: Duration },
    #[error("i")]
    Interrupted,
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
impl LeaseLock {
    pub async fn acquire(
        _: Arc<dyn ClusterClient>,
        _: LeaseConfig,
        _: Duration,
        _: &CancellationToken,
        _: impl Fn(&Holder) -> Option<bool>,
        _: impl FnMut(Option<&Holder>),
    ) -> Result<Self, LockError> {
        Ok(Self)
    }
    pub fn lost(&self) -> CancellationToken {
        CancellationToken::new()
    }
    pub fn why_lost(&self) -> Option<String> {
        None
    }
    pub fn waited(&self) -> Duration {
        Duration::ZERO
    }
    pub fn taken_over(&self) -> Option<String> {
        None
    }
    pub async fn release(&self) {}
}
