//! Obtaining programs: from paths, the cache, a server on loopback, and Go modules.

mod build;
mod cache;
mod download;
mod find;
mod server;
mod support;
