//! Which objects are to be looked at.

use crate::context::Outcome;
use crate::observe::dry_run::refusal::unreadable;
use pilothouse_core::{CrdFacts, ObjectRef, Redactor, object_ref};
use pilothouse_kube::ClusterError;
use pilothouse_kube::{ClusterClient, Discovery, Resource};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// An object of a manifest.
pub(super) struct Subject<'a> {
    /// It, complete where the cluster knows the kind.
    pub(super) object: ObjectRef,
    pub(super) manifest: &'a Value,
    /// Why it cannot be looked at.
    pub(super) unknown: Option<Outcome>,
}

/// Completes the objects of a manifest by the cluster's discovery, which is asked anew once at most. Without those that have no
/// name yet (`generateName`). One that is there twice is one object, as the last of them has it: helm applies them one after another.
/// One in a version that is not served is the object that another version of its kind shows: it is looked at in that one where its
/// definition, among those that are `changing`, is going to serve its own.
pub(super) async fn complete<'a>(
    cluster: &dyn ClusterClient,
    manifests: &'a [Value],
    namespace: &str,
    changing: &[CrdFacts],
    redactor: &Redactor,
) -> Vec<Subject<'a>> {
    let mut discovery = None;
    let mut asked_again = false;
    let mut subjects: Vec<Subject<'_>> = Vec::with_capacity(manifests.len());
    let mut places: BTreeMap<ObjectRef, usize> = BTreeMap::new();
    for manifest in manifests {
        let Some(object) = object_ref(manifest) else { continue };
        let known = match &discovery {
            Some(known) => Ok(Arc::clone(known)),
            None => cluster.discovery(false).await,
        };
        let mut resolved = resolve(&mut discovery, known, &object, namespace);
        let may_be_new = matches!(resolved, Err(ClusterError::NotServed { .. } | ClusterError::Stale { .. }));
        if may_be_new && !asked_again {
            asked_again = true;
            let fresh = cluster.discovery(true).await;
            resolved = resolve(&mut discovery, fresh, &object, namespace);
        }
        let (object, unknown) = match resolved {
            Ok(object) => (object, None),
            Err(error) => match discovery.as_deref().and_then(|known| in_another_version(known, &object, namespace)) {
                Some(other) if changing.iter().any(|facts| facts.serves(&object)) => (other, None),
                Some(other) => (other, Some(unreadable(&error, redactor))),
                None => (object, Some(unreadable(&error, redactor))),
            },
        };
        match places.entry(object.clone()) {
            Entry::Occupied(place) => subjects[*place.get()].manifest = manifest,
            Entry::Vacant(place) => {
                place.insert(subjects.len());
                subjects.push(Subject { object, manifest, unknown });
            }
        }
    }
    subjects
}

fn resolve(
    kept: &mut Option<Arc<Discovery>>,
    discovery: Result<Arc<Discovery>, ClusterError>,
    object: &ObjectRef,
    namespace: &str,
) -> Result<ObjectRef, ClusterError> {
    kept.insert(discovery?).resolve(object, namespace)
}

/// The object as another version of its kind shows it, where its own is not served.
fn in_another_version(known: &Discovery, object: &ObjectRef, namespace: &str) -> Option<ObjectRef> {
    let is_it = |other: &&Resource| object.group() == Some(other.group.as_str()) && object.kind == other.kind;
    let other = known.resources().iter().find(is_it)?;
    known.resolve(&ObjectRef { api_version: Some(other.api_version()), ..object.clone() }, namespace).ok()
}
