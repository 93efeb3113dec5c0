//! Where the archive of an exact version lies that was fetched before.

use crate::files::write_private;
use pilothouse_core::{ChartRef, ChartSource, hex};
use pilothouse_process::private_folder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder for them, in the cache for charts.
const FOLDER: &str = "pins";

/// What an exact version was when it was fetched. The source shows only in the digest that names the file, since a URL
/// may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// SHA-256 of the archive, in hex.
    pub(crate) digest: String,
    /// Its name in the folder that is named after the digest.
    pub(crate) file: String,
}

impl Pin {
    /// The pin of a chart. What cannot be read is none: the chart is fetched then.
    pub(crate) fn read(cache: &Path, chart: &ChartRef) -> Option<Self> {
        let pin: Self = serde_json::from_slice(&fs::read(place(cache, chart)?).ok()?).ok()?;
        let is_digest = pin.digest.len() == 64 && pin.digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_digest && !pin.file.contains('/') && pin.file != "..").then_some(pin)
    }

    /// Keeps it, if the chart's version is an exact one.
    pub(crate) fn write(&self, cache: &Path, chart: &ChartRef) -> io::Result<()> {
        let Some(place) = place(cache, chart) else { return Ok(()) };
        private_folder(&cache.join(FOLDER))?;
        write_private(&place, &serde_json::to_vec(self).map_err(io::Error::other)?)
    }

    /// The archive.
    pub(crate) fn archive(&self, cache: &Path) -> PathBuf {
        cache.join(&self.digest).join(&self.file)
    }
}

/// The file for a chart that is fetched in an exact version. `1.2` is none, it means any `1.2.x`.
fn place(cache: &Path, chart: &ChartRef) -> Option<PathBuf> {
    match &chart.source {
        ChartSource::Path(_) => return None,
        ChartSource::Repo { .. } | ChartSource::Oci(_) => {}
    }
    let version = chart.version.as_deref()?;
    semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()?;
    let key = serde_json::to_vec(&(&chart.source, version)).ok()?;
    Some(cache.join(FOLDER).join(format!("{}.json", hex(&Sha256::digest(key)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn repo(version: &str) -> ChartRef {
        ChartRef::repo("https://a", "web").version(version)
    }

    fn pin() -> Pin {
        Pin { digest: "0a".repeat(32), file: "web-1.2.3.tgz".to_owned() }
    }

    #[rstest]
    #[case::exact(repo("1.2.3"), true)]
    #[case::with_v(repo("v1.2.3-rc.1"), true)]
    #[case::registry(ChartRef::oci("oci://a/web").version("1.2.3"), true)]
    #[case::open(repo("1.2"), false)]
    #[case::tilde(repo("~1.2.3"), false)]
    #[case::equals(repo("=1.2.3"), false)]
    #[case::latest(repo("latest"), false)]
    #[case::none(ChartRef::repo("https://a", "web"), false)]
    #[case::local(ChartRef::path("/a").version("1.2.3"), false)]
    fn only_exact_versions_are_kept(#[case] chart: ChartRef, #[case] kept: bool) {
        let cache = tempfile::tempdir().unwrap();
        pin().write(cache.path(), &chart).unwrap();
        assert_eq!(Pin::read(cache.path(), &chart), kept.then(pin));
        for other in [repo("1.2.4"), ChartRef::repo("https://b", "web").version("1.2.3")] {
            assert_eq!(Pin::read(cache.path(), &other), None);
        }
    }

    #[rstest]
    #[case::not_json("nonsense".to_owned())]
    #[case::no_digest(r#"{"digest": "../../etc", "file": "passwd"}"#.to_owned())]
    #[case::leads_out(format!(r#"{{"digest": "{}", "file": "../a.tgz"}}"#, "0a".repeat(32)))]
    fn what_is_no_pin(#[case] text: String) {
        let cache = tempfile::tempdir().unwrap();
        pin().write(cache.path(), &repo("1.2.3")).unwrap();
        fs::write(place(cache.path(), &repo("1.2.3")).unwrap(), text).unwrap();
        assert_eq!(Pin::read(cache.path(), &repo("1.2.3")), None);
    }
}
