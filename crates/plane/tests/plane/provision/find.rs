//! Programs that are on the machine already.

use super::server::{Answer, Server};
use super::support::{Setting, install, kine, pinned, program};
use pilothouse_plane::provision::{Source, Tool};
use std::fs;

fn says(version: &str) -> Vec<u8> {
    program(&format!("echo {version}"))
}

#[tokio::test]
async fn a_path_that_was_given_is_used_whatever_its_version() {
    let mut setting = Setting::new();
    let path = setting.folder.path().join("my-helm");
    install(&path, &says("v3.2.1"));
    setting.config.explicit.insert(Tool::Helm3, path.clone());
    let obtained = setting.obtain(Tool::Helm3).await.unwrap();
    let got = obtained.get(Tool::Helm3).unwrap();
    assert_eq!((&got.path, got.version.as_str(), &got.source), (&path, "v3.2.1", &Source::Explicit));
    assert_eq!((got.size_bytes, got.cached), (says("v3.2.1").len() as u64, false));
    assert!(!setting.cache().exists());
}

#[tokio::test]
async fn a_path_that_was_given_and_cannot_be_used_is_an_error() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let mut setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    let folder = setting.folder.path().to_owned();
    install(&folder.join("silent"), &program("true"));
    install(&folder.join("failing"), b"#!/bin/sh\necho 'no such flag' >&2\nexit 3\n");
    install(&folder.join("other"), b"#!/no/such/shell\n");
    fs::write(folder.join("data"), "1").unwrap();
    let cases = [
        ("missing", "there is no such file"),
        ("data", "it is not executable"),
        ("", "it is not a file"),
        ("silent", "--version names no version: "),
        ("failing", "--version fails (exit status: 3): no such flag"),
        ("other", &format!("cannot start {}: No such file or directory (os error 2)", folder.join("other").display())),
    ];
    for (name, why) in cases {
        let path = if name.is_empty() { folder.clone() } else { folder.join(name) };
        setting.config.explicit.insert(Tool::Kine, path.clone());
        let said = setting.obtain(Tool::Kine).await.unwrap_err().to_string();
        assert_eq!(said, format!("the kine given at {} cannot be used: {why}", path.display()));
    }
    assert_eq!(server.requests(), []);
}

#[tokio::test]
async fn of_the_candidates_the_first_that_fits_is_used() {
    let mut setting = Setting::new();
    let folder = setting.folder.path().to_owned();
    let versions = [("a", "v3.18.4"), ("b", "v4.2.1"), ("c", "v4.1.0"), ("d", "v3.21.0")];
    for (name, version) in versions {
        install(&folder.join(name).join("helm"), &says(version));
    }
    fs::create_dir(folder.join("empty")).unwrap();
    let names = ["missing", "empty", "a", "b", "c", "d/helm"];
    setting.config.candidates = names.iter().map(|name| folder.join(name)).collect();

    let obtained = setting.obtain(Tool::Helm4).await.unwrap();
    assert_eq!(obtained.path(Tool::Helm4), Some(folder.join("c/helm").as_path()));
    assert_eq!(obtained.get(Tool::Helm4).unwrap().source, Source::Candidate);
    let story = [
        "looking",
        "passed over: it is v3.18.4, not helm 4",
        "passed over: v4.2.1 hangs when it deletes hooks",
        "found",
    ];
    assert_eq!(setting.story(), story);

    let obtained = setting.obtain(Tool::Helm3).await.unwrap();
    assert_eq!(obtained.path(Tool::Helm3), Some(folder.join("d/helm").as_path()));
    let story = [
        "looking",
        "passed over: it is v3.18.4, and 3.19 or newer is needed",
        "passed over: it is v4.2.1, not helm 3",
        "passed over: it is v4.1.0, not helm 3",
        "found",
    ];
    assert_eq!(setting.story(), story);
}

#[tokio::test]
async fn the_cache_comes_before_candidates_and_they_before_a_download() {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let mut setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    let folder = setting.folder.path().join("assets");
    install(&folder.join("kine"), &says("v0.16.9"));
    setting.config.candidates = vec![folder.clone()];
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(obtained.get(Tool::Kine).unwrap().version, "v0.16.9");
    assert_eq!(server.requests(), []);

    setting.config.candidates.clear();
    setting.obtain(Tool::Kine).await.unwrap();
    setting.config.candidates = vec![folder];
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(obtained.path(Tool::Kine), Some(setting.entry(&kine()).join("kine").as_path()));
}

#[tokio::test]
async fn settings_of_the_users_helm_do_not_reach_it() {
    let mut setting = Setting::new();
    let path = setting.folder.path().join("helm");
    install(&path, b"#!/bin/sh\necho \"v3.19.0 $HELM_DEBUG $OTHER\" >> \"${0%/*}/seen\"; echo v3.19.0\n");
    let env = [("HELM_DEBUG", "true"), ("OTHER", "stays")];
    setting.config.base_env = env.map(|(name, value)| (name.into(), value.into())).into();
    setting.config.explicit.insert(Tool::Helm3, path);
    setting.obtain(Tool::Helm3).await.unwrap();
    assert_eq!(fs::read_to_string(setting.folder.path().join("seen")).unwrap(), "v3.19.0  stays\n");
}
