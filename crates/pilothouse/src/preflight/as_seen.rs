//! Whether what is about to go is what was looked at. Helm deletes by name and revision, so that between a look and its deed another
//! object may have come into a name, or the same one into other hands.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use pilothouse_core::{Class, Finding, ObjectRef, OwnerMarks, ReleaseKey, code, kept_by_upgrade, owner_marks};
use pilothouse_kube::{ClusterError, Detail, read_all};
use serde_json::Value;

/// An object as it was when it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct AsSeen {
    pub(crate) object: ObjectRef,
    /// What matters of it; `None` when it was not there.
    marks: Option<Marks>,
}

/// By what it is known that an object is the same one in the same hands. Whatever else changes in it is no matter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marks {
    uid: Option<String>,
    owner: OwnerMarks,
    /// Whether helm's upgrade leaves it.
    is_kept: bool,
}

impl AsSeen {
    /// An object, from how it was read.
    pub(crate) fn new(object: &ObjectRef, live: Option<&Value>) -> Self {
        Self { object: object.clone(), marks: live.map(Marks::of) }
    }

    /// Why it is not what was looked at any more, from how it is now.
    pub(crate) fn changed(&self, live: &Value, release: &ReleaseKey) -> Option<String> {
        let now = Marks::of(live);
        let Some(then) = &self.marks else { return Some("it has come since it was looked at".to_owned()) };
        if then.uid != now.uid {
            return Some("another object of that name has taken its place since it was looked at".to_owned());
        }
        let is_ours = now.owner.helm.is(release) && now.owner.controller.is_none();
        if then.owner != now.owner && !is_ours {
            return Some(format!("since it was looked at it has come to belong to {}", now.owner));
        }
        let is_exposed = then.is_kept && !now.is_kept;
        is_exposed.then(|| "its annotation helm.sh/resource-policy was taken away since it was looked at".to_owned())
    }
}

impl Marks {
    fn of(live: &Value) -> Self {
        let uid = live.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        Self { uid, owner: owner_marks(live), is_kept: kept_by_upgrade(live) }
    }
}

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
    let there = going.objects.iter().filter(|seen| seen.marks.is_some());
    let there: Vec<ObjectRef> = there.map(|seen| seen.object.clone()).collect();
    if there.is_empty() {
        return Ok(());
    }
    PhaseError::refuse_for(data_loss::losses(ctx, &there, &Consent::needed(ctx).await?).await)
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
