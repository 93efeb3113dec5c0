//! What is read of many releases with few requests, before each is looked at.

use crate::context::Ahead;
use crate::context::Context;
use crate::context::NamespaceState;
use crate::context::Session;
use crate::observe::deploy_records;
use crate::observe::observation::state_of_namespace;
use crate::observe::survey::{records, within};
use pilothouse_core::{RecordSeen, ReleaseHistory, ReleaseKey, RevisionMeta};
use pilothouse_kube::{ClusterError, ListQuery};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// With fewer releases each is read by itself.
const WORTH_IT: usize = 3;

/// Reads Helm's records, the namespaces and our own records of the releases that are going to be looked at, for that one look.
/// What cannot be read so is read of each by itself, and told there.
pub(crate) async fn read_ahead(session: &Session, contexts: &[&Context]) {
    if contexts.len() < WORTH_IT {
        return;
    }
    let at = Instant::now();
    let releases: Vec<ReleaseKey> = contexts.iter().map(|ctx| ctx.release()).collect();
    let namespaces: BTreeSet<String> = releases.iter().map(|release| release.namespace.clone()).collect();
    let (histories, known, states) = tokio::join!(
        histories(session, &releases, &namespaces),
        records(session, &namespaces),
        states(session, &namespaces)
    );
    let (mut histories, mut known, states) = (histories.ok(), known.ok(), states.ok());
    for release in releases {
        let ahead = Ahead {
            at,
            history: histories.as_mut().map(|all| ReleaseHistory::new(all.remove(&release).unwrap_or_default())),
            namespace: states
                .as_ref()
                .map(|all| all.get(&release.namespace).cloned().unwrap_or(NamespaceState::Absent)),
            record: known
                .as_mut()
                .map(|all| all.remove(&release).map_or(RecordSeen::None, |found| deploy_records::seen(Some(found)))),
        };
        session.reads.keep_ahead(release, ahead);
    }
}

/// Helm's records of these releases, all revisions of each.
async fn histories(
    session: &Session,
    releases: &[ReleaseKey],
    namespaces: &BTreeSet<String>,
) -> Result<HashMap<ReleaseKey, Vec<RevisionMeta>>, ClusterError> {
    let of_releases = |namespace: Option<&str>| -> Vec<String> {
        let here = releases.iter().filter(|release| namespace.is_none_or(|namespace| release.namespace == namespace));
        here.map(|release| release.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let listed = within(namespaces, async |namespace: Option<&str>| {
        let owned = of_releases(namespace);
        let names: Vec<&str> = owned.iter().map(String::as_str).collect();
        session.cluster.revisions_named(session.driver, namespace, &names).await
    });
    let mut by_release: HashMap<ReleaseKey, Vec<RevisionMeta>> = HashMap::new();
    for meta in listed.await? {
        by_release.entry(ReleaseKey::new(&meta.namespace, &meta.name)).or_default().push(meta);
    }
    Ok(by_release)
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
