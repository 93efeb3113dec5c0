//! The programs of a real node, started; and everything of it on the machine, cleared away.

use super::network::{self, Subnet};
use super::requirements::{PATH, cni_folder, program};
use super::{image, settings};
use crate::error::{PlaneError, RealNodeMissing};
use crate::files::{log_file, private_folder};
use crate::node::RealNode;
use crate::write::write;
use pilothouse_process::{Aftercare, Ended, Limits, Spawn, run};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const ENTER: &str = include_str!("enter.sh");
const INSIDE: &str = include_str!("inside.sh");
const JOIN: &str = include_str!("join.sh");
const LEAVE: &str = include_str!("leave.sh");

/// The node's folder inside the plane's.
const NODE: &str = "node";

/// The log of the clearing away. Whoever clears away holds its lock.
const LEAVE_LOG: &str = "leave.log";

/// How long another clearing away is waited for: much longer than it tries.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the import of an image may take.
const IMPORT: Limits = Limits { timeout: Duration::from_secs(300), grace: Duration::from_secs(1) };

/// The real node of a plane: what it is called and which addresses it has on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) node: RealNode,
    pub(crate) kubelet: PathBuf,
    folder: PathBuf,
    name: String,
    subnet: Subnet,
    cni: PathBuf,
    ctr: PathBuf,
}

impl Machine {
    /// Chooses the addresses of a real node on a machine that can have one. Changes nothing.
    pub(crate) fn plan(node: &RealNode, kubelet: PathBuf, folder: &Path) -> Result<Self, PlaneError> {
        let path = PathBuf::from("/proc/net/route");
        let routes = std::fs::read_to_string(&path).map_err(|source| PlaneError::ReadLog { path, source })?;
        let name = network::name(folder);
        let one = |what: &str| PlaneError::from(RealNodeMissing(vec![what.to_owned()]));
        let subnet = network::choose(&name, &network::routes(&routes));
        let subnet = subnet.ok_or_else(|| one("256 free addresses between 10.32.0.0 and 10.95.255.255"))?;
        let cni = cni_folder().ok_or_else(|| one("all CNI plugins in one folder"))?;
        let ctr = program("ctr").ok_or_else(|| one("ctr"))?;
        Ok(Self { node: node.clone(), kubelet, folder: folder.to_owned(), name, subnet, cni, ctr })
    }

    /// The node's address, also the first one of its pods' network.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.subnet.gateway()
    }

    /// Writes all settings, and starts what clears away after the end. To be kept as long as the node runs.
    pub(crate) async fn prepare(&self, port: u16) -> Result<Aftercare, PlaneError> {
        // What an earlier one in this folder may have left, whose clearing away was killed too: the names are the same.
        clear(&self.folder).await?;
        let folder = self.folder.join(NODE);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PlaneError::Folder { path, source }
        };
        private_folder(&folder).map_err(failed(&folder))?;
        for made in ["cni", "images"] {
            private_folder(&folder.join(made)).map_err(failed(&folder))?;
        }
        write(&folder.join("containerd.toml"), &settings::containerd(&self.cni))?;
        write(&folder.join("cni/plane.conflist"), &settings::network(&self.name, self.subnet).to_string())?;
        let kubelet = settings::kubelet(&self.node, &self.name, self.subnet, port);
        write(&folder.join("kubelet.json"), &kubelet.to_string())?;
        let images = self.images();
        image::write(&images).map_err(failed(&images))?;
        let log = locked(&self.folder).await?;
        Aftercare::start(LEAVE, self.leave_arguments(), &environment(), &log).map_err(failed(&folder))
    }

    fn leave_arguments(&self) -> [OsString; 2] {
        [OsString::from(&self.name), self.folder.clone().into_os_string()]
    }

    /// Enters the node's namespaces and runs containerd there.
    pub(crate) fn containerd(&self) -> Spawn {
        let address = self.subnet.gateway_with_prefix();
        shell(&self.folder, ENTER).args([self.name.as_str(), address.as_str(), INSIDE])
    }

    /// containerd's socket, reached through the process that entered the namespaces.
    pub(crate) fn socket(entered: u32) -> PathBuf {
        PathBuf::from(format!("/proc/{entered}/root/run/containerd/containerd.sock"))
    }

    /// The kubelet, in the namespaces of the process `entered`.
    pub(crate) fn kubelet(&self, entered: u32) -> Spawn {
        self.join(entered, &self.kubelet).args(settings::kubelet_arguments(&self.node, self.subnet))
    }

    fn join(&self, entered: u32, program: &Path) -> Spawn {
        shell(&self.folder, JOIN).args([entered.to_string(), self.name.clone()]).arg(program)
    }

    fn images(&self) -> PathBuf {
        self.folder.join(NODE).join("images").join("own.tar")
    }

    /// Gives containerd its own images and those of the user.
    pub(crate) async fn import(&self, entered: u32) -> Result<(), PlaneError> {
        for file in [self.images()].iter().chain(&self.node.images) {
            let error = |why: String| PlaneError::Image { path: file.clone(), why };
            // Inside, the folder the file lies in may be hidden.
            let archive = File::open(file).map_err(|problem| error(problem.to_string()))?;
            let import = self.join(entered, &self.ctr).args(["--namespace", "k8s.io", "images", "import", "-"]);
            let import = import.stdin_file(archive);
            let done = run(import, IMPORT, &CancellationToken::new()).await;
            let done = done.map_err(|problem| error(format!("{problem}: {}", problem.source)))?;
            if done.ended != Ended::Exited || !done.status.success() {
                return Err(error(format!("{} {}", done.stdout.text().trim(), done.stderr.text().trim())));
            }
        }
        Ok(())
    }
}

/// Clears away what the real node of the plane in `folder` has left on the machine, if it had one. To be called when
/// the plane does not run any more.
pub(crate) async fn clear(folder: &Path) -> Result<(), PlaneError> {
    // What follows runs as root: another user's link must not lead it elsewhere.
    match folder.join(NODE).symlink_metadata() {
        Ok(node) if node.is_dir() => {}
        Ok(_) | Err(_) => return Ok(()),
    }
    let failed = |source| PlaneError::Folder { path: folder.join(NODE), source };
    // The names are made from the folder as the plane saw it.
    let folder = folder.canonicalize().map_err(failed)?;
    let log = locked(&folder).await?;
    let arguments = [OsString::from(network::name(&folder)), folder.clone().into_os_string()];
    let aftercare = Aftercare::start(LEAVE, arguments, &environment(), &log).map_err(failed)?;
    match aftercare.run().await.map_err(failed)? {
        status if status.success() => Ok(()),
        _ => Err(failed(std::io::Error::other(format!(
            "not all could be cleared away: see {}",
            log_of(&folder).display()
        )))),
    }
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join(NODE).join(LEAVE_LOG)
}

/// The locked log of the clearing away in a plane's folder. The shell that clears away inherits the lock, and holds it until
/// it is done, whatever becomes of this process.
async fn locked(folder: &Path) -> Result<File, PlaneError> {
    let path = log_of(folder);
    let failed = |source| PlaneError::Folder { path: path.clone(), source };
    let file = log_file(&path).map_err(failed)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => sleep(Duration::from_millis(10)).await,
            Err(TryLockError::WouldBlock) => return Err(PlaneError::FolderInUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

fn shell(folder: &Path, script: &str) -> Spawn {
    Spawn::new("/bin/sh").args(["-c", script, "pilothouse-node"]).envs(environment()).cwd(folder)
}

fn environment() -> BTreeMap<OsString, OsString> {
    BTreeMap::from([("PATH".into(), PATH.into())])
}
