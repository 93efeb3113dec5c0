//! Versions and what they have to fulfil, by the rules of the library that Helm uses.
//!
//! In: texts of versions and constraints. Out: whether they fit. It imports nothing; every folder may import it.

mod constraint;
mod version_text;

pub use constraint::{
    ConstraintError, KubeVersionFrom, VersionConstraint, kube_version_fits, lenient_version, suffix_that_counts,
};
