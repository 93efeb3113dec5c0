//! The objects of a release in a plan.

use crate::context::Context;
use crate::context::NamespaceState;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Compared;
use crate::observe::Look;
use crate::observe::NotServed;
use crate::observe::Outcome;
use crate::observe::apply_options;
use crate::observe::is_of_rbac;
use crate::observe::seen_object;
use crate::plan::brings::Brings;
use crate::render;
use jiff::Timestamp;
use pilothouse_core::{
    CrdFacts, CrdPolicy, FieldChange, ObjectChange, ObjectRef, Ownership, PlannedObject, Secrecy, Sensitive, Staying,
    crd_facts, field_changes, helm_owner, kept_by_uninstall, object_ref,
};
use pilothouse_kube::ClusterError;
use serde_json::Value;

/// The objects of a release as they are going to be, and what could not be told of them.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) planned: Vec<PlannedObject>,
    /// What was found of each that was compared, for its effects.
    pub(crate) compared: Vec<Compared>,
    /// What the release wants, each as it is: `None` where it is not there, or will not be any more by then.
    pub(crate) wanted: Vec<(ObjectRef, Option<Value>)>,
    /// How many of them the deployed revision's manifest has: they are the release's, whatever their keys say.
    pub(crate) deployed: usize,
    pub(crate) not_checked: Vec<String>,
    /// What an uninstall leaves.
    pub(crate) stays: Vec<Staying>,
}

/// What a deploy is going to do to the objects of a release, rendered as helm is going to.
///
/// # Errors
/// When what is deployed cannot be read.
pub(crate) async fn deployed(
    ctx: &Context,
    prepared: &Wanted,
    is_upgrade: bool,
    earlier: &[&Brings],
    all: &[Brings],
) -> Result<Objects, PhaseError> {
    let (mut objects, changing) = definitions(ctx, prepared).await?;
    let scope = observe::scope(ctx, is_upgrade).await;
    let Look { docs, compared, .. } =
        observe::preview_deploy(ctx, prepared, is_upgrade, &changing, (scope, &[])).await?;
    let own: Vec<CrdFacts> = docs.iter().filter_map(|doc| crd_facts(&doc.object)).collect();
    let (mut own_kinds, mut own_namespaces) = (0, 0);
    for compared in compared {
        if let Some(why) = &compared.not_checked {
            objects.not_checked.push(format!("{}: {why}", compared.object));
        }
        if matches!(compared.outcome, Outcome::NotServed { .. }) && is_of(&own, &compared.object) {
            own_kinds += 1;
            objects.wanted.push((compared.object.clone(), None));
            objects.planned.push(created(&compared.object));
            continue;
        }
        if let Outcome::NoNamespace { namespace } = &compared.outcome
            && brings_itself(ctx, namespace, all)
        {
            own_namespaces += 1;
        }
        match planned(ctx, &compared, earlier, all).await {
            Ok(planned) => objects.planned.push(planned),
            Err(why) => objects.not_checked.push(format!("{}: {why}", compared.object)),
        }
        match wanted(&compared) {
            Some(_) if compared.is_deployed => objects.deployed += 1,
            Some(wanted) => objects.wanted.push(wanted),
            None => {}
        }
        objects.compared.push(compared);
    }
    for (count, what) in [(own_kinds, "kind"), (own_namespaces, "namespace")] {
        let counted = match count {
            0 => continue,
            1 => format!("1 object whose {what} comes"),
            count => format!("{count} objects whose {what}s come"),
        };
        objects.not_checked.push(format!("{counted} with this very release: nobody can be asked yet"));
    }
    Ok(objects)
}

/// An object that the release wants, as it is; `None` for what it does not want any more, and what is not known to be there or not.
fn wanted(compared: &Compared) -> Option<(ObjectRef, Option<Value>)> {
    let live = compared.live.as_ref().map(|live| live.expose().clone());
    match &compared.outcome {
        Outcome::Change(ObjectChange::Delete | ObjectChange::Keep)
        | Outcome::NotServed { .. }
        | Outcome::Unreadable { .. } => None,
        Outcome::Change(_) | Outcome::NoNamespace { .. } => Some((compared.object.clone(), live)),
    }
}

fn is_of(kinds: &[CrdFacts], object: &ObjectRef) -> bool {
    let group = object.group().unwrap_or_default();
    kinds.iter().any(|of| of.group == group && of.kind == object.kind)
}

fn created(object: &ObjectRef) -> PlannedObject {
    with(object, ObjectChange::Create)
}

/// An object of which nothing else is told.
fn with(object: &ObjectRef, change: ObjectChange) -> PlannedObject {
    let object = object.clone();
    PlannedObject { object, change, ownership: None, not_adopted: None, fields: Vec::new(), health: None, seen: None }
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
        ownership: (compared.is_deployed && wanted(compared).is_some()).then_some(Ownership::Own),
        not_adopted: None,
        fields: compared.fields.clone(),
        health: compared.health.clone(),
        seen: compared.seen.clone(),
    })
}

fn who_brings(object: &ObjectRef, earlier: &[&Brings]) -> Option<pilothouse_core::ReleaseKey> {
    earlier.iter().find(|brings| is_of(&brings.kinds, object)).and_then(|brings| brings.release.clone())
}

/// Whether a namespace is among the release's own templates: helm makes it before what is in it.
fn brings_itself(ctx: &Context, namespace: &str, all: &[Brings]) -> bool {
    let release = ctx.release();
    let own = all.iter().filter(|brings| brings.release.as_ref() == Some(&release));
    release.namespace != namespace && own.into_iter().any(|brings| brings.namespaces.iter().any(|own| own == namespace))
}

/// Helm makes the release's own namespace; another one has to be there, or to come with another release.
async fn namespace_to_come(ctx: &Context, namespace: &str, all: &[Brings]) -> ObjectChange {
    let own = ctx.release().namespace == namespace;
    if own && ctx.info().create_namespace && matches!(observe::observed(ctx).await.namespace, NamespaceState::Absent) {
        return ObjectChange::Create;
    }
    if brings_itself(ctx, namespace, all) {
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
async fn definitions(ctx: &Context, prepared: &Wanted) -> Result<(Objects, Vec<(String, String)>), PhaseError> {
    let (mut objects, mut changing) = (Objects::default(), Vec::new());
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok((objects, changing));
    }
    for crd in render::chart_definitions(prepared) {
        let Some(object) = object_ref(&crd) else { continue };
        let live = ctx.cluster().get(&object).await?;
        let (change, fields, then) = match &live {
            None => (ObjectChange::Create, Vec::new(), None),
            Some(_) if ctx.info().crds == CrdPolicy::Create => (ObjectChange::Same, Vec::new(), None),
            Some(live) => match ctx.cluster().apply(&crd, &apply_options(true)).await {
                Ok(then) => {
                    let secrecy = Secrecy { kind: &object.kind, redactor: ctx.redactor() };
                    let fields = field_changes(live, &then, secrecy);
                    let change = if fields.is_empty() { ObjectChange::Same } else { ObjectChange::Update };
                    (change, fields, Some(then))
                }
                Err(error) => match not_asked(ctx, &error) {
                    Some(why) => {
                        objects.not_checked.push(format!("{object}: not checked by the server: {why}"));
                        continue;
                    }
                    None => (ObjectChange::Refused { why: ctx.error_text(&error) }, Vec::new(), None),
                },
            },
        };
        if change == ObjectChange::Update {
            changing.extend(crd_facts(&crd).map(|facts| (facts.group, facts.kind)));
            objects.compared.push(looked_at(&object, &change, &fields, live.clone(), then));
        }
        // One that is there already nobody touches by the policy `create`.
        let is_left = change == ObjectChange::Same && ctx.info().crds == CrdPolicy::Create;
        let seen = live.as_ref().filter(|_| !is_left).and_then(|live| seen_object(&object.kind, live));
        objects.planned.push(PlannedObject { fields, seen, ..with(&object, change) });
    }
    Ok((objects, changing))
}

/// Why the server was not asked what becomes of a definition; `None` when it has refused it.
fn not_asked(ctx: &Context, error: &ClusterError) -> Option<String> {
    match error {
        ClusterError::Forbidden { message, .. } if is_of_rbac(message) => Some("forbidden".to_owned()),
        ClusterError::Invalid { message, .. } if message.contains("does not support dry run") => {
            Some("a webhook does not support dry runs".to_owned())
        }
        ClusterError::Forbidden { .. } | ClusterError::Invalid { .. } | ClusterError::Conflict { .. } => None,
        ClusterError::Unreachable { .. }
        | ClusterError::Timeout { .. }
        | ClusterError::Unauthorized { .. }
        | ClusterError::NotServed { .. }
        | ClusterError::Stale { .. }
        | ClusterError::NotFound { .. }
        | ClusterError::Unnamed { .. }
        | ClusterError::Api { .. }
        | ClusterError::Malformed { .. } => Some(ctx.error_text(error)),
    }
}

/// What was found of an object, for its effects.
fn looked_at(
    object: &ObjectRef,
    change: &ObjectChange,
    fields: &[FieldChange],
    live: Option<Value>,
    then: Option<Value>,
) -> Compared {
    Compared {
        object: object.clone(),
        outcome: Outcome::Change(change.clone()),
        fields: fields.to_vec(),
        health: None,
        seen: live.as_ref().and_then(|live| seen_object(&object.kind, live)),
        owner: live.as_ref().map(helm_owner),
        is_deployed: false,
        not_checked: None,
        by_hook: None,
        live: live.map(Sensitive::new),
        then: then.map(Sensitive::new),
    }
}

/// What an uninstall deletes and what it leaves, by the manifest: helm does not look at the live objects for that.
///
/// # Errors
/// When that cannot be read.
pub(crate) async fn uninstalled(ctx: &Context) -> Result<Objects, PhaseError> {
    let mut objects = Objects::default();
    let Some(record) = observe::newest_record(ctx).await? else { return Ok(objects) };
    let (kept, deleted): (Vec<Value>, Vec<Value>) =
        observe::manifest_objects(&record)?.into_iter().partition(kept_by_uninstall);
    for (manifests, change) in [(deleted, ObjectChange::Delete), (kept, ObjectChange::Keep)] {
        let named = manifests.iter().filter_map(object_ref).collect();
        for object in observe::complete_objects(ctx, named, NotServed::Skip).await? {
            let Some(live) = ctx.cluster().get(&object).await? else { continue };
            objects.planned.push(found(ctx, &object, &change, &live));
            objects.compared.push(looked_at(&object, &change, &[], Some(live), None));
        }
    }
    objects.stays = observe::left_by_uninstall(ctx).await?;
    by_hooks(&mut objects, observe::deleted_by_uninstall_hooks(ctx).await?);
    Ok(objects)
}

/// Adds what hooks delete, which does not stay then.
fn by_hooks(objects: &mut Objects, deleted: Vec<Compared>) {
    for one in deleted {
        if let Outcome::Unreadable { why } = &one.outcome {
            objects.not_checked.push(format!("{}: {why}", one.object));
            continue;
        }
        let is_it = |object: &ObjectRef| object.same_object(&one.object);
        objects.stays.retain(|staying| !is_it(&staying.object));
        objects.planned.retain(|planned| !(planned.change == ObjectChange::Keep && is_it(&planned.object)));
        if !objects.planned.iter().any(|planned| planned.change == ObjectChange::Delete && is_it(&planned.object)) {
            objects.planned.push(PlannedObject { seen: one.seen.clone(), ..with(&one.object, ObjectChange::Delete) });
            objects.compared.push(one);
        }
    }
}

/// An object that is there.
fn found(ctx: &Context, object: &ObjectRef, change: &ObjectChange, live: &Value) -> PlannedObject {
    let status = ctx.tracker().rules().judge(live, Timestamp::now()).status;
    PlannedObject {
        health: (!status.is_ready()).then(|| format!("{:?}: {}", status.readiness, status.message)),
        seen: seen_object(&object.kind, live),
        ..with(object, change.clone())
    }
}

/// What an uninstall deletes and what it leaves, and what the install after it creates. What is kept is told once.
///
/// # Errors
/// When what is deployed cannot be read.
pub(crate) async fn reinstalled(ctx: &Context, prepared: &Wanted) -> Result<Objects, PhaseError> {
    let (mut objects, _) = definitions(ctx, prepared).await?;
    let mut before = uninstalled(ctx).await?;
    let mut after = Vec::new();
    let docs = prepared.rendering.docs();
    let gone = observe::deleted_by_uninstall(ctx).await?;
    by_hooks(&mut before, observe::deleted_by_reinstall_hooks(ctx, &docs, &gone).await?);
    let rendered = render::rendered_objects(&docs);
    for object in observe::complete_objects(ctx, rendered, NotServed::Keep).await? {
        let known = before.planned.iter().find(|planned| planned.object.same_object(&object));
        match known.map(|planned| &planned.change) {
            Some(ObjectChange::Keep) => continue,
            Some(_) => {
                objects.wanted.push((object.clone(), None));
                after.push(created(&object));
                continue;
            }
            None => {}
        }
        // The manifest that is uninstalled does not have it.
        let live = match ctx.cluster().get(&object).await {
            Ok(live) => live,
            Err(ClusterError::NotServed { .. }) => None,
            Err(error) => {
                objects.not_checked.push(format!("{object}: {}", ctx.error_text(&error)));
                continue;
            }
        };
        let Some(live) = live else {
            objects.wanted.push((object.clone(), None));
            after.push(created(&object));
            continue;
        };
        let is_own = helm_owner(&live).is(&ctx.release());
        let change = if is_own { ObjectChange::Update } else { ObjectChange::Adopt };
        objects.wanted.push((object.clone(), Some(live.clone())));
        after.push(found(ctx, &object, &change, &live));
    }
    objects.planned.extend(before.planned);
    objects.planned.extend(after);
    objects.compared.extend(before.compared);
    Ok(objects)
}
