//! Which version a program is.

use super::tool::Tool;
use pilothouse_process::{Ended, Limits, Spawn, run};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A program that only says its version needs a tenth of a second; the first start from a cold disk more.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(30), grace: Duration::from_secs(1) };

/// A version of a tool: `v` and three numbers, with what may follow them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolVersion {
    numbers: [u64; 3],
    /// `-rc.1`, `+k3s1`, with its sign.
    rest: String,
}

impl ToolVersion {
    /// Finds the version in what a program prints: the first word that is one, with or without its `v`.
    pub fn find(output: &str) -> Option<Self> {
        output.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '"')).find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let end = word.find(['-', '+']).unwrap_or(word.len());
        let (numbers, rest) = word.split_at(end);
        let numbers: Vec<u64> = numbers.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        Some(Self { numbers: numbers.try_into().ok()?, rest: rest.to_owned() })
    }

    /// Whether it is the same release: build metadata (`+g1234567`) may differ.
    pub(crate) fn same_release(&self, other: &Self) -> bool {
        let pre = |version: &Self| version.rest.split('+').next().unwrap_or_default().to_owned();
        self.numbers == other.numbers && pre(self) == pre(other)
    }

    /// Why a program of this version that lies on the machine cannot take the tool's part, if it cannot.
    ///
    /// # Errors
    /// A sentence: helm 3 has to be 3.19 or newer and helm 4 anything but 4.2.1, which hangs
    /// when it deletes hooks; the parts of a plane have to have the major and minor version of the catalogue, so that they fit
    /// each other.
    pub fn fits(&self, tool: Tool) -> Result<(), String> {
        let [major, minor, patch] = self.numbers;
        match tool {
            Tool::Helm3 if major != 3 => Err(format!("it is {self}, not helm 3")),
            Tool::Helm3 if minor < 19 => Err(format!("it is {self}, and 3.19 or newer is needed")),
            Tool::Helm4 if major != 4 => Err(format!("it is {self}, not helm 4")),
            Tool::Helm4 if (minor, patch) == (2, 1) => Err(format!("{self} hangs when it deletes hooks")),
            Tool::Helm3 | Tool::Helm4 => Ok(()),
            Tool::KubeApiserver
            | Tool::KubeControllerManager
            | Tool::KubeScheduler
            | Tool::Kine
            | Tool::Kwok
            | Tool::Kubelet => match Self::parse(tool.version()) {
                Some(wanted) if wanted.numbers[..2] == self.numbers[..2] => Ok(()),
                _ => Err(format!("it is {self}, and {} or another patch of it is needed", tool.version())),
            },
        }
    }
}

impl fmt::Display for ToolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "v{major}.{minor}.{patch}{}", self.rest)
    }
}

/// Runs a program to learn its version.
///
/// # Errors
/// A sentence: it cannot be started, fails, takes too long, or prints no version.
pub(crate) async fn probe(
    tool: Tool,
    path: &Path,
    env: &BTreeMap<OsString, OsString>,
    cancel: &CancellationToken,
) -> Result<ToolVersion, String> {
    let args: &[&str] = match tool {
        Tool::Helm3 | Tool::Helm4 => &["version", "--template={{.Version}}"],
        Tool::KubeApiserver
        | Tool::KubeControllerManager
        | Tool::KubeScheduler
        | Tool::Kine
        | Tool::Kwok
        | Tool::Kubelet => &["--version"],
    };
    let mut attempts = 0;
    let done = loop {
        // What a user set for their helm (plugins, a debug flag) has no part in this.
        let env = env.iter().filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"HELM_"));
        match run(Spawn::new(path).args(args).envs(env), LIMITS, cancel).await {
            Ok(done) => break done,
            // A process forked while the file was being written holds it open until its exec.
            Err(error) if error.source.kind() == io::ErrorKind::ExecutableFileBusy && attempts < 100 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(super::error::chain(&error)),
        }
    };
    let said = || {
        let text = format!("{}{}", done.stdout.text(), done.stderr.text());
        text.trim().chars().take(500).collect::<String>()
    };
    match done.ended {
        Ended::Exited if !done.status.success() => {
            Err(format!("{} fails ({}): {}", args.join(" "), done.status, said()))
        }
        Ended::Exited => ToolVersion::find(&done.stdout.text())
            .ok_or_else(|| format!("{} names no version: {}", args.join(" "), said())),
        Ended::TimedOut => Err(format!("{} did not end within {} s", args.join(" "), LIMITS.timeout.as_secs())),
        Ended::Cancelled => Err("cancelled".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_versions_in_outputs() {
        let cases = [
            ("Kubernetes v1.36.2\n", Some("v1.36.2")),
            ("kwok version v0.8.0 go1.26.8 (linux/amd64)\n", Some("v0.8.0")),
            ("kwok version 0.8.0 go1.26.8 (linux/amd64)\n", Some("v0.8.0")),
            ("kine version v0.16.4 (3ba1f8f1)\n", Some("v0.16.4")),
            ("kine version dev (HEAD)\n", None),
            ("v4.2.4", Some("v4.2.4")),
            ("v3.19.0-rc.1", Some("v3.19.0-rc.1")),
            ("v4.2.4+g3a1", Some("v4.2.4+g3a1")),
            ("v4.2", None),
            ("", None),
            ("99999999999999999999.1.2", None),
        ];
        for (output, wanted) in cases {
            assert_eq!(ToolVersion::find(output).map(|v| v.to_string()).as_deref(), wanted, "{output}");
        }
    }

    #[test]
    fn says_which_versions_fit() {
        let cases = [
            (Tool::Helm3, "v3.19.0", Ok(())),
            (Tool::Helm3, "v3.18.6", Err("it is v3.18.6, and 3.19 or newer is needed")),
            (Tool::Helm3, "v4.2.4", Err("it is v4.2.4, not helm 3")),
            (Tool::Helm4, "v4.0.0", Ok(())),
            (Tool::Helm4, "v4.2.1", Err("v4.2.1 hangs when it deletes hooks")),
            (Tool::Helm4, "v4.12.1", Ok(())),
            (Tool::Helm4, "v3.21.4", Err("it is v3.21.4, not helm 4")),
            (Tool::KubeApiserver, "v1.36.0", Ok(())),
            (Tool::KubeApiserver, "v1.35.1", Err("it is v1.35.1, and v1.36.2 or another patch of it is needed")),
            (Tool::Kwok, "v0.8.1", Ok(())),
            (Tool::Kine, "v0.15.0", Err("it is v0.15.0, and v0.16.4 or another patch of it is needed")),
        ];
        for (tool, version, wanted) in cases {
            let found = ToolVersion::find(version).unwrap().fits(tool);
            assert_eq!(found, wanted.map_err(str::to_owned), "{tool} {version}");
        }
    }
}
