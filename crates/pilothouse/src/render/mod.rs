//! What is wanted: the chart, its values, what it renders to, and digests of what it is given.
//!
//! In: a release and the payload. Out: what is wanted, made once and passed by reference. Imported by `observe` and everything after it.

pub(crate) mod input_digests;
pub(crate) mod objects;
pub(crate) mod wanted;

pub(crate) use wanted::{chart_without_helm, refresh, rendered_again, templates_of, wanted, wanted_version};
