//! Volumes that go with their data as soon as they are changed.

use crate::context::Compared;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Class, Finding, code};

/// The PersistentVolumes without a claim that a change makes the cluster delete, unless consent names them.
pub(super) fn findings(compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let lost = compared.iter().filter(|one| observe::is_reclaimed_at_once(one) && !consent.names(&one.object));
    lost.map(|one| {
        let message = "its claim is gone, and its reclaim policy would not be Retain: it would be deleted at once, with the data on it";
        Finding::new(Class::Unsafe, code::DATA_ATTACHED, &one.object, message)
    })
    .collect()
}
