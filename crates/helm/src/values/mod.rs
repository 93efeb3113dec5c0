//! The values of a release.
//!
//! In: trees, files' texts and `--set` assignments, in their order. Out: [`Values`] as the documents that helm is given as files. Imports
//! nothing of this crate; anybody above may import it.

mod documents;
mod key_path;

pub use documents::{Values, ValuesDocument, ValuesError, values_documents};
pub use key_path::value_at;
