//! A running plane.

use super::folder::{folder, lock};
use super::health::Probes;
use super::layout::Layout;
use super::monitor::Monitor;
use super::ports::Ports;
use super::start::Start;
use super::{seed, simulation};
use crate::certificates::Certificates;
use crate::component::{Binaries, Component};
use crate::config::PlaneConfig;
use crate::error::{Failure, PlaneError, RealNodeMissing};
use crate::files::LockedFile;
use crate::kubeconfig::{self, local};
use crate::node::{Node, RealNode};
use crate::provision::Tool;
use crate::real::{Machine, real_node_missing};
use crate::stages::Fault;
use crate::user;
use crate::write::write;
use kube::Client;
use pilothouse_process::{Aftercare, Signal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often the start is tried when another program takes a port that was free a moment before.
const TRIES: u32 = 3;

/// A running control plane. Its processes end when it is stopped or dropped, and when this process ends, however it
/// ends.
pub struct Plane {
    monitor: Arc<Monitor>,
    layout: Layout,
    config: PlaneConfig,
    simulation: Mutex<Simulation>,
    api_ready_after: Duration,
    usable_after: Duration,
    client_config: kube::Config,
    client: Client,
    probes: Probes,
    // When everything has been killed, and before the folder is removed.
    aftercare: Option<Aftercare>,
    // Last: the folder is removed when nobody uses it any more.
    temporary: Option<TempDir>,
    lock: Option<LockedFile>,
}

// The client and its configuration hold the key of an administrator.
impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").field("url", &self.url()).field("folder", &self.layout.folder).finish_non_exhaustive()
    }
}

/// What kwok was last started with.
struct Simulation {
    faults: Vec<Fault>,
    restarts: u8,
    pod_logs: bool,
}

/// What one component answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Which.
    pub component: Component,
    /// Its process id; `None` when it is not running.
    pub pid: Option<u32>,
    /// What it answers when it is not healthy.
    pub problem: Option<String>,
}

impl Plane {
    /// Starts a control plane and returns when its API is ready, its components are healthy and its nodes can take
    /// pods. Must be called inside a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When a program is missing or ends, or something is not ready within [`PlaneConfig::deadline`]: with the name
    /// of the component and the end of its log. Nothing is left running then.
    pub async fn start(config: PlaneConfig) -> Result<Self, PlaneError> {
        let real = real_node(&config)?;
        let binaries = user::resolve(&config.tools, real.is_some()).await?;
        let deadline = Instant::now() + config.deadline;
        let (folder, mut temporary) = folder(&config).await?;
        let lock = lock(&folder)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::attempt(&config, real.as_ref(), &binaries, &folder, deadline).await {
                Ok(mut plane) => {
                    plane.temporary = temporary.take();
                    plane.lock = Some(lock);
                    return Ok(plane);
                }
                Err(PlaneError::Failure(failure)) if failure.is_port_taken() && tries < TRIES => {
                    tracing::debug!(%failure, "a port was taken; trying others");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        config: &PlaneConfig,
        real: Option<&RealNode>,
        binaries: &Binaries,
        folder: &Path,
        deadline: Instant,
    ) -> Result<Self, PlaneError> {
        let machine = match real {
            Some(node) => {
                let kubelet = binaries.kubelet.clone().ok_or(PlaneError::NotObtained(Tool::Kubelet))?;
                Some(Machine::plan(node, kubelet, folder)?)
            }
            None => None,
        };
        let layout = Layout {
            binaries: binaries.clone(),
            folder: folder.to_owned(),
            certificates: Certificates::write(folder, machine.as_ref().map(Machine::address))?,
            ports: Ports::pick().map_err(PlaneError::Ports)?,
            kubeconfig: folder.join("kubeconfig"),
            audit: config.audit,
            webhooks: config.webhooks,
            machine,
        };
        write_files(config, &layout)?;
        remove_socket(&layout.store_socket())?;
        let begun = Instant::now();
        // Before the monitor, so that it clears away after the monitor has killed everything.
        let aftercare = match &layout.machine {
            Some(machine) => Some(machine.prepare(layout.ports.kubelet).await?),
            None => None,
        };
        let monitor = Monitor::start();
        let pod_logs = simulation::needs_pod_logs(&config.faults);
        let start = Start { layout: &layout, monitor: &monitor, deadline, allowed: config.deadline };
        start.launch(Component::Kine, layout.kine()).await?;
        let mut entered = None;
        if let Some(machine) = &layout.machine {
            entered = Some(start.launch(Component::Containerd, machine.containerd()).await?);
        }
        start.launch(Component::KubeApiserver, layout.apiserver()).await?;
        let probes = Probes::new(&layout, entered.map(Machine::socket))?;
        start.ready(Component::KubeApiserver, || probes.ask(Component::KubeApiserver)).await?;
        let api_ready_after = begun.elapsed();
        start.launch(Component::KubeControllerManager, layout.controllers()).await?;
        start.launch(Component::KubeScheduler, layout.scheduler()).await?;
        if let (Some(machine), Some(entered)) = (&layout.machine, entered) {
            start.ready(Component::Containerd, || probes.ask(Component::Containerd)).await?;
            start.launch(Component::Kubelet, machine.kubelet(entered)).await?;
            machine.import(entered).await?;
        }
        if pod_logs {
            let served = || seed::is_serving_pod_logs(probes.api());
            seed::pod_logs(probes.api()).await?;
            start.ready(Component::KubeApiserver, served).await?;
        }
        start.launch(Component::Kwok, layout.kwok(0, pod_logs)).await?;
        seed::seed(probes.api(), &config.nodes).await?;
        for component in [Component::KubeScheduler, Component::KubeControllerManager, Component::Kwok] {
            start.ready(component, || probes.ask(component)).await?;
        }
        let nodes = config.nodes.len();
        let last = if real.is_some() { Component::Kubelet } else { Component::Kwok };
        start.ready(last, || seed::is_usable(probes.api(), nodes)).await?;
        let usable_after = begun.elapsed();
        let client_config = kubeconfig::client_config(&config.name, local(layout.ports.api), &layout.certificates)
            .map_err(|error| PlaneError::Client(error.to_string()))?;
        let client = Client::try_from(client_config.clone()).map_err(|error| PlaneError::Client(error.to_string()))?;
        let simulation = Mutex::new(Simulation { faults: config.faults.clone(), restarts: 0, pod_logs });
        let config = config.clone();
        Ok(Self {
            monitor,
            layout,
            config,
            simulation,
            api_ready_after,
            usable_after,
            client_config,
            client,
            probes,
            aftercare,
            temporary: None,
            lock: None,
        })
    }

    /// A client with all rights. It belongs to the runtime in which the plane was started and ends with it; another
    /// runtime makes its own from [`Plane::client_config`].
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What [`Plane::client`] was made from.
    pub fn client_config(&self) -> kube::Config {
        self.client_config.clone()
    }

    /// A kubeconfig file with all rights (mode 0600, in the state folder).
    pub fn kubeconfig(&self) -> &Path {
        &self.layout.kubeconfig
    }

    /// The address of the API server.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.layout.ports.api)
    }

    /// How long it took from the start of the first process until the API was ready.
    pub fn api_ready_after(&self) -> Duration {
        self.api_ready_after
    }

    /// How long it took from the start of the first process until all nodes were ready for pods.
    pub fn usable_after(&self) -> Duration {
        self.usable_after
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.layout.folder
    }

    /// The log file of a component.
    pub fn log_path(&self, component: Component) -> PathBuf {
        self.layout.log(component)
    }

    /// What a component has logged so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn logs(&self, component: Component) -> Result<String, PlaneError> {
        let path = self.layout.log(component);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(source) => Err(PlaneError::ReadLog { path, source }),
        }
    }

    /// The API server's audit log, if the plane was started with one.
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.layout.audit.then(|| self.layout.audit_log())
    }

    /// The process ids of the components.
    pub fn pids(&self) -> Vec<(Component, u32)> {
        self.monitor.pids()
    }

    /// Whether everything works as far as exits and logs tell, looked at now. Does no network call.
    ///
    /// # Errors
    /// The first thing that broke, also if it was long ago.
    pub fn check(&self) -> Result<(), PlaneError> {
        self.failure().map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// The first thing that broke, if anything did, looked at now.
    pub fn failure(&self) -> Option<Failure> {
        self.monitor.look()
    }

    /// Waits until a component ends by itself.
    pub async fn died(&self) -> Failure {
        self.monitor.died().await
    }

    /// Waits until something breaks.
    pub async fn broken(&self) -> Failure {
        self.monitor.broken().await
    }

    /// Asks every component how it is.
    pub async fn health(&self) -> Vec<Health> {
        let pids = self.pids();
        let real: &[Component] = if self.layout.machine.is_some() { &Component::REAL_NODE } else { &[] };
        let ask = Component::CONTROL_PLANE.iter().chain(real).map(|&component| {
            let pid = pids.iter().find(|(running, _)| *running == component).map(|(_, pid)| *pid);
            async move { Health { component, pid, problem: self.probes.ask(component).await.err() } }
        });
        futures::future::join_all(ask).await
    }

    /// Adds a fault. Pods that run already are broken too, except by the faults that only meet pods which don't run
    /// yet ([`FaultKind::ImagePullError`](crate::FaultKind::ImagePullError),
    /// [`ConfigError`](crate::FaultKind::ConfigError), [`SlowStart`](crate::FaultKind::SlowStart),
    /// [`InitFailed`](crate::FaultKind::InitFailed)). Returns when the fault is in effect; kwok is restarted for it,
    /// which takes well under a second.
    ///
    /// # Errors
    /// When kwok does not start again.
    pub async fn inject(&self, fault: Fault) -> Result<(), PlaneError> {
        let mut simulation = self.simulation.lock().await;
        let mut faults = simulation.faults.clone();
        faults.push(fault);
        self.simulate(&mut simulation, faults).await
    }

    /// Takes all faults away. Pods that have not failed for good become healthy.
    ///
    /// # Errors
    /// When kwok does not start again.
    pub async fn heal(&self) -> Result<(), PlaneError> {
        let mut simulation = self.simulation.lock().await;
        self.simulate(&mut simulation, Vec::new()).await
    }

    /// Starts kwok again with other faults.
    async fn simulate(&self, simulation: &mut Simulation, faults: Vec<Fault>) -> Result<(), PlaneError> {
        simulation::write(&self.config, &faults, &self.layout)?;
        let pod_logs = simulation.pod_logs || simulation::needs_pod_logs(&faults);
        let allowed = self.config.deadline;
        let deadline = Instant::now() + allowed;
        let start = Start { layout: &self.layout, monitor: &self.monitor, deadline, allowed };
        if pod_logs && !simulation.pod_logs {
            seed::pod_logs(&self.client).await?;
            start.ready(Component::KubeApiserver, || seed::is_serving_pod_logs(&self.client)).await?;
            simulation.pod_logs = true;
        }
        if let Some(mut old) = self.monitor.take(Component::Kwok) {
            old.signal(Signal::KILL);
            old.wait().await;
        }
        simulation.restarts = simulation.restarts.saturating_add(1);
        simulation.faults = faults;
        start.launch(Component::Kwok, self.layout.kwok(simulation.restarts, pod_logs)).await?;
        start.ready(Component::Kwok, || self.probes.ask(Component::Kwok)).await
    }

    /// Ends all processes and waits until they are gone. What a real node has made on the machine is taken away, and a
    /// temporary state folder is removed.
    pub async fn stop(mut self) {
        self.monitor.kill_all().await;
        if let Some(aftercare) = self.aftercare.take() {
            let failed = match aftercare.run().await {
                Ok(status) => (!status.success()).then(|| format!("what clears it away ended with {status}")),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = failed {
                tracing::warn!(%error, "what a real node has made on this machine may still be there");
            }
        }
        // Dropping it would do the same, but in silence when it fails.
        if let Some(Err(error)) = self.temporary.take().map(TempDir::close) {
            tracing::warn!(%error, "the temporary folder of a plane is still there");
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // The monitor would do it too, but its own look at things may hold it a moment longer.
        self.monitor.kill_and_wait_briefly();
    }
}

/// The real node, if there is to be one and this machine can have one.
fn real_node(config: &PlaneConfig) -> Result<Option<RealNode>, PlaneError> {
    let real: Vec<&RealNode> = config
        .nodes
        .iter()
        .filter_map(|node| match node {
            Node::Simulated(_) => None,
            Node::Real(node) => Some(node),
        })
        .collect();
    match real[..] {
        [] => Ok(None),
        [node] => {
            let missing = real_node_missing();
            if missing.is_empty() { Ok(Some(node.clone())) } else { Err(RealNodeMissing(missing).into()) }
        }
        _ => Err(PlaneError::RealNodes(real.len())),
    }
}

/// A socket stays when its program is killed, and then cannot be listened on again.
fn remove_socket(path: &Path) -> Result<(), PlaneError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(PlaneError::Folder { path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_files(config: &PlaneConfig, layout: &Layout) -> Result<(), PlaneError> {
    let kubeconfig = kubeconfig::render(&config.name, local(layout.ports.api), &layout.certificates);
    write(&layout.kubeconfig, &format!("{kubeconfig:#}\n"))?;
    simulation::write(config, &config.faults, layout)?;
    if layout.audit {
        write(&layout.audit_policy(), &crate::audit::policy().to_string())?;
    }
    Ok(())
}
