//! Running the program in a world of its own.

use pilothouse_plane::provision::Tool;
use pilothouse_plane::{AuditLog, Plane};
use pilothouse_testkit::SharedPlane;
pub(crate) use pilothouse_testkit::in_runtime;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

static PLANE: SharedPlane = SharedPlane::new();

/// The plane of this test binary.
pub(crate) fn plane() -> &'static Plane {
    PLANE.get(crate::plane_config)
}

/// A real helm, obtained if it is not there.
pub(crate) fn helm(tool: Tool) -> PathBuf {
    in_runtime(pilothouse_testkit::helm(tool))
}

/// A folder with a stack file and what belongs to it.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A world whose stack file has this text. `CHARTS` stands for the folder of the fixture charts.
    pub(crate) fn with_stack(text: &str) -> Self {
        let world = Self::new();
        world.write("pilothouse.yaml", text);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        // The fixture charts lie beside the file, so that what is printed does not depend on where the repository is.
        let charts = folder.join("charts");
        if text.contains("CHARTS/") && !charts.exists() {
            std::os::unix::fs::symlink(pilothouse_testkit::fixture_chart(""), &charts).unwrap();
        }
        let text = text.replace("CHARTS/", "charts/");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, in this folder, with nothing of the tester's own settings, and helm 4.
    pub(crate) fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
        command.args(args).current_dir(self.folder.path());
        for name in ["KUBECONFIG", "HELM_DRIVER", "PILOTHOUSE_CACHE", "NO_COLOR", "CLICOLOR_FORCE", "TERM"] {
            command.env_remove(name);
        }
        command.env("XDG_STATE_HOME", self.path("state")).env("PILOTHOUSE_HELM", helm(Tool::Helm4));
        command
    }

    /// As [`World::program`], on the plane of this test binary.
    pub(crate) fn on_plane(&self, args: &[&str]) -> Command {
        let mut command = self.program(args);
        command.env("KUBECONFIG", plane().kubeconfig());
        command
    }

    /// What the program printed and how it ended, without what differs from run to run.
    pub(crate) fn transcript(&self, command: &mut Command) -> String {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let mut text = format!("exit code: {}\n", status.code().map_or("none".to_owned(), |code| code.to_string()));
        for (name, bytes) in [("stdout", stdout), ("stderr", stderr)] {
            if !bytes.is_empty() {
                write!(text, "----- {name} -----\n{}", String::from_utf8(bytes).unwrap()).unwrap();
            }
        }
        self.steady(&text)
    }

    fn steady(&self, text: &str) -> String {
        let text = text
            .replace(&self.folder.path().display().to_string(), "FOLDER")
            .replace(&pilothouse_testkit::repository().display().to_string(), "REPOSITORY");
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// Replaces durations, which differ from run to run.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    // What a run says when it was quiet for long, which depends on the machine.
    settings.add_filter(r"(?m)^after [0-9ms. ]+: \d+ .*\n", "");
    settings.add_filter(r"( +)\d+\.\d s\b", " N s");
    settings.add_filter(r"( +)(\d+ m )?\d+ s\b", " N s");
    // The names of pods, how often something happened so far, and which events there are already.
    settings.add_filter(r"\b(node-agent|podinfo-[0-9a-f]+)-[a-z0-9]{5}\b", "$1-POD");
    settings.add_filter(r"\d+ restarts?", "N restarts");
    settings.add_filter(r"(?m)^      event on .*\n", "");
    settings.add_filter(r"\bpvc-[0-9a-f-]{36}\b", "pvc-UUID");
    settings.add_filter(r"helm \d+\.\d+\.\d+\b", "helm VERSION");
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT");
    settings
}

/// What clients other than the control plane itself have written so far into these namespaces.
pub(crate) fn writes(namespace: &str) -> Vec<String> {
    let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
    let events = log.events().iter().filter(|event| {
        let written = ["create", "update", "patch", "delete", "deletecollection"].contains(&event.verb.as_str());
        let client = event.user_agent.starts_with("pilothouse/") || event.user_agent.starts_with("Helm/");
        let here = event.namespace.as_deref() == Some(namespace) || event.name.as_deref() == Some(namespace);
        written && client && here
    });
    events.map(|event| format!("{} {} {:?}", event.verb, event.resource, event.name)).collect()
}

/// A script that stands for helm.
pub(crate) fn fake_helm(world: &World, says: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = world.write("fake-helm", &format!("#!/bin/sh\necho '{says}'\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub(crate) fn kubectl_get(
    plane: &Plane,
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
) -> Option<serde_json::Value> {
    let object = pilothouse_core::ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    let client = plane.client_config();
    in_runtime(async {
        use pilothouse_kube::ClusterClient;
        let client = kube::Client::try_from(client).unwrap();
        pilothouse_kube::Cluster::from_client(client).get(&object).await.unwrap()
    })
}

/// A community chart's path as text for a stack file.
pub(crate) fn display(path: &Path) -> String {
    path.display().to_string()
}
