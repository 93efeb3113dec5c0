//! What a release consists of, as helm stored and as it renders it.
//!
//! In: the bytes of a release record, or the text of `helm template`. Out: [`ReleaseRecord`], [`RenderedDoc`]s, and whether both are the
//! [same](same_result). Imports `yaml`, `chart` and `client`; nothing in this crate imports it.

mod record;
mod rendered;
mod rewrite;
mod same_result;
mod unusable;

pub use record::{DecodeError, HookRecord, HookRun, ReleaseInfo, ReleaseRecord, decode_release, mark_failed};
pub use rendered::{Document, Origin, RenderedDoc, parse_by_document, parse_documents, split_manifests};
pub use rewrite::{Rewrite, rewrite_manifest, rewrite_objects, runs_at_uninstall};
pub use same_result::{
    SameResult, Volatile, VolatileObject, same_result, same_result_except, volatile_fields, volatile_since,
};
