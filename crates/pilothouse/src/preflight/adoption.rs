//! What a release's steps are going to adopt, by what the user has consented to.

#[cfg(test)]
#[path = "adoption_tests.rs"]
mod tests;

use crate::context::Context;
use crate::context::Steps;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::NotServed;
use crate::preflight::losses::consent::Consent;
use crate::render;
use crate::render::rendered_objects;
use pilothouse_core::{AdoptionConsent, AdoptionVerdict, NotAdopted, ObjectRef, Ownership, Payload, Phase};
use pilothouse_kube::{Conflict, ownership_conflicts};

/// What steps before helm are going to do with objects that exist and are not the release's.
pub(crate) struct Adopting {
    /// Named by a step.
    named: Vec<ObjectRef>,
    /// Whether a step adopts what is nobody's.
    unowned: bool,
    /// Named by the release's consent, which counts where a step adopts what is nobody's.
    consent: Consent,
    /// Deleted by a step.
    deleted: Vec<ObjectRef>,
}

impl Adopting {
    /// By the steps of `pre_exec`.
    ///
    /// # Errors
    /// When the kind of an object that is named cannot be told.
    pub(crate) async fn of(steps: &Steps, ctx: &Context) -> Result<Self, PhaseError> {
        let (mut named, mut deleted, mut unowned) = (Vec::new(), Vec::new(), false);
        for step in steps.of(Phase::PreExec) {
            let description = step.describe();
            named.extend(observe::resolve(ctx, &description.adopts).await?);
            deleted.extend(observe::resolve(ctx, &description.deletes).await?);
            unowned |= description.adopts_unowned;
        }
        let consent = Consent::needed(ctx).await?;
        Ok(Self { named, unowned, consent, deleted })
    }

    /// Whether a step adopts anything.
    pub(crate) fn has_steps(&self) -> bool {
        self.unowned || !self.named.is_empty()
    }

    /// The objects that a step deletes before helm runs.
    pub(crate) fn deleted(&self) -> &[ObjectRef] {
        &self.deleted
    }

    /// Why an object is not given to the release, if that stands in its way.
    pub(crate) fn refusal(&self, object: &ObjectRef, ownership: &Ownership) -> Option<NotAdopted> {
        if is_in(&self.deleted, object) {
            return None;
        }
        match ownership.adoption(self.consent_to(object)) {
            AdoptionVerdict::NotNeeded | AdoptionVerdict::Adopt => None,
            AdoptionVerdict::Refuse(why) => Some(why),
        }
    }

    /// Whether a step names the object: whether it can be adopted is that step's to say.
    pub(crate) fn names(&self, object: &ObjectRef) -> bool {
        is_in(&self.named, object)
    }

    /// Whether a step adopts this object, if it is there by then and nobody's.
    pub(crate) fn adopts(&self, object: &ObjectRef) -> bool {
        self.unowned || self.names(object)
    }

    /// What the user has consented to.
    pub(crate) fn consent(&self) -> &Consent {
        &self.consent
    }

    fn consent_to(&self, object: &ObjectRef) -> AdoptionConsent {
        if self.names(object) || (self.unowned && self.consent.names(object)) {
            AdoptionConsent::Named
        } else if self.unowned {
            AdoptionConsent::Unowned
        } else {
            AdoptionConsent::None
        }
    }
}

fn is_in(objects: &[ObjectRef], object: &ObjectRef) -> bool {
    objects.iter().any(|one| one.same_object(object))
}

/// The objects the chart renders that exist and are nobody's: no release, no controller and no other tool has them. What
/// another tool has, or a release has left that is gone, is one of them only where the release's consent names it.
///
/// # Errors
/// When one cannot be read.
pub async fn unowned(ctx: &Context, payload: &Payload) -> Result<Vec<ObjectRef>, PhaseError> {
    let wanted = render::make_wanted(ctx, payload).await;
    let objects = rendered_objects(&wanted.rendering.docs());
    let objects = observe::complete_objects(ctx, objects, NotServed::Skip).await?;
    let conflicts = ownership_conflicts(ctx.cluster(), &objects, &ctx.release()).await?;
    let consent = Consent::needed(ctx).await?;
    let is_adopted = |conflict: &Conflict| {
        let named = consent.names(&conflict.object);
        let consent = if named { AdoptionConsent::Named } else { AdoptionConsent::Unowned };
        conflict.ownership.adoption(consent) == AdoptionVerdict::Adopt
    };
    Ok(conflicts.into_iter().filter(is_adopted).map(|conflict| conflict.object).collect())
}
