//! Whether there is a go that can build the helper modules.

use super::error::chain;
use pilothouse_process::{Ended, Limits, Spawn, run};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the helper modules' `go` lines ask for.
const NEEDED: (u32, u32) = (1, 26);

/// The first go that fetches a newer toolchain when a module asks for one (Go 1.21 release notes).
const SWITCHES: (u32, u32) = (1, 21);

const LIMITS: Limits = Limits { timeout: Duration::from_secs(30), grace: Duration::from_secs(1) };

/// Asks a `go` for its version, and whether it can build for us.
///
/// # Errors
/// A sentence: it cannot be run, or is too old.
pub(crate) async fn usable(
    go: &Path,
    env: &BTreeMap<OsString, OsString>,
    cancel: &CancellationToken,
) -> Result<String, String> {
    let said = ask(go, &["version"], env, cancel).await?;
    let version = version(&said).ok_or_else(|| format!("{} version says {}", go.display(), said.trim()))?;
    let at = go.display();
    match minor(&version) {
        None if version.starts_with("devel") => Ok(version),
        Some(minor) if minor >= NEEDED => Ok(version),
        Some(minor) if minor >= SWITCHES => {
            let toolchain = ask(go, &["env", "GOTOOLCHAIN"], env, cancel).await?;
            if toolchain.trim() == "local" {
                Err(format!(
                    "{at} is {version}, 1.26 or newer is needed, and GOTOOLCHAIN=local keeps it from fetching one"
                ))
            } else {
                Ok(version)
            }
        }
        _ => Err(format!("{at} is {version}, and 1.26 or newer is needed")),
    }
}

async fn ask(
    go: &Path,
    args: &[&str],
    env: &BTreeMap<OsString, OsString>,
    cancel: &CancellationToken,
) -> Result<String, String> {
    let done = run(Spawn::new(go).args(args).envs(env), LIMITS, cancel).await.map_err(|error| chain(&error))?;
    match done.ended {
        Ended::Exited if done.status.success() => Ok(done.stdout.text()),
        Ended::Exited => Err(format!("{} {} fails: {}", go.display(), args.join(" "), done.stderr.text().trim())),
        Ended::TimedOut => {
            Err(format!("{} {} did not end within {} s", go.display(), args.join(" "), LIMITS.timeout.as_secs()))
        }
        Ended::Cancelled => Err("cancelled".to_owned()),
    }
}

/// The version in what `go version` prints: `go version go1.26.8 linux/amd64`, `go version devel go1.27-abc ...`.
fn version(said: &str) -> Option<String> {
    let words: Vec<&str> = said.lines().next()?.split_whitespace().collect();
    match words.as_slice() {
        ["go", "version", "devel", version, ..] => Some(format!("devel {version}")),
        ["go", "version", version, ..] => version.strip_prefix("go").map(str::to_owned),
        _ => None,
    }
}

/// The major and minor number of a version: `1.26.8`, `1.26`, `1.27rc1`.
fn minor(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_versions() {
        let cases = [
            ("go version go1.26.8 linux/amd64\n", Some(("1.26.8", Some((1, 26))))),
            ("go version go1.27rc1 linux/amd64", Some(("1.27rc1", Some((1, 27))))),
            ("go version go1.30 linux/arm64", Some(("1.30", Some((1, 30))))),
            (
                "go version go1.26.1-X:nocoverageredesign linux/amd64",
                Some(("1.26.1-X:nocoverageredesign", Some((1, 26)))),
            ),
            ("go version devel go1.27-8c2f1 Thu Jan 1 linux/amd64", Some(("devel go1.27-8c2f1", None))),
            ("go version go2 linux/amd64", Some(("2", None))),
            ("go version unknown", None),
            ("Go: the board game", None),
            ("", None),
        ];
        for (said, wanted) in cases {
            let found = version(said);
            assert_eq!(found.as_deref(), wanted.map(|(version, _)| version), "{said}");
            if let (Some(found), Some((_, wanted))) = (found, wanted) {
                assert_eq!(minor(&found), wanted, "{said}");
            }
        }
    }
}
