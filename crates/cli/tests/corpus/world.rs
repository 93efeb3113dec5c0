//! Programs and planes of this test binary.

use crate::case::{Case, Place};
use crate::run::{Runner, Variant};
use crate::servers::Servers;
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Fault, Plane, PlaneConfig, RealNode, SimulatedNode, Taint, TaintEffect, real_node_missing};
use pilothouse_testkit::SharedPlane;
pub(crate) use pilothouse_testkit::in_runtime;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static SIMULATED: SharedPlane = SharedPlane::new();
static REAL: SharedPlane = SharedPlane::new();
pub(crate) static SERVERS: LazyLock<Servers> = LazyLock::new(Servers::start);

/// A plane with two nodes for everybody and one for graphics, that heeds webhooks, and where pods break as the cases say.
pub(crate) fn simulated() -> &'static Plane {
    SIMULATED.get(|| {
        let mut graphics = SimulatedNode::new("graphics-1");
        graphics.labels.insert("pool".to_owned(), "graphics".to_owned());
        graphics.taints.push(Taint {
            key: "dedicated".to_owned(),
            value: Some("graphics".to_owned()),
            effect: TaintEffect::NoSchedule,
        });
        PlaneConfig {
            nodes: vec![SimulatedNode::new("node-1").into(), SimulatedNode::new("node-2").into(), graphics.into()],
            faults: crate::faults(),
            webhooks: true,
            ..PlaneConfig::default()
        }
    })
}

/// A plane with a real node; `None`, with a line that says why, when there can be none on this machine.
pub(crate) fn real(test: &str) -> Option<&'static Plane> {
    let missing = real_node_missing();
    if !missing.is_empty() {
        pilothouse_testkit::not_run(test, &missing.join("; "));
        return None;
    }
    let node = || vec![RealNode::new("real-1").into()];
    Some(REAL.get(|| PlaneConfig { nodes: node(), ..PlaneConfig::default() }))
}

/// What breaks in the namespaces of the cases, when these run them.
pub(crate) fn faults(by: Runner) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in Case::names() {
        for helm in [3, 4] {
            let variant = Variant { name: name.clone(), place: Place::Simulated, helm, by };
            if let Some(fault) = variant.case(&SERVERS).fault {
                faults.push(Fault::by_namespace(variant.namespace(), fault));
            }
        }
    }
    faults
}

/// A real helm, obtained if it is not there.
pub(crate) fn helm(tool: Tool) -> PathBuf {
    in_runtime(pilothouse_testkit::helm(tool))
}

/// The program in this folder, with nothing of the tester's own settings.
pub(crate) fn program(folder: &Path, helm: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    command.current_dir(folder);
    for name in ["HELM_DRIVER", "PILOTHOUSE_CACHE", "NO_COLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    command.env("KUBECONFIG", kubeconfig).env("PILOTHOUSE_HELM", helm).env("XDG_STATE_HOME", folder.join("state"));
    command
}
