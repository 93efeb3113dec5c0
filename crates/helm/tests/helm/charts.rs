//! Finding charts: folders, archives, a repository.

use crate::support::{chart, helm, never, program};
use flate2::Compression;
use flate2::write::GzEncoder;
use pilothouse_core::ChartRef;
use pilothouse_helm::{
    ChartError, ChartKind, ChartShelf, Fetch, Helm, HelmConfig, ResolvedChart, ResolvedKind, resolve_chart,
    resolve_chart_shared,
};
use rstest::rstest;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An archive with these files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        // Not `set_path`, which refuses what is to be refused by the reader.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn chart_yaml(name: &str, version: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: {version}\n")
}

fn simple(name: &str, version: &str) -> Vec<u8> {
    archive(&[(&format!("{name}/Chart.yaml"), &chart_yaml(name, version)), (&format!("{name}/templates/a.yaml"), "")])
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Resolves with a real helm, and a cache that is thrown away.
async fn resolve(reference: &ChartRef) -> Result<(ResolvedChart, TempDir), ChartError> {
    let tried = helm(4, None).await;
    let cache = tempfile::tempdir().unwrap();
    let resolved = resolve_chart(reference, &tried.helm, &cache.path().join("charts"), &never()).await?;
    Ok((resolved, cache))
}

async fn resolve_bytes(bytes: &[u8]) -> Result<ResolvedChart, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chart.tgz");
    fs::write(&path, bytes).unwrap();
    let shown = |error: ChartError| error.to_string().replace(path.to_str().unwrap(), "FILE");
    resolve(&ChartRef::path(&path)).await.map(|(chart, _)| chart).map_err(shown)
}

#[tokio::test]
async fn a_folder() {
    let (web, _) = resolve(&ChartRef::path(chart("web")).version("~1.2")).await.unwrap();
    assert_eq!((web.kind, web.path.clone()), (ResolvedKind::Folder, chart("web")));
    assert_eq!((web.metadata.name.as_str(), web.metadata.version.as_str()), ("web", "1.2.3"));
    assert_eq!((web.metadata.app_version.as_str(), web.metadata.kube_version.as_deref()), ("9.8", Some(">=1.20.0-0")));
    assert_eq!(web.metadata.kind, ChartKind::Application);
    assert_eq!(web.metadata.dependencies.len(), 1);
    assert_eq!(web.missing_dependencies(), &[] as &[String]);

    let (needs, _) = resolve(&ChartRef::path(chart("needs"))).await.unwrap();
    assert_eq!(needs.missing_dependencies(), ["postgresql", "redis"]);
}

#[tokio::test]
async fn the_digest_of_a_folder_is_that_of_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("Chart.yaml", &chart_yaml("a", "1.0.0"));
    write("values.yaml", "a: 1");
    let digest = async || resolve(&ChartRef::path(folder.path())).await.unwrap().0.digest;
    let first = digest().await;
    write("values.yaml", "a: 2");
    let second = digest().await;
    write("values.yaml", "a: 1");
    assert_eq!(digest().await, first);
    assert_ne!(first, second);
    fs::rename(folder.path().join("values.yaml"), folder.path().join("values.yml")).unwrap();
    assert_ne!(digest().await, first);
}

/// A link that leads out shows whatever lies on the machine; within one repository charts share files by links.
#[rstest]
#[case::within_the_chart(true, "files/own", "../Chart.yaml", "")]
#[case::a_file_of_the_repository(true, "files/shared", "../../shared/file", "")]
#[case::a_chart_beside_it(true, "charts/common", "../../shared", "")]
#[case::any_file(
    true,
    "templates/s.yaml",
    "/etc/hostname",
    "templates/s.yaml is a link to /etc/hostname, outside of the repository that the chart is in"
)]
#[case::a_folder(true, "files/etc", "/etc", "files/etc is a link to /etc, outside of the repository")]
#[case::called_as_gits_folder(true, ".git", "/etc", ".git is a link to /etc, outside of the repository")]
#[case::to_gits_folder(true, "files/config", "../../.git/config", "files/config is a link to")]
#[case::by_another_link(true, "files/hostname", "../../shared/out", "files/hostname is a link to /etc/hostname")]
#[case::beyond_a_folder(true, "charts/leads", "../../leads", "charts/leads/out is a link to /etc/hostname")]
#[case::in_no_repository(false, "files/own", "../Chart.yaml", "")]
#[case::out_of_a_folder_in_no_repository(false, "files/shared", "../../shared/file", "outside of the chart's folder")]
#[tokio::test]
async fn links_in_a_folder(#[case] in_repository: bool, #[case] name: &str, #[case] target: &str, #[case] wrong: &str) {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| folder.path().join(path);
    for path in ["app/templates", "app/files", "app/charts", "shared", "leads"] {
        fs::create_dir_all(place(path)).unwrap();
    }
    if in_repository {
        fs::create_dir(place(".git")).unwrap();
        fs::write(place(".git/config"), "").unwrap();
    }
    fs::write(place("app/Chart.yaml"), chart_yaml("app", "1.0.0")).unwrap();
    fs::write(place("shared/Chart.yaml"), chart_yaml("common", "1.0.0")).unwrap();
    fs::write(place("shared/file"), "").unwrap();
    if name == "files/hostname" {
        symlink("/etc/hostname", place("shared/out")).unwrap();
    }
    symlink("/etc/hostname", place("leads/out")).unwrap();
    symlink(target, place("app").join(name)).unwrap();
    // A folder that is a link itself is what the user has named.
    symlink("app", place("called")).unwrap();
    for chart in ["app", "called"] {
        let told = resolve(&ChartRef::path(place(chart))).await.map(|_| ()).map_err(|error| error.to_string());
        match wrong {
            "" => assert_eq!(told, Ok(())),
            wrong => assert!(told.as_ref().is_err_and(|error| error.contains(wrong)), "{told:?}"),
        }
    }
}

#[tokio::test]
async fn an_archive() {
    let files = [
        (
            "web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0\ntype: library\ndependencies:\n- name: one\n- name: two\n- name: three\n",
        ),
        ("web/charts/one/Chart.yaml", "name: one\nversion: 1.0.0\n"),
        ("web/charts/one/templates/a.yaml", ""),
        ("web/charts/_two/Chart.yaml", "name: two\nversion: 1.0.0\n"),
    ];
    let bytes = archive(&files);
    let web = resolve_bytes(&bytes).await.unwrap();
    assert_eq!(web.kind, ResolvedKind::Archive);
    assert_eq!(web.digest, hex(&bytes));
    assert_eq!((web.metadata.version.as_str(), web.metadata.kind), ("1", ChartKind::Library));
    assert_eq!(web.missing_dependencies(), ["two", "three"]);
}

/// What `charts/` and the lock hold beside what is asked for; `-` for what is not there.
#[rstest]
#[case::fits("^2.0.0", "2.1.0", "2.1.0", &[])]
#[case::no_lock("^2.0.0", "2.1.0", "-", &[])]
#[case::lock_with_v("^2.0.0", "2.1.0", "v2.1.0", &[])]
#[case::any("", "0.1.0", "-", &[])]
#[case::star("*", "0.1.0", "-", &[])]
#[case::no_constraint("latest", "0.1.0", "-", &[])]
#[case::old("^2.0.0", "1.0.0", "-", &["charts/ has sub 1.0.0, Chart.yaml asks for ^2.0.0"])]
#[case::old_and_locked("^2.0.0", "1.0.0", "2.0.0", &["charts/ has sub 1.0.0, Chart.yaml asks for ^2.0.0"])]
#[case::new("~1.4", "1.5.0", "-", &["charts/ has sub 1.5.0, Chart.yaml asks for ~1.4"])]
#[case::pre_release(">=1.0.0", "1.1.0-rc.1", "-", &["charts/ has sub 1.1.0-rc.1, Chart.yaml asks for >=1.0.0"])]
#[case::old_lock("^2.0.0", "2.1.0", "1.9.0", &["Chart.lock has sub 1.9.0, Chart.yaml asks for ^2.0.0"])]
#[case::other_lock("^2.0.0", "2.1.0", "2.2.0", &["charts/ has sub 2.1.0, Chart.lock has sub 2.2.0"])]
#[case::missing("^2.0.0", "-", "-", &[])]
#[tokio::test]
async fn dependencies_that_are_stale(
    #[case] wanted: &str,
    #[case] bundled: &str,
    #[case] locked: &str,
    #[case] expected: &[&str],
    #[values(true, false)] packed: bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let dependency = format!("dependencies:\n- name: sub\n  version: \"{wanted}\"\n");
    write("Chart.yaml", format!("apiVersion: v2\nname: a\nversion: 1.0.0\n{dependency}").as_bytes());
    match (bundled, packed) {
        ("-", _) => {}
        (version, true) => write("charts/sub.tgz", &simple("sub", version)),
        (version, false) => write("charts/sub/Chart.yaml", chart_yaml("sub", version).as_bytes()),
    }
    if locked != "-" {
        write("Chart.lock", format!("dependencies:\n- name: sub\n  version: {locked}\n").as_bytes());
    }
    let (found, _) = resolve(&ChartRef::path(folder.path())).await.unwrap();
    assert_eq!(found.stale_dependencies(), expected);
}

#[tokio::test]
async fn stale_dependencies_of_an_old_chart_with_aliases() {
    let files = [
        ("a/Chart.yaml", "apiVersion: v1\nname: a\nversion: 1.0.0\n"),
        (
            "a/requirements.yaml",
            "dependencies:\n- {name: sub, version: ^1.0.0, alias: one}\n- {name: sub, version: ^2.0.0, alias: two}\n- {name: other, version: 1.x.x}\n",
        ),
        ("a/requirements.lock", "dependencies:\n- {name: sub, version: 1.0.0}\n- {name: sub, version: 2.0.0}\n"),
        ("a/charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0\n"),
        ("a/charts/sub-2/Chart.yaml", "name: sub\nversion: 2.0.0\n"),
        ("a/charts/other/Chart.yaml", "name: other\nversion: 2.0.0\n"),
    ];
    let found = resolve_bytes(&archive(&files)).await.unwrap();
    let expected = ["charts/ has other 2.0.0, Chart.yaml asks for 1.x.x", "Chart.lock does not have other"];
    assert_eq!(found.stale_dependencies(), expected);
}

#[tokio::test]
async fn an_archive_in_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("charts")).unwrap();
    fs::write(folder.path().join("charts/sub-1.0.0.tgz"), simple("sub", "1.0.0")).unwrap();
    fs::write(folder.path().join("Chart.yaml"), "apiVersion: v1\nname: a\nversion: 1.0.0\n").unwrap();
    fs::write(folder.path().join("requirements.yaml"), "dependencies:\n- name: sub\n- name: other\n").unwrap();
    let (found, _) = resolve(&ChartRef::path(folder.path())).await.unwrap();
    assert_eq!(found.missing_dependencies(), ["other"]);

    fs::write(folder.path().join("charts/sub-1.0.0.tgz"), b"nonsense").unwrap();
    let error = resolve(&ChartRef::path(folder.path())).await.unwrap_err();
    let expected = "FOLDER is not a usable chart: charts/sub-1.0.0.tgz: it is not a gzipped archive";
    assert_eq!(error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER"), expected);
}

#[rstest]
#[case(&[("a/values.yaml", "")], "FILE is not a usable chart: there is no Chart.yaml in it")]
#[case(&[("a/Chart.yaml", "name: [")], "FILE is not a usable chart: Chart.yaml, line 1: unclosed bracket '['")]
#[case(&[("a/Chart.yaml", "version: 1.0.0")], "FILE is not a usable chart: Chart.yaml does not name the chart")]
#[case(&[("a/Chart.yaml", "name: a")], "FILE is not a usable chart: Chart.yaml does not tell the chart's version")]
#[case(&[("a/Chart.yaml", "name: [a]\nversion: 1.0.0")], "FILE is not a usable chart: Chart.yaml: expected text")]
#[case(&[("a/../../etc/passwd", "")], "FILE is not a usable chart: `a/../../etc/passwd` in it leads out of the chart")]
#[case(&[("/etc/passwd", "")], "FILE is not a usable chart: `/etc/passwd` in it leads out of the chart")]
#[case(&[("C:/a", "")], "FILE is not a usable chart: `C:/a` in it leads out of the chart")]
#[case(&[("Chart.yaml", "")], "FILE is not a usable chart: `Chart.yaml` in it is not in a folder")]
#[tokio::test]
async fn archives_that_are_no_charts(#[case] files: &[(&str, &str)], #[case] expected: &str) {
    assert_eq!(resolve_bytes(&archive(files)).await.unwrap_err(), expected);
}

#[tokio::test]
async fn damaged_archives() {
    assert_eq!(resolve_bytes(b"").await.unwrap_err(), "FILE is not a usable chart: it is not a gzipped archive");
    assert_eq!(resolve_bytes(b"<html>").await.unwrap_err(), "FILE is not a usable chart: it is not a gzipped archive");
    let whole = simple("web", "1.0.0");
    for end in 2..whole.len() {
        let error = resolve_bytes_quickly(&whole[..end]).await;
        assert!(error.starts_with("FILE is not a usable chart: it "), "cut at {end}: {error}");
    }
    let mut flipped = whole.clone();
    let middle = flipped.len() - 6;
    flipped[middle] ^= 0xff;
    let error = resolve_bytes(&flipped).await.unwrap_err();
    assert_eq!(
        error,
        "FILE is not a usable chart: it is damaged: corrupt gzip stream does not have a matching checksum"
    );
}

/// As [`resolve_bytes`] for what must fail, without starting a helm each time.
async fn resolve_bytes_quickly(bytes: &[u8]) -> String {
    static HELM: tokio::sync::OnceCell<crate::support::Tried> = tokio::sync::OnceCell::const_new();
    let tried = HELM.get_or_init(|| helm(4, None)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chart.tgz");
    fs::write(&path, bytes).unwrap();
    let error = resolve_chart(&ChartRef::path(&path), &tried.helm, folder.path(), &never()).await.unwrap_err();
    error.to_string().replace(path.to_str().unwrap(), "FILE")
}

#[tokio::test]
async fn a_file_that_is_too_large_once_unpacked() {
    let large = "x".repeat(5 * 1024 * 1024 + 1);
    let bytes = archive(&[("a/Chart.yaml", &chart_yaml("a", "1.0.0")), ("a/files/large", &large)]);
    assert_eq!(
        resolve_bytes(&bytes).await.unwrap_err(),
        "FILE is not a usable chart: a/files/large is larger than 5 MiB"
    );
}

#[rstest]
#[case(ChartRef::path("/nothing/here"), "there is no chart at /nothing/here")]
#[case(ChartRef::path(chart("web")).version(">=2"), "CHARTS/web has version 1.2.3, which does not fit >=2")]
#[case(ChartRef::path(chart("web")).version("latest"), "`latest` is not a version constraint: there should be a version where `l` is")]
#[tokio::test]
async fn what_is_not_there(#[case] reference: ChartRef, #[case] expected: &str) {
    let error = resolve(&reference).await.unwrap_err();
    assert_eq!(error.to_string().replace(chart("").to_str().unwrap(), "CHARTS/"), expected);
}

/// Serves files over HTTP on loopback until it is dropped.
struct Server {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::private(files, None).await
    }

    /// One that answers only requests with this header, and all others with 401 or another status.
    async fn private(files: BTreeMap<String, Vec<u8>>, wants: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let files = Arc::new(files);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let files = files.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                            return;
                        }
                        request.extend(byte);
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default();
                    let refused =
                        wants.filter(|(header, _)| !request.lines().any(|line| line.eq_ignore_ascii_case(header)));
                    let answer = files.get(path).filter(|_| refused.is_none());
                    let status = match (refused, answer) {
                        (Some((_, status)), _) => status,
                        (None, Some(_)) => "200 OK",
                        (None, None) => "404 Not Found",
                    };
                    let body = answer.cloned().unwrap_or_default();
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                    if !request.starts_with("HEAD") {
                        let _ = stream.write_all(&body).await;
                    }
                });
            }
        });
        Self { url, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A repository with one chart in several versions, one of which is damaged and one of which is missing.
async fn repository() -> Server {
    Server::start(files_of_a_repository()).await
}

fn files_of_a_repository() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut index = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for version in ["1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1"] {
        let bytes = simple("web", version);
        let _ = write!(
            index,
            "  - name: web\n    version: {version}\n    digest: {}\n    urls: [web-{version}.tgz]\n",
            hex(&bytes)
        );
        match version {
            "1.0.0" => {}
            "1.1.0" => {
                files.insert(format!("/web-{version}.tgz"), bytes[..bytes.len() / 2].to_vec());
            }
            _ => {
                files.insert(format!("/web-{version}.tgz"), bytes);
            }
        }
    }
    files.insert("/index.yaml".to_owned(), index.into_bytes());
    files
}

/// What comes of a chart of a repository that wants `reader` and `hush-hush`, with this as the user's own repository configuration;
/// `URL` in it stands for the repository's.
async fn from_private(major: u64, configuration: Option<&str>, status: &'static str) -> Result<String, String> {
    // reader:hush-hush
    let wants = ("Authorization: Basic cmVhZGVyOmh1c2gtaHVzaA==", status);
    let server = Server::private(files_of_a_repository(), Some(wants)).await;
    let home = tempfile::tempdir().unwrap();
    let mut config = HelmConfig::new(program(major).await, home.path().join("helm"));
    let file = home.path().join("repositories.yaml");
    if let Some(text) = configuration {
        fs::write(&file, text.replace("URL", &server.url)).unwrap();
    }
    config.repository_config = Some(file.clone());
    let helm = Helm::discover(config).await.unwrap();
    let reference = ChartRef::repo(&server.url, "web").version("1.2.0");
    let resolved = resolve_chart(&reference, &helm, &home.path().join("charts"), &never()).await;
    if let Some(text) = configuration {
        assert_eq!(fs::read_to_string(&file).unwrap(), text.replace("URL", &server.url), "it is the user's own");
    }
    let left = fs::read_dir(home.path().join("helm")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["versions.json"], "nothing with a password is left");
    resolved.map(|chart| chart.metadata.version).map_err(|error| {
        let causes = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
        let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        text.replace(&server.url, "URL").replace(file.to_str().unwrap(), "FILE")
    })
}

#[rstest]
#[tokio::test]
async fn a_private_repository_that_helm_knows(#[values(3, 4)] major: u64) {
    let entry = "repositories: [{ name: mine, url: 'URL/', username: reader, password: hush-hush, pass_credentials_all: true }]";
    assert_eq!(from_private(major, Some(entry), "401 Unauthorized").await.as_deref(), Ok("1.2.0"));
}

#[rstest]
#[case::nobody_has_logged_in(None, "401 Unauthorized")]
#[case::another_repository(
    Some("repositories: [{ name: mine, url: 'URL/more', username: reader, password: hush-hush }]"),
    "401 Unauthorized"
)]
#[case::a_wrong_password(
    Some("repositories: [{ name: mine, url: URL, username: reader, password: hush-no-more }]"),
    "401 Unauthorized"
)]
#[case::not_let_in(
    Some("repositories: [{ name: mine, url: URL, username: other, password: hush-hush }]"),
    "403 Forbidden"
)]
#[tokio::test]
async fn a_private_repository_that_lets_nobody_in(
    #[case] configuration: Option<&str>,
    #[case] status: &'static str,
    #[values(3, 4)] major: u64,
) {
    let error = from_private(major, configuration, status).await.unwrap_err();
    assert!(error.starts_with("the repository or registry of web from URL (1.2.0) refuses access"), "{error}");
    assert!(error.contains(status) && !error.contains("hush"), "{error}");
}

#[tokio::test]
async fn a_repository_configuration_that_cannot_be_read_is_told() {
    let error = from_private(4, Some("repositories: [{ password: hush-hush"), "401 Unauthorized").await.unwrap_err();
    assert!(
        error.contains("FILE") && error.contains("it is not YAML, at line 1") && !error.contains("hush"),
        "{error}"
    );
}

async fn from_repository(
    major: u64,
    url: &str,
    name: &str,
    version: Option<&str>,
) -> Result<(PathBuf, String, String), String> {
    let tried = helm(major, None).await;
    let cache = tempfile::tempdir().unwrap();
    let mut reference = ChartRef::repo(url, name);
    reference.version = version.map(str::to_owned);
    let resolved = resolve_chart(&reference, &tried.helm, cache.path(), &never()).await.map_err(|error| {
        let causes = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ").replace(url, "URL")
    })?;
    assert_eq!(resolved.kind, ResolvedKind::Fetched);
    assert_eq!(hex(&fs::read(&resolved.path).unwrap()), resolved.digest);
    let inside = resolved.path.strip_prefix(cache.path()).unwrap().to_owned();
    assert_eq!(inside.parent(), Some(Path::new(&resolved.digest)));
    let mut left: Vec<String> =
        fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.retain(|name| *name != resolved.digest);
    let pins: &[&str] = if version == Some("1.2.0") { &["pins"] } else { &[] };
    assert_eq!(left, pins, "only the chart, and where an exact version lies, is left in the cache");
    Ok((inside.file_name().unwrap().into(), resolved.metadata.version, resolved.digest))
}

#[rstest]
#[case(None, "1.2.0")]
#[case(Some("~1.2"), "1.2.0")]
#[case(Some("1.2.0"), "1.2.0")]
#[case(Some(">=1.0.0-0"), "2.0.0-rc.1")]
#[tokio::test]
async fn a_chart_of_a_repository(#[case] version: Option<&str>, #[case] expected: &str, #[values(3, 4)] major: u64) {
    let server = repository().await;
    let (file, found, _) = from_repository(major, &server.url, "web", version).await.unwrap();
    assert_eq!((file, found.as_str()), (format!("web-{expected}.tgz").into(), expected));
}

#[rstest]
#[tokio::test]
async fn what_a_repository_does_not_have(#[values(3, 4)] major: u64) {
    let server = repository().await;
    let wrong = [("web", Some("~3")), ("nothing", None), ("web", Some("1.0.0")), ("web", Some("1.1.0"))];
    let mut lines = Vec::new();
    for (name, version) in wrong {
        lines.push(from_repository(major, &server.url, name, version).await.unwrap_err());
    }
    let empty = Server::start(BTreeMap::new()).await;
    lines.push(from_repository(major, &empty.url, "web", None).await.unwrap_err());
    insta::assert_snapshot!(format!("repository_{major}"), lines.join("\n"));
}

#[tokio::test]
async fn many_at_once_do_not_harm_each_other() {
    let server = repository().await;
    let tried = helm(3, None).await;
    let cache = tempfile::tempdir().unwrap();
    let reference = ChartRef::repo(&server.url, "web");
    let cancel = never();
    let all = (0..6).map(|_| resolve_chart(&reference, &tried.helm, cache.path(), &cancel));
    let mut digests: Vec<String> =
        futures::future::join_all(all).await.into_iter().map(|chart| chart.unwrap().digest).collect();
    digests.dedup();
    assert_eq!(digests, [hex(&simple("web", "1.2.0"))]);
}

/// Resolves an exact version without a network, and tells how the second resolving ended.
async fn resolved_again(fetch: Fetch, between: impl FnOnce(&Path)) -> Result<ResolvedKind, ChartError> {
    let server = repository().await;
    let tried = helm(4, None).await;
    let cache = tempfile::tempdir().unwrap();
    let (reference, cancel) = (ChartRef::repo(&server.url, "web").version("1.2.0"), never());
    let first = resolve_chart(&reference, &tried.helm, cache.path(), &cancel).await.unwrap();
    between(&first.path);
    drop(server);
    let shelf = ChartShelf::default();
    let second = resolve_chart_shared(&reference, &tried.helm, cache.path(), &shelf, fetch, &cancel).await?;
    assert_eq!(*second, first);
    Ok(second.kind)
}

#[tokio::test]
async fn an_exact_version_that_was_fetched_before_needs_no_network() {
    assert_eq!(resolved_again(Fetch::UnlessPinned, |_| ()).await.unwrap(), ResolvedKind::Fetched);
    resolved_again(Fetch::Always, |_| ()).await.unwrap_err();
    // An archive that is another, or gone, is fetched again.
    resolved_again(Fetch::UnlessPinned, |path| fs::write(path, simple("web", "1.2.1")).unwrap()).await.unwrap_err();
    resolved_again(Fetch::UnlessPinned, |path| fs::write(path, "nonsense").unwrap()).await.unwrap_err();
    resolved_again(Fetch::UnlessPinned, |path| fs::remove_file(path).unwrap()).await.unwrap_err();
}

#[tokio::test]
async fn charts_that_are_shared_are_read_once() {
    let tried = helm(4, None).await;
    let folder = tempfile::tempdir().unwrap();
    let (archive, chart) = (folder.path().join("web.tgz"), folder.path().join("chart"));
    fs::write(&archive, simple("web", "1.0.0")).unwrap();
    fs::create_dir(&chart).unwrap();
    fs::write(chart.join("Chart.yaml"), chart_yaml("web", "1.0.0")).unwrap();
    let shelf = ChartShelf::default();
    let cancel = never();
    let read = async |path: &Path| {
        let reference = ChartRef::path(path);
        resolve_chart_shared(&reference, &tried.helm, folder.path(), &shelf, Fetch::Always, &cancel).await
    };
    let (both, again) = (futures::future::join(read(&archive), read(&archive)).await, read(&chart).await.unwrap());
    assert!(Arc::ptr_eq(&both.0.unwrap(), &both.1.unwrap()));

    // An archive is another when it was written again; a folder is read once in a run.
    fs::write(&archive, simple("web", "2.0.0")).unwrap();
    fs::write(chart.join("Chart.yaml"), chart_yaml("web", "2.0.0")).unwrap();
    assert_eq!(read(&archive).await.unwrap().metadata.version, "2.0.0");
    assert!(Arc::ptr_eq(&read(&chart).await.unwrap(), &again));

    // What could not be read is looked at again.
    fs::remove_file(&archive).unwrap();
    read(&archive).await.unwrap_err();
    fs::write(&archive, simple("web", "3.0.0")).unwrap();
    assert_eq!(read(&archive).await.unwrap().metadata.version, "3.0.0");
}

#[rstest]
// The names of its tests are made up, and of nothing else.
#[case("podinfo-6.14.1", "")]
#[case("ingress-nginx-4.15.1", ".Capabilities tpl")]
#[case("cert-manager-v1.20.0", "tpl")]
#[case("kube-prometheus-stack-88.5.3", ".Capabilities .Files .Release.IsInstall lookup randAlphaNum tpl")]
#[case("prometheus-operator-crds-31.0.1", "")]
#[tokio::test]
async fn what_charts_of_the_community_use(#[case] package: &str, #[case] expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/charts").join(format!("{package}.tgz"));
    if !path.is_file() {
        let _ = writeln!(std::io::stderr(), "not run: what_charts_of_the_community_use ({package}.tgz is not at hand)");
        return;
    }
    let (found, _) = resolve(&ChartRef::path(&path)).await.unwrap();
    assert!(!found.templates.unreadable);
    assert_eq!(found.templates.found.into_iter().collect::<Vec<_>>().join(" "), expected);
}
