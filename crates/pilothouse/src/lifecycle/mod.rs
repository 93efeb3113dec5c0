//! One release through its phases: transitions, attempts, remediation.

pub(crate) mod release;
pub(crate) mod remediation;
pub(crate) mod roll_back;
pub(crate) mod transition;
