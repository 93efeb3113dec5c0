//! What is lost with consent is saved in a local file before.

pub(crate) mod content;
pub(crate) mod file;
pub(crate) mod save;
