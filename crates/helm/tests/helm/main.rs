//! The client with helm binaries, fake and real, and with a real control plane.

mod charts;
mod cluster;
mod fake;
mod offline;
mod support;
