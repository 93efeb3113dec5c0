//! Objects of a cluster: what their fields tell, whose they are, how two states differ, and what a change does to what runs.
//!
//! In: objects as JSON. Out: facts about them. It imports `ids` and `text`; every folder but those may import it. Its folders
//! import its files, never the other way round.

mod change;
mod cluster_object;
mod diff;
mod effects;
mod object_copy;
mod ownership;
mod pod_references;
mod pod_resources;
mod quantity;
mod readiness;
mod stateful_set;
mod volume;

pub use change::{Effect, EffectKind, FieldChange, ObjectChange};
pub use cluster_object::{
    CrdFacts, HelmOwner, adoption_patch, crd_facts, helm_owner, kept_by_uninstall, kept_by_upgrade,
    names_other_release, object_ref, restart_patch,
};
pub use diff::{
    FieldPath, PathSegment, Secrecy, declared, declared_changes, drifted_fields, field_changes, forced_replacement,
    is_client_side_applied, merge_patched, own_content, own_labels, removed_paths, words_of_refusal, written_by,
};
pub use effects::{Around, ChangedObject, Workload, effects, replaces_pods};
pub use object_copy::{likeness, recreatable};
pub use ownership::{
    AdoptionConsent, AdoptionUndo, AdoptionVerdict, NotAdopted, OwnerMarks, Ownership, OwnershipCounts, Records,
    named_release, owner_marks, ownership, tool_of_manager,
};
pub use pod_references::{named_by_pods, needed_by_pods};
pub use pod_resources::pod_amount;
pub use quantity::{parse_quantity, quantity, show_quantity};
pub use readiness::{ObjectStatus, Otherwise, Readiness, ReadinessRule};
pub use stateful_set::{ScaledDown, deletes_its_claims, is_claim_of};
pub use volume::Reclaimed;
