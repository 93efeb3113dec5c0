//! A crate outside of this workspace, with one line for the library in its manifest: it builds, and deploys a chart.

use super::bare_plane::plane;
use pilothouse::{ObjectRef, kubernetes::Cluster, kubernetes::ClusterClient, kubernetes::ConnectOptions};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::{fixture_chart, helm};
use std::path::Path;
use std::process::Command;

/// It is compiled with the tests of every day.
#[expect(dead_code, reason = "it is a program by itself")]
mod program;

const PROGRAM: &str = include_str!("program.rs");
const LIBRARY: &str = env!("CARGO_MANIFEST_DIR");

/// A crate of this program, with these dependencies beside tokio, that builds in a folder of its own kept between tests.
fn built(folder: &Path, name: &str, dependencies: &str) -> std::path::PathBuf {
    let workspace = Path::new(LIBRARY).join("../..");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n\n[workspace]\n"
    );
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/main.rs"), PROGRAM).unwrap();
    // The versions that are there already: nothing is downloaded.
    std::fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = workspace.join("target/outside");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--quiet"]).current_dir(folder);
    let built = cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_PROFILE_DEV_DEBUG", "0").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug").join(name)
}

#[test]
fn the_smallest_program_has_twenty_lines() {
    assert!(PROGRAM.lines().filter(|line| !line.is_empty()).count() <= 20);
}

#[tokio::test]
#[ignore = "builds the library twice more"]
async fn a_crate_outside_builds_and_deploys_with_one_line_in_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("pilothouse = {{ path = {LIBRARY:?} }}");
    let program = built(folder.path(), "outside", &line);
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(fixture_chart("config"), folder.path().join("chart")).unwrap();
    let helm = helm(Tool::Helm4).await;
    let kubeconfig = plane().kubeconfig();
    let mut run = Command::new(program);
    run.current_dir(folder.path()).env_clear().env("HOME", &home).env("KUBECONFIG", kubeconfig);
    let ran = run.env("PATH", helm.parent().unwrap()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let cluster = Cluster::connect(ConnectOptions::kubeconfig(kubeconfig)).await.unwrap();
    let record = ObjectRef::parse("secret/sh.helm.release.v1.web.v1").unwrap();
    assert!(cluster.get(&cluster.resolve(&record, "default").await.unwrap()).await.unwrap().is_some());
    let own = "k8s-openapi = { version = \"0.29\", features = [\"v1_34\"] }";
    let line = format!("pilothouse = {{ path = {LIBRARY:?}, default-features = false }}\n{own}");
    built(folder.path(), "outside-own", &line);
}
