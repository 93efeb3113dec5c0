//! Programs that behave as a helm might: what they are given, and what comes of it.

use crate::support::{key, never, values};
use pilothouse_core::{ChartRef, Redactor, Sensitive, SetValue};
use pilothouse_helm::{
    GetRequest, Helm, HelmClient, HelmConfig, HelmError, Kind, PullRequest, RollbackRequest, TemplateRequest,
    TestRequest, UninstallRequest, UpgradeRequest, Values,
};
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

/// A folder with a program in it.
struct Fake {
    folder: TempDir,
}

impl Fake {
    /// A program that tells `version` and does `body` for anything else.
    fn new(version: &str, body: &str) -> Self {
        Self::script(&format!("#!/bin/sh\nif [ \"$1\" = version ]; then printf '%s' '{version}'; exit 0; fi\n{body}\n"))
    }

    fn script(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("helm"), text).unwrap();
        fs::set_permissions(folder.path().join("helm"), fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    /// A program that writes down what it is given, values files and their modes included.
    fn recorder(version: &str) -> Self {
        Self::new(
            version,
            r#"here="${0%/*}"
printf '%s\n' "$@" > "$here/argv"
env > "$here/env"
readlink "$KUBECACHEDIR/http" > "$here/http"
for arg in "$@"; do
  case "$arg" in
    --values=*) file="${arg#--values=}"; stat -c '%a' "${file%/*}" "$file"; cat "$file"; echo ;;
  esac
done > "$here/files"
case "$1" in
  history) echo '[]' ;;
  get) echo '{}' ;;
esac"#,
        )
    }

    fn config(&self) -> HelmConfig {
        let mut config = HelmConfig::new(self.folder.path().join("helm"), self.folder.path().join("home"));
        config.base_env =
            [("PATH", "/usr/bin:/bin"), ("HELM_NAMESPACE", "theirs"), ("HELM_DEBUG", "1"), ("TOKEN", "x")]
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
        config.grace = Duration::from_secs(20);
        config
    }

    async fn helm(&self) -> Helm {
        Helm::discover(self.config()).await.unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The command line, with folders that differ from run to run named by what they are.
    fn argv(&self) -> String {
        self.shown("argv").lines().collect::<Vec<_>>().join(" ")
    }

    fn shown(&self, name: &str) -> String {
        let home = self.folder.path().join("home");
        let text = self.read(name).replace(home.to_str().unwrap(), "HOME");
        let mut shown = String::new();
        for part in text.split_inclusive("HOME/run-") {
            // Our process id, a dash and six random characters follow.
            let own = if shown.ends_with("HOME/run-") { part.find('-').unwrap() + 7 } else { 0 };
            shown.push_str(&part[own..]);
        }
        shown.replace("HOME/run-", "RUN")
    }

    /// What is left in the folder for helm's files.
    fn left(&self) -> Vec<PathBuf> {
        fs::read_dir(self.folder.path().join("home")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn chain(error: &HelmError) -> String {
    let mut lines = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        lines.push(error.to_string());
        cause = error.source();
    }
    lines.join(": ")
}

#[rstest]
#[case(
    "v4.2.1",
    "cannot be used: helm 4.2.1 must not be used: it hangs when it deletes hooks, for the whole timeout or longer (helm/helm#32214, #32224); 4.2.2 is fixed"
)]
#[case("v3.18.6", "cannot be used: helm 3.18.6 is too old: 3.19.0 or newer is needed")]
#[case(
    "v3.21",
    "cannot be used: it says its version is `v3.21`, without a patch level: use an official build, or stamp the version"
)]
#[case("hello", "cannot be used: it says its version is `hello`, which is not one")]
#[tokio::test]
async fn versions_that_cannot_be_used(#[case] version: &str, #[case] expected: &str) {
    let fake = Fake::new(version, "");
    let error = Helm::discover(fake.config()).await.unwrap_err();
    assert_eq!(chain(&error).split_once("/helm ").unwrap().1, expected);
    assert!(matches!(error, HelmError::Version { .. }));
}

#[tokio::test]
async fn what_is_not_a_helm_is_told_apart() {
    let fake = Fake::script("#!/bin/sh\necho 'what is version?' >&2\nexit 2\n");
    let error = Helm::discover(fake.config()).await.unwrap_err();
    assert_eq!(
        chain(&error).split_once("/helm ").unwrap().1,
        "does not answer as helm does: exit status: 2: what is version?"
    );

    let mut config = fake.config();
    config.program = fake.folder.path().join("nothing");
    let error = Helm::discover(config).await.unwrap_err();
    assert!(matches!(&error, HelmError::Missing { program } if program.ends_with("nothing")), "{error:?}");

    fs::set_permissions(fake.folder.path().join("helm"), fs::Permissions::from_mode(0o600)).unwrap();
    let error = Helm::discover(fake.config()).await.unwrap_err();
    assert!(matches!(&error, HelmError::NotExecutable { .. }), "{error:?}");
    assert!(chain(&error).ends_with("cannot be started: Permission denied (os error 13)"), "{}", chain(&error));
}

/// A version manager's script stays the same when another version is chosen.
#[tokio::test]
async fn a_script_is_asked_for_its_version_each_time() {
    let fake = Fake::script("#!/bin/sh\necho start >> \"${0%/*}/starts\"\ncat \"${0%/*}/chosen\"\n");
    for version in ["3.21.4", "4.2.4"] {
        fs::write(fake.folder.path().join("chosen"), version).unwrap();
        assert_eq!(fake.helm().await.version().to_string(), version);
    }
    assert_eq!(fake.read("starts"), "start\nstart\n");
}

/// One request of each kind, with everything set that can be.
async fn ask_everything(fake: &Fake) -> String {
    let helm = fake.helm().await;
    let (cancel, release) = (never(), key("web", "podinfo"));
    let chart = "/charts/podinfo-6.9.0.tgz";
    let mut lines = Vec::new();

    let plain = UpgradeRequest::new(release.clone(), chart, Values::default(), MINUTE);
    helm.upgrade_install(&plain, &cancel).await.unwrap();
    lines.push(fake.argv());
    let mut upgrade = UpgradeRequest {
        values: Values::from_files(["/a.yaml".into(), "/with,comma.yaml".into()]),
        create_namespace: true,
        max_history: 3,
        force: true,
        description: Some("a = b".to_owned()),
        ..plain
    };
    upgrade.labels.insert("team".to_owned(), "x".to_owned());
    helm.upgrade_install(&upgrade, &cancel).await.unwrap();
    lines.push(fake.argv());
    let taking = UpgradeRequest {
        force_conflicts: true,
        ..UpgradeRequest::new(release.clone(), chart, Values::default(), MINUTE)
    };
    helm.upgrade_install(&taking, &cancel).await.unwrap();
    lines.push(fake.argv());

    let plain = UninstallRequest::new(release.clone(), MINUTE);
    helm.uninstall(&plain, &cancel).await.unwrap();
    lines.push(fake.argv());
    helm.uninstall(&UninstallRequest { keep_history: true, no_hooks: true, ..plain }, &cancel).await.unwrap();
    lines.push(fake.argv());

    let plain = RollbackRequest::new(release.clone(), 7, MINUTE);
    helm.rollback(&plain, &cancel).await.unwrap();
    lines.push(fake.argv());
    helm.rollback(&RollbackRequest { force: true, no_hooks: true, max_history: 0, ..plain }, &cancel).await.unwrap();
    lines.push(fake.argv());

    let plain = TemplateRequest::new(release.clone(), chart, Values::default(), MINUTE);
    helm.template(&plain, &cancel).await.unwrap();
    lines.push(fake.argv());
    let template = TemplateRequest {
        values: Values::from_files(["/a.yaml".into()]),
        kube_version: Some("v1.36.2".to_owned()),
        api_versions: vec!["apps/v1".to_owned(), "apps/v1/Deployment".to_owned()],
        is_upgrade: true,
        lookup: true,
        ..plain
    };
    helm.template(&template, &cancel).await.unwrap();
    lines.push(fake.argv());
    helm.template(&TemplateRequest { is_upgrade: false, ..template }, &cancel).await.unwrap();
    lines.push(fake.argv());

    let plain = TestRequest::new(release.clone(), MINUTE);
    let filters = vec!["name=a".to_owned(), "!name=b".to_owned()];
    helm.test(&TestRequest { filters, ..plain }, &cancel).await.unwrap();
    lines.push(fake.argv());

    for chart in
        [ChartRef::repo("https://charts.example.com", "podinfo").version("~6.9"), ChartRef::oci("oci://r/podinfo")]
    {
        let request = PullRequest { chart, destination: fake.folder.path().to_owned(), timeout: MINUTE };
        // Nothing is fetched, which is an error.
        helm.pull(&request, &cancel).await.unwrap_err();
        lines.push(fake.argv().replace(fake.folder.path().to_str().unwrap(), "FOLDER"));
    }

    let plain = GetRequest::new(release, MINUTE);
    let third = GetRequest { revision: Some(3), ..plain.clone() };
    helm.get_values(&plain, &cancel).await.unwrap();
    lines.push(fake.argv());
    helm.get_manifest(&third, &cancel).await.unwrap();
    lines.push(fake.argv());
    // An empty answer is not one.
    helm.get_metadata(&third, &cancel).await.unwrap_err();
    lines.push(fake.argv());
    helm.history(&plain, &cancel).await.unwrap();
    lines.push(fake.argv());
    lines.join("\n")
}

#[tokio::test]
async fn command_lines_of_helm_3() {
    insta::assert_snapshot!(ask_everything(&Fake::recorder("v3.21.4")).await, @r#"
    upgrade podinfo /charts/podinfo-6.9.0.tgz --install --namespace=web --skip-crds --reset-values --history-max=10 --timeout=120s
    upgrade podinfo /charts/podinfo-6.9.0.tgz --install --namespace=web --create-namespace --skip-crds --reset-values --values=/a.yaml --values="/with,comma.yaml" --history-max=3 --force --timeout=120s --description=a = b --labels=team=x
    upgrade podinfo /charts/podinfo-6.9.0.tgz --install --namespace=web --skip-crds --reset-values --history-max=10 --timeout=120s
    uninstall podinfo --namespace=web --timeout=120s
    uninstall podinfo --namespace=web --keep-history --no-hooks --timeout=120s
    rollback podinfo 7 --namespace=web --history-max=10 --timeout=120s
    rollback podinfo 7 --namespace=web --no-hooks --history-max=0 --force --timeout=120s
    template podinfo /charts/podinfo-6.9.0.tgz --namespace=web --include-crds
    template podinfo /charts/podinfo-6.9.0.tgz --namespace=web --include-crds --is-upgrade --dry-run=server --values=/a.yaml --kube-version=v1.36.2 --api-versions=apps/v1 --api-versions=apps/v1/Deployment
    template podinfo /charts/podinfo-6.9.0.tgz --namespace=web --include-crds --dry-run=server --values=/a.yaml --kube-version=v1.36.2 --api-versions=apps/v1 --api-versions=apps/v1/Deployment
    test podinfo --namespace=web --logs --filter=name=a --filter=!name=b --timeout=120s
    pull podinfo --repo=https://charts.example.com --destination=FOLDER --version=~6.9
    pull oci://r/podinfo --destination=FOLDER
    get values podinfo --namespace=web --output=json
    get manifest podinfo --namespace=web --revision=3
    get metadata podinfo --namespace=web --revision=3 --output=json
    history podinfo --namespace=web --max=100000 --output=json
    "#);
}

#[tokio::test]
async fn command_lines_of_helm_4() {
    insta::assert_snapshot!(ask_everything(&Fake::recorder("v4.2.4")).await, @r#"
    upgrade podinfo /charts/podinfo-6.9.0.tgz --install --namespace=web --skip-crds --reset-values --history-max=10 --timeout=120s
    upgrade podinfo /charts/podinfo-6.9.0.tgz --install --namespace=web --create-namespace --skip-crds --reset-values --values=/a.yaml --values="/with,comma.yaml" --history-max=3 --force-replace --server-side=false --timeout=120s --description=a = b --labels=team=x
    upgrade podinfo /charts/podinfo-6.9.0.tgz --install --namespace=web --skip-crds --reset-values --history-max=10 --force-conflicts --timeout=120s
    uninstall podinfo --namespace=web --timeout=120s
    uninstall podinfo --namespace=web --keep-history --no-hooks --timeout=120s
    rollback podinfo 7 --namespace=web --history-max=10 --timeout=120s
    rollback podinfo 7 --namespace=web --no-hooks --history-max=0 --force-replace --server-side=false --timeout=120s
    template podinfo /charts/podinfo-6.9.0.tgz --namespace=web --include-crds
    template podinfo /charts/podinfo-6.9.0.tgz --namespace=web --include-crds --is-upgrade --dry-run=server --values=/a.yaml --kube-version=v1.36.2 --api-versions=apps/v1 --api-versions=apps/v1/Deployment
    template podinfo /charts/podinfo-6.9.0.tgz --namespace=web --include-crds --dry-run=server --take-ownership --values=/a.yaml --kube-version=v1.36.2 --api-versions=apps/v1 --api-versions=apps/v1/Deployment
    test podinfo --namespace=web --logs --filter=name=a --filter=!name=b --timeout=120s
    pull podinfo --repo=https://charts.example.com --destination=FOLDER --version=~6.9
    pull oci://r/podinfo --destination=FOLDER
    get values podinfo --namespace=web --output=json
    get manifest podinfo --namespace=web --revision=3
    get metadata podinfo --namespace=web --revision=3 --output=json
    history podinfo --namespace=web --max=100000 --output=json
    "#);
}

#[tokio::test]
async fn values_are_in_private_files_and_nowhere_else() {
    let fake = Fake::recorder("v4.2.4");
    let mut config = fake.config();
    config.kubeconfig = Some("/etc/kubeconfig".into());
    config.context = Some("prod".to_owned());
    config.registry_config = Some("/etc/registry.json".into());
    let helm = Helm::discover(config).await.unwrap();
    let settings = vec![SetValue::sensitive("password", "hunter22"), SetValue::auto("replicas", "2")];
    let request = UpgradeRequest::new(key("web", "podinfo"), "/chart", values(settings), MINUTE);
    helm.upgrade_install(&request, &never()).await.unwrap();

    assert!(!fake.read("argv").contains("hunter22") && !fake.read("env").contains("hunter22"));
    insta::assert_snapshot!(fake.shown("files"), @r#"
    700
    600
    {
      "password": "hunter22",
      "replicas": 2
    }
    "#);
    let mut env: Vec<String> = fake.shown("env").lines().map(str::to_owned).collect();
    // The shell's own.
    env.retain(|line| {
        !line.starts_with("PWD=")
            && !line.starts_with("_=")
            && !line.starts_with("SHLVL=")
            && !line.starts_with("OLDPWD=")
    });
    env.sort();
    insta::assert_snapshot!(env.join("\n"), @r#"
    GOGC=400
    GOMEMLIMIT=512MiB
    HELM_CACHE_HOME=RUN/cache
    HELM_CONFIG_HOME=RUN/config
    HELM_DATA_HOME=RUN/data
    HELM_DRIVER=secret
    HELM_KUBECONTEXT=prod
    HELM_NO_PLUGINS=1
    HELM_PLUGINS=RUN/plugins
    HELM_REGISTRY_CONFIG=/etc/registry.json
    KUBECACHEDIR=RUN/kube
    KUBECONFIG=/etc/kubeconfig
    PATH=/usr/bin:/bin
    TOKEN=x
    "#);
    drop(helm);
    assert_eq!(fake.left(), Vec::<PathBuf>::new());
    let mode = fs::metadata(fake.folder.path().join("home")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn secrets_do_not_show_in_errors() {
    let fake = Fake::new(
        "v3.21.4",
        "echo 'W1121 09:00:00.0 1 a.go:1] hunter22' >&2; echo 'Error: UPGRADE FAILED: bad hunter22 at https://joe:pw@host/ and token99' >&2; exit 1",
    );
    let mut config = fake.config();
    config.redactor = Redactor::new(["token99"]);
    let helm = Helm::discover(config).await.unwrap();
    let settings = vec![SetValue::sensitive("password", "hunter22")];
    let request = UpgradeRequest::new(key("web", "podinfo"), "/chart", values(settings), MINUTE);
    let error = helm.upgrade_install(&request, &never()).await.unwrap_err();
    assert_eq!(error.to_string(), "helm upgrade failed: UPGRADE FAILED: bad *** at https://***@host/ and ***");
    assert_eq!(error.noise(), ["W1121 09:00:00.0 1 a.go:1] ***"]);
    assert!(!format!("{error:?}").contains("hunter22"));
}

#[tokio::test]
async fn a_helm_that_ends_when_it_is_asked_tells_why_it_was_stopped() {
    let fake = Fake::new(
        "v3.21.4",
        "trap 'echo \"Error: context canceled\" >&2; exit 1' TERM\n: > \"${0%/*}/running\"\nsleep 60 & wait",
    );
    let helm = fake.helm().await;
    let request = UninstallRequest::new(key("web", "podinfo"), Duration::from_millis(500));
    let error = helm.uninstall(&request, &never()).await.unwrap_err();
    assert!(matches!(&error, HelmError::Timeout { text, .. } if text.error == "context canceled"), "{error:?}");
    assert_eq!(error.to_string(), "helm uninstall was stopped after 0 s: context canceled");

    fs::remove_file(fake.folder.path().join("running")).unwrap();
    let cancel = never();
    let request = UninstallRequest::new(key("web", "podinfo"), MINUTE);
    let (result, ()) = tokio::join!(helm.uninstall(&request, &cancel), async {
        while !fake.folder.path().join("running").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    });
    let error = result.unwrap_err();
    assert!(error.is_interrupted() && error.kind().is_none());
    assert_eq!(error.to_string(), "helm uninstall was interrupted");
}

#[tokio::test]
async fn a_helm_that_ignores_sigterm_is_killed_after_the_grace() {
    let fake = Fake::new("v3.21.4", "trap '' TERM\necho $$ > \"${0%/*}/pid\"\nwhile :; do sleep 1; done");
    let mut config = fake.config();
    config.grace = Duration::from_millis(300);
    let helm = Helm::discover(config).await.unwrap();
    let begun = Instant::now();
    let request = UninstallRequest::new(key("web", "podinfo"), Duration::from_millis(500));
    let error = helm.uninstall(&request, &never()).await.unwrap_err();
    assert!(matches!(error, HelmError::Timeout { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let pid = fake.read("pid");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it still runs");
    assert_eq!(fake.left(), Vec::<PathBuf>::new());
}

#[rstest]
#[case("kill -SEGV $$", "helm history was killed by signal 11")]
#[case("exit 1", "helm history failed")]
#[case("echo oops >&2; exit 1", "helm history failed: oops")]
#[case("echo nonsense", "helm history printed something unexpected: expected ident at line 1 column 2")]
#[tokio::test]
async fn odd_ends(#[case] body: &str, #[case] expected: &str) {
    let fake = Fake::new("v3.21.4", body);
    let error = fake.helm().await.history(&GetRequest::new(key("web", "podinfo"), MINUTE), &never()).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error.kind(), None | Some(Kind::Other)));
}

/// A shell command that leaves the group, so that it outlives the helm, and holds standard output open as long as the
/// folder is there.
const HOLD: &str = r#"here="${0%/*}"
setsid sh -c ': >"$0/held"; while [ -e "$0/held" ]; do sleep 0.05; done' "$here" 2>/dev/null &
until [ -e "$here/held" ]; do sleep 0.01; done"#;

/// Schemas are megabytes, and the same for every release of a cluster. All else is each run's own.
#[tokio::test]
async fn runs_on_one_cluster_share_the_schemas_it_serves_and_nothing_else() {
    let fake = Fake::recorder("v4.2.4");
    let helm = Arc::new(fake.helm().await);
    let folders = async |helm: &dyn HelmClient| {
        helm.uninstall(&UninstallRequest::new(key("web", "podinfo"), MINUTE), &never()).await.unwrap();
        let env = fake.read("env");
        let own = ["KUBECACHEDIR=", "HELM_CACHE_HOME="]
            .map(|name| env.lines().find(|line| line.starts_with(name)).unwrap().to_owned());
        (fake.read("http"), own)
    };
    let clusters = ["a", "b"].map(|name| Arc::clone(&helm).for_cluster(&Sensitive::new(name.to_owned())));
    let (first, second) = (folders(clusters[0].as_ref()).await, folders(clusters[0].as_ref()).await);
    assert!(!first.0.is_empty() && first.0 == second.0, "{first:?} {second:?}");
    assert!(first.1[0] != second.1[0] && first.1[1] != second.1[1], "{first:?} {second:?}");
    let other = folders(clusters[1].as_ref()).await;
    assert!(!other.0.is_empty() && other.0 != first.0, "{first:?} {other:?}");
    // One that knows no cluster keeps nothing of one.
    assert_eq!(folders(helm.as_ref()).await.0, "");
    drop((helm, clusters));
    assert_eq!(fake.left(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_answer_whose_end_does_not_come_is_none() {
    // What came of it would be an answer, but there may be more.
    let fake = Fake::new("v3.21.4", &format!("{HOLD}\necho '[]'"));
    let asked = GetRequest::new(key("web", "podinfo"), MINUTE);
    let error = fake.helm().await.history(&asked, &never()).await.unwrap_err();
    assert!(matches!(error, HelmError::Answer { command: "history", .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "helm history printed something unexpected: its end did not come: something that helm started holds standard output open"
    );

    let fake = Fake::script(&format!("#!/bin/sh\n{HOLD}\necho v3.21.4\n"));
    let error = Helm::discover(fake.config()).await.unwrap_err();
    assert_eq!(
        chain(&error).split_once("/helm ").unwrap().1,
        "does not answer as helm does: its answer has no end: something that it started holds standard output open"
    );
}
