//! What is wanted: the chart, its values, what it renders to, and digests of what it is given.
//!
//! In: a release and the payload. Out: what is wanted, made once and passed by reference. Imported by `observe` and everything after it.

mod input_digests;
mod objects;
mod wanted;

pub(crate) use input_digests::{capabilities, digest_of_deploy, steps_seen, wanted_inputs};
pub(crate) use objects::{chart_definitions, definitions_brought, has_own_namespace, rendered_objects};
pub(crate) use wanted::{Place, input_findings, name_findings, payload_values, prepare_wanted, render_again};
pub(crate) use wanted::{
    chart_without_helm, is_brought, looks_up, refresh, rendered_again, target, templates_of, wanted, wanted_version,
};
