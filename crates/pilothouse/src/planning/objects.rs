//! The objects of a release in a plan.

use super::Brings;
use crate::ahead::{self, Look};
use crate::compare::{Compared, Outcome};
use crate::context::Context;
use crate::crds::{self, FIELD_MANAGER};
use crate::error::PhaseError;
use crate::observe::NamespaceState;
use crate::prepare::Prepared;
use crate::stored::{self, NotServed};
use jiff::Timestamp;
use pilothouse_core::{
    CrdPolicy, ObjectChange, ObjectRef, Payload, PlannedObject, Secrecy, SeenObject, crd_facts, field_changes,
    keeps_on_uninstall, object_ref,
};
use pilothouse_kube::{ApplyOptions, ClusterError};
use serde_json::Value;

/// The objects of a release as they are going to be, and what could not be told of them.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) planned: Vec<PlannedObject>,
    /// What was found of each that was compared, for its effects.
    pub(crate) compared: Vec<Compared>,
    pub(crate) not_checked: Vec<String>,
}

/// What a deploy is going to do to the objects of a release, rendered as helm is going to.
///
/// # Errors
/// When what is deployed cannot be read.
pub(crate) async fn deployed(
    ctx: &Context,
    prepared: &Prepared,
    is_upgrade: bool,
    earlier: &[&Brings],
    all: &[Brings],
) -> Result<Objects, PhaseError> {
    let (mut objects, changing) = definitions(ctx, prepared).await?;
    let Look { docs, compared, .. } = ahead::look(ctx, &Payload::default(), is_upgrade, &changing).await?;
    let own: Vec<(String, String)> =
        docs.iter().filter_map(|doc| crd_facts(&doc.object)).map(|facts| (facts.group, facts.kind)).collect();
    let mut own_kinds = 0;
    for compared in compared {
        if let Some(why) = &compared.not_checked {
            objects.not_checked.push(format!("{}: {why}", compared.object));
        }
        if matches!(compared.outcome, Outcome::NotServed { .. }) && is_of(&own, &compared.object) {
            own_kinds += 1;
            objects.planned.push(created(&compared.object));
            continue;
        }
        match planned(ctx, &compared, earlier, all).await {
            Ok(planned) => objects.planned.push(planned),
            Err(why) => objects.not_checked.push(format!("{}: {why}", compared.object)),
        }
        objects.compared.push(compared);
    }
    if own_kinds > 0 {
        let counted =
            if own_kinds == 1 { "1 object whose kind comes" } else { &format!("{own_kinds} objects whose kinds come") };
        let line = format!("{counted} with this very release: nobody can be asked yet");
        objects.not_checked.push(line);
    }
    Ok(objects)
}

fn is_of(kinds: &[(String, String)], object: &ObjectRef) -> bool {
    let group = object.group().unwrap_or_default();
    kinds.iter().any(|(of, kind)| of == group && *kind == object.kind)
}

fn created(object: &ObjectRef) -> PlannedObject {
    let (object, change) = (object.clone(), ObjectChange::Create);
    PlannedObject { object, change, fields: Vec::new(), health: None, seen: None }
}

/// What becomes of one object, or why that cannot be told.
async fn planned(
    ctx: &Context,
    compared: &Compared,
    earlier: &[&Brings],
    all: &[Brings],
) -> Result<PlannedObject, String> {
    let change = match &compared.outcome {
        Outcome::Change(change) => change.clone(),
        Outcome::NotServed { why } => match who_brings(&compared.object, earlier) {
            Some(release) => ObjectChange::After { release, needs: format!("kind {}", compared.object.kind) },
            None => ObjectChange::Refused { why: why.clone() },
        },
        Outcome::NoNamespace { namespace } => namespace_to_come(ctx, namespace, all).await,
        Outcome::Unreadable { why } => return Err(why.clone()),
    };
    Ok(PlannedObject {
        object: compared.object.clone(),
        change,
        fields: compared.fields.clone(),
        health: compared.health.clone(),
        seen: compared.seen.clone(),
    })
}

fn who_brings(object: &ObjectRef, earlier: &[&Brings]) -> Option<pilothouse_core::ReleaseKey> {
    earlier.iter().find(|brings| is_of(&brings.kinds, object)).and_then(|brings| brings.release.clone())
}

/// Helm makes the release's own namespace; another one has to be there, or to come with another release.
async fn namespace_to_come(ctx: &Context, namespace: &str, all: &[Brings]) -> ObjectChange {
    let own = ctx.release().namespace == namespace;
    if own && ctx.info().create_namespace && matches!(ctx.observed().await.namespace, NamespaceState::Absent) {
        return ObjectChange::Create;
    }
    let release = ctx.release();
    let others = all.iter().filter(|brings| brings.release.as_ref() != Some(&release));
    let mut bringing = others.filter(|brings| brings.namespaces.iter().any(|known| known == namespace));
    match bringing.next().and_then(|brings| brings.release.clone()) {
        Some(release) => ObjectChange::After { release, needs: format!("namespace {namespace}") },
        None => ObjectChange::Refused { why: format!("namespace {namespace} does not exist") },
    }
}

/// The definitions in the chart's `crds/` folders, by the release's policy for them.
/// Also gives the group and kind of those that change.
async fn definitions(ctx: &Context, prepared: &Prepared) -> Result<(Objects, Vec<(String, String)>), PhaseError> {
    let (mut objects, mut changing) = (Objects::default(), Vec::new());
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok((objects, changing));
    }
    for crd in crds::of_chart(prepared) {
        let Some(object) = object_ref(&crd) else { continue };
        let live = ctx.cluster().get(&object).await?;
        let (change, fields) = match &live {
            None => (ObjectChange::Create, Vec::new()),
            Some(_) if ctx.info().crds == CrdPolicy::Create => (ObjectChange::Same, Vec::new()),
            Some(live) => {
                let options = ApplyOptions {
                    field_manager: FIELD_MANAGER.to_owned(),
                    force: true,
                    dry_run: true,
                    default_namespace: None,
                };
                match ctx.cluster().apply(&crd, &options).await {
                    Ok(then) => {
                        let secrecy = Secrecy { kind: &object.kind, redactor: ctx.redactor() };
                        let fields = field_changes(live, &then, secrecy);
                        (if fields.is_empty() { ObjectChange::Same } else { ObjectChange::Update }, fields)
                    }
                    Err(ClusterError::Forbidden { .. }) => {
                        objects.not_checked.push(format!("{object}: not checked by the server: forbidden"));
                        continue;
                    }
                    Err(error) => (ObjectChange::Refused { why: ctx.error_text(&error) }, Vec::new()),
                }
            }
        };
        if change == ObjectChange::Update {
            changing.extend(crd_facts(&crd).map(|facts| (facts.group, facts.kind)));
        }
        let seen = live.as_ref().and_then(seen);
        objects.planned.push(PlannedObject { object, change, fields, health: None, seen });
    }
    Ok((objects, changing))
}

/// Which object this is, and in which state.
pub(crate) fn seen(live: &Value) -> Option<SeenObject> {
    let text = |pointer| live.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(SeenObject {
        uid: text("/metadata/uid")?,
        resource_version: text("/metadata/resourceVersion")?,
        digest: crate::digest::content_digest(live),
    })
}

/// What an uninstall deletes and what it leaves, by the manifest: helm does not look at the live objects for that.
///
/// # Errors
/// When that cannot be read.
pub(crate) async fn uninstalled(ctx: &Context) -> Result<Objects, PhaseError> {
    let mut objects = Objects::default();
    let Some(record) = stored::newest_record(ctx).await? else { return Ok(objects) };
    let (kept, deleted): (Vec<Value>, Vec<Value>) =
        stored::manifest_objects(&record)?.into_iter().partition(keeps_on_uninstall);
    for (manifests, change) in [(deleted, ObjectChange::Delete), (kept, ObjectChange::Keep)] {
        let named = manifests.iter().filter_map(object_ref).collect();
        for object in stored::complete(ctx, named, NotServed::Skip).await? {
            let Some(live) = ctx.cluster().get(&object).await? else { continue };
            let status = ctx.tracker().rules().judge(&live, Timestamp::now()).status;
            objects.planned.push(PlannedObject {
                object,
                change: change.clone(),
                fields: Vec::new(),
                health: (!status.is_ready()).then(|| format!("{:?}: {}", status.readiness, status.message)),
                seen: seen(&live),
            });
        }
    }
    Ok(objects)
}
