//! What the user has consented to lose is saved before, where the release's policy says so. What cannot be saved is not lost.

#[cfg(test)]
#[path = "save_tests.rs"]
mod tests;

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::backup::content::{Content, Fate};
use crate::preflight::backup::file;
use crate::preflight::losses::consent::Consent;
use crate::render;
use jiff::Timestamp;
use pilothouse_core::{
    BeforeDestructive, Change, Class, CrdPolicy, EventKind, Finding, ObjectChange, ObjectRef, ReleaseHistory,
    Sensitive, code,
};
use serde_json::Value;
use std::path::Path;

/// Something that is going to be lost with consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doomed {
    object: ObjectRef,
    fate: Fate,
}

/// Whether the release wants that at all.
pub(crate) fn is_wanted(ctx: &Context) -> bool {
    match ctx.info().before_destructive {
        BeforeDestructive::Proceed => false,
        BeforeDestructive::Backup => !ctx.info().consent.is_empty(),
    }
}

/// Of what is deleted, what consent names.
pub(crate) fn of_deleted(objects: &[ObjectRef], consent: &Consent) -> Vec<Doomed> {
    let named = objects.iter().filter(|object| consent.names(object));
    named.map(|object| Doomed { object: object.clone(), fate: Fate::Deleted }).collect()
}

/// Of what a deploy or a rollback makes of objects, what consent names; with the claims that go with the pods of a StatefulSet. Nothing
/// where nothing is saved.
pub(crate) async fn of_compared(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Doomed> {
    if !is_wanted(ctx) {
        return Vec::new();
    }
    let doomed = |one: &Compared| {
        let fate = match &one.outcome {
            Outcome::Change(ObjectChange::Delete | ObjectChange::Replace { .. }) => Fate::Deleted,
            Outcome::Change(ObjectChange::Update | ObjectChange::Adopt) | Outcome::Unreadable { .. } => Fate::Changed,
            Outcome::Change(
                ObjectChange::Create
                | ObjectChange::Keep
                | ObjectChange::After { .. }
                | ObjectChange::Refused { .. }
                | ObjectChange::Same,
            )
            | Outcome::NoNamespace { .. }
            | Outcome::NotServed { .. } => return None,
        };
        consent.names(&one.object).then(|| Doomed { object: one.object.clone(), fate })
    };
    let mut all = Vec::new();
    for one in compared {
        // Why it cannot be told is among the losses.
        if observe::is_reclaimed_at_once(ctx, one, compared).await.unwrap_or(true) {
            // Who gives the claim away loses what is on its volume.
            let claim = one.live.as_ref().and_then(|volume| observe::claim_of(volume.expose()));
            let is_named = consent.names(&one.object) || claim.is_some_and(|claim| consent.names(&claim));
            all.extend(is_named.then(|| Doomed { object: one.object.clone(), fate: Fate::Reclaimed }));
        } else {
            all.extend(doomed(one));
        }
    }
    for one in compared {
        // Why they cannot be told is among the losses.
        let claims = observe::claims_scaled_away(ctx, one).await.unwrap_or_default();
        let named = claims.into_iter().filter(|claim| consent.names(&one.object) || consent.names(claim));
        all.extend(named.map(|object| Doomed { object, fate: Fate::Deleted }));
    }
    all
}

/// Of what an uninstall and its hooks delete, what consent names.
async fn of_uninstall(ctx: &Context, objects: &[ObjectRef], by_hooks: &[Compared], consent: &Consent) -> Vec<Doomed> {
    let mut doomed = of_deleted(objects, consent);
    doomed.extend(of_compared(ctx, by_hooks, consent).await);
    doomed
}

/// Of the chart's definitions that take the place of others, what consent names.
pub(crate) fn of_definitions(ctx: &Context, wanted: &Wanted, consent: &Consent) -> Vec<Doomed> {
    if ctx.info().crds != CrdPolicy::Upgrade {
        return Vec::new();
    }
    let named = render::definitions_brought(ctx, wanted).into_iter().filter(|object| consent.names(object));
    named.map(|object| Doomed { object, fate: Fate::Changed }).collect()
}

/// Of all that an install or upgrade deletes or changes, what consent names.
async fn of_deploy(ctx: &Context, wanted: &Wanted, compared: &[Compared], consent: &Consent) -> Vec<Doomed> {
    let mut doomed = of_compared(ctx, compared, consent).await;
    doomed.extend(of_definitions(ctx, wanted, consent));
    doomed
}

/// Why these cannot be saved, as the release wants it before they are lost. Only reads.
pub(crate) async fn findings(ctx: &Context, doomed: &[Doomed]) -> Vec<Finding> {
    if !is_wanted(ctx) || doomed.is_empty() {
        return Vec::new();
    }
    match gather(ctx, doomed).await {
        Ok(content) if content.documents.is_empty() || ctx.session().backups.is_some() => Vec::new(),
        Ok(_) => vec![no_folder(ctx)],
        Err(findings) => findings,
    }
}

/// A line about what of a release is going to be saved before helm runs, if anything is; `compared` is what an install or upgrade
/// makes of its objects.
pub(crate) async fn announced(
    ctx: &Context,
    history: &ReleaseHistory,
    wanted: &Wanted,
    compared: &[Compared],
    change: &Change,
    consent: &Consent,
) -> Option<String> {
    if !is_wanted(ctx) {
        return None;
    }
    // What cannot be told is among the findings.
    let doomed = match change {
        Change::Install | Change::Upgrade { .. } => of_deploy(ctx, wanted, compared, consent).await,
        Change::Reinstall(_) if !compared.is_empty() => of_deploy(ctx, wanted, compared, consent).await,
        Change::Uninstall | Change::Reinstall(_) => {
            let deleted = observe::deleted_by_uninstall(ctx, history).await.ok()?;
            let docs = wanted.rendering.docs();
            let by_hooks = observe::deleted_by_hooks_of(ctx, history, change, &docs, &deleted).await.ok()?;
            of_uninstall(ctx, &deleted, &by_hooks, consent).await
        }
    };
    announcement(ctx, &doomed)
}

fn announcement(ctx: &Context, doomed: &[Doomed]) -> Option<String> {
    let folder = ctx.session().backups.as_deref().filter(|_| !doomed.is_empty())?;
    let named: Vec<String> = doomed.iter().map(|one| one.object.to_string()).collect();
    Some(format!("saved in a file in {} before it is lost: {}", folder.display(), named.join(", ")))
}

/// Saves what consent names of what is about to be deleted. Gives whether there was anything.
///
/// # Errors
/// When anything of it cannot be saved: nothing must be deleted then.
pub(crate) async fn before_deleting(
    ctx: &Context,
    objects: &[ObjectRef],
    consent: &Consent,
) -> Result<bool, PhaseError> {
    if is_wanted(ctx) { save(ctx, &of_deleted(objects, consent)).await } else { Ok(false) }
}

/// The same of what an uninstall and its hooks are about to delete.
///
/// # Errors
/// As for [`before_deleting`].
pub(crate) async fn before_uninstalling(
    ctx: &Context,
    objects: &[ObjectRef],
    by_hooks: &[Compared],
    consent: &Consent,
) -> Result<bool, PhaseError> {
    if is_wanted(ctx) { save(ctx, &of_uninstall(ctx, objects, by_hooks, consent).await).await } else { Ok(false) }
}

/// The same of what a rollback or a manifest is about to delete or change.
///
/// # Errors
/// As for [`before_deleting`].
pub(crate) async fn before_changing(
    ctx: &Context,
    compared: &[Compared],
    consent: &Consent,
) -> Result<bool, PhaseError> {
    if is_wanted(ctx) { save(ctx, &of_compared(ctx, compared, consent).await).await } else { Ok(false) }
}

/// The same of what an install or upgrade is about to delete or change, definitions in `crds/` included.
///
/// # Errors
/// As for [`before_deleting`].
pub(crate) async fn before_helm(
    ctx: &Context,
    wanted: &Wanted,
    compared: &[Compared],
    consent: &Consent,
) -> Result<bool, PhaseError> {
    if is_wanted(ctx) { save(ctx, &of_deploy(ctx, wanted, compared, consent).await).await } else { Ok(false) }
}

/// Gives whether there was anything to save.
async fn save(ctx: &Context, doomed: &[Doomed]) -> Result<bool, PhaseError> {
    if doomed.is_empty() {
        return Ok(false);
    }
    ctx.doing("reading what is going to be lost");
    let content = gather(ctx, doomed).await.map_err(PhaseError::Refused)?;
    if content.documents.is_empty() {
        return Ok(false);
    }
    let Some(folder) = &ctx.session().backups else { return Err(PhaseError::Refused(vec![no_folder(ctx)])) };
    ctx.go_on()?;
    let path = folder.join(file::name(&ctx.release(), Timestamp::now()));
    let intent = EventKind::BackupStarted {
        release: ctx.release(),
        phase: ctx.phase(),
        path: path.display().to_string(),
        objects: content.objects.clone(),
    };
    ctx.emitter().ask(intent).await?;
    let count = content.documents.len();
    write(&path, content.documents).await?;
    let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
    ctx.say(format!("saved {objects} in {}", path.display()));
    Ok(true)
}

async fn write(path: &Path, documents: Vec<Sensitive<Value>>) -> Result<(), PhaseError> {
    let failed =
        |source| PhaseError::File { what: "cannot write the backup", path: path.display().to_string(), source };
    let to = path.to_owned();
    let written = tokio::task::spawn_blocking(move || file::write(&to, &documents)).await;
    written.map_err(std::io::Error::other).flatten().map_err(failed)
}

/// Reads all that has to be saved, or says why it cannot be.
async fn gather<'a>(ctx: &'a Context, doomed: &[Doomed]) -> Result<Content<'a>, Vec<Finding>> {
    let mut content = Content::new(ctx);
    for one in doomed {
        content.add(&one.object, one.fate).await;
    }
    content.told()
}

fn no_folder(ctx: &Context) -> Finding {
    let message = "what is lost is to be saved before, and no folder was given for that";
    Finding::new(Class::Unsafe, code::BACKUP_IMPOSSIBLE, ctx.release(), message)
}
