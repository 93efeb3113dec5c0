//! The values of a release.
//!
//! In: trees, files' texts and `--set` assignments, in their order. Out: [`Values`] as the documents that helm is given as files. Imports
//! the reader of YAML alone; anybody above may import it.

mod documents;
mod key_path;
mod whole_numbers;

pub use documents::{Values, ValuesDocument, ValuesError};
pub use key_path::value_at;
