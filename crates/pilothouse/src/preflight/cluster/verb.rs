//! What is sent for an object, as RBAC and admission name it.

use crate::context::Compared;
use crate::context::Outcome;
use pilothouse_core::ObjectChange;

/// What is done to an object that is written or deleted: the verb of RBAC. `None` where nothing is sent.
pub(super) fn verb(one: &Compared) -> Option<&'static str> {
    match &one.outcome {
        Outcome::Change(change) => match change {
            ObjectChange::Create => Some("create"),
            ObjectChange::Update | ObjectChange::Adopt => Some("patch"),
            ObjectChange::Delete => Some("delete"),
            ObjectChange::Replace { .. }
            | ObjectChange::Refused { .. }
            | ObjectChange::Keep
            | ObjectChange::After { .. }
            | ObjectChange::Same => None,
        },
        Outcome::NoNamespace { .. } | Outcome::NotServed { .. } | Outcome::Unreadable { .. } => None,
    }
}
