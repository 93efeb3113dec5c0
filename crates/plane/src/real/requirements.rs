//! What a real node needs of the machine, and what of it is missing.

use super::image::WORKLOAD;
use std::path::{Path, PathBuf};

/// Where a distribution puts programs. Root's own `PATH` is not asked: a library reads no environment.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where distributions, and those who follow upstream's instructions, put the CNI plugins.
const CNI_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

const CNI_PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];

/// Programs and the Debian packages they are in.
const PROGRAMS: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("find", "findutils"),
];

/// The bits of the two capabilities without which root is not enough (`capability.h`).
const CAPABILITIES: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];

/// What is missing on this machine for a real node ([`crate::Node::Real`]); empty when it can run. Looks at files only.
pub fn real_node_missing() -> Vec<String> {
    missing(&Facts {
        linux: cfg!(target_os = "linux"),
        root: rustix::process::geteuid().is_root(),
        capabilities: capabilities(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()),
        program: &|name| program(name).is_some(),
        plugin: &|name| CNI_FOLDERS.iter().any(|folder| Path::new(folder).join(name).is_file()),
        groups: std::fs::read_to_string("/proc/mounts").is_ok_and(|mounts| has_groups(&mounts)),
        workload: !WORKLOAD.is_empty(),
    })
}

/// Where a program is.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// The folder with the CNI plugins.
pub(crate) fn cni_folder() -> Option<PathBuf> {
    let has_all = |folder: &Path| CNI_PLUGINS.iter().all(|name| folder.join(name).is_file());
    CNI_FOLDERS.iter().map(PathBuf::from).find(|folder| has_all(folder))
}

/// What is known of the machine.
struct Facts<'a> {
    linux: bool,
    root: bool,
    capabilities: u64,
    program: &'a dyn Fn(&str) -> bool,
    plugin: &'a dyn Fn(&str) -> bool,
    groups: bool,
    workload: bool,
}

fn missing(facts: &Facts<'_>) -> Vec<String> {
    if !facts.linux {
        return vec!["Linux".to_owned()];
    }
    let mut missing = Vec::new();
    if facts.root {
        let without = CAPABILITIES.iter().filter(|(_, bit)| facts.capabilities & (1 << bit) == 0);
        missing.extend(without.map(|(name, _)| format!("the capability {name}")));
    } else {
        missing.push("to be run as root".to_owned());
    }
    if !facts.groups {
        missing.push("control groups (mounted at /sys/fs/cgroup)".to_owned());
    }
    let install = |what: &str, package: &str| format!("{what} (apt-get install {package})");
    let programs = PROGRAMS.iter().filter(|(name, _)| !(facts.program)(name));
    missing.extend(programs.map(|(name, package)| install(name, package)));
    let plugins = CNI_PLUGINS.iter().filter(|name| !(facts.plugin)(name));
    missing.extend(plugins.map(|name| install(&format!("the CNI plugin {name}"), "containernetworking-plugins")));
    if !facts.workload {
        let how = "apt-get install libc6-dev, or rustup target add with -musl for -gnu, and build again";
        missing.push(format!("the static workload, which was not built ({how})"));
    }
    missing
}

/// The effective capabilities in the text of `/proc/self/status`.
fn capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or_default()
}

fn has_groups(mounts: &str) -> bool {
    mounts.lines().filter_map(|line| line.split(' ').nth(2)).any(|kind| matches!(kind, "cgroup" | "cgroup2"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RealNodeMissing;

    fn good() -> Facts<'static> {
        let groups = true;
        Facts {
            linux: true,
            root: true,
            capabilities: u64::MAX,
            program: &|_| true,
            plugin: &|_| true,
            groups,
            workload: true,
        }
    }

    #[test]
    fn says_exactly_what_is_missing_and_what_to_do() {
        assert_eq!(missing(&good()), Vec::<String>::new());
        assert_eq!(missing(&Facts { linux: false, root: false, ..good() }), ["Linux"]);
        assert_eq!(missing(&Facts { root: false, capabilities: 0, ..good() }), ["to be run as root"]);
        let without = Facts {
            capabilities: 1 << 12,
            program: &|name| name != "runc" && name != "ctr",
            plugin: &|name| name != "loopback",
            ..good()
        };
        let expected = [
            "the capability CAP_SYS_ADMIN",
            "ctr (apt-get install containerd)",
            "runc (apt-get install runc)",
            "the CNI plugin loopback (apt-get install containernetworking-plugins)",
        ];
        assert_eq!(missing(&without), expected);
        assert_eq!(
            RealNodeMissing(missing(&Facts { root: false, ..without })).to_string(),
            "a real node cannot run here; it needs to be run as root, ctr (apt-get install containerd), runc (apt-get install runc), \
             the CNI plugin loopback (apt-get install containernetworking-plugins)"
        );
        assert_eq!(missing(&Facts { groups: false, workload: false, ..good() }).len(), 2);
    }

    #[test]
    fn reads_what_the_kernel_says() {
        assert_eq!(capabilities("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"), 0x1ff_ffff_ffff);
        assert_eq!(capabilities(""), 0);
        assert!(has_groups("proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"));
        assert!(!has_groups("proc /proc proc rw 0 0\n"));
    }
}
