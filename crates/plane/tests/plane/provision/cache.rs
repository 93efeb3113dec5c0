//! The cache: what is used, and what is not.

use super::server::{Answer, Server};
use super::support::{Setting, install, kine, pinned, program, sha256};
use pilothouse_plane::provision::{Look, ProvisionError, Provisioner, Tool};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// A cache with a kine in it, and the server it came from.
async fn filled() -> (Setting, Server) {
    let server = Server::start(|_, _| Answer::File(kine())).await;
    let setting = Setting::with_download(Tool::Kine, pinned(format!("{}/kine", server.url), &kine()));
    setting.obtain(Tool::Kine).await.unwrap();
    setting.story();
    (setting, server)
}

/// Spoils the cache, and expects that the entry is thrown away for this reason and got anew.
async fn discarded(spoil: impl FnOnce(&Path), why: &str) {
    let (setting, server) = filled().await;
    spoil(&setting.entry(&kine()));
    let obtained = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(setting.story(), ["looking", &format!("discarded: {why}"), "downloading", "ready"]);
    assert_eq!(fs::read(obtained.path(Tool::Kine).unwrap()).unwrap(), kine());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_file_that_was_exchanged_is_not_used() {
    let mut evil = kine();
    evil[20] ^= 1;
    let why = format!("its content has changed: its SHA-256 is {}, and {} was written", sha256(&evil), sha256(&kine()));
    let spoil = |entry: &Path| {
        let path = entry.join("kine");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, &evil).unwrap();
        // The same size and time as before: only the change time tells.
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    };
    discarded(spoil, &why).await;
}

#[tokio::test]
async fn a_truncated_file_is_not_used() {
    let half = kine()[..1000].to_vec();
    let why = format!("its content has changed: its SHA-256 is {}, and {} was written", sha256(&half), sha256(&kine()));
    discarded(|entry| fs::write(entry.join("kine"), &half).unwrap(), &why).await;
}

#[tokio::test]
async fn an_entry_without_receipt_is_not_used() {
    let spoil = |entry: &Path| fs::remove_file(entry.join("receipt.json")).unwrap();
    discarded(spoil, "it has no receipt, so it may be half-written").await;
}

#[tokio::test]
async fn an_entry_with_a_damaged_receipt_is_not_used() {
    let spoil = |entry: &Path| fs::write(entry.join("receipt.json"), "{\"tool\":").unwrap();
    discarded(spoil, "its receipt is damaged: EOF while parsing a value at line 1 column 8").await;
}

#[tokio::test]
async fn an_entry_without_its_file_is_not_used() {
    discarded(|entry| fs::remove_file(entry.join("kine")).unwrap(), "the file is missing").await;
}

#[tokio::test]
async fn a_link_is_not_used() {
    let spoil = |entry: &Path| {
        fs::rename(entry.join("kine"), entry.join("elsewhere")).unwrap();
        symlink("elsewhere", entry.join("kine")).unwrap();
    };
    discarded(spoil, "it is not a regular file").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_run_is_not_used() {
    let spoil = |entry: &Path| fs::set_permissions(entry.join("kine"), Permissions::from_mode(0o644)).unwrap();
    discarded(spoil, "it is not executable").await;
}

#[tokio::test]
async fn the_receipt_of_another_tool_is_not_taken() {
    let (setting, _) = filled().await;
    let entry = setting.entry(&kine());
    let name = entry.file_name().unwrap().to_str().unwrap().replace("v0.16.4", "v0.8.0");
    let forged = setting.cache().join("kwok").join(name);
    fs::create_dir_all(forged.parent().unwrap()).unwrap();
    fs::rename(&entry, &forged).unwrap();
    fs::rename(forged.join("kine"), forged.join("kwok")).unwrap();
    let looks = Provisioner::new(setting.config.clone()).look(&[Tool::Kwok]).await.unwrap();
    let note = format!("{}: its receipt is that of another file", forged.display());
    assert_eq!(looks[&Tool::Kwok], Look::Missing(vec![note]));
}

#[tokio::test]
async fn a_file_that_was_only_touched_is_used() {
    let (setting, server) = filled().await;
    let path = setting.entry(&kine()).join("kine");
    File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    setting.obtain(Tool::Kine).await.unwrap();
    setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(setting.story(), ["looking", "found", "looking", "found"]);
    assert_eq!((server.requests().len(), setting.runs()), (1, 1));
}

/// Another program with a receipt of its own that says everything right about it, also that the download was checked.
#[tokio::test]
async fn a_receipt_that_is_forged_does_not_stand_against_the_catalogue() {
    let (setting, _server) = filled().await;
    let evil = program("echo 'kine version v0.16.4 (evil)'");
    let (old, entry) = (setting.entry(&kine()), setting.entry(&evil));
    fs::rename(&old, &entry).unwrap();
    fs::write(entry.join("kine"), &evil).unwrap();
    let receipt = fs::read_to_string(entry.join("receipt.json")).unwrap().replace(&sha256(&kine()), &sha256(&evil));
    fs::write(entry.join("receipt.json"), receipt).unwrap();
    let looks = Provisioner::new(setting.config.clone()).look(&[Tool::Kine]).await.unwrap();
    let (evil, right) = (sha256(&evil), sha256(&kine()));
    let note = format!("{}: its receipt has the SHA-256 {evil}, and the catalogue {right}", entry.display());
    assert_eq!(looks[&Tool::Kine], Look::Missing(vec![note]));
}

#[tokio::test]
async fn a_cache_that_others_can_write_to_is_not_used() {
    let (setting, server) = filled().await;
    for folder in [setting.cache().to_owned(), setting.cache().join("kine"), setting.entry(&kine())] {
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let error = setting.obtain(Tool::Kine).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        let why = format!("{} is not to be trusted: others can write to it (mode 777)", folder.display());
        assert_eq!(source, why);
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn looking_neither_gets_nor_removes() {
    let (setting, server) = filled().await;
    let entry = setting.entry(&kine());
    fs::remove_file(entry.join("receipt.json")).unwrap();
    let tools = [Tool::Kine, Tool::Kwok];
    let looks = Provisioner::new(setting.config.clone()).look(&tools).await.unwrap();
    let note = format!("{}: it has no receipt, so it may be half-written", entry.display());
    assert_eq!(looks[&Tool::Kine], Look::Missing(vec![note]));
    assert_eq!(looks[&Tool::Kwok], Look::Missing(Vec::new()));
    assert!(entry.join("kine").exists());
    assert!(!setting.cache().join("kwok").exists());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn leftovers_of_a_killed_installation_are_cleared_away() {
    let (setting, _server) = filled().await;
    let folder = setting.cache().join("kine");
    fs::remove_dir_all(setting.entry(&kine())).unwrap();
    install(&folder.join("work/entry/kine"), b"half");
    install(&folder.join("v0.1.0-linux-amd64.part"), b"old");
    setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(setting.left(), [setting.entry(&kine()).file_name().unwrap().to_str().unwrap()]);
}

#[tokio::test]
async fn a_cache_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let (setting, server) = filled().await;
    let folder = setting.cache().join("kine");
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "a file where a folder should be").unwrap();
    let error = setting.obtain(Tool::Kine).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the cache cannot be used: {}", folder.display()));
    assert!(matches!(error, ProvisionError::Cache { .. }));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_cache_is_its_owners_only() {
    let (setting, _) = filled().await;
    for folder in [setting.cache(), &setting.cache().join("kine"), &setting.entry(&kine())] {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn of_two_builds_of_a_version_one_is_used() {
    let (mut setting, _server) = filled().await;
    let other = program("echo 'kine version v0.16.4 (other)'");
    let body = other.clone();
    let second = Server::start(move |_, _| Answer::File(body.clone())).await;
    let kept = setting.folder.path().join("kept");
    fs::rename(setting.entry(&kine()), &kept).unwrap();
    setting.config.downloads.insert(Tool::Kine, pinned(format!("{}/kine", second.url), &other));
    setting.obtain(Tool::Kine).await.unwrap();
    fs::rename(&kept, setting.entry(&kine())).unwrap();
    let first = setting.obtain(Tool::Kine).await.unwrap();
    let again = setting.obtain(Tool::Kine).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(setting.left().len(), 2);
}
