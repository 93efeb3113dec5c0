//! What a helm binary said its version is, so that it need not be started to ask it again.

use crate::client::HelmVersion;
use crate::files::{FileIdentity, write_private};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The file in helm's folder.
const FILE: &str = "versions.json";

/// More programs than anybody uses side by side; then it begins anew.
const MOST: usize = 32;

/// A program whose version may be known.
#[derive(Debug)]
pub(crate) struct KnownVersion {
    file: PathBuf,
    program: String,
    identity: FileIdentity,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    program: String,
    identity: FileIdentity,
    version: String,
}

impl KnownVersion {
    /// Nothing for what may be another helm each time although the file stays the same: a script, or a program that
    /// starts others, which version managers put in helm's place under their own name. Nothing for a name that is looked
    /// for in `PATH` either.
    pub(crate) fn of(home: &Path, program: &Path) -> Option<Self> {
        let real = fs::canonicalize(Some(program).filter(|program| program.is_absolute())?).ok()?;
        let mut file = fs::File::open(&real).ok()?;
        let metadata = file.metadata().ok()?;
        let mut begin = [0; 4];
        file.read_exact(&mut begin).ok()?;
        let is_helm = real.file_name()?.to_str()?.starts_with("helm");
        (is_helm && !begin.starts_with(b"#!")).then_some(())?;
        let program = real.to_str()?.to_owned();
        Some(Self { file: home.join(FILE), program, identity: FileIdentity::of(&metadata) })
    }

    /// The version, if it is known of this very file. What cannot be read, or is no version to be used, is not known.
    pub(crate) fn recall(&self) -> Option<HelmVersion> {
        let known = self.entries().into_iter().find(|entry| entry.program == self.program)?;
        HelmVersion::parse(&known.version).ok().filter(|_| known.identity == self.identity)
    }

    /// Keeps the version. Of two programs that do so at once, one may have to ask again.
    pub(crate) fn remember(&self, version: &HelmVersion) {
        let mut entries = self.entries();
        entries.retain(|entry| entry.program != self.program);
        if entries.len() >= MOST {
            entries.clear();
        }
        let (program, version) = (self.program.clone(), version.to_string());
        entries.push(Entry { program, identity: self.identity, version });
        let written = serde_json::to_vec(&entries).map_err(Into::into).and_then(|b| write_private(&self.file, &b));
        if let Err(error) = written {
            tracing::debug!(file = %self.file.display(), %error, "helm's version is not kept");
        }
    }

    fn entries(&self) -> Vec<Entry> {
        fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A program in a folder of its own.
    fn known(home: &Path, name: &str, content: &str) -> Option<KnownVersion> {
        fs::write(home.join(name), content).unwrap();
        KnownVersion::of(home, &home.join(name))
    }

    #[rstest]
    #[case::binary("helm", "\x7fELF and more", true)]
    #[case::with_version("helm-v3.21.4", "\x7fELF and more", true)]
    #[case::script("helm", "#!/bin/sh\n", false)]
    #[case::version_manager("mise", "\x7fELF and more", false)]
    #[case::empty("helm", "", false)]
    fn whose_version_is_kept(#[case] name: &str, #[case] content: &str, #[case] expected: bool) {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(known(home.path(), name, content).is_some(), expected);
        // A link to it is what it leads to.
        let link = home.path().join("helm-link");
        std::os::unix::fs::symlink(home.path().join(name), &link).unwrap();
        assert_eq!(KnownVersion::of(home.path(), &link).is_some(), expected);
    }

    #[test]
    fn a_version_is_that_of_this_very_file() {
        let home = tempfile::tempdir().unwrap();
        let version = HelmVersion::parse("v4.2.4").unwrap();
        let (first, other) = (known(home.path(), "helm", "\x7fELF"), known(home.path(), "helm3", "\x7fELF"));
        let (first, other) = (first.unwrap(), other.unwrap());
        assert_eq!(first.recall(), None);
        first.remember(&version);
        assert_eq!((first.recall(), other.recall()), (Some(version.clone()), None));
        other.remember(&HelmVersion::parse("v3.21.4").unwrap());
        assert_eq!(first.recall(), Some(version));
        let replaced = known(home.path(), "helm", "\x7fELF").unwrap();
        assert_eq!(replaced.recall(), None);
    }

    #[rstest]
    #[case::damaged("[{")]
    #[case::foreign(r#"{"a": 1}"#)]
    fn what_cannot_be_read_is_not_known(#[case] text: &str) {
        let home = tempfile::tempdir().unwrap();
        let known = known(home.path(), "helm", "\x7fELF").unwrap();
        let version = HelmVersion::parse("v4.2.4").unwrap();
        known.remember(&version);
        fs::write(home.path().join(FILE), text).unwrap();
        assert_eq!(known.recall(), None);
        known.remember(&version);
        assert_eq!(known.recall(), Some(version));
    }
}
