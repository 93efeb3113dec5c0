//! What the user has consented to lose is saved before, where the release's policy says so. What cannot be saved is not lost.

#[cfg(test)]
#[path = "save_tests.rs"]
mod tests;

use crate::actions::objects;
use crate::context::release_context::Context;
use crate::context::wanted::Wanted;
use crate::error::PhaseError;
use crate::observe::dry_run::compared::{Compared, Outcome};
use crate::preflight::backup::content::Content;
use crate::preflight::backup::file;
use crate::preflight::data_loss::Consent;
use crate::preflight::deploy;
use crate::render;
use crate::render::objects as rendered_objects;
use jiff::Timestamp;
use pilothouse_core::{
    BeforeDestructive, Class, CrdPolicy, Decision, EventKind, Finding, ObjectChange, ObjectRef, Payload, Sensitive,
    code,
};
use serde_json::Value;
use std::path::Path;

/// Something that is going to be lost with consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doomed {
    object: ObjectRef,
    /// Whether it goes, so that what hangs on it goes too; else it is changed for good.
    goes: bool,
}

/// Whether the release wants that at all.
fn is_wanted(ctx: &Context) -> bool {
    match ctx.info().before_destructive {
        BeforeDestructive::Proceed => false,
        BeforeDestructive::Backup => !ctx.info().consent.is_empty(),
    }
}

/// Of what is deleted, what consent names.
pub(crate) fn of_deleted(objects: &[ObjectRef], consent: &Consent) -> Vec<Doomed> {
    let named = objects.iter().filter(|object| consent.names(object));
    named.map(|object| Doomed { object: object.clone(), goes: true }).collect()
}

/// Of what an install or upgrade makes of objects, what consent names.
pub(crate) fn of_compared(compared: &[Compared], consent: &Consent) -> Vec<Doomed> {
    let doomed = |one: &Compared| {
        let goes = match &one.outcome {
            Outcome::Change(ObjectChange::Delete | ObjectChange::Replace { .. }) => true,
            Outcome::Change(ObjectChange::Update | ObjectChange::Adopt) | Outcome::Unreadable { .. } => false,
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
        consent.names(&one.object).then(|| Doomed { object: one.object.clone(), goes })
    };
    compared.iter().filter_map(doomed).collect()
}

/// Of the chart's definitions that take the place of others, what consent names.
pub(crate) fn of_definitions(ctx: &Context, prepared: &Wanted, consent: &Consent) -> Vec<Doomed> {
    if ctx.info().crds != CrdPolicy::Upgrade {
        return Vec::new();
    }
    let named = rendered_objects::brought(ctx, prepared).into_iter().filter(|object| consent.names(object));
    named.map(|object| Doomed { object, goes: false }).collect()
}

/// Of all that an install or upgrade deletes or changes, what consent names.
fn of_deploy(ctx: &Context, prepared: &Wanted, compared: &[Compared], consent: &Consent) -> Vec<Doomed> {
    let mut doomed = of_compared(compared, consent);
    doomed.extend(of_definitions(ctx, prepared, consent));
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
pub(crate) async fn announced(ctx: &Context, compared: &[Compared], decision: &Decision) -> Option<String> {
    // What cannot be told is among the findings.
    let consent = Consent::of(ctx).await.ok().filter(|_| is_wanted(ctx))?;
    let doomed = match decision {
        Decision::Install | Decision::Upgrade { .. } => {
            let prepared = render::wanted(ctx, &Payload::default()).await;
            of_deploy(ctx, &prepared, compared, &consent)
        }
        Decision::Uninstall | Decision::Reinstall { .. } | Decision::FinishUninstallThenInstall => {
            of_deleted(&objects::deleted_by_uninstall(ctx).await.ok()?, &consent)
        }
        Decision::Nothing { .. }
        | Decision::Stop { .. }
        | Decision::Unlock { .. }
        | Decision::Compare { .. }
        | Decision::Look
        | Decision::Validate { .. }
        | Decision::Steps { .. } => Vec::new(),
    };
    announcement(ctx, &doomed)
}

fn announcement(ctx: &Context, doomed: &[Doomed]) -> Option<String> {
    let folder = ctx.session().backups.as_deref().filter(|_| !doomed.is_empty())?;
    let named: Vec<String> = doomed.iter().map(|one| one.object.to_string()).collect();
    Some(format!("saved in a file in {} before it is lost: {}", folder.display(), named.join(", ")))
}

/// Saves what consent names of what is about to be deleted.
///
/// # Errors
/// When anything of it cannot be saved: nothing must be deleted then.
pub(crate) async fn before_deleting(ctx: &Context, objects: &[ObjectRef]) -> Result<(), PhaseError> {
    if !is_wanted(ctx) {
        return Ok(());
    }
    save(ctx, &of_deleted(objects, &consent(ctx).await?)).await
}

/// Saves what consent names of what an install or upgrade is about to delete or change, definitions in `crds/` included.
///
/// # Errors
/// When anything of it cannot be saved, or what is going to happen cannot be told: helm must not be run then.
pub(crate) async fn before_helm(ctx: &Context, payload: &Payload, is_upgrade: bool) -> Result<(), PhaseError> {
    if !is_wanted(ctx) {
        return Ok(());
    }
    let consent = consent(ctx).await?;
    let changing = deploy::changing(ctx, payload).await;
    let look = deploy::look(ctx, payload, is_upgrade, &changing).await?;
    let prepared = render::wanted(ctx, payload).await;
    save(ctx, &of_deploy(ctx, &prepared, &look.compared, &consent)).await
}

async fn consent(ctx: &Context) -> Result<Consent, PhaseError> {
    Consent::of(ctx).await.map_err(|finding| PhaseError::Refused(vec![finding]))
}

async fn save(ctx: &Context, doomed: &[Doomed]) -> Result<(), PhaseError> {
    if doomed.is_empty() {
        return Ok(());
    }
    ctx.doing("reading what is going to be lost");
    let content = gather(ctx, doomed).await.map_err(PhaseError::Refused)?;
    if content.documents.is_empty() {
        return Ok(());
    }
    let Some(folder) = &ctx.session().backups else { return Err(PhaseError::Refused(vec![no_folder(ctx)])) };
    objects::stop_when_told(ctx)?;
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
    Ok(())
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
        content.add(&one.object, one.goes).await;
    }
    content.told()
}

fn no_folder(ctx: &Context) -> Finding {
    let message = "what is lost is to be saved before, and no folder was given for that";
    Finding::new(Class::Unsafe, code::BACKUP_IMPOSSIBLE, ctx.release(), message)
}
