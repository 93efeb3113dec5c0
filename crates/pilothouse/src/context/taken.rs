//! What earlier releases of a plan take away before a release's turn comes.

use pilothouse_core::{ObjectRef, ReleaseKey};

/// What earlier releases of a plan take away before a release's turn comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) objects: Vec<ObjectRef>,
    /// The release that takes each.
    by: Vec<ReleaseKey>,
}

impl Taken {
    /// One more.
    pub(crate) fn add(&mut self, object: &ObjectRef, by: &ReleaseKey) {
        self.objects.push(object.clone());
        self.by.push(by.clone());
    }

    /// The release that takes an object away, if one does.
    pub(crate) fn by(&self, object: &ObjectRef) -> Option<&ReleaseKey> {
        self.objects.iter().zip(&self.by).find(|(taken, _)| is_or_holds(taken, object)).map(|(_, by)| by)
    }
}

/// Whether an object is the one that goes, or in the namespace that goes.
pub(crate) fn is_or_holds(gone: &ObjectRef, object: &ObjectRef) -> bool {
    gone.same_object(object) || gone.kind == "Namespace" && object.namespace.as_ref() == Some(&gone.name)
}
