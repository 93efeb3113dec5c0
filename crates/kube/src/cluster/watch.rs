//! A watch that goes on: a list, then what changes since, over as many connections as it takes.
//!
//! `kube`'s own watcher is not used: it lists by request methods that log answers they cannot parse and have no deadline
//! (see `transport`), and hides which version it has come to. What a connection carries is read by `kube`.

use super::connection::{Cluster, Page};
use super::transport::denied;
use crate::client::{Change, ClusterError, Detail, ListQuery};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt;
use futures::stream::BoxStream;
use kube::core::WatchEvent;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How many objects are in memory as the server gives them, at most.
const PAGE: u32 = 100;
/// After so many seconds the server ends a connection.
const LIFETIME: u64 = 290;
/// The server tells its version about once a minute even when nothing happens (not for events). A connection silent for longer
/// may be dead without either side knowing.
const SILENCE: Duration = Duration::from_secs(90);

type Connection = BoxStream<'static, Result<WatchEvent<Value>, ClusterError>>;

/// See [`ClusterClient::watch`](crate::ClusterClient::watch).
pub(crate) fn changes(
    cluster: Cluster,
    query: ListQuery,
    detail: Detail,
) -> BoxStream<'static, Result<Change, ClusterError>> {
    let watcher = Watcher {
        cluster,
        query,
        detail,
        stage: Stage::List(Page::first(PAGE)),
        told: VecDeque::new(),
        delays: delays(),
        pause: None,
        failing: false,
    };
    futures::stream::unfold(watcher, |mut watcher| async move {
        loop {
            if let Some(told) = watcher.told.pop_front() {
                return Some((told, watcher));
            }
            if matches!(watcher.stage, Stage::Ended) {
                return None;
            }
            watcher.step().await;
        }
    })
    .boxed()
}

fn delays() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(LEAST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}

const LEAST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is to be done next.
enum Stage {
    /// Read this page of the list.
    List(Page),
    /// Connect, to be told what has changed since this version.
    Connect(String),
    /// Listen; all is known up to this version.
    Listen(String, Connection),
    Ended,
}

struct Watcher {
    cluster: Cluster,
    query: ListQuery,
    detail: Detail,
    stage: Stage,
    /// What is to be told before anything else is done.
    told: VecDeque<Result<Change, ClusterError>>,
    delays: ExponentialBackoff,
    /// How long to wait before the next attempt.
    pause: Option<Duration>,
    /// A failure was told, and since then not that it has passed.
    failing: bool,
}

impl Watcher {
    async fn step(&mut self) {
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::List(page) => self.list(page).await,
            Stage::Connect(version) => self.connect(version).await,
            Stage::Listen(version, connection) => self.listen(version, connection).await,
            Stage::Ended => {}
        }
    }

    async fn list(&mut self, mut page: Page) {
        match self.cluster.list_page(&self.query, self.detail, &page).await {
            Ok(found) => {
                if page.token.is_none() {
                    self.told.push_back(Ok(Change::Listing));
                }
                self.told.extend(found.items.into_iter().map(|item| Ok(Change::There(item))));
                page.token = found.token;
                if page.token.is_some() {
                    self.stage = Stage::List(page);
                } else {
                    self.is_up_to_date();
                    self.stage = Stage::Connect(found.version);
                }
            }
            // The rest of the list is too old to be told: once more, all of it at once.
            Err(ClusterError::Api { status: 410, .. }) if page.token.is_some() => {
                self.stage = Stage::List(Page::whole());
            }
            Err(error) => self.failed(error, Stage::List(Page::first(PAGE))),
        }
    }

    async fn connect(&mut self, version: String) {
        match self.cluster.watch_since(&self.query, self.detail, &version, LIFETIME).await {
            Ok(connection) => {
                if self.failing {
                    self.is_up_to_date();
                }
                self.stage = Stage::Listen(version, connection);
            }
            Err(ClusterError::Api { status: 410, .. }) => self.list_again(),
            Err(error) => self.failed(error, Stage::Connect(version)),
        }
    }

    async fn listen(&mut self, version: String, mut connection: Connection) {
        let Ok(event) = timeout(SILENCE, connection.next()).await else {
            self.stage = Stage::Connect(version);
            return;
        };
        match event {
            // A server that ends every connection at once is not asked in a loop.
            None => self.pause_before(Stage::Connect(version)),
            Some(Err(error)) => self.failed(error, Stage::Connect(version)),
            Some(Ok(WatchEvent::Error(status))) if status.code == 410 => self.list_again(),
            Some(Ok(WatchEvent::Error(status))) => {
                let error = denied(status.code, "watch", &self.query.kind, status.message);
                self.failed(error, Stage::Connect(version));
            }
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                self.heard(bookmark.metadata.resource_version, version, connection);
            }
            Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                self.heard(version_of(&object), version, connection);
                self.told.push_back(Ok(Change::There(object)));
            }
            Some(Ok(WatchEvent::Deleted(object))) => {
                self.heard(version_of(&object), version, connection);
                self.told.push_back(Ok(Change::Gone(object)));
            }
        }
    }

    fn heard(&mut self, newest: String, version: String, connection: Connection) {
        self.delays = delays();
        self.stage = Stage::Listen(if newest.is_empty() { version } else { newest }, connection);
    }

    fn is_up_to_date(&mut self) {
        self.failing = false;
        self.told.push_back(Ok(Change::UpToDate));
    }

    /// The server has forgotten what happened since the last version (410).
    fn list_again(&mut self) {
        self.pause_before(Stage::List(Page::first(PAGE)));
    }

    fn failed(&mut self, error: ClusterError, then: Stage) {
        self.failing = true;
        if error.is_transient() {
            self.pause_before(then);
        }
        self.told.push_back(Err(error));
    }

    fn pause_before(&mut self, stage: Stage) {
        self.pause = Some(self.delays.next().unwrap_or(LONGEST_PAUSE));
        self.stage = stage;
    }
}

fn version_of(object: &Value) -> String {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned()
}
