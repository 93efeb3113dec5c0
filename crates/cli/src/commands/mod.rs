//! The commands, one file each. Nothing but `main.rs` may import them.

pub(crate) mod apply;
mod carry_out;
pub(crate) mod destroy;
pub(crate) mod diagnose;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod lint;
pub(crate) mod plan;
pub(crate) mod plane;
pub(crate) mod ready;
pub(crate) mod rehearse;
pub(crate) mod render;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod uncertain;
pub(crate) mod validate;
