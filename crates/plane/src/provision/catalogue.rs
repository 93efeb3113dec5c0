//! What is obtained, in which version, from where, and how it is built.

use super::tool::Tool;
use std::fmt;

/// Kubernetes, as tagged.
pub(crate) const KUBERNETES: &str = "v1.36.2";

/// An operating system and a processor architecture, in Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `linux`, `darwin`, ...
    pub os: &'static str,
    /// `amd64`, `arm64`, ...
    pub arch: &'static str,
}

/// Where a download's right SHA-256 is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// Part of this crate: 64 lower-case hexadecimal digits.
    Pinned(String),
    /// From a checksum file beside the download, at this URL. Either the bare digest or lines of `sha256sum`.
    Published(String),
}

/// A file that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where it is. Without `https` only for addresses the caller gave.
    pub url: String,
    /// The SHA-256 of what the URL gives (of the archive, where it is one).
    pub digest: Digest,
    /// If the file is a gzipped tar archive: the member that is the program.
    pub member: Option<String>,
}

/// A package in one of the helper modules, and the variables the linker sets in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    /// The module whose version must be the catalogue's.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test holds the helper modules against the catalogue"))]
    pub(crate) module: &'static str,
    pub(crate) package: &'static str,
    /// How many packages it has in all (`go list -deps`): the most that can have to be compiled.
    pub(crate) packages: u32,
}

impl Platform {
    /// The platform this program was compiled for.
    pub fn current() -> Self {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        Self { os, arch }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os, self.arch)
    }
}

impl Tool {
    /// The version that is obtained, as the project tags it (`v1.36.2`).
    pub fn version(self) -> &'static str {
        match self {
            Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler | Self::Kubelet => KUBERNETES,
            Self::Kine => "v0.16.4",
            Self::Kwok => "v0.8.0",
            Self::Helm3 => "v3.21.4",
            Self::Helm4 => "v4.2.4",
        }
    }

    /// The official download for a platform, if there is one that can be checked.
    pub fn download(self, platform: Platform) -> Option<Download> {
        let Platform { os, arch } = platform;
        if os != "linux" || !matches!(arch, "amd64" | "arm64") {
            // Kubernetes publishes its server binaries for Linux only, and a plane is the three together.
            return None;
        }
        let (name, version) = (self.name(), self.version());
        let (url, checksum, member) = match self {
            Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler | Self::Kubelet => {
                let url = format!("https://dl.k8s.io/release/{version}/bin/{os}/{arch}/{name}");
                (url.clone(), Some(format!("{url}.sha256")), None)
            }
            Self::Kine => {
                let base = format!("https://github.com/k3s-io/kine/releases/download/{version}");
                (format!("{base}/kine-{arch}"), Some(format!("{base}/sha256sum-{arch}.txt")), None)
            }
            Self::Kwok => {
                let base = format!("https://github.com/kubernetes-sigs/kwok/releases/download/{version}");
                // kwok publishes no checksums: without a pin it would not be downloaded.
                (format!("{base}/kwok-{os}-{arch}"), None, None)
            }
            Self::Helm3 | Self::Helm4 => {
                let url = format!("https://get.helm.sh/helm-{version}-{os}-{arch}.tar.gz");
                (url.clone(), Some(format!("{url}.sha256sum")), Some(format!("{os}-{arch}/helm")))
            }
        };
        let pinned = self.pinned(arch).map(|hex| Digest::Pinned(hex.to_owned()));
        let digest = pinned.or_else(|| checksum.map(Digest::Published))?;
        Some(Download { url, digest, member })
    }

    /// The SHA-256 of the official Linux downloads, as far as they are known.
    ///
    /// They were not computed from a download of ours. They are what public records say: helm's own release notes
    /// (both versions); for the others the pins of independent projects (kube-apiserver and kwok amd64: two that
    /// agree; kube-controller-manager amd64, kube-apiserver arm64 and kwok arm64: one, which is right about the
    /// digests that others confirm). A pin that is wrong makes the download fail; it cannot let a wrong file pass.
    fn pinned(self, arch: &str) -> Option<&'static str> {
        match (self, arch) {
            (Self::KubeApiserver, "amd64") => Some("6770be17296ef36b656ad84e52b043007fb9a47ba0445c224097323291b1b33b"),
            (Self::KubeApiserver, "arm64") => Some("265e3918c0659ce714fba07b6cc0634edafa4db6dd5891cc8dc3352b028af0f5"),
            (Self::KubeControllerManager, "amd64") => {
                Some("6332e45474baf6362f50394d8f7c6002274db04d68fe51dbe2229ef5c0b21e3c")
            }
            (Self::Kwok, "amd64") => Some("f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46"),
            (Self::Kwok, "arm64") => Some("628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37"),
            (Self::Helm3, "amd64") => Some("61f88ab166748cb19604d7884cb100ae9ccb13804ddeb98e08af167eacbb6a14"),
            (Self::Helm3, "arm64") => Some("b54c04b4e0b2540bbdc08c17a121dab70e9a2ed0de5705528fec68a5fd3b85a7"),
            (Self::Helm4, "amd64") => Some("c306b46f719b0a4da32d0f78ee21bf90ce8d602f15b22ab753f0674d1670a7f3"),
            (Self::Helm4, "arm64") => Some("564de2191b881e9f71b5606b25345821ea1682f06ab90499d3ab22b530176da1"),
            _ => None,
        }
    }

    /// How it is built from Go modules.
    pub(crate) fn recipe(self) -> Recipe {
        match self {
            Self::KubeApiserver => kubernetes("k8s.io/kubernetes/cmd/kube-apiserver", 2029),
            Self::KubeControllerManager => kubernetes("k8s.io/kubernetes/cmd/kube-controller-manager", 2409),
            Self::KubeScheduler => kubernetes("k8s.io/kubernetes/cmd/kube-scheduler", 1417),
            Self::Kubelet => kubernetes("k8s.io/kubernetes/cmd/kubelet", 1781),
            Self::Kine => Recipe {
                go_mod: include_str!("../../go/kine/go.mod"),
                go_sum: include_str!("../../go/kine/go.sum"),
                module: "github.com/k3s-io/kine",
                package: "github.com/k3s-io/kine",
                packages: 859,
            },
            Self::Kwok => Recipe {
                go_mod: include_str!("../../go/kwok/go.mod"),
                go_sum: include_str!("../../go/kwok/go.sum"),
                module: "sigs.k8s.io/kwok",
                package: "sigs.k8s.io/kwok/cmd/kwok",
                packages: 974,
            },
            Self::Helm3 => Recipe {
                go_mod: include_str!("../../go/helm3/go.mod"),
                go_sum: include_str!("../../go/helm3/go.sum"),
                module: "helm.sh/helm/v3",
                package: "helm.sh/helm/v3/cmd/helm",
                packages: 943,
            },
            Self::Helm4 => Recipe {
                go_mod: include_str!("../../go/helm4/go.mod"),
                go_sum: include_str!("../../go/helm4/go.sum"),
                module: "helm.sh/helm/v4",
                package: "helm.sh/helm/v4/cmd/helm",
                packages: 1021,
            },
        }
    }

    /// The `-ldflags` of its build: no symbol table, and the version stamped where the project's own build stamps it.
    /// An unstamped Kubernetes is refused by every chart with a `kubeVersion`, and an unstamped helm 3 renders
    /// `template` as Kubernetes 1.20.
    pub(crate) fn linker_flags(self) -> String {
        let version = self.version();
        let (major, minor) = kubernetes_minor();
        let stamps: Vec<(&str, &str, &str)> = match self {
            Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler | Self::Kubelet => {
                let packages = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];
                let values = [
                    ("gitVersion", version),
                    ("gitMajor", major),
                    ("gitMinor", minor),
                    ("gitTreeState", "clean"),
                    ("gitCommit", "unknown"),
                    ("buildDate", "1970-01-01T00:00:00Z"),
                ];
                packages.iter().flat_map(|p| values.iter().map(move |(name, value)| (*p, *name, *value))).collect()
            }
            Self::Kine => vec![("github.com/k3s-io/kine/pkg/version", "Version", version)],
            Self::Kwok => vec![("sigs.k8s.io/kwok/pkg/consts", "Version", version)],
            Self::Helm3 => vec![
                ("helm.sh/helm/v3/internal/version", "version", version),
                ("helm.sh/helm/v3/pkg/chartutil", "k8sVersionMajor", major),
                ("helm.sh/helm/v3/pkg/chartutil", "k8sVersionMinor", minor),
                ("helm.sh/helm/v3/pkg/lint/rules", "k8sVersionMajor", major),
                ("helm.sh/helm/v3/pkg/lint/rules", "k8sVersionMinor", minor),
            ],
            Self::Helm4 => vec![("helm.sh/helm/v4/internal/version", "version", version)],
        };
        stamps
            .iter()
            .fold("-s -w".to_owned(), |flags, (package, name, value)| format!("{flags} -X {package}.{name}={value}"))
    }
}

fn kubernetes(package: &'static str, packages: u32) -> Recipe {
    Recipe {
        go_mod: include_str!("../../go/kubernetes/go.mod"),
        go_sum: include_str!("../../go/kubernetes/go.sum"),
        module: "k8s.io/kubernetes",
        package,
        packages,
    }
}

/// The major and minor number of [`KUBERNETES`].
fn kubernetes_minor() -> (&'static str, &'static str) {
    let mut numbers = KUBERNETES.trim_start_matches('v').split('.');
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `name version` out of a go.mod's requirements.
    fn required(go_mod: &str, module: &str) -> Option<String> {
        go_mod.lines().map(|line| line.trim().trim_start_matches("require ")).find_map(|line| {
            let (name, version) = line.split_once(' ')?;
            (name == module).then(|| version.split_whitespace().next().unwrap_or_default().to_owned())
        })
    }

    #[test]
    fn helper_modules_require_the_catalogues_versions() {
        for tool in Tool::ALL {
            let recipe = tool.recipe();
            assert_eq!(required(recipe.go_mod, recipe.module).as_deref(), Some(tool.version()), "{tool}");
            let sum = format!("{} {} h1:", recipe.module, tool.version());
            assert!(recipe.go_sum.lines().any(|line| line.starts_with(&sum)), "{tool}: go.sum lacks {sum}");
            assert!(recipe.go_mod.lines().any(|line| line == "go 1.26.0"), "{tool}: another go than is asked for");
        }
    }

    #[test]
    fn staging_modules_pair_with_kubernetes() {
        let staging = KUBERNETES.replacen("v1.", "v0.", 1);
        let go_mod = Tool::KubeApiserver.recipe().go_mod;
        let replaced: Vec<_> = go_mod.lines().filter_map(|line| line.split_once("=> k8s.io/")).collect();
        assert!(replaced.len() > 30, "{}", replaced.len());
        for (_, replacement) in replaced {
            assert_eq!(replacement.split_whitespace().nth(1), Some(staging.as_str()), "{replacement}");
        }
    }

    #[test]
    fn stamps_the_minor_of_kubernetes() {
        assert_eq!(kubernetes_minor(), ("1", "36"));
        assert_eq!(Tool::Kwok.linker_flags(), "-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0");
    }

    #[test]
    fn downloads_are_https_and_their_digests_are_digests() {
        for tool in Tool::ALL {
            for arch in ["amd64", "arm64"] {
                let Some(download) = tool.download(Platform { os: "linux", arch }) else { panic!("{tool} {arch}") };
                assert!(download.url.starts_with("https://"), "{}", download.url);
                assert!(download.url.contains(tool.version()) && download.url.contains(arch), "{}", download.url);
                match download.digest {
                    Digest::Pinned(hex) => {
                        assert_eq!(hex.len(), 64, "{tool} {arch}");
                        assert!(hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{tool} {arch}");
                    }
                    Digest::Published(url) => assert!(url.starts_with("https://"), "{url}"),
                }
            }
            assert_eq!(tool.download(Platform { os: "darwin", arch: "arm64" }), None);
        }
    }

    #[test]
    fn pins_are_all_different() {
        let mut pins: Vec<_> =
            Tool::ALL.iter().flat_map(|tool| ["amd64", "arm64"].map(|arch| tool.pinned(arch))).flatten().collect();
        let before = pins.len();
        pins.sort_unstable();
        pins.dedup();
        assert_eq!((before, pins.len()), (9, 9));
    }
}
