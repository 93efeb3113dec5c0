//! What the user has consented to lose.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use pilothouse_core::{Class, Finding, ObjectRef, code};

/// The objects that may be lost, replaced or changed for good, since the user has said so.
pub(crate) struct Consent(Vec<ObjectRef>);

impl Consent {
    /// Completes what the release consents to.
    ///
    /// # Errors
    /// The finding, when a kind cannot be told.
    pub(crate) async fn of(ctx: &Context) -> Result<Self, Finding> {
        match observe::resolve(ctx, &ctx.info().consent).await {
            Ok(objects) => Ok(Self(objects)),
            Err(error) => {
                let message = error.chain().join(": ");
                Err(Finding::new(Class::Blocked, code::UNREADABLE, "consent", message))
            }
        }
    }

    /// As [`Consent::of`], where without it nothing can be done.
    ///
    /// # Errors
    /// [`PhaseError::Refused`].
    pub(crate) async fn needed(ctx: &Context) -> Result<Self, PhaseError> {
        Self::of(ctx).await.map_err(|finding| PhaseError::Refused(vec![finding]))
    }

    /// Whether it names the object.
    pub(crate) fn names(&self, object: &ObjectRef) -> bool {
        self.0.iter().any(|allowed| allowed.same_object(object))
    }
}
