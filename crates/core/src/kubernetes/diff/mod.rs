//! What differs between two states of an object, field by field, and which differences the server does not allow.
//!
//! In: objects as JSON. Out: changed fields, by path, with secrets masked. It imports the files of `kubernetes` and `text`; whoever
//! may import `kubernetes` may use it through that face.

mod declared;
mod fields;
mod immutable;
mod lists;
mod managers;
mod merge_patch;
mod path;
mod removed;
mod shown;
#[cfg(test)]
mod tests;

pub use declared::declared;
pub use fields::{declared_changes, drifted_fields, field_changes, own_content, own_labels};
pub use immutable::{forced_replacement, words_of_refusal};
pub use managers::{is_client_side_applied, written_by};
pub use merge_patch::merge_patched;
pub use path::{FieldPath, PathSegment};
pub use removed::removed_paths;
pub use shown::Secrecy;
