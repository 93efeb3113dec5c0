//! What was found of an object, and what is going to happen to it, as plain data.

use pilothouse_core::{FieldChange, HelmOwner, ObjectChange, ObjectRef, SeenObject, Sensitive};
use serde_json::Value;

/// What is known of an object after looking at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The object, complete where the cluster knows the kind.
    pub object: ObjectRef,
    /// What is going to happen to it, or why that cannot be told.
    pub outcome: Outcome,
    /// What changes in it; empty for what is created or deleted as a whole.
    pub fields: Vec<FieldChange>,
    /// How it is now: `Current`, `InProgress: 1 of 3 ready`.
    pub health: Option<String>,
    /// Which very object was looked at.
    pub seen: Option<SeenObject>,
    /// Who owns it in Helm's eyes; `None` when it is not there.
    pub owner: Option<HelmOwner>,
    /// Whether the deployed revision's manifest has it: then it is the release's, whatever its keys say.
    pub is_deployed: bool,
    /// Whether an uninstall that comes first leaves it, and it becomes part of the release again.
    pub again: bool,
    /// Why the server was not asked what becomes of it: what is told is what the manifest declares.
    pub not_checked: Option<String>,
    /// The hook that deletes it, whether or not it is the release's.
    pub by_hook: Option<ByHook>,
    /// It as it is.
    pub live: Option<Sensitive<Value>>,
    /// It as it is going to be.
    pub then: Option<Sensitive<Value>>,
}

/// The hook that deletes an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHook {
    /// When: `pre-upgrade`.
    pub event: String,
    /// Whether what is there is the release's.
    pub is_own: bool,
}

/// What is going to happen to an object, or why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This happens.
    Change(ObjectChange),
    /// Its namespace does not exist.
    NoNamespace {
        /// The namespace.
        namespace: String,
    },
    /// The cluster does not know its kind.
    NotServed {
        /// What is missing.
        why: String,
    },
    /// It could not be looked at; nothing is known of it, not even whether it is there.
    Unreadable {
        /// What went wrong.
        why: String,
    },
}

impl Compared {
    /// An object of which nothing else is known.
    pub(crate) fn unknown(object: &ObjectRef, outcome: Outcome) -> Self {
        Self {
            object: object.clone(),
            outcome,
            fields: Vec::new(),
            health: None,
            seen: None,
            owner: None,
            is_deployed: false,
            again: false,
            not_checked: None,
            by_hook: None,
            live: None,
            then: None,
        }
    }
}
