//! The command lines of helm 3 and helm 4.
//!
//! Always `--flag=value`: helm 4 has flags whose value is optional, and a value that begins with a dash stays a value.
//! Never `--wait`, `--atomic` or `--ignore-not-found`. Nothing here may hold a secret: any user can read a command line.

use crate::client::{
    GetRequest, PullRequest, RollbackRequest, TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest,
};
use crate::values::Values;
use pilothouse_core::{ChartRef, ChartSource, ReleaseKey};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is added to our own limit for helm's, which counts for each of its steps anew: ours is to be the one that ends
/// a run, since only we know when it began.
const SLACK: Duration = Duration::from_secs(60);

/// A command line under construction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Argv(Vec<OsString>);

impl Argv {
    /// Begins with the command and the names it acts on.
    fn new(words: &[&str]) -> Self {
        Self(words.iter().map(OsString::from).collect())
    }

    fn flag(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut arg = OsString::from(name);
        arg.push("=");
        arg.push(value);
        self.0.push(arg);
        self
    }

    fn switch(mut self, on: bool, name: &str) -> Self {
        if on {
            self.0.push(name.into());
        }
        self
    }

    fn file(mut self, path: &Path) -> Self {
        self.0.push(path.into());
        self
    }

    fn release(self, release: &ReleaseKey) -> Self {
        self.flag("--namespace", &release.namespace)
    }

    fn timeout(self, limit: Duration) -> Self {
        self.flag("--timeout", format!("{}s", (limit + SLACK).as_secs()))
    }

    /// The documents, as files, and the numbers that would suffer in them.
    fn values(self, files: &[PathBuf], values: &Values) -> Self {
        let argv = files.iter().fold(self, |argv, file| argv.flag("--values", list_item(file)));
        values.numbers().iter().fold(argv, |argv, number| argv.flag("--set", number))
    }

    /// Replacing objects instead of patching them. Helm 4 refuses it together with server-side apply, which it would
    /// otherwise choose by itself for what it applied that way before.
    fn force(self, force: bool, major: u64) -> Self {
        if major >= 4 && force {
            return self.switch(true, "--force-replace").flag("--server-side", "false");
        }
        self.switch(force, "--force")
    }

    pub(crate) fn into_args(self) -> Vec<OsString> {
        self.0
    }
}

/// `--values` takes a comma-separated list (as pflag's `StringSlice`, a line of CSV), so a comma in a path must be quoted.
fn list_item(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) if text.contains([',', '"', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        _ => path.into(),
    }
}

/// `--reset-values` stands there because helm otherwise takes the previous revision's values when it is given none,
/// and an empty values file counts as none (`reuseValues` in `pkg/action/upgrade.go`).
pub(crate) fn upgrade(request: &UpgradeRequest, files: &[PathBuf], major: u64) -> Argv {
    let mut argv = Argv::new(&["upgrade", &request.release.name])
        .file(&request.chart)
        .switch(true, "--install")
        .release(&request.release)
        .switch(request.create_namespace, "--create-namespace")
        .switch(true, "--skip-crds")
        .switch(true, "--reset-values")
        .switch(request.skip_schema_validation, "--skip-schema-validation")
        .values(files, &request.values)
        .flag("--history-max", request.max_history.to_string())
        .force(request.force, major)
        .switch(request.force_conflicts && !request.force && major >= 4, "--force-conflicts")
        .timeout(request.timeout);
    if let Some(description) = &request.description {
        argv = argv.flag("--description", description);
    }
    request.labels.iter().fold(argv, |argv, (key, value)| argv.flag("--labels", format!("{key}={value}")))
}

/// What tells an upgrade of this release with this label from every other process.
pub(crate) fn marks_of_upgrade(release: &ReleaseKey, label: (&str, &str)) -> Vec<String> {
    let (key, value) = label;
    vec![
        "upgrade".to_owned(),
        release.name.clone(),
        format!("--namespace={}", release.namespace),
        format!("--labels={key}={value}"),
    ]
}

pub(crate) fn uninstall(request: &UninstallRequest) -> Argv {
    Argv::new(&["uninstall", &request.release.name])
        .release(&request.release)
        .switch(request.keep_history, "--keep-history")
        .switch(request.no_hooks, "--no-hooks")
        .timeout(request.timeout)
}

pub(crate) fn rollback(request: &RollbackRequest, major: u64) -> Argv {
    Argv::new(&["rollback", &request.release.name, &request.revision.to_string()])
        .release(&request.release)
        .switch(request.no_hooks, "--no-hooks")
        .flag("--history-max", request.max_history.to_string())
        .force(request.force, major)
        .timeout(request.timeout)
}

/// With `--dry-run=server`, `lookup` reaches the cluster. As read in the code of both and seen with 3.21.4 and 4.2.4:
/// - Helm 3 changes nothing else. Capabilities are its own and what the flags say, kinds need not be served.
/// - Helm 4 behaves as `install --dry-run=server`: the cluster's own capabilities count, `--kube-version` and
///   `--api-versions` are ignored. It fails when a kind is not served (`no matches for kind`), whatever flag it is
///   given. As an install it asks whose the objects are, those of `crds/` among them, unless it is told to take them
///   (`--take-ownership`): who renders does not want to know. Nothing is validated or written.
///
/// `chart` is the request's, or a copy of it.
pub(crate) fn template(request: &TemplateRequest, chart: &Path, files: &[PathBuf], major: u64) -> Argv {
    let asks_whose = major >= 4 && request.lookup && !request.is_upgrade;
    let mut argv = Argv::new(&["template", &request.release.name])
        .file(chart)
        .release(&request.release)
        .switch(true, "--include-crds")
        .switch(request.is_upgrade, "--is-upgrade")
        .switch(request.lookup, "--dry-run=server")
        .switch(asks_whose, "--take-ownership")
        .switch(request.skip_schema_validation, "--skip-schema-validation")
        .values(files, &request.values);
    if let Some(version) = &request.kube_version {
        argv = argv.flag("--kube-version", version);
    }
    request.api_versions.iter().fold(argv, |argv, version| argv.flag("--api-versions", version))
}

pub(crate) fn test(request: &TestRequest) -> Argv {
    let argv = Argv::new(&["test", &request.release.name]).release(&request.release).switch(request.logs, "--logs");
    request.filters.iter().fold(argv, |argv, filter| argv.flag("--filter", filter)).timeout(request.timeout)
}

/// Nothing for a local chart: there is nothing to pull. `repository` is the name of a chart's repository in the
/// configuration helm is given, where it has one.
pub(crate) fn pull(request: &PullRequest, repository: Option<&str>) -> Option<Argv> {
    let ChartRef { source, version } = &request.chart;
    let argv = match (source, repository) {
        (ChartSource::Path(_), _) => return None,
        (ChartSource::Repo { name, .. }, Some(repository)) => Argv::new(&["pull", &format!("{repository}/{name}")]),
        (ChartSource::Repo { url, name }, None) => Argv::new(&["pull", name]).flag("--repo", url),
        (ChartSource::Oci(reference), _) => Argv::new(&["pull", reference]),
    };
    let argv = argv.flag("--destination", &request.destination);
    Some(match version {
        Some(version) => argv.flag("--version", version),
        None => argv,
    })
}

/// Fetches the index of a repository, into the cache of this run. Helm 3 fails only when it is asked to.
pub(crate) fn update_repository(name: &str, major: u64) -> Argv {
    Argv::new(&["repo", "update", name]).switch(major < 4, "--fail-on-repo-update-fail")
}

/// `get values`, `get manifest`, `get metadata`.
pub(crate) fn get(what: &str, request: &GetRequest) -> Argv {
    let argv = Argv::new(&["get", what, &request.release.name]).release(&request.release);
    let argv = match request.revision {
        Some(revision) => argv.flag("--revision", revision.to_string()),
        None => argv,
    };
    // The manifest is text in any case, and helm has no such flag there.
    if what == "manifest" { argv } else { argv.flag("--output", "json") }
}

/// Makes an archive of a chart's folder, without what its `.helmignore` names.
pub(crate) fn package(chart: &Path, into: &Path) -> Argv {
    Argv::new(&["package"]).file(chart).flag("--destination", into)
}

/// All revisions; helm shows 256 by default.
pub(crate) fn history(request: &GetRequest) -> Argv {
    Argv::new(&["history", &request.release.name])
        .release(&request.release)
        .flag("--max", "100000")
        .flag("--output", "json")
}
