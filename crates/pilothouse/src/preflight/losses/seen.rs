//! An object as it was looked at before it goes, to be compared with what is there when it does.

use crate::preflight::losses::data_loss::another_release;
use pilothouse_core::{ObjectRef, OwnerMarks, ReleaseKey, kept_by_upgrade, owner_marks};
use pilothouse_kube::Leaving;
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

    pub(crate) fn was_there(&self) -> bool {
        self.marks.is_some()
    }

    /// The other release that it belongs to.
    pub(crate) fn other_owner(&self, release: &ReleaseKey) -> Option<ReleaseKey> {
        another_release(&self.marks.as_ref()?.owner.helm, release).cloned()
    }

    /// That very object, to be waited for until it is gone; `None` when there was none.
    pub(crate) fn leaving(&self) -> Option<Leaving> {
        self.marks.as_ref().map(|marks| Leaving { object: self.object.clone(), uid: marks.uid.clone() })
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
