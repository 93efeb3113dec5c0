//! What the current user has.

use crate::component::Binaries;
use crate::config::Tools;
use crate::error::PlaneError;
use std::path::{Path, PathBuf};

pub(crate) async fn resolve(tools: &Tools) -> Result<Binaries, PlaneError> {
    match tools {
        Tools::Binaries(binaries) => Ok(binaries.clone()),
        Tools::ForCurrentUser => {
            let folder = assets();
            let at = |name: &str| Path::new(&folder).join(name);
            Ok(Binaries {
                kube_apiserver: at("kube-apiserver"),
                kube_controller_manager: at("kube-controller-manager"),
                kube_scheduler: at("kube-scheduler"),
                kine: at("kine"),
                kwok: at("kwok"),
            })
        }
    }
}

/// The folder in which envtest looks for its programs.
#[expect(clippy::disallowed_methods, reason = "the one place where this library looks at the user's environment")]
fn assets() -> PathBuf {
    std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(PathBuf::new, PathBuf::from)
}
