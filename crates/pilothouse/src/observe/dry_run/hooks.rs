//! Hooks: helm makes each of them anew, whatever is there by its name.

use crate::context::Compared;
use crate::observe::dry_run::compare::{Comparison, SIDE_BY_SIDE, Scope};
use crate::observe::dry_run::going::Going;
use crate::observe::dry_run::subject;
use futures::StreamExt;
use pilothouse_kube::ClusterClient;

/// What becomes of hooks, which are what is wanted here: each with its place among them. One that is there is seldom changed: helm
/// deletes it first. They are asked about with the keys by which helm owns objects, though it gives hooks none: no server minds them.
pub(crate) async fn hooks(cluster: &dyn ClusterClient, what: &Comparison<'_>, scope: Scope) -> Vec<(usize, Compared)> {
    let namespace = &what.release.namespace;
    let hooks = subject::complete(cluster, what.wanted, namespace, what.changing, what.redactor).await;
    let deleted = subject::complete(cluster, what.uninstalled.deleted, namespace, &[], what.redactor).await;
    let going = Going::of(&deleted, what.taken);
    let is_somewhere = |subject: &&subject::Subject<'_>| {
        scope != Scope::Elsewhere || subject.object.namespace.as_ref() != Some(namespace)
    };
    let looks = hooks.iter().filter(is_somewhere).map(|subject| {
        let place = what.wanted.iter().position(|one| std::ptr::eq(one, subject.manifest)).unwrap_or_default();
        let going = &going;
        async move { (place, what.anew(cluster, subject, going).await) }
    });
    futures::stream::iter(looks.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE).collect().await
}
