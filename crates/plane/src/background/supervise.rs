//! Owns a background plane from its start to its end.

use super::registry::{
    ComponentProcess, Lock, PlaneRecord, ProcessIdentity, RegistryError, STATE, clear, folder, forget, remove,
    write_failure, write_record,
};
use crate::component::Component;
use crate::config::PlaneConfig;
use crate::control_plane::Plane;
use crate::error::{Failure, PlaneError};
use jiff::Timestamp;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// A background plane could not be started, or broke.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Its place in the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its start.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// It ran and then a component died.
    #[error("the plane broke")]
    Broke(#[source] Failure),
}

/// Starts the plane `config.name` in `base/NAME` (whatever `config.folder` says), writes its record, calls `ready`, and
/// owns it until `cancel` fires or a component dies. Then everything is ended and removed; after a failure the folder
/// stays, with `failure.txt` and the logs, until [`crate::down`] or the next start under this name.
///
/// Called by a process that is there for nothing else; it turns its SIGTERM into `cancel`.
///
/// # Errors
/// When a plane of this name is up, when it cannot be started, and when it breaks.
pub async fn supervise(
    config: PlaneConfig,
    base: &Path,
    ready: impl FnOnce(&PlaneRecord),
    cancel: &CancellationToken,
) -> Result<(), SuperviseError> {
    let folder = folder(base, &config.name)?;
    let lock = Lock::take(&folder, &config.name).await?;
    // What a supervisor left that was killed, or whose plane broke.
    forget(&folder)?;
    let state = folder.join(STATE);
    clear(&state).await?;
    remove(&state)?;
    let outcome = own(PlaneConfig { folder: Some(state.clone()), ..config }, &folder, ready, cancel).await;
    match &outcome {
        Ok(()) => {
            // First what takes long: as soon as the lock's file is gone, others make a new one.
            remove(&state)?;
            remove(&folder)?;
        }
        Err(error) => {
            forget(&folder)?;
            write_failure(&folder, &explain(error))?;
        }
    }
    drop(lock);
    outcome
}

async fn own(
    config: PlaneConfig,
    folder: &Path,
    ready: impl FnOnce(&PlaneRecord),
    cancel: &CancellationToken,
) -> Result<(), SuperviseError> {
    let name = config.name.clone();
    let plane = tokio::select! {
        plane = Plane::start(config) => plane?,
        () = cancel.cancelled() => return Ok(()),
    };
    let record = record(name, &plane, folder)?;
    write_record(folder, &record)?;
    ready(&record);
    let failure = tokio::select! {
        () = cancel.cancelled() => None,
        failure = plane.died() => Some(failure),
    };
    plane.stop().await;
    failure.map_or(Ok(()), |failure| Err(SuperviseError::Broke(failure)))
}

fn record(name: String, plane: &Plane, folder: &Path) -> Result<PlaneRecord, RegistryError> {
    let supervisor =
        ProcessIdentity::current().map_err(|source| RegistryError::Io { path: folder.to_owned(), source })?;
    let components =
        plane.pids().into_iter().map(|(component, pid): (Component, u32)| ComponentProcess { component, pid });
    Ok(PlaneRecord {
        name,
        supervisor,
        url: plane.url(),
        kubeconfig: plane.kubeconfig().to_owned(),
        started_at: Timestamp::now(),
        components: components.collect(),
    })
}

fn explain(error: &SuperviseError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text + "\n"
}
