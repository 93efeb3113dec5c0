//! What the user has consented to lose.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use pilothouse_core::{Class, Finding, ObjectRef, code};
use pilothouse_kube::ClusterError;

/// The objects that may be lost, replaced or changed for good, since the user has said so.
pub(crate) struct Consent {
    objects: Vec<ObjectRef>,
    /// As they were written, of kinds that the cluster does not serve: only what is stored of such an object can be meant.
    unserved: Vec<ObjectRef>,
    namespace: String,
}

impl Consent {
    /// Completes what the release consents to.
    ///
    /// # Errors
    /// The finding, when a kind cannot be told.
    pub(crate) async fn of(ctx: &Context) -> Result<Self, Finding> {
        let mut consent = Self { objects: Vec::new(), unserved: Vec::new(), namespace: ctx.release().namespace };
        for object in &ctx.info().consent {
            match observe::resolve(ctx, std::slice::from_ref(object)).await {
                Ok(resolved) => consent.objects.extend(resolved),
                Err(PhaseError::Cluster(ClusterError::NotServed { .. })) => consent.unserved.push(object.clone()),
                Err(error) => {
                    let message = error.chain().join(": ");
                    return Err(Finding::new(Class::Blocked, code::UNREADABLE, "consent", message));
                }
            }
        }
        Ok(consent)
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
        self.objects.iter().any(|allowed| allowed.same_object(object))
    }

    /// Whether it names an object of a stored manifest whose kind is not served in its version: by its kind, with or without its
    /// group, and by its name; where it has no namespace, that of the release may stand for it.
    pub(crate) fn names_unserved(&self, object: &ObjectRef) -> bool {
        self.objects.iter().chain(&self.unserved).any(|allowed| self.may_mean(allowed, object))
    }

    fn may_mean(&self, allowed: &ObjectRef, object: &ObjectRef) -> bool {
        let full = format!("{}.{}", object.kind, object.group().unwrap_or_default());
        let own = Some(&self.namespace);
        let is_kind = [&object.kind, &full].iter().any(|kind| kind.eq_ignore_ascii_case(&allowed.kind));
        let is_there = allowed.namespace == object.namespace
            || (object.namespace.is_none() && allowed.namespace.as_ref() == own)
            || (allowed.namespace.is_none() && object.namespace.as_ref() == own);
        is_kind && is_there && allowed.name == object.name
    }

    /// What it says of kinds that are not served, a line each, but for what it allows of these `stored` objects of such kinds.
    pub(crate) fn of_no_kind(&self, stored: &[ObjectRef]) -> Vec<String> {
        let means_nothing = |allowed: &&ObjectRef| !stored.iter().any(|object| self.may_mean(allowed, object));
        let line = |allowed: &ObjectRef| {
            format!("consent to {allowed}: the cluster serves no kind {}, so that it allows nothing", allowed.kind)
        };
        self.unserved.iter().filter(means_nothing).map(line).collect()
    }
}
