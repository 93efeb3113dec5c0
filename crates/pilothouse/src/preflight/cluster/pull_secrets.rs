//! Whether the Secrets are there with which images are to be pulled.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Foresight;
use crate::preflight::cluster::verb::verb;
use pilothouse_core::{ObjectRef, object_ref};
use pilothouse_kube::{Detail, read_all};
use serde_json::Value;
use std::collections::BTreeMap;

/// A warning for each that is missing: a node tries without it, and an image that is public comes all the same.
pub(super) async fn check(ctx: &Context, compared: &[Compared], rendered: &[Value]) -> Foresight {
    let changed: Vec<&ObjectRef> = compared.iter().filter(|one| verb(one).is_some()).map(|one| &one.object).collect();
    let wanted = wanted(rendered, &ctx.release().namespace, &changed);
    let secrets: Vec<ObjectRef> = wanted.keys().cloned().collect();
    let mut found = Foresight::default();
    for (secret, seen) in secrets.iter().zip(read_all(ctx.cluster(), &secrets, Detail::Metadata).await) {
        let user = &wanted[secret];
        match seen {
            Ok(Some(_)) => {}
            Ok(None) => found.warnings.push(format!("{secret}, with which {user} pulls its images, does not exist")),
            Err(error) => found.not_checked.push(format!("{secret}: {}", ctx.error_text(&error))),
        }
    }
    found
}

/// The pull secrets that changed objects name and the release does not bring, with who names each.
pub(super) fn wanted(rendered: &[Value], namespace: &str, changed: &[&ObjectRef]) -> BTreeMap<ObjectRef, ObjectRef> {
    let placed = |object: &Value| {
        let mut object = object_ref(object)?;
        object.namespace.get_or_insert_with(|| namespace.to_owned());
        Some(object)
    };
    let own: Vec<ObjectRef> = rendered.iter().filter_map(placed).filter(|object| object.kind == "Secret").collect();
    let mut wanted = BTreeMap::new();
    for object in rendered {
        let Some(user) = placed(object).filter(|user| changed.iter().any(|object| object.same_object(user))) else {
            continue;
        };
        for name in names(object) {
            let secret = ObjectRef {
                api_version: Some("v1".to_owned()),
                kind: "Secret".to_owned(),
                namespace: user.namespace.clone(),
                name: name.to_owned(),
            };
            if !own.iter().any(|own| own.same_object(&secret)) {
                wanted.entry(secret).or_insert_with(|| user.clone());
            }
        }
    }
    wanted
}

fn names(object: &Value) -> impl Iterator<Item = &str> {
    let at = match object.get("kind").and_then(Value::as_str) {
        Some("ServiceAccount") => "/imagePullSecrets",
        Some("Pod") => "/spec/imagePullSecrets",
        Some("CronJob") => "/spec/jobTemplate/spec/template/spec/imagePullSecrets",
        _ => "/spec/template/spec/imagePullSecrets",
    };
    let list = object.pointer(at).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|secret| secret.get("name").and_then(Value::as_str))
}
