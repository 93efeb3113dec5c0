//! A real node: containerd and a kubelet beside the control plane.
//!
//! Both run in a process and a mount namespace of their own, made by `enter.sh`. That is what makes their end certain:
//! containerd's shims leave its process group and its parent, but when the first process of the namespace dies the
//! kernel kills all others, and with the last of them every mount is gone. The first process dies with this one
//! (`PR_SET_PDEATHSIG`). Inside, the folders a node writes into (`/run`, `/var/lib`, `/var/log`) are the plane's own,
//! and so are the few kernel parameters a kubelet would set.
//!
//! The network is the machine's, so that images can be pulled and the kubelet reaches the API server on 127.0.0.1, with
//! one bridge per plane for its pods. The bridge and the control groups are all that no kernel takes back; a shell that
//! waits for the end of this process does ([`pilothouse_process::Aftercare`], `leave.sh`), after whatever end.

mod image;
mod machine;
mod network;
mod requirements;
mod settings;

pub use image::WORKLOAD_IMAGE;
pub(crate) use machine::{Machine, clear};
pub use requirements::real_node_missing;
