//! Other tools that manage releases of Helm, and whether one still does.

use crate::context::Context;
use pilothouse_core::{Foreign, ObjectRef, ReleaseKey, RevisionMeta, tool_of_manager};
use pilothouse_kube::{ClusterError, ListQuery};
use serde_json::Value;

/// The name under which Flux's controller writes.
pub(crate) const FLUX: &str = "helm-controller";

/// The tool that still manages a release, by who wrote its newest revision. What only the helm binary has written (helm,
/// helmfile) belongs to nobody.
///
/// # Errors
/// When it cannot be told.
pub(crate) async fn still_managed_by(ctx: &Context, newest: &RevisionMeta) -> Result<Option<Foreign>, ClusterError> {
    let Some(manager) = newest.manager.as_deref() else { return Ok(None) };
    let revision = newest.revision;
    match manager {
        // What the controller has written, and nobody tells it to manage any more, is free.
        FLUX => Ok(flux_release(ctx).await?.map(|name| Foreign {
            tool: "Flux".to_owned(),
            why: format!("HelmRelease {name} is about this release, and revision {revision} was written by Flux"),
        })),
        // The state of these is not in the cluster: nobody can tell here that they have let go.
        other => Ok(tool_of_manager(other)
            .map(|tool| Foreign { tool: tool.to_owned(), why: format!("revision {revision} was written by {other}") })),
    }
}

/// Whether this is the name under which another tool writes Helm's records.
pub(crate) fn is_of_another_tool(manager: &str) -> bool {
    tool_of_manager(manager).is_some()
}

/// The HelmRelease that is about this release, if there is one that is not suspended.
async fn flux_release(ctx: &Context) -> Result<Option<String>, ClusterError> {
    let any = ObjectRef {
        api_version: None,
        kind: "HelmRelease.helm.toolkit.fluxcd.io".to_owned(),
        namespace: None,
        name: String::new(),
    };
    let kind = match ctx.cluster().resolve(&any, "default").await {
        Ok(kind) => kind,
        Err(ClusterError::NotServed { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let query = ListQuery::new(kind.api_version.unwrap_or_default(), kind.kind);
    let releases = ctx.cluster().list(&query).await?;
    let about = releases.iter().find(|helm_release| is_about(helm_release, &ctx.release()));
    Ok(about.map(|found| format!("{}/{}", text(found, "/metadata/namespace"), text(found, "/metadata/name"))))
}

/// How Flux names releases: `releaseName`, else the target namespace and the resource's name, or the latter alone; in
/// `storageNamespace`, else the resource's own.
fn is_about(helm_release: &Value, release: &ReleaseKey) -> bool {
    if helm_release.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return false;
    }
    let or = |first: &'static str, second: String| {
        Some(text(helm_release, first)).filter(|t| !t.is_empty()).map_or(second, str::to_owned)
    };
    let own = text(helm_release, "/metadata/name");
    let target = text(helm_release, "/spec/targetNamespace");
    let default = if target.is_empty() { own.to_owned() } else { format!("{target}-{own}") };
    let name = or("/spec/releaseName", default);
    let namespace = or("/spec/storageNamespace", text(helm_release, "/metadata/namespace").to_owned());
    release.name == name && release.namespace == namespace
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({}), "flux/web", true)]
    #[case(json!({"releaseName": "shop"}), "flux/shop", true)]
    #[case(json!({"releaseName": "shop"}), "flux/web", false)]
    #[case(json!({"targetNamespace": "prod"}), "flux/prod-web", true)]
    #[case(json!({"targetNamespace": "prod", "storageNamespace": "prod", "releaseName": "shop"}), "prod/shop", true)]
    #[case(json!({"suspend": true}), "flux/web", false)]
    #[case(json!({"suspend": false}), "flux/web", true)]
    fn which_release_a_resource_of_flux_is_about(#[case] spec: Value, #[case] release: &str, #[case] expected: bool) {
        let (namespace, name) = release.split_once('/').unwrap();
        let helm_release = json!({"metadata": {"namespace": "flux", "name": "web"}, "spec": spec});
        assert_eq!(is_about(&helm_release, &ReleaseKey::new(namespace, name)), expected);
    }
}
