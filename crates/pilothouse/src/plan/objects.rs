//! The objects of a release in a plan.

use crate::context::Compared;
use crate::context::Context;
use crate::context::DeployPreview;
use crate::context::NamespaceState;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::ByUninstall;
use crate::observe::Left;
use crate::observe::NotServed;
use crate::observe::seen_object;
use crate::plan::brings::{Brings, Coming};
use jiff::Timestamp;
use pilothouse_core::{
    Change, CrdFacts, ObjectChange, ObjectRef, Ownership, PlannedObject, RecordSeen, ReleaseHistory, ReleaseKey,
    Sensitive, Staying, crd_facts, helm_owner, object_ref,
};
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
    /// The hooks whose kind or namespace another release brings first.
    pub(crate) hooks_after: Vec<String>,
}

impl Objects {
    pub(crate) fn note_left(&mut self, left: Left) {
        self.stays = left.stays;
        self.not_checked.extend(left.not_known);
    }
}

/// What a deploy does to the objects of a release, and what an uninstall before it deletes and leaves. The chart is rendered as helm
/// will render it; where the server has not been asked yet, it is asked now.
///
/// # Errors
/// When what is deployed cannot be read.
pub(crate) async fn deployed(
    ctx: &Context,
    wanted: &Wanted,
    change: &Change,
    history: &ReleaseHistory,
    asked: Option<Box<DeployPreview>>,
    coming: &Coming<'_>,
) -> Result<Objects, PhaseError> {
    let preview = match asked {
        Some(preview) => *preview,
        None => observe::preview_deploy(ctx, wanted, change, history, &[], &[]).await?,
    };
    let DeployPreview { docs, definitions, by_steps, compared, hooks, .. } = preview;
    let mut objects = with_definitions(definitions);
    let own: Vec<CrdFacts> = docs.iter().filter_map(|doc| crd_facts(&doc.object)).chain(by_steps).collect();
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
            && brings_itself(ctx, namespace, coming)
        {
            own_namespaces += 1;
        }
        match planned(ctx, &compared, coming).await {
            Ok(planned) => objects.planned.push(planned),
            Err(why) => objects.not_checked.push(format!("{}: {why}", compared.object)),
        }
        match still_wanted(&compared) {
            Some(_) if compared.is_deployed => objects.deployed += 1,
            Some(wanted) => objects.wanted.push(wanted),
            None => {}
        }
        objects.compared.push(compared);
    }
    for hook in &hooks {
        if let Ok(PlannedObject { change: ObjectChange::After { .. }, .. }) = planned(ctx, &hook.compared, coming).await
        {
            objects.hooks_after.push(hook.compared.object.to_string());
        }
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
fn still_wanted(compared: &Compared) -> Option<(ObjectRef, Option<Value>)> {
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
    PlannedObject {
        object,
        change,
        ownership: None,
        not_adopted: None,
        fields: Vec::new(),
        health: None,
        seen: None,
        again: false,
        takes: None,
    }
}

/// What becomes of one object, or why that cannot be told.
async fn planned(ctx: &Context, compared: &Compared, coming: &Coming<'_>) -> Result<PlannedObject, String> {
    let change = match &compared.outcome {
        Outcome::Change(change) => change.clone(),
        Outcome::NotServed { why } => match who_brings(&compared.object, coming) {
            Some(release) => ObjectChange::After { release, needs: format!("kind {}", compared.object.kind) },
            None => ObjectChange::Refused { why: why.clone() },
        },
        Outcome::NoNamespace { namespace } => namespace_to_come(ctx, namespace, coming).await,
        Outcome::Unreadable { why } => return Err(why.clone()),
    };
    Ok(PlannedObject {
        object: compared.object.clone(),
        change,
        ownership: (compared.is_deployed && still_wanted(compared).is_some()).then_some(Ownership::Own),
        not_adopted: None,
        fields: compared.fields.clone(),
        health: compared.health.clone(),
        seen: compared.seen.clone(),
        again: compared.again,
        takes: None,
    })
}

fn who_brings(object: &ObjectRef, coming: &Coming<'_>) -> Option<ReleaseKey> {
    coming.earlier.iter().find(|brings| is_of(&brings.kinds, object)).and_then(|brings| brings.release.clone())
}

/// Whether a namespace is among the release's own templates: helm makes it before what is in it.
fn brings_itself(ctx: &Context, namespace: &str, coming: &Coming<'_>) -> bool {
    let release = ctx.release();
    let own = coming.all.iter().filter(|brings| brings.release.as_ref() == Some(&release));
    release.namespace != namespace && own.into_iter().any(|brings| brings.namespaces.iter().any(|own| own == namespace))
}

/// Helm makes the release's own namespace; another one has to be there, or to come with another release.
async fn namespace_to_come(ctx: &Context, namespace: &str, coming: &Coming<'_>) -> ObjectChange {
    let own = ctx.release().namespace == namespace;
    if own && ctx.info().create_namespace && matches!(observe::observed(ctx).await.namespace, NamespaceState::Absent) {
        return ObjectChange::Create;
    }
    if brings_itself(ctx, namespace, coming) {
        return ObjectChange::Create;
    }
    let is_bringing =
        |brings: &Brings| brings.namespaces.iter().chain(&brings.late_namespaces).any(|known| known == namespace);
    let earlier = coming.earlier.iter().find(|brings| is_bringing(brings));
    if let Some(release) = earlier.and_then(|brings| brings.release.clone()) {
        return ObjectChange::After { release, needs: format!("namespace {namespace}") };
    }
    let release = ctx.release();
    let others = coming.all.iter().filter(|brings| brings.release.as_ref() != Some(&release));
    let unordered = others.into_iter().find(|brings| is_bringing(brings)).and_then(|brings| brings.release.as_ref());
    let need = unordered.map(|by| format!(": let this release need {by}, which makes it")).unwrap_or_default();
    ObjectChange::Refused { why: format!("namespace {namespace} does not exist{need}") }
}

/// The definitions in the chart's `crds/` folders, as they are brought.
fn with_definitions(definitions: Vec<Compared>) -> Objects {
    let mut objects = Objects::default();
    for one in definitions {
        let change = match &one.outcome {
            Outcome::Change(change) => change.clone(),
            Outcome::Unreadable { why } | Outcome::NotServed { why } => {
                objects.not_checked.push(format!("{}: {why}", one.object));
                continue;
            }
            // They are in none.
            Outcome::NoNamespace { .. } => continue,
        };
        if let Some(why) = &one.not_checked {
            objects.not_checked.push(format!("{}: {why}", one.object));
        }
        let (fields, seen) = (one.fields.clone(), one.seen.clone());
        objects.planned.push(PlannedObject { fields, seen, ..with(&one.object, change.clone()) });
        if change == ObjectChange::Update {
            objects.compared.push(one);
        }
    }
    objects
}

/// What was found of an object that an uninstall finds, for its effects.
fn looked_at(object: &ObjectRef, change: &ObjectChange, live: Value) -> Compared {
    Compared {
        seen: seen_object(&object.kind, &live),
        owner: Some(helm_owner(&live)),
        live: Some(Sensitive::new(live)),
        ..Compared::unknown(object, Outcome::Change(change.clone()))
    }
}

/// What an uninstall of the newest of these revisions deletes and what it leaves, by the manifest: helm does not look at the live objects for that.
///
/// # Errors
/// When that cannot be read.
pub(crate) async fn uninstalled(
    ctx: &Context,
    history: &ReleaseHistory,
    remembered: &RecordSeen,
) -> Result<Objects, PhaseError> {
    let mut objects = Objects::default();
    let Some(record) = observe::read_record_of(ctx, history.newest()).await? else { return Ok(objects) };
    let ByUninstall { deleted, kept } = observe::by_uninstall(&record)?;
    for (manifests, change) in [(deleted, ObjectChange::Delete), (kept, ObjectChange::Keep)] {
        let named = manifests.iter().filter_map(object_ref).collect();
        for object in observe::complete_objects(ctx, named, NotServed::Skip).await? {
            // Of what is there twice, helm deletes the one without the policy.
            if objects.planned.iter().any(|planned| planned.object.same_object(&object)) {
                continue;
            }
            let Some(live) = ctx.cluster().get(&object).await? else { continue };
            objects.planned.push(found(ctx, &object, &change, &live));
            objects.compared.push(looked_at(&object, &change, live));
        }
    }
    objects.note_left(observe::left_by_uninstall(ctx, history, Some(&record), remembered).await?);
    by_hooks(&mut objects, observe::deleted_by_uninstall_hooks(ctx, history).await?);
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
