//! Answers shared by all who ask the same within a short time.

use super::read_want::{Answer, read};
use crate::client::{ClusterClient, ClusterError};
use pilothouse_core::Redactor;
use pilothouse_health::Want;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

/// Requests at a time.
const SIDE_BY_SIDE: usize = 8;
/// How long an answer holds. Shorter than the second between two looks of one wait.
const FRESH: Duration = Duration::from_millis(700);

/// What was read, or why it could not be.
pub(super) type Shared = Result<Answer, Arc<ClusterError>>;

/// Answers, and whose are just being got.
pub(super) struct Answers {
    known: Mutex<HashMap<Want, Kept>>,
    requests: Semaphore,
    redactor: Redactor,
}

struct Kept {
    asked_at: Instant,
    answer: Arc<OnceCell<Shared>>,
}

impl Answers {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { known: Mutex::default(), requests: Semaphore::new(SIDE_BY_SIDE), redactor }
    }

    /// What must not be shown of what is read.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What somebody has just read, or is reading; else it is read.
    pub(super) async fn to(&self, want: &Want, client: &dyn ClusterClient) -> Shared {
        let cell = self.kept(want);
        // Whoever comes first asks; when that one is dropped, the next one asks anew.
        let asked = cell.get_or_init(|| async {
            // The semaphore is never closed.
            let _permit = self.requests.acquire().await;
            read(client, want, &self.redactor).await.map_err(Arc::new)
        });
        let answer = asked.await.clone();
        let mut known = self.known();
        if !is_kept(want, &answer) && known.get(want).is_some_and(|kept| Arc::ptr_eq(&kept.answer, &cell)) {
            known.remove(want);
        }
        answer
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Want, Kept>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, want: &Want) -> Arc<OnceCell<Shared>> {
        let now = Instant::now();
        let mut known = self.known();
        known.retain(|_, kept| now.duration_since(kept.asked_at) < FRESH);
        let kept = known.entry(want.clone());
        kept.or_insert_with(|| Kept { asked_at: now, answer: Arc::default() }).answer.clone()
    }
}

/// Whether an answer holds for a while. That there is no log does not: a program writes its last words when it ends, and its pod may be
/// deleted a moment later.
fn is_kept(want: &Want, answer: &Shared) -> bool {
    let is_read = matches!(answer, Ok(Answer::Log(log)) if !log.lines.is_empty());
    is_read || !matches!(want, Want::Log { .. })
}
