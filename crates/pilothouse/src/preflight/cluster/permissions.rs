//! Whether the credentials allow what is going to be done.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Foresight;
use crate::preflight::cluster::verb::verb;
use futures::StreamExt;
use pilothouse_core::{Class, Finding, ObjectRef, code};
use pilothouse_kube::{ClusterError, Discovery};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Reviews at a time.
const SIDE_BY_SIDE: usize = 8;

/// What is asked for: a verb on a resource in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) verb: &'static str,
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
}

impl Right {
    fn review(&self, name: Option<&str>) -> Value {
        let mut attributes = json!({"verb": self.verb, "group": self.group, "resource": self.resource});
        for (key, value) in [("namespace", self.namespace.as_deref()), ("name", name)] {
            if let Some(value) = value {
                attributes[key] = json!(value);
            }
        }
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes}})
    }

    fn words(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let place = self.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        format!("{} {}{group}{place}", self.verb, self.resource)
    }
}

/// One review for each distinct right, and one for each object where that is denied: a role may name its objects.
pub(super) async fn check(ctx: &Context, compared: &[Compared]) -> Foresight {
    let served = match ctx.cluster().discovery(false).await {
        Ok(served) => served,
        Err(error) => return Foresight::not_checked("permissions", ctx.error_text(&error)),
    };
    let needed = needed(compared, &served, ctx.info().force_upgrade);
    let asked = futures::stream::iter(needed).map(|(right, objects)| ask(ctx, right, objects));
    asked.buffered(SIDE_BY_SIDE).fold(Foresight::default(), async |all, one| all.and(one)).await
}

/// The rights a deploy needs, with the objects each is for. What is there is patched, or updated where helm `replaces` it.
pub(super) fn needed(compared: &[Compared], served: &Discovery, replaces: bool) -> BTreeMap<Right, Vec<ObjectRef>> {
    let mut needed: BTreeMap<Right, Vec<ObjectRef>> = BTreeMap::new();
    for one in compared {
        let (Some(verb), Ok(resource)) = (verb(one), served.lookup(&one.object)) else { continue };
        let right = Right {
            verb: if replaces && verb == "patch" { "update" } else { verb },
            group: resource.group.clone(),
            resource: resource.plural.clone(),
            namespace: one.object.namespace.clone(),
        };
        needed.entry(right).or_default().push(one.object.clone());
    }
    needed
}

async fn ask(ctx: &Context, right: Right, objects: Vec<ObjectRef>) -> Foresight {
    let not_checked = |error: &ClusterError| {
        Foresight::not_checked(format!("permission to {}", right.words()), ctx.error_text(error))
    };
    match allowed(ctx, &right, None).await {
        Ok(true) => return Foresight::default(),
        Ok(false) => {}
        Err(error) => return not_checked(&error),
    }
    let mut denied = Vec::new();
    for object in objects {
        // What is created has no name for RBAC.
        if right.verb != "create" {
            match allowed(ctx, &right, Some(&object.name)).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return not_checked(&error),
            }
        }
        denied.push(object);
    }
    let Some(first) = denied.first() else { return Foresight::default() };
    let more = match denied.len() - 1 {
        0 => String::new(),
        more => format!(", nor that of {more} more of the kind"),
    };
    let message = format!("the credentials do not allow it: {}{more}", right.words());
    let finding = Finding::new(Class::Blocked, code::RBAC_FORBIDDEN, first, message);
    Foresight { findings: vec![finding], ..Foresight::default() }
}

async fn allowed(ctx: &Context, right: &Right, name: Option<&str>) -> Result<bool, ClusterError> {
    let review = right.review(name);
    let ask = async || {
        let answer = ctx.cluster().create(&review).await?;
        Ok(answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true))
    };
    ctx.session().reads.rights.get(review.to_string(), ask).await.map(|allowed| *allowed)
}
