//! Builds from Go modules: with a stand-in for go, and with go.

use super::server::{Answer, Server};
use super::support::{Setting, install, kine, pinned, platform, why};
use pilothouse_plane::provision::{BuildProgress, ProvisionError, ProvisionEvent, Source, Tool};
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A setting with a go that is a shell script: `version` is what it says it is, `build` what it does to build, with
/// the output file in `$out`.
fn with_go(version: &str, build: &str) -> Setting {
    let mut setting = Setting::new();
    let go = setting.folder.path().join("go");
    let script = format!(
        "#!/bin/sh\nhome=${{0%/*}}\ncase $1 in\nversion) echo 'go version go{version} linux/amd64' ;;\n\
         env) echo local ;;\nbuild) echo \"$@\" > $home/args; while [ \"$1\" != -o ]; do shift; done; out=$2\n{build}\n;;\nesac\n"
    );
    install(&go, script.as_bytes());
    setting.config.go = Some(go);
    setting.config.allow_build = true;
    setting
}

const BUILDS: &str = "echo 'go: downloading example.com/a v1.0.0' >&2; echo example.com/a/b >&2; \
    printf '#!/bin/sh\\necho kine version v0.16.4\\n' > $out";

#[tokio::test]
async fn builds_when_the_download_does_not_work() {
    let server = Server::start(|_, _| Answer::Status(404)).await;
    let mut setting = with_go("1.26.3", BUILDS);
    let url = format!("{}/kine", server.url);
    setting.config.allow_download = true;
    setting.config.downloads.insert(Tool::Kine, pinned(url.clone(), &kine()));
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(obtained.get(Tool::Kine).unwrap().source, Source::Build { go: "1.26.3".to_owned() });
    let fallen = format!("no download: {url}: the server answers 404 Not Found");
    assert_eq!(setting.story(), ["looking", "downloading", &fallen, "building", "ready"]);
    assert_eq!(setting.left().len(), 1);
}

#[tokio::test]
async fn hands_go_the_helper_module_and_settings_of_its_own() {
    let build = format!(
        "echo \"$GOFLAGS $GOWORK $CGO_ENABLED $GOOS-$GOARCH $KEPT\" > $home/env; cp go.mod go.sum $home; {BUILDS}"
    );
    let mut setting = with_go("1.26.3", &build);
    let env =
        [("GOFLAGS", "-mod=vendor"), ("GOWORK", "/w"), ("CGO_ENABLED", "1"), ("KEPT", "k"), ("PATH", "/usr/bin:/bin")];
    setting.config.base_env = env.map(|(name, value)| (name.into(), value.into())).into();
    setting.obtain(Tool::Kine).await.unwrap();
    let read = |name: &str| fs::read_to_string(setting.folder.path().join(name)).unwrap();
    assert_eq!(read("env"), format!("-mod=readonly off 0 {} k\n", platform()));
    let out = setting.cache().join("kine/work/kine");
    let args = format!(
        "build -v -mod=readonly -trimpath -buildvcs=false -ldflags -s -w -X github.com/k3s-io/kine/pkg/version.Version=v0.16.4 \
         -o {} github.com/k3s-io/kine\n",
        out.display()
    );
    assert_eq!(read("args"), args);
    let module = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("go/kine");
    for name in ["go.mod", "go.sum"] {
        assert_eq!(read(name), fs::read_to_string(module.join(name)).unwrap());
    }
}

#[tokio::test]
async fn tells_how_far_it_is() {
    // It waits until it has been seen.
    let build = format!("{BUILDS}; while ! [ -e $home/seen ]; do sleep 0.05; done");
    let setting = with_go("1.26.3", &build);
    let seen = setting.folder.path().join("seen");
    let cancel = CancellationToken::new();
    let then = |event: &ProvisionEvent| {
        let ProvisionEvent::Building { progress, .. } = event else { return };
        if progress.packages == 1 {
            let elapsed = progress.elapsed;
            let last = "example.com/a/b".to_owned();
            let expected = BuildProgress { modules: 1, packages: 1, packages_at_most: 859, last, elapsed };
            assert_eq!(*progress, expected);
            fs::write(&seen, "").unwrap();
        }
    };
    setting.obtain_until(Tool::Kine, &cancel, then).await.unwrap();
    assert!(seen.exists());
}

#[tokio::test]
async fn a_failing_build_shows_what_go_said() {
    let build = "echo example.com/a >&2; echo '# example.com/a' >&2; echo 'a.go:1:2: undefined: b' >&2; exit 1";
    let setting = with_go("1.26.3", build);
    let expected = "go build fails (exit status: 1):\n# example.com/a\na.go:1:2: undefined: b";
    assert_eq!(why(setting.obtain(Tool::Kine).await, "build from Go modules"), expected);
    assert_eq!(setting.left(), [""; 0]);
}

#[tokio::test]
async fn go_has_to_be_there_new_enough_and_allowed() {
    let from = "build from Go modules";
    let old = with_go("1.25.7", BUILDS);
    let go = old.config.go.clone().unwrap();
    let expected = format!(
        "{} is 1.25.7, 1.26 or newer is needed, and GOTOOLCHAIN=local keeps it from fetching one",
        go.display()
    );
    assert_eq!(why(old.obtain(Tool::Kine).await, from), expected);

    let ancient = with_go("1.20.1", BUILDS);
    let go = ancient.config.go.clone().unwrap();
    let expected = format!("{} is 1.20.1, and 1.26 or newer is needed", go.display());
    assert_eq!(why(ancient.obtain(Tool::Kine).await, from), expected);

    let mut none = with_go("1.26.1", BUILDS);
    none.config.go = None;
    assert_eq!(why(none.obtain(Tool::Kine).await, from), "go was not found on this machine");

    let mut forbidden = with_go("1.26.1", BUILDS);
    forbidden.config.allow_build = false;
    assert_eq!(why(forbidden.obtain(Tool::Kine).await, from), "not allowed");
}

/// A build that starts a process of its own, as go starts compilers, and does not end.
const HANGS: &str = "sleep 1000 & echo $! > $home/pid.tmp; mv $home/pid.tmp $home/pid; wait";

/// Waits until the process that the build started is gone.
async fn gone(setting: &Setting) {
    let pid = fs::read_to_string(setting.folder.path().join("pid")).unwrap().trim().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    let gone = async {
        // A process that has ended, and that nobody has waited for yet, is gone too.
        let ended = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|state| state.starts_with('Z'))
        };
        while test_kill_process(pid).is_ok() && !ended() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("what the build started is still there");
}

#[tokio::test]
async fn a_cancelled_build_leaves_no_process() {
    let setting = with_go("1.26.3", HANGS);
    let (cancel, pid) = (CancellationToken::new(), setting.folder.path().join("pid"));
    let then = |event: &ProvisionEvent| {
        if matches!(event, ProvisionEvent::Building { .. }) && pid.exists() {
            cancel.cancel();
        }
    };
    let result = setting.obtain_until(Tool::Kine, &cancel, then).await;
    assert!(matches!(result, Err(ProvisionError::Cancelled { tool: Tool::Kine })), "{result:?}");
    gone(&setting).await;
}

#[tokio::test]
async fn a_build_that_takes_too_long_is_stopped() {
    let mut setting = with_go("1.26.3", HANGS);
    setting.config.timeout = Duration::from_secs(1);
    assert_eq!(why(setting.obtain(Tool::Kine).await, "build from Go modules"), "it was not built within 1 s");
    gone(&setting).await;
}

/// The smallest of the programs, from an empty cache of ours; go's own caches are used.
#[tokio::test]
async fn builds_kine_from_its_modules() {
    #[expect(clippy::disallowed_methods, reason = "a build needs the tester's own proxies and folders")]
    let env: std::collections::BTreeMap<_, _> = std::env::vars_os().collect();
    let path = env.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
    let Some(go) = std::env::split_paths(&path).map(|folder| folder.join("go")).find(|go| go.is_file()) else {
        // Not with `eprintln!`: that is captured, and nobody would see it.
        writeln!(std::io::stderr(), "not run: builds_kine_from_its_modules (there is no go on the PATH)").unwrap();
        return;
    };
    let mut setting = Setting::new();
    (setting.config.go, setting.config.base_env, setting.config.allow_build) = (Some(go), env, true);
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    let got = obtained.get(Tool::Kine).unwrap();
    assert_eq!(got.version, "v0.16.4");
    assert!(got.size_bytes > 10_000_000, "{}", got.size_bytes);
    assert!(matches!(&got.source, Source::Build { .. }), "{:?}", got.source);
    assert_eq!(setting.story(), ["looking", "building", "ready"]);
    setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(setting.story(), ["looking", "found"]);
}
