//! Real programs and a real control plane for tests.

use pilothouse_plane::provision::{Obtained, Provisioner, Tool};
use pilothouse_plane::{Plane, PlaneConfig, for_current_user};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Programs, from the cache or obtained into it now, with a line about each that has to be obtained.
///
/// # Panics
/// When they cannot be obtained: a test that needs them cannot be left out.
#[expect(clippy::print_stderr, reason = "obtaining takes minutes, and says so")]
pub async fn obtain(tools: &[Tool]) -> Obtained {
    use pilothouse_plane::provision::ProvisionEvent as E;
    let told = |event: E| match event {
        E::Ready(installed) => eprintln!("obtained {} {}", installed.tool.name(), installed.version),
        E::Waiting { tool } => eprintln!("waiting for another installation of {}", tool.name()),
        E::FallingBack { tool, from, why } => eprintln!("{}: no {from}: {why}", tool.name()),
        _ => {}
    };
    let provisioner = Provisioner::new(for_current_user());
    provisioner.obtain(tools, told, &CancellationToken::new()).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A real helm.
///
/// # Panics
/// When it cannot be obtained.
pub async fn helm(tool: Tool) -> PathBuf {
    let obtained = obtain(&[tool]).await;
    obtained.path(tool).map_or_else(|| panic!("{} was not obtained", tool.name()), PathBuf::from)
}

/// One control plane for all tests of a binary. It lives on a runtime of its own, since the runtime of a test ends with the
/// test, and ends with the process.
pub struct SharedPlane(OnceLock<(Plane, Runtime)>);

impl SharedPlane {
    /// A plane that is started when it is first asked for.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The plane; started with this configuration by whoever asks first.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn get(&self, config: impl FnOnce() -> PlaneConfig) -> &Plane {
        let (plane, _) = self.0.get_or_init(|| {
            let config = config();
            let (to, from) = channel();
            // A runtime cannot be entered from inside another one, where the asking test may be.
            std::thread::spawn(move || {
                let runtime = Runtime::new().unwrap_or_else(|error| panic!("{error}"));
                let plane = runtime.block_on(async {
                    obtain(&Tool::PLANE).await;
                    Plane::start(config).await.unwrap_or_else(|error| panic!("{error}"))
                });
                let _ = to.send((plane, runtime));
            });
            from.recv().unwrap_or_else(|_| panic!("the control plane did not start; see above"))
        });
        plane
    }
}

impl Default for SharedPlane {
    fn default() -> Self {
        Self::new()
    }
}
