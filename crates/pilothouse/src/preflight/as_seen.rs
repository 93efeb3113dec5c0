//! Whether what is about to go is what was looked at. Helm deletes by name and revision, so that between a look and its deed another
//! object may have come into a name, or the same one into other hands.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use crate::preflight::losses::seen::AsSeen;
use pilothouse_core::{Class, Finding, ObjectRef, code};
use pilothouse_kube::{ClusterError, Detail, Leaving, read_all};

/// What helm takes away, as it was when it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Going {
    /// The newest revision, whose manifest says what there is to be taken away; `None` before an install.
    pub(crate) newest: Option<u32>,
    /// All that helm deletes or replaces, and what it would delete if it were there.
    pub(crate) objects: Vec<AsSeen>,
    /// What only its resource policy keeps.
    pub(crate) kept: Vec<AsSeen>,
}

impl Going {
    /// The very objects that go, to be waited for.
    pub(crate) fn leaving(&self) -> Vec<Leaving> {
        self.objects.iter().filter_map(AsSeen::leaving).collect()
    }
}

/// Notes that these objects are about to go: a release of the run whose turn comes later is looked at again where they were its own, or
/// where others go with them.
pub(crate) fn note_taken<'s>(ctx: &Context, objects: impl IntoIterator<Item = &'s AsSeen>) {
    for seen in objects.into_iter().filter(|seen| seen.was_there()) {
        let (session, owner) = (ctx.session(), seen.other_owner(&ctx.release()));
        if ["CustomResourceDefinition", "Namespace"].contains(&seen.object.kind.as_str()) {
            session.note_taken_from(None);
        } else if owner.is_some() {
            session.note_taken_from(owner);
        }
    }
}

/// Looks once more, right before helm: the intent was written and the definitions were brought since. What then can happen until
/// helm has come to the object is left open: no request of helm's carries a condition.
///
/// # Errors
/// When helm would take away something else than was looked at, or data depends on an object by now.
pub(crate) async fn refuse_unless_as_seen(ctx: &Context, going: &Going) -> Result<(), PhaseError> {
    if let Some(newest) = going.newest {
        let history = observe::release_history(ctx).await?;
        if let Some(now) = history.newest().filter(|now| now.revision != newest) {
            return Err(PhaseError::Locked(format!(
                "another operation has written revision {} ({}) of the release since it was looked at",
                now.revision, now.status
            )));
        }
    }
    let all: Vec<AsSeen> = going.objects.iter().chain(&going.kept).cloned().collect();
    refuse_unless_same(ctx, &all).await?;
    let there = going.objects.iter().filter(|seen| seen.was_there());
    let there: Vec<ObjectRef> = there.map(|seen| seen.object.clone()).collect();
    if there.is_empty() {
        return Ok(());
    }
    PhaseError::refuse_for(data_loss::losses(ctx, &there, &[], &Consent::needed(ctx).await?).await)?;
    note_taken(ctx, &going.objects);
    Ok(())
}

/// Looks whether objects are still those that were looked at, in the same hands.
///
/// # Errors
/// [`PhaseError::Refused`] with those that are not, or cannot be read.
pub(crate) async fn refuse_unless_same(ctx: &Context, objects: &[AsSeen]) -> Result<(), PhaseError> {
    if objects.is_empty() {
        return Ok(());
    }
    let named: Vec<ObjectRef> = objects.iter().map(|seen| seen.object.clone()).collect();
    let mut findings = Vec::new();
    for (seen, now) in objects.iter().zip(read_all(ctx.cluster(), &named, Detail::Metadata).await) {
        let finding = |class, code, message| Finding::new(class, code, &seen.object, message);
        match now {
            Ok(None) => {}
            Ok(Some(live)) => {
                let changed = seen.changed(&live, &ctx.release());
                findings.extend(changed.map(|why| finding(Class::Unsafe, code::OWNERSHIP_CONFLICT, why)));
            }
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => {}
            Err(error) => findings.push(finding(Class::Blocked, code::UNREADABLE, ctx.error_text(error.as_ref()))),
        }
    }
    PhaseError::refuse_for(findings)
}
