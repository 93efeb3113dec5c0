//! Real helms, one plane for all tests, and folders.

use pilothouse_core::{ChartInfo, Payload, ReleaseKey, SetValue};
use pilothouse_helm::{Helm, HelmConfig, Values};
use pilothouse_plane::provision::{Provisioner, Tool};
use pilothouse_plane::{Fault, FaultKind, Plane, PlaneConfig, for_current_user};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a run of helm may take in a test, also on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A chart of this folder.
pub(crate) fn chart(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts").join(name)
}

pub(crate) fn key(namespace: &str, name: &str) -> ReleaseKey {
    ReleaseKey::new(namespace, name)
}

pub(crate) fn never() -> CancellationToken {
    CancellationToken::new()
}

pub(crate) fn values(settings: Vec<SetValue>) -> Values {
    let info = ChartInfo { values: settings, ..ChartInfo::default() };
    Values::of(&info, &Payload::default()).unwrap()
}

/// A helm with its folder.
pub(crate) struct Tried {
    pub(crate) helm: Helm,
    pub(crate) home: TempDir,
}

/// The path of a real helm, obtained if it is not there.
pub(crate) async fn program(major: u64) -> PathBuf {
    let tool = if major == 3 { Tool::Helm3 } else { Tool::Helm4 };
    let obtained = Provisioner::new(for_current_user()).obtain(&[tool], |_| (), &never()).await;
    obtained.unwrap_or_else(|error| panic!("{error}")).path(tool).unwrap().to_owned()
}

/// A real helm that knows the cluster of this kubeconfig, or none.
pub(crate) async fn helm(major: u64, kubeconfig: Option<&Path>) -> Tried {
    let home = tempfile::tempdir().unwrap();
    let mut config = HelmConfig::new(program(major).await, home.path());
    config.kubeconfig = kubeconfig.map(Path::to_owned);
    let helm =
        Helm::discover(config).await.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
    Tried { helm, home }
}

/// The plane, started by the first test that asks, in a runtime of its own. It ends with this program.
pub(crate) fn plane() -> &'static Plane {
    static PLANE: OnceLock<(Plane, tokio::runtime::Runtime)> = OnceLock::new();
    let start = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fails = Fault::by_image("example.com/fails:", FaultKind::FailingJob { exit_code: 1, log: Vec::new() });
        let message = "no such image".to_owned();
        let hangs = Fault::by_image("example.com/hangs:", FaultKind::ImagePullError { message });
        let config = PlaneConfig { folder: Some(folder()), faults: vec![fails, hangs], ..PlaneConfig::default() };
        let plane = runtime.block_on(Plane::start(config)).unwrap_or_else(|error| panic!("{error}"));
        (plane, runtime)
    };
    // A runtime cannot be entered from within another one, so it gets a thread.
    &PLANE.get_or_init(|| std::thread::scope(|scope| scope.spawn(start).join().unwrap())).0
}

/// A folder for this process. Statics are never dropped, so folders of processes that are gone are removed here.
fn folder() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm-planes");
    for entry in std::fs::read_dir(&base).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(entry.file_name()).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    base.join(std::process::id().to_string())
}
