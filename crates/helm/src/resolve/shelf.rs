//! Charts that were read in this run.

use super::chart::{ChartError, ResolvedChart};
use crate::files::FileIdentity;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Charts that were read in this run, so that releases that share one do not read it each. An archive is read again when
/// the file is another; a folder is read once, so that all releases of a run mean the same content by it.
#[derive(Default)]
pub struct ChartShelf {
    places: Mutex<HashMap<PathBuf, Slot>>,
}

/// Whoever comes second waits for the first. What could not be read leaves it empty.
type Slot = Arc<tokio::sync::Mutex<Option<(Seen, Arc<ResolvedChart>)>>>;

/// What lay at the path when it was read.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Folder,
    File(FileIdentity),
}

impl ChartShelf {
    /// The chart at a path, read by `read` when it is not known yet.
    pub(crate) async fn chart(
        &self,
        path: &Path,
        read: impl AsyncFnOnce(PathBuf) -> Result<ResolvedChart, ChartError>,
    ) -> Result<Arc<ResolvedChart>, ChartError> {
        let slot = self.slot(path);
        let mut slot = slot.lock().await;
        // Looked at before it is read: what is written meanwhile is another file the next time.
        let metadata = tokio::fs::metadata(path).await.ok();
        let seen = metadata.map(|of| if of.is_dir() { Seen::Folder } else { Seen::File(FileIdentity::of(&of)) });
        if let (Some(seen), Some((known, chart))) = (&seen, &*slot)
            && seen == known
        {
            return Ok(chart.clone());
        }
        *slot = None;
        let chart = Arc::new(read(path.to_owned()).await?);
        *slot = seen.map(|seen| (seen, chart.clone()));
        Ok(chart)
    }

    /// Forgets a folder, so that it is read again: something may have been written into it.
    pub async fn forget_folder(&self, path: &Path) {
        let slot = self.slot(path);
        let mut slot = slot.lock().await;
        if matches!(&*slot, Some((Seen::Folder, _))) {
            *slot = None;
        }
    }

    /// Forgets every chart: another run begins, and means what lies there then.
    pub fn clear(&self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn slot(&self, path: &Path) -> Slot {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(path.to_owned()).or_default().clone()
    }
}

impl fmt::Debug for ChartShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(places.keys()).finish()
    }
}
