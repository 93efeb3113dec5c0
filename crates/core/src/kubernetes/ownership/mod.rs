//! The owner of a live object, and whether the object may be given to a release.
//!
//! In: a live object and the release that wants it. Out: its owner, and the verdict on adopting it. It imports the files of
//! `kubernetes`; whoever may import `kubernetes` may use it through that face.

mod marks;
mod owner;
#[cfg(test)]
mod tests;

pub use marks::{OwnerMarks, owner_marks, tool_of_manager};
pub use owner::{
    AdoptionConsent, AdoptionUndo, AdoptionVerdict, NotAdopted, Ownership, OwnershipCounts, Records, named_release,
    ownership,
};
