//! What is read of many releases with few requests, before each is looked at.

use crate::context::Context;
use crate::context::NamespaceState;
use crate::context::Prefetched;
use crate::context::Session;
use crate::observe::deploy_records;
use crate::observe::observation::{read_around, state_of_namespace};
use crate::observe::release_storage::labelled;
use crate::observe::survey::{by_release, names_in, records, within};
use futures::FutureExt;
use pilothouse_core::{RecordSeen, ReleaseHistory, ReleaseKey};
use pilothouse_kube::{ClusterError, ListQuery};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// With fewer releases each is read by itself.
const WORTH_IT: usize = 3;

/// Reads Helm's records, the namespaces and our own records of the releases that are going to be looked at, for that one look.
/// What cannot be read so is read of each by itself, and told there.
pub(crate) async fn prefetch(contexts: &[&Context]) {
    let Some(session) = contexts.first().map(|ctx| ctx.session()) else { return };
    if contexts.len() < WORTH_IT {
        let each = contexts.iter().map(|ctx| async {
            let (history, around) = tokio::join!(labelled(ctx), read_around(ctx));
            session.reads.keep_prefetched(ctx.release(), Prefetched { history: history.ok(), ..around });
        });
        futures::future::join_all(each).await;
        return;
    }
    let at = Instant::now();
    let releases: Vec<ReleaseKey> = contexts.iter().map(|ctx| ctx.release()).collect();
    let namespaces: BTreeSet<String> = releases.iter().map(|release| release.namespace.clone()).collect();
    let (histories, known, states) = tokio::join!(
        histories(session, &releases, &namespaces),
        remembered(session, &releases),
        states(session, &namespaces)
    );
    let (mut histories, mut known, states) = (histories.ok(), known, states.ok());
    for release in releases {
        let ahead = Prefetched {
            at,
            history: histories.as_mut().map(|all| all.remove(&release).unwrap_or(ReleaseHistory::NONE)),
            namespace: states
                .as_ref()
                .map(|all| all.get(&release.namespace).cloned().unwrap_or(NamespaceState::Absent)),
            record: known.remove(&release),
        };
        session.reads.keep_prefetched(release, ahead);
    }
}

/// What is remembered of the last deploys of these releases: as the survey has read it, else by lists. What cannot be read is left out.
async fn remembered(session: &Session, releases: &[ReleaseKey]) -> HashMap<ReleaseKey, RecordSeen> {
    let (mut known, mut missing) = (HashMap::new(), Vec::new());
    for release in releases {
        match session.reads.take_remembered(release) {
            Some(record) => drop(known.insert(release.clone(), record)),
            None => missing.push(release),
        }
    }
    let namespaces: BTreeSet<String> = missing.iter().map(|release| release.namespace.clone()).collect();
    if missing.is_empty() {
        return known;
    }
    if let Ok(mut listed) = records(session, &namespaces).await {
        known
            .extend(missing.into_iter().map(|release| (release.clone(), deploy_records::seen(listed.remove(release)))));
    }
    known
}

/// Helm's records of these releases, all revisions of each.
async fn histories(
    session: &Session,
    releases: &[ReleaseKey],
    namespaces: &BTreeSet<String>,
) -> Result<HashMap<ReleaseKey, ReleaseHistory>, ClusterError> {
    let listed = within(namespaces, |namespace| {
        let named = async move {
            session.cluster.revisions_named(session.driver, namespace, &names_in(namespace, releases)).await
        };
        named.boxed()
    });
    Ok(by_release(listed.await?))
}

/// How the namespaces stand that are there.
async fn states(
    session: &Session,
    namespaces: &BTreeSet<String>,
) -> Result<HashMap<String, NamespaceState>, ClusterError> {
    let listed = session.cluster.list_metadata(&ListQuery::new("v1", "Namespace")).await?;
    let named = |namespace: &Value| {
        let name = namespace.pointer("/metadata/name")?.as_str()?;
        namespaces.contains(name).then(|| (name.to_owned(), state_of_namespace(Some(namespace))))
    };
    Ok(listed.iter().filter_map(named).collect())
}
