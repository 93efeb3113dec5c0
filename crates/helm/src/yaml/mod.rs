//! YAML as helm and kubectl read it (1.1), into JSON.
//!
//! In: text. Out: [`Value`](serde_json::Value)s, or a [`YamlError`] with its line. Imports nothing of this crate; anybody may import it.

mod read;

pub use read::{YamlError, has_more_documents};
pub(crate) use read::{parts, read, read_one, read_values};
