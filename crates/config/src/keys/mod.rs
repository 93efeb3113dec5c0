//! Every key of the stack file, in one place: the reader refuses others, the schema and the reference are made from it.

mod checks;
mod stack;
mod steps;
mod table;

pub(crate) use checks::{ASSERT, EXEC, EXEC_EXPECT, HEADER, HELM_TEST, HTTP, HTTP_EXPECT, JOB, PROMETHEUS, TCP};
pub(crate) use stack::{
    CHART, CLUSTER, DEFAULTS, DRIFT_IGNORE_EACH, FILE, NEED, ON_FAILURE_EACH, READINESS, RELEASE, RETRY, SET_VALUE,
    TABLES, YAML_FILE,
};
pub(crate) use steps::{ADOPT, APPLY, COMMAND, DELETE, RESTART, STEP, WAIT_STEP};
pub(crate) use table::{Key, Kind, MAX_SECONDS, Need, Table};
