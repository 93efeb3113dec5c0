//! By what a step is known again in a later run.

pub(crate) mod form;
pub(crate) mod former;
