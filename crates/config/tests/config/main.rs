//! The stack file as its users see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod good;
mod mistakes;
mod properties;
mod published;
mod support;
