//! What is in a chart, read before helm sees it.
//!
//! In: the bytes of an archive, or a folder. Out: what the chart says about itself, which charts it brings along, and what its templates depend
//! on ([`TemplateUse`]). Imports `yaml` only; `release` and `resolve` import it.

mod archive;
mod contents;
mod folder;
mod metadata;
mod numbered;
mod packaged;
mod scan;
mod template_text;
mod template_use;

pub(crate) use contents::{Described, MAX_CHART};
pub(crate) use folder::{FolderError, describe_folder};
pub use metadata::{ChartKind, ChartMetadata, Dependency};
pub(crate) use numbered::{copy_numbered, may_ignore_the_template};
pub(crate) use packaged::describe_archive;
pub use template_use::TemplateUse;
