//! The releases of a stack: the lock and the journal, checks before the first change, who may begin when.

pub(crate) mod checks;
pub(crate) mod config;
pub(crate) mod dispatch;
pub(crate) mod listening;
pub(crate) mod offline;
pub(crate) mod open;
pub(crate) mod owner;
pub(crate) mod stack_run;
