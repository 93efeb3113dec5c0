//! Obtaining programs: from paths, the cache, a server on loopback, and Go modules.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod cache;
mod download;
mod find;
mod server;
mod support;
