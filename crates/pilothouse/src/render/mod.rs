//! What is wanted: the chart, its values, what it renders to, and digests of what it is given.
//!
//! In: a release and the payload. Out: what is wanted, made once and passed by reference. Imported by `observe` and everything after it.

mod again;
mod hook_order;
mod input_digests;
mod objects;
mod renew;
mod wanted;

pub(crate) use again::{render_again, rendered};
pub(crate) use input_digests::{capabilities, digest_of_deploy, given_of_deploy, steps_seen, wanted_inputs};
pub(crate) use objects::{chart_definitions, definitions_brought, has_own_namespace, rendered_objects};
pub(crate) use renew::{has_changed, is_told_the_same, look_up_again, renew_wanted, with_own_kinds};
pub(crate) use wanted::{Place, input_findings, name_findings, payload_values, prepare_wanted, values_are_missing};
pub(crate) use wanted::{chart_without_helm, is_brought, make_wanted, make_wanted_as, templates_of, wanted};
