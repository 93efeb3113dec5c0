//! Downloads.

use super::server::{Answer, Server};
use super::support::{Setting, install, kine, pinned, platform, program, sha256, why};
use pilothouse_plane::provision::{Digest, Download, ProvisionError, ProvisionEvent, Source, Tool};
use std::fs;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// `(path, range)` of requests, as they are compared.
fn asked(server: &Server) -> Vec<(String, Option<String>)> {
    server.requests()
}

fn request(path: &str, range: Option<&str>) -> (String, Option<String>) {
    (path.to_owned(), range.map(str::to_owned))
}

#[tokio::test]
async fn a_good_file_is_kept_and_not_downloaded_again() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let url = format!("{}/kine", server.url);
    let setting = Setting::with_download(Tool::Kine, pinned(url.clone(), &kine()));

    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    let got = obtained.get(Tool::Kine).unwrap().clone();
    assert_eq!(got.path, setting.entry(&kine()).join("kine"));
    assert_eq!(fs::read(&got.path).unwrap(), kine());
    assert_eq!((got.version.as_str(), got.size_bytes), ("v0.16.4", kine().len() as u64));
    assert_eq!(got.sha256, Some(sha256(&kine())));
    assert_eq!(got.source, Source::Download { url, pinned: true });
    assert_eq!(setting.story(), ["looking", "downloading", "ready"]);
    assert_eq!(setting.left(), [got.path.parent().unwrap().file_name().unwrap().to_str().unwrap()]);

    let again = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(again, obtained);
    assert_eq!(setting.story(), ["looking", "found"]);
    assert_eq!(asked(&server), [request("/kine", None)]);
    // Once to learn its version; a warm cache starts nothing.
    assert_eq!(setting.runs(), 1);
}

#[tokio::test]
async fn the_last_progress_names_all_bytes() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    setting.obtain(Tool::Kine).await.unwrap();
    let last = setting.events().into_iter().rev().find_map(|event| match event {
        ProvisionEvent::Downloading { done, total, .. } => Some((done, total)),
        _ => None,
    });
    assert_eq!(last, Some((kine().len() as u64, Some(kine().len() as u64))));
}

#[tokio::test]
async fn a_checksum_published_beside_the_file_is_named_as_such() {
    let server = Server::start(|path, _| match path {
        "/sums.txt" => Answer::File(format!("{}  kine\n", sha256(&kine())).into_bytes()),
        _ => Answer::File(kine()),
    })
    .await;
    let url = format!("{}/kine", server.url);
    let download = Download { url, digest: Digest::Published(format!("{}/sums.txt", server.url)), member: None };
    let setting = Setting::with_download(Tool::Kine, download);
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    let source = &obtained.get(Tool::Kine).unwrap().source;
    assert_eq!(source.to_string(), "downloaded (checksum published beside it)");
    assert_eq!(asked(&server), [request("/sums.txt", None), request("/kine", None)]);
}

#[tokio::test]
async fn a_checksum_file_without_the_file_is_refused_before_the_download() {
    let server = Server::start(|_, _| Answer::File(b"<html>sign in</html>".to_vec())).await;
    let sums = format!("{}/sums.txt", server.url);
    let download =
        Download { url: format!("{}/kine", server.url), digest: Digest::Published(sums.clone()), member: None };
    let setting = Setting::with_download(Tool::Kine, download);
    assert_eq!(why(setting.obtain(Tool::Kine).await, "download"), format!("{sums} has no SHA-256 for kine"));
    assert_eq!(asked(&server), [request("/sums.txt", None)]);
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_nothing_stays() {
    let wrong = program("echo 'kine version v0.16.4 (evil)'");
    let body = wrong.clone();
    let server = Server::start(move |_, _| Answer::File(body.clone())).await;
    let url = format!("{}/kine", server.url);
    let setting = Setting::with_download(Tool::Kine, pinned(url.clone(), &kine()));
    let expected = format!("{url}: its SHA-256 is {}, and {} is pinned", sha256(&wrong), sha256(&kine()));
    assert_eq!(why(setting.obtain(Tool::Kine).await, "download"), expected);
    assert_eq!(setting.left(), [""; 0]);
    assert_eq!(asked(&server), [request("/kine", None)]);
    assert_eq!(setting.runs(), 0);
}

#[tokio::test]
async fn a_cut_connection_is_taken_up_where_it_broke() {
    let server =
        Server::start(|_, nth| if nth == 0 { Answer::Cut(kine(), 100_000) } else { Answer::File(kine()) }).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(fs::read(obtained.path(Tool::Kine).unwrap()).unwrap(), kine());
    assert_eq!(asked(&server), [request("/kine", None), request("/kine", Some("bytes=100000-"))]);
}

#[tokio::test]
async fn what_came_through_is_kept_for_the_next_call() {
    // Four times 20 kB, and from then on all.
    let server = Server::start(|_, nth| if nth < 4 { Answer::Cut(kine(), 20_000) } else { Answer::File(kine()) }).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    assert_ne!(why(setting.obtain(Tool::Kine).await, "download"), "");
    assert_eq!(fs::read(setting.part()).unwrap(), kine()[..80_000]);

    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(fs::read(obtained.path(Tool::Kine).unwrap()).unwrap(), kine());
    let ranges: Vec<_> = asked(&server).into_iter().map(|(_, range)| range.unwrap_or_default()).collect();
    assert_eq!(ranges, ["", "bytes=20000-", "bytes=40000-", "bytes=60000-", "bytes=80000-"]);
    assert!(!setting.part().exists());
}

#[tokio::test]
async fn a_server_without_ranges_is_downloaded_from_anew() {
    let server = Server::start(|_, _| Answer::Whole(kine())).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    install(&setting.part(), &kine()[..50_000]);
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(fs::read(obtained.path(Tool::Kine).unwrap()).unwrap(), kine());
    assert_eq!(asked(&server), [request("/kine", Some("bytes=50000-"))]);
}

#[tokio::test]
async fn a_beginning_of_another_file_is_found_by_the_digest() {
    for beginning in [b"not the beginning".to_vec(), vec![b'x'; kine().len() + 5]] {
        let server = Server::start(|_, _| Answer::File(kine())).await;
        let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
        install(&setting.part(), &beginning);
        let obtained = setting.obtain(Tool::Kine).await.unwrap();
        assert_eq!(fs::read(obtained.path(Tool::Kine).unwrap()).unwrap(), kine());
        let range = format!("bytes={}-", beginning.len());
        assert_eq!(asked(&server), [request("/kine", Some(&range)), request("/kine", None)]);
    }
}

#[tokio::test]
async fn a_missing_file_is_not_asked_for_again() {
    let server = Server::start(|_, _| Answer::Status(404)).await;
    let url = format!("{}/kine", server.url);
    let setting = Setting::with_download(Tool::Kine, pinned(url.clone(), &kine()));
    let said = setting.obtain(Tool::Kine).await.unwrap_err().to_string();
    let expected = format!(
        "cannot obtain 1 of the programs needed\n\
         kine v0.16.4:\n  \
           download: {url}: the server answers 404 Not Found\n  \
           build from Go modules: not allowed\n\
         to go on, either make the downloads reachable, or install go 1.26 or newer (with a module proxy it can \
         reach), or name files that are already here"
    );
    assert_eq!(said, expected);
    assert_eq!(asked(&server), [request("/kine", None)]);
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again() {
    let server = Server::start(|_, nth| if nth < 2 { Answer::Status(503) } else { Answer::File(kine()) }).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(asked(&server).len(), 3);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_tried_once() {
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut setting = Setting::with_download(Tool::Kine, pinned(format!("http://{free}/kine"), &kine()));
    setting.config.downloads.insert(Tool::Kwok, pinned(format!("http://{free}/kwok"), &kine()));
    let provisioner = pilothouse_plane::provision::Provisioner::new(setting.config.clone());
    let result = provisioner.obtain(&[Tool::Kine, Tool::Kwok], |_| (), &CancellationToken::new()).await;
    let Err(ProvisionError::Unobtainable { missing }) = result else { panic!("{result:?}") };
    let reasons: Vec<_> = missing.iter().map(|missing| missing.attempts[0].why.as_str()).collect();
    assert_eq!(reasons, ["127.0.0.1 cannot be reached: Connection refused (os error 111)"; 2]);
}

#[tokio::test]
async fn the_callers_proxy_is_used() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let url = "http://downloads.example/kine".to_owned();
    for name in ["HTTP_PROXY", "http_proxy"] {
        let mut setting = Setting::with_download(Tool::Kine, pinned(url.clone(), &kine()));
        setting.config.base_env.insert(name.into(), server.url.clone().into());
        setting.obtain(Tool::Kine).await.unwrap();
    }
    assert_eq!(asked(&server), [request(&url, None), request(&url, None)]);
}

#[tokio::test]
async fn a_proxy_is_not_used_for_what_it_is_not_for() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let mut setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    // Nothing listens there.
    setting.config.base_env.insert("HTTP_PROXY".into(), "http://127.0.0.1:1".into());
    setting.config.base_env.insert("NO_PROXY".into(), "127.0.0.1".into());
    setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(asked(&server), [request("/kine", None)]);
}

#[tokio::test]
async fn a_proxy_that_is_no_url_is_named_but_not_shown() {
    let mut setting = Setting::with_download(Tool::Kine, pinned("http://downloads.example/kine".into(), &kine()));
    setting.config.base_env.insert("HTTP_PROXY".into(), "http://user:secret@:x".into());
    assert_eq!(why(setting.obtain(Tool::Kine).await, "download"), "HTTP_PROXY is not a URL");
}

/// A gzipped tar archive of these files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn only_the_program_is_taken_out_of_an_archive() {
    let helm = program("echo v4.2.4");
    let member = format!("{}/helm", platform());
    let packed = archive(&[("README.md", b"read me"), (&member, &helm), ("LICENSE", b"free")]);
    let body = packed.clone();
    let server = Server::start(move |_, _| Answer::File(body.clone())).await;
    let download = Download { member: Some(member), ..pinned(format!("{}/helm.tar.gz", server.url), &packed) };
    let setting = Setting::with_download(Tool::Helm4, download);
    let obtained = setting.obtain(Tool::Helm4).await.unwrap();
    let got = obtained.get(Tool::Helm4).unwrap();
    assert_eq!(fs::read(&got.path).unwrap(), helm);
    assert_eq!((got.version.as_str(), got.sha256.clone()), ("v4.2.4", Some(sha256(&helm))));
    let mut left: Vec<_> = fs::read_dir(got.path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["helm", "receipt.json"]);
}

#[tokio::test]
async fn archives_that_do_not_hold_the_program_are_refused() {
    let whole = archive(&[("linux/helm", &program("echo v4.2.4"))]);
    let cases = [
        (archive(&[("README.md", b"read me")]), "the archive has no linux/helm"),
        (whole[..whole.len() / 2].to_vec(), "incomplete deflate stream"),
        (b"no archive at all".to_vec(), "invalid gzip header"),
    ];
    for (packed, expected) in cases {
        let body = packed.clone();
        let server = Server::start(move |_, _| Answer::File(body.clone())).await;
        let url = format!("{}/helm.tar.gz", server.url);
        let download = Download { member: Some("linux/helm".to_owned()), ..pinned(url.clone(), &packed) };
        let setting = Setting::with_download(Tool::Helm4, download);
        assert_eq!(why(setting.obtain(Tool::Helm4).await, "download"), format!("{url}: {expected}"));
    }
}

#[tokio::test]
async fn a_program_of_another_version_is_refused() {
    let other = program("echo 'kine version v0.16.3 (test)'");
    let body = other.clone();
    let server = Server::start(move |_, _| Answer::File(body.clone())).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &other));
    let expected = "it says it is v0.16.3, and v0.16.4 was wanted";
    assert_eq!(why(setting.obtain(Tool::Kine).await, "download"), expected);
    assert_eq!(setting.left(), [""; 0]);
}

#[tokio::test]
async fn a_cancelled_download_ends_at_once_and_can_be_taken_up() {
    let server =
        Server::start(|_, nth| if nth == 0 { Answer::Stall(kine(), 100_000) } else { Answer::File(kine()) }).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    let cancel = CancellationToken::new();
    let (part, watched) = (setting.part(), cancel.clone());
    let watch = tokio::spawn(async move {
        while !fs::metadata(&part).is_ok_and(|part| part.len() == 100_000) {
            tokio::task::yield_now().await;
        }
        watched.cancel();
    });
    let result = setting.obtain_until(Tool::Kine, &cancel, |_| ()).await;
    assert!(matches!(result, Err(ProvisionError::Cancelled { tool: Tool::Kine })), "{result:?}");
    watch.await.unwrap();

    setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(asked(&server), [request("/kine", None), request("/kine", Some("bytes=100000-"))]);
}

#[tokio::test]
async fn two_at_once_download_once() {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let server = Server::start(move |_, _| Answer::When(gate.clone(), kine())).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    let open = |event: &ProvisionEvent| {
        if matches!(event, ProvisionEvent::Waiting { .. }) {
            go.notify_one();
        }
    };
    let cancel = CancellationToken::new();
    let (one, two) =
        tokio::join!(setting.obtain_until(Tool::Kine, &cancel, open), setting.obtain_until(Tool::Kine, &cancel, open));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(asked(&server), [request("/kine", None)]);
    let waited = setting.events().iter().filter(|event| matches!(event, ProvisionEvent::Waiting { .. })).count();
    assert_eq!(waited, 1);
}

#[tokio::test]
async fn a_download_that_is_not_allowed_is_not_tried() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let mut setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    setting.config.allow_download = false;
    assert_eq!(why(setting.obtain(Tool::Kine).await, "download"), "not allowed");
    assert_eq!(asked(&server), []);
}
