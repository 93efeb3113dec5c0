//! What the current user has: the one exception to the rule that this library reads no environment.
//!
//! A plane is meant to be one line in a test of another project, where no program has resolved settings before:
//! `Plane::start(PlaneConfig::default())`. Something must then say where the cache lies and which `go` there is. That
//! is done here, in one function that does nothing else, and only for [`Tools::ForCurrentUser`]; whoever passes
//! [`Tools::Provision`] or [`Tools::Binaries`], as the program `pilothouse` does, gets no look at the environment.

use crate::component::Binaries;
use crate::config::Tools;
use crate::error::PlaneError;
use crate::provision::{Obtained, ProvisionConfig, ProvisionEvent, Provisioner, Tool};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Where the current user keeps programs and how more can be obtained:
///
/// * the cache is `$XDG_CACHE_HOME/pilothouse/bin`, or `~/.cache/pilothouse/bin`; without either there is none, and obtaining
///   anything is an error;
/// * programs in `KUBEBUILDER_ASSETS`, the one at `TEST_ASSET_KUBE_APISERVER` (both are envtest's names) and those on
///   `PATH` are used if their version fits;
/// * downloads and builds get the whole environment, for `HTTPS_PROXY`, `GOPROXY` and the like; `go` is the one on
///   `PATH`.
///
/// This function reads the environment; nothing else in this library does.
#[expect(clippy::disallowed_methods, reason = "the documented exception: a plane in one line, without a program")]
pub fn for_current_user() -> ProvisionConfig {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    // The base directory specification wants relative paths ignored.
    let xdg = var("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || var("HOME").map(|home| Path::new(&home).join(".cache"));
    // Without a home there is no cache: what lies in a folder for all is anybody's.
    let cache = xdg.or_else(home).map(|cache| cache.join("pilothouse").join("bin")).unwrap_or_default();
    let path: Vec<PathBuf> =
        var("PATH").iter().flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>()).collect();
    let named = ["TEST_ASSET_KUBE_APISERVER", "KUBEBUILDER_ASSETS"].into_iter().filter_map(var).map(PathBuf::from);
    let mut config = ProvisionConfig::new(cache);
    config.candidates = named.chain(path.iter().cloned()).collect();
    config.go = path.iter().map(|folder| folder.join("go")).find(|go| go.is_file());
    config.base_env = std::env::vars_os().collect::<std::collections::BTreeMap<OsString, OsString>>();
    config
}

/// The programs of a plane, obtained first where they are missing.
pub(crate) async fn resolve(tools: &Tools, real_node: bool) -> Result<Binaries, PlaneError> {
    match tools {
        Tools::Binaries(binaries) => Ok(binaries.clone()),
        Tools::ForCurrentUser => obtain(for_current_user(), real_node).await,
        Tools::Provision(config) => obtain(config.clone(), real_node).await,
    }
}

async fn obtain(config: ProvisionConfig, real_node: bool) -> Result<Binaries, PlaneError> {
    let told = |event| match event {
        ProvisionEvent::Downloading { .. } | ProvisionEvent::Building { .. } => tracing::trace!(?event),
        _ => tracing::debug!(?event),
    };
    // Whoever drops the start of a plane drops this too: what is obtained so far stays and is taken up again.
    let obtained = Provisioner::new(config).obtain(Tool::of_plane(real_node), told, &CancellationToken::new()).await?;
    Binaries::try_from(&obtained)
}

impl TryFrom<&Obtained> for Binaries {
    type Error = PlaneError;

    fn try_from(obtained: &Obtained) -> Result<Self, PlaneError> {
        let path = |tool| obtained.path(tool).map(Path::to_owned).ok_or(PlaneError::NotObtained(tool));
        Ok(Self {
            kube_apiserver: path(Tool::KubeApiserver)?,
            kube_controller_manager: path(Tool::KubeControllerManager)?,
            kube_scheduler: path(Tool::KubeScheduler)?,
            kine: path(Tool::Kine)?,
            kwok: path(Tool::Kwok)?,
            kubelet: path(Tool::Kubelet).ok(),
        })
    }
}
