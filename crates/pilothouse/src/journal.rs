//! stub
#![allow(missing_docs, clippy::all, clippy::pedantic, dead_code)]
use pilothouse_core::*;
use pilothouse_kube::*;
use std::{path::*, sync::Arc};
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("taken")]
    Taken { by: String },
    #[error("x")]
    Other,
}
impl JournalError {
    pub(crate) fn is_transient(&self) -> bool {
        false
    }
}
pub(crate) struct KillPoint(pub Option<u64>);
pub(crate) struct JournalFile;
pub(crate) struct Header;
impl JournalFile {
    pub(crate) fn create(_: &Path, _: &Header, _: &[Event], _: KillPoint) -> Result<Self, JournalError> {
        Ok(Self)
    }
    pub(crate) fn append(&mut self, _: &Event, _: bool) -> Result<(), JournalError> {
        Ok(())
    }
    pub(crate) fn boundaries(&self) -> u64 {
        0
    }
}
pub(crate) struct StackRecord {
    pub last: RunProgress,
}
pub(crate) struct ClusterJournal;
impl ClusterJournal {
    pub(crate) async fn load(
        _: Arc<dyn ClusterClient>,
        _: &str,
        _: &str,
    ) -> Result<(Self, Option<StackRecord>), JournalError> {
        Ok((Self, None))
    }
    pub(crate) async fn store(&mut self, _: &RunProgress) -> Result<(), JournalError> {
        Ok(())
    }
}
pub(crate) async fn cluster_id(_: &dyn ClusterClient) -> Result<Option<String>, JournalError> {
    Ok(None)
}
pub(crate) fn folder(_: &Path, _: Option<&str>, _: &str) -> PathBuf {
    PathBuf::new()
}
pub(crate) fn newest(_: &Path) -> Result<Option<RunProgress>, JournalError> {
    Ok(None)
}
pub(crate) fn choose(a: Option<RunProgress>, _: Option<RunProgress>) -> Option<RunProgress> {
    a
}
pub(crate) fn header(_: RunId, _: &str) -> Header {
    Header
}
pub(crate) fn prune(_: &Path, _: usize) {}
pub(crate) const KEPT: usize = 100;
