//! Objects of a stored manifest whose kind the cluster does not serve in their version.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::release_storage;
use pilothouse_core::{ObjectRef, object_ref};
use pilothouse_helm::{ReleaseRecord, Rewrite, parse_documents, rewrite_manifest, runs_at_uninstall};
use pilothouse_kube::{ClusterError, Discovery, Resource};
use serde_json::Value;

/// An object of a stored manifest that helm cannot build, since the cluster does not serve its kind in its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unserved {
    /// As the manifest names it; complete where the kind is served in another version.
    pub(crate) object: ObjectRef,
    /// As it is in the manifest: version, kind, namespace and name.
    written: ObjectRef,
    /// The version in which the cluster serves the same objects; `None` where there can be none of them.
    pub(crate) served_as: Option<String>,
}

/// Groups that Kubernetes has given up, and where their kinds are now.
const MOVED: [(&str, &[&str]); 1] = [("extensions", &["apps", "networking.k8s.io"])];

/// What helm would fail on in this record: in its manifest, and, for an uninstall, in the hooks that this runs.
///
/// # Errors
/// When the manifest is not YAML, or what the cluster serves cannot be told. A group whose server does not answer has not gone.
pub(crate) async fn unserved(
    ctx: &Context,
    record: &ReleaseRecord,
    uninstalls: bool,
) -> Result<Vec<Unserved>, PhaseError> {
    let mut objects = release_storage::manifest_objects(record)?;
    for hook in record.hooks.iter().filter(|hook| uninstalls && runs_at_uninstall(&hook.events)) {
        // What cannot be read of a hook helm tells itself.
        objects.extend(parse_documents(&hook.manifest).unwrap_or_default());
    }
    let mut found = Vec::new();
    for (object, why) in without_kind(ctx, objects.iter().filter_map(object_ref).collect()).await? {
        let ClusterError::NotServed { .. } = why else { return Err(why.into()) };
        let discovery = ctx.cluster().discovery(false).await?;
        found.push(told(&discovery, object, &ctx.release().namespace));
    }
    found.dedup();
    Ok(found)
}

/// Those of the objects whose kind is not served, or of whose group that cannot be told, with which of the two it is.
///
/// # Errors
/// When what the cluster serves cannot be asked.
pub(crate) async fn without_kind(
    ctx: &Context,
    objects: Vec<ObjectRef>,
) -> Result<Vec<(ObjectRef, ClusterError)>, ClusterError> {
    let mut open = objects;
    let mut found = Vec::new();
    // What is not served by what is known already is asked for anew.
    for refresh in [false, true] {
        if open.is_empty() {
            break;
        }
        let discovery = ctx.cluster().discovery(refresh).await?;
        found = open.into_iter().filter_map(|object| Some((discovery.lookup(&object).err()?, object))).collect();
        open = found.iter().map(|(_, object): &(ClusterError, ObjectRef)| object.clone()).collect();
    }
    Ok(found.into_iter().map(|(why, object)| (object, why)).collect())
}

fn told(discovery: &Discovery, written: ObjectRef, namespace: &str) -> Unserved {
    let Some(served) = same_objects(discovery, &written) else {
        return Unserved { object: written.clone(), written, served_as: None };
    };
    let in_namespace = written.namespace.clone().unwrap_or_else(|| namespace.to_owned());
    let object = ObjectRef { namespace: served.namespaced.then_some(in_namespace), ..written.clone() };
    Unserved { object, written, served_as: Some(served.api_version()) }
}

/// The kind in which the cluster serves the same objects: of the same group, or of the one that its kinds have moved to.
fn same_objects<'a>(discovery: &'a Discovery, object: &ObjectRef) -> Option<&'a Resource> {
    let group = object.group().unwrap_or_default();
    let moved = MOVED.iter().filter(|(from, _)| *from == group).flat_map(|(_, to)| *to).copied();
    let kind = |group: &str| discovery.resources().iter().find(|own| own.group == group && own.kind == object.kind);
    std::iter::once(group).chain(moved).find_map(kind)
}

/// What becomes of an object of a record, where these are written anew.
pub(crate) fn rewrite(unserved: &[Unserved], object: &Value) -> Rewrite {
    let named = object_ref(object);
    match unserved.iter().find(|one| Some(&one.written) == named.as_ref()) {
        None => Rewrite::Keep,
        Some(Unserved { served_as: Some(version), .. }) => Rewrite::As(version.clone()),
        Some(Unserved { served_as: None, .. }) => Rewrite::Drop,
    }
}

/// A record with the manifest that helm is given instead of one that it could not build: that is what it upgrades over or uninstalls.
///
/// # Errors
/// As for [`unserved`].
pub(crate) async fn as_served(ctx: &Context, record: ReleaseRecord) -> Result<ReleaseRecord, PhaseError> {
    let unserved = unserved(ctx, &record, false).await?;
    if unserved.is_empty() {
        return Ok(record);
    }
    let manifest = rewrite_manifest(&record.manifest, |object| rewrite(&unserved, object));
    let manifest = manifest.map_err(|error| release_storage::unreadable(&record, &error))?;
    Ok(ReleaseRecord { manifest, ..record })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn served(group: &str, version: &str, kind: &str, namespaced: bool) -> Resource {
        Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced,
            verbs: Vec::new(),
            subresource_kinds: Vec::new(),
        }
    }

    #[rstest]
    #[case::another_version("policy/v1beta1", "PodDisruptionBudget", Some(("policy/v1", Some("web"))))]
    #[case::in_no_namespace("example.com/v1alpha1", "Zone", Some(("example.com/v1", None)))]
    #[case::moved("extensions/v1beta1", "Ingress", Some(("networking.k8s.io/v1", Some("web"))))]
    #[case::moved_another_way("extensions/v1beta1", "Deployment", Some(("apps/v1", Some("web"))))]
    #[case::gone("policy/v1beta1", "PodSecurityPolicy", None)]
    // A kind of that name in another group is another kind.
    #[case::a_namesake("other.example/v1", "Ingress", None)]
    fn where_it_is_served(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] expected: Option<(&str, Option<&str>)>,
    ) {
        let discovery = Discovery::new(vec![
            served("policy", "v1", "PodDisruptionBudget", true),
            served("networking.k8s.io", "v1", "Ingress", true),
            served("apps", "v1", "Deployment", true),
            served("example.com", "v1", "Zone", false),
        ]);
        let (kind, name) = (kind.to_owned(), "a".to_owned());
        let written = ObjectRef { api_version: Some(api_version.to_owned()), kind, namespace: None, name };
        let told = told(&discovery, written, "web");
        let served = told.served_as.as_deref().map(|version| (version, told.object.namespace.as_deref()));
        assert_eq!(served, expected);
    }
}
