//! YAML as helm and kubectl read it (1.1), into JSON.
//!
//! In: text. Out: [`Value`](serde_json::Value)s, or a [`YamlError`] with its line. Imports nothing of this crate; anybody may import it.

mod read;

pub(crate) use read::{Part, parts, read, read_one};
pub use read::{YamlError, has_more_documents};
