//! Where the files of a plane lie, and the arguments its programs are started with.

use super::ports::Ports;
use crate::certificates::Certificates;
use crate::component::{Binaries, Component};
use crate::node::SIMULATED;
use crate::real::Machine;
use pilothouse_process::Spawn;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The addresses of Services.
const SERVICE_RANGE: &str = "10.96.0.0/16";

/// The store asks nobody who he is, so it listens on a socket inside the state folder, which only its owner can enter.
/// The path is relative to that folder, where all programs run: a socket's path may have no more than 107 bytes.
const STORE: &str = "unix://store.sock";

/// Everything the arguments are made from.
pub(crate) struct Layout {
    pub(crate) binaries: Binaries,
    pub(crate) folder: PathBuf,
    pub(crate) certificates: Certificates,
    pub(crate) ports: Ports,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) audit: bool,
    pub(crate) webhooks: bool,
    pub(crate) machine: Option<Machine>,
}

impl Layout {
    pub(crate) fn log(&self, component: Component) -> PathBuf {
        self.folder.join(format!("{component}.log"))
    }

    pub(crate) fn store_socket(&self) -> PathBuf {
        self.folder.join("store.sock")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    pub(crate) fn audit_policy(&self) -> PathBuf {
        self.folder.join("audit-policy.yaml")
    }

    pub(crate) fn kwok_config(&self) -> PathBuf {
        self.folder.join("kwok.yaml")
    }

    /// kwok reads ~/.kwok and kine writes into its current folder: both are the plane's own.
    fn program(&self, program: &Path, args: Args) -> Spawn {
        Spawn::new(program).args(args.0).env("HOME", &self.folder).cwd(&self.folder)
    }

    /// The store.
    pub(crate) fn kine(&self) -> Spawn {
        let args = Args::default()
            .flag("--endpoint", "memory://")
            .flag("--listen-address", STORE)
            .flag("--metrics-bind-address", "0");
        self.program(&self.binaries.kine, args)
    }

    /// The API server.
    pub(crate) fn apiserver(&self) -> Spawn {
        let pki = &self.certificates;
        let mut args = Args::default()
            .flag("--etcd-servers", STORE)
            .flag("--bind-address", "127.0.0.1")
            .flag("--secure-port", self.ports.api.to_string())
            .flag("--advertise-address", "127.0.0.1")
            .flag("--endpoint-reconciler-type", "none")
            .flag("--cert-dir", self.folder.join("pki"))
            .flag("--tls-cert-file", &pki.serving)
            .flag("--tls-private-key-file", &pki.serving_key)
            .flag("--client-ca-file", &pki.authority)
            .flag("--kubelet-certificate-authority", &pki.authority)
            .flag("--kubelet-client-certificate", &pki.client)
            .flag("--kubelet-client-key", &pki.client_key)
            .flag("--kubelet-preferred-address-types", "InternalIP")
            .flag("--service-account-issuer", "https://kubernetes.default.svc")
            .flag("--service-account-key-file", &pki.accounts)
            .flag("--service-account-signing-key-file", &pki.accounts_key)
            .flag("--service-cluster-ip-range", SERVICE_RANGE)
            .flag("--allow-privileged", "true")
            .flag("--authorization-mode", "RBAC")
            // What follows saves work that a store of a few thousand objects in memory does not need.
            .flag("--enable-priority-and-fairness", "false")
            .flag("--max-requests-inflight", "0")
            .flag("--max-mutating-requests-inflight", "0")
            .flag("--etcd-count-metric-poll-period", "0")
            .flag("--etcd-db-metric-poll-interval", "0")
            .flag("--etcd-compaction-interval", "0")
            .flag("--profiling", "false");
        if !self.webhooks {
            let plugins = "MutatingAdmissionWebhook,ValidatingAdmissionWebhook";
            args = args.flag("--disable-admission-plugins", plugins);
        }
        if self.audit {
            args = args
                .flag("--audit-policy-file", self.audit_policy())
                .flag("--audit-log-path", self.audit_log())
                .flag("--audit-log-mode", "blocking");
        }
        // Its heap is small here, and without this a good part of its time goes into collecting garbage in it (`GOGC` of the Go runtime, 100 by itself).
        self.program(&self.binaries.kube_apiserver, args).env("GOGC", "300")
    }

    /// The controllers.
    pub(crate) fn controllers(&self) -> Spawn {
        let args = self
            .client("--secure-port", self.ports.controllers)
            .flag("--root-ca-file", &self.certificates.authority)
            .flag("--service-account-private-key-file", &self.certificates.accounts_key)
            .flag("--service-cluster-ip-range", SERVICE_RANGE)
            .flag("--pvclaimbinder-sync-period", "1s");
        self.program(&self.binaries.kube_controller_manager, args)
    }

    /// The scheduler.
    pub(crate) fn scheduler(&self) -> Spawn {
        self.program(&self.binaries.kube_scheduler, self.client("--secure-port", self.ports.scheduler))
    }

    /// What controllers and scheduler have in common.
    fn client(&self, port_flag: &str, port: u16) -> Args {
        Args::default()
            .flag("--kubeconfig", &self.kubeconfig)
            .flag("--bind-address", "127.0.0.1")
            .flag(port_flag, port.to_string())
            .flag("--tls-cert-file", &self.certificates.serving)
            .flag("--tls-private-key-file", &self.certificates.serving_key)
            .flag("--leader-elect", "false")
            .flag("--authorization-always-allow-paths", "/healthz,/readyz,/livez,/metrics")
            .flag("--kube-api-qps", "1000")
            .flag("--kube-api-burst", "2000")
            .flag("--profiling", "false")
    }

    /// kwok; `generation` counts its restarts, with `pod_logs` it watches `Logs` objects.
    pub(crate) fn kwok(&self, generation: u8, pod_logs: bool) -> Spawn {
        // kwok forgets which pod addresses it gave away: after a restart it gets another range.
        let range = format!("10.{}.0.0/16", 244_u8.saturating_sub(generation).max(128));
        let mut args = Args::default()
            .flag("--kubeconfig", &self.kubeconfig)
            .flag("--node-lease-duration-seconds", "0")
            .flag("--cidr", range)
            .flag("--node-ip", "127.0.0.1")
            .flag("--config", self.kwok_config())
            .flag("--server-address", format!("127.0.0.1:{}", self.ports.node))
            .flag("--node-port", self.ports.node.to_string())
            .flag("--tls-cert-file", &self.certificates.serving)
            .flag("--tls-private-key-file", &self.certificates.serving_key);
        // A real node is its kubelet's.
        args = match self.machine {
            Some(_) => args.flag("--manage-nodes-with-annotation-selector", format!("{}={}", SIMULATED.0, SIMULATED.1)),
            None => args.flag("--manage-all-nodes", "true"),
        };
        if pod_logs {
            args = args.flag("--enable-crds", "Logs");
        }
        self.program(&self.binaries.kwok, args)
    }
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn flag(mut self, name: &str, value: impl Into<OsString>) -> Self {
        let mut arg = OsString::from(name);
        arg.push("=");
        arg.push(value.into());
        self.0.push(arg);
        self
    }
}
