//! What a plane outlives, what it does not, and what it says when something breaks.

use super::common::{self, PATIENCE, alive, create_pod, eventually, namespace, picture, pod_spec};
use pilothouse_plane::{
    Component, Failure, Plane, PlaneConfig, PlaneError, StageSet, Tools, for_current_user, provision,
};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

async fn binaries() -> pilothouse_plane::Binaries {
    let provisioner = provision::Provisioner::new(for_current_user());
    let obtained = provisioner.obtain(&provision::Tool::PLANE, |_| (), &CancellationToken::new()).await.unwrap();
    (&obtained).try_into().unwrap()
}

fn gone_within(pids: &[u32], time: Duration) -> bool {
    let begun = Instant::now();
    while pids.iter().any(|pid| alive(*pid)) {
        if begun.elapsed() > time {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

fn pids(plane: &Plane) -> Vec<u32> {
    let pids: Vec<u32> = plane.pids().into_iter().map(|(_, pid)| pid).collect();
    assert_eq!(pids.len(), Component::CONTROL_PLANE.len());
    pids
}

/// The example of the crate's documentation, run.
#[tokio::test]
async fn the_documented_example() -> Result<(), Box<dyn std::error::Error>> {
    use k8s_openapi::api::core::v1::Namespace;
    use kube::{Api, api::PostParams};

    let plane = Plane::start(PlaneConfig::default()).await?;
    let namespaces: Api<Namespace> = Api::all(plane.client());
    let shop = serde_json::from_value(serde_json::json!({ "metadata": { "name": "shop" } }))?;
    namespaces.create(&PostParams::default(), &shop).await?;
    plane.check()?;
    plane.stop().await;
    Ok(())
}

#[tokio::test]
async fn two_planes_side_by_side() {
    let (first, second) =
        tokio::try_join!(Plane::start(PlaneConfig::default()), Plane::start(PlaneConfig::default())).unwrap();
    namespace(&first.client(), "shop").await;
    create_pod(&first.client(), "shop", "web", &pod_spec("example.org/web:1")).await;
    picture(&first.client(), "shop", "web", &["condition Ready True"], 0).await;
    assert!(common::get(&second.client(), "/api/v1/namespaces/shop").await.is_none(), "the planes share their store");
    let (gone, stays) = (pids(&first), pids(&second));
    let (gone_folder, stays_folder) = (first.folder().to_owned(), second.folder().to_owned());
    first.stop().await;
    assert!(gone_within(&gone, Duration::ZERO), "stop returned before the processes were gone");
    assert!(!gone_folder.exists() && stays_folder.exists());
    second.check().unwrap();
    assert!(stays.iter().all(|pid| alive(*pid)));
    drop(second);
    assert!(gone_within(&stays, Duration::from_secs(5)));
    assert!(!stays_folder.exists());
}

#[tokio::test]
async fn state_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let plane = Plane::start(PlaneConfig::default()).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(plane.folder()), 0o700);
    assert_eq!(mode(plane.kubeconfig()), 0o600);
    for name in ["admin.key", "sa.key", "serving.key", "kwok.log", "kwok.yaml"] {
        assert_eq!(mode(&plane.folder().join(name)), 0o600, "{name}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_folder_is_one_planes_at_a_time_and_can_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    // Longer than a socket's path may be.
    let folder = folder.path().join("x".repeat(120));
    let config = || PlaneConfig { folder: Some(folder.clone()), ..PlaneConfig::default() };
    let plane = Plane::start(config()).await.unwrap();
    let error = Plane::start(config()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("another plane runs in {}", folder.display()));
    plane.check().unwrap();
    plane.stop().await;
    let again = Plane::start(config()).await.unwrap();
    again.check().unwrap();
    again.stop().await;
    assert!(folder.join("kube-apiserver.log").exists(), "a folder that was given stays, with its logs");
}

/// Nothing secret may stand in what every user of the machine can read about a process.
#[tokio::test]
async fn arguments_hold_no_secrets() {
    let plane = Plane::start(PlaneConfig::default()).await.unwrap();
    for (component, pid) in plane.pids() {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!String::from_utf8_lossy(&arguments).contains("PRIVATE KEY"), "{component}");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let more: &[u8] = if component == Component::KubeApiserver { b"GOGC=300\0" } else { b"" };
        let home = plane.folder().as_os_str().as_encoded_bytes();
        assert_eq!(environment, [more, b"HOME=", home, b"\0"].concat(), "{component}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn a_component_that_dies_is_reported_with_its_log() {
    let plane = Plane::start(PlaneConfig::default()).await.unwrap();
    plane.check().unwrap();
    let pid = plane.pids().into_iter().find(|(component, _)| *component == Component::KubeScheduler).unwrap().1;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid.cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let broken = tokio::time::timeout(PATIENCE, plane.died()).await.unwrap();
    let log = plane.logs(Component::KubeScheduler).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(20)..].join("\n");
    assert!(!end.is_empty());
    let status = "signal: 9 (SIGKILL)".to_owned();
    assert_eq!(broken, Failure::Died { component: Component::KubeScheduler, status, log: end });
    assert!(matches!(plane.check(), Err(PlaneError::Failure(failure)) if failure == broken));
    plane.stop().await;
}

#[tokio::test]
async fn a_wrong_program_is_an_error_within_moments() {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("kube-apiserver");
    std::fs::write(&fake, "#!/bin/sh\necho 'unknown flag: --etcd-servers' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let good = binaries().await;
    let config = PlaneConfig {
        tools: Tools::Binaries(pilothouse_plane::Binaries { kube_apiserver: fake, ..good }),
        ..PlaneConfig::default()
    };
    let begun = Instant::now();
    let error = Plane::start(config).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(
        error.to_string(),
        "kube-apiserver ended (exit status: 1); the end of its log:\nunknown flag: --etcd-servers"
    );
}

#[tokio::test]
async fn a_program_that_never_becomes_ready_is_an_error_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("kube-apiserver");
    std::fs::write(&fake, "#!/bin/sh\necho thinking\nexec /bin/sleep 600\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = PlaneConfig {
        tools: Tools::Binaries(pilothouse_plane::Binaries { kube_apiserver: fake, ..binaries().await }),
        deadline: Duration::from_secs(1),
        ..PlaneConfig::default()
    };
    let error = Plane::start(config).await.unwrap_err();
    let PlaneError::NotReady { component, after, log, .. } = error else { panic!("{error}") };
    assert_eq!((component, after.as_secs(), log.as_str()), (Component::KubeApiserver, 1, "thinking"));
}

/// The processes that run in a folder.
fn running_in(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let inside = |process: &std::path::PathBuf| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder);
    processes.filter(inside).map(|process| process.display().to_string()).collect()
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let start = Plane::start(PlaneConfig { folder: Some(folder.clone()), ..PlaneConfig::default() });
    let both_run = eventually(async || {
        let running = running_in(&folder);
        if running.len() >= 2 { Ok(()) } else { Err(format!("{running:?}")) }
    });
    tokio::select! {
        plane = start => panic!("{plane:?} before it was given up"),
        () = both_run => (),
    }
    eventually(async || {
        let running = running_in(&folder);
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?}")) }
    })
    .await;
}

/// Between choosing a port and listening on it another program may take it.
#[tokio::test]
async fn a_lost_race_for_a_port_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let good = binaries().await;
    let fake = folder.path().join("kube-scheduler");
    let (tried, real) = (folder.path().join("tried"), good.kube_scheduler.display().to_string());
    let script = format!(
        "#!/bin/sh\nif [ -e {tried} ]; then exec {real} \"$@\"; fi\n: > {tried}\n\
         echo 'listen tcp 127.0.0.1:1: bind: address already in use' >&2\nexit 1\n",
        tried = tried.display()
    );
    std::fs::write(&fake, script).unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let tools = Tools::Binaries(pilothouse_plane::Binaries { kube_scheduler: fake, ..good });
    let plane = Plane::start(PlaneConfig { tools, ..PlaneConfig::default() }).await.unwrap();
    assert!(tried.exists());
    plane.check().unwrap();
    plane.stop().await;
}

#[tokio::test]
async fn a_missing_program_is_an_error_that_names_it() {
    let config = PlaneConfig {
        tools: Tools::Binaries(pilothouse_plane::Binaries { kine: "/no/such/kine".into(), ..binaries().await }),
        ..PlaneConfig::default()
    };
    let error = Plane::start(config).await.unwrap_err();
    assert!(matches!(error, PlaneError::Spawn { component: Component::Kine, .. }), "{error}");
}

/// A stage whose template fails leaves its pods as they are; that must not stay silent.
#[tokio::test]
async fn a_broken_stage_is_reported() {
    let stage = r"
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: { name: broken-stage }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector:
    matchExpressions:
      - jq: { key: .metadata.name, operator: In, values: [victim] }
  weight: 1
  steps:
    - patch: { subresource: status, root: status, template: '{{ .no.such | fail }}' }
";
    let stages = StageSet { extra: vec![stage.to_owned()], ..StageSet::default() };
    let plane = Plane::start(PlaneConfig { stages, ..PlaneConfig::default() }).await.unwrap();
    plane.check().unwrap();
    create_pod(&plane.client(), "default", "victim", &pod_spec("example.org/web:1")).await;
    let failure = tokio::time::timeout(PATIENCE, plane.broken()).await.unwrap();
    let Failure::Stage { stage, object, message } = failure else { panic!("{failure}") };
    assert_eq!((stage.as_str(), object.as_str()), ("broken-stage", "default/victim"));
    insta::assert_snapshot!(message);
    plane.stop().await;
}

#[tokio::test]
async fn what_is_no_stage_is_refused_before_anything_starts() {
    let stages = StageSet { extra: vec!["kind: Pod\n".to_owned()], ..StageSet::default() };
    let error = Plane::start(PlaneConfig { stages, ..PlaneConfig::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "a document in extra stage 1 is not a Stage of kwok.x-k8s.io/v1alpha1 with a name");
}

/// The parent is this test program started again, running only the (otherwise empty) test below.
#[tokio::test]
async fn sigkill_of_the_parent_takes_all_components() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::parent_in_another_process", "--nocapture"])
        .env("PILOTHOUSE_TEST_FOLDER", folder.path())
        .spawn()
        .unwrap();
    let pids: Vec<u32> = eventually(async || {
        assert!(parent.try_wait().unwrap().is_none(), "the parent ended");
        let text = std::fs::read_to_string(folder.path().join("pids")).map_err(|error| error.to_string())?;
        text.split_whitespace().map(|pid| pid.parse().map_err(|_| text.clone())).collect()
    })
    .await;
    assert_eq!(pids.len(), 5);
    assert!(pids.iter().all(|pid| alive(*pid)));
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(gone_within(&pids, Duration::from_secs(5)), "a component outlived its parent");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the folder comes from the test that started this process")]
async fn parent_in_another_process() {
    let Some(folder) = std::env::var_os("PILOTHOUSE_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    let plane =
        Plane::start(PlaneConfig { folder: Some(folder.join("plane")), ..PlaneConfig::default() }).await.unwrap();
    let pids: Vec<String> = pids(&plane).iter().map(ToString::to_string).collect();
    let half = folder.join("pids.new");
    std::fs::write(&half, pids.join(" ")).unwrap();
    std::fs::rename(half, folder.join("pids")).unwrap();
    std::future::pending::<()>().await;
}
