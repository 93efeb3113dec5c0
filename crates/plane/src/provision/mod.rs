//! Obtaining the programs: kube-apiserver, kube-controller-manager, kube-scheduler, kine, kwok, the kubelet of a
//! real node, and helm 3 and 4.
//!
//! [`Provisioner::obtain`] looks, per tool and in this order, at
//!
//! 1. an explicit path given by the caller (taken as it is; it must be executable and answer `--version`);
//! 2. the cache, `CACHE/TOOL/VERSION-OS-ARCH-DIGEST/FILE`, named by version and content;
//! 3. folders and files the caller names as candidates (taken when their version fits, see [`ToolVersion::fits`]);
//! 4. a download from the official place, into the cache;
//! 5. a build from Go modules, into the cache. The helper modules (`go.mod`, `go.sum`) are part of this crate.
//!
//! # What is checked
//! A download is used only if its SHA-256 is right. Where [`Digest::Pinned`] stands in the catalogue the digest is
//! part of this crate. Where it says [`Digest::Published`] no digest was known when the catalogue was written; the
//! checksum file is then fetched over https from the same official place as the file. That finds a damaged
//! transfer but, unlike a pin, not a file that was exchanged together with its checksum. Reports name the
//! difference ([`Source`]). A build is checked by Go against the `go.sum` of the helper modules.
//!
//! A cached file is used only with its receipt: size, times and inode as they were when it was written, otherwise
//! its SHA-256 is computed again and must be the one of the receipt. This finds half-written, damaged and exchanged
//! files. It is no defence against somebody who can write the cache folder (they can write receipts too), which is
//! why the folder is created for its owner only.

mod archive;
mod build;
mod cache;
mod catalogue;
mod config;
mod digest;
mod download;
mod error;
mod event;
mod find;
mod go;
mod installed;
mod lock;
mod provisioner;
mod tls;
mod tool;
mod version;

pub use catalogue::{Digest, Download, Platform};
pub use config::ProvisionConfig;
pub use error::{Attempt, Missing, ProvisionError};
pub use event::{BuildProgress, ProvisionEvent};
pub use installed::{Installed, Look, Obtained, Source, SourceKind};
pub use provisioner::Provisioner;
pub use tool::Tool;
pub use version::ToolVersion;
