//! A running control plane: its programs started in order, asked how they are, watched over and ended.
//!
//! In comes what a plane is to be ([`PlaneConfig`](crate::PlaneConfig)), out goes a [`Plane`]. Only `background/` stands above.

mod folder;
mod health;
mod layout;
mod logscan;
mod monitor;
mod plane;
mod ports;
mod seed;
mod simulation;
mod start;

pub use plane::{Health, Plane};
pub use seed::VOLUME_PROVISIONER;
