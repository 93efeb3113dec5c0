//! Which helm it is, and whether it can be used.

use semver::Version;
use std::fmt;

/// The version of a helm binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmVersion {
    /// 3 or 4; it decides which flags there are.
    pub major: u64,
    /// The whole version.
    pub version: Version,
}

/// A helm that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The answer is not a version.
    #[error("it says its version is `{text}`, which is not one")]
    NotAVersion {
        /// What helm said.
        text: String,
    },
    /// A build without a patch level, as `go install` makes it: known-bad versions cannot be told from good ones.
    #[error("it says its version is `{text}`, without a patch level: use an official build, or stamp the version")]
    Unstamped {
        /// What helm said.
        text: String,
    },
    /// Older than what is supported.
    #[error("helm {version} is too old: 3.19.0 or newer is needed")]
    TooOld {
        /// Its version.
        version: Version,
    },
    /// A major version that did not exist when this was written.
    #[error("helm {version} is not known to this program: it works with helm 3 and 4")]
    TooNew {
        /// Its version.
        version: Version,
    },
    /// A version with a defect that cannot be worked around.
    #[error("helm {version} must not be used: {why}")]
    Broken {
        /// Its version.
        version: Version,
        /// Its defect.
        why: &'static str,
    },
}

/// Versions with a defect that cannot be worked around.
const BROKEN: [(Version, &str); 1] = [(
    Version::new(4, 2, 1),
    "it hangs when it deletes hooks, for the whole timeout or longer (helm/helm#32214, #32224); 4.2.2 is fixed",
)];

/// The oldest version whose flags and messages are known.
const OLDEST: Version = Version::new(3, 19, 0);

impl HelmVersion {
    /// Reads the answer of `helm version --template={{.Version}}`, and refuses versions that cannot be used.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        let number = text.strip_prefix('v').unwrap_or(text);
        let parts: Vec<&str> = number.split('.').collect();
        if parts.len() == 2 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) {
            return Err(VersionError::Unstamped { text: text.to_owned() });
        }
        let version = Version::parse(number).map_err(|_| VersionError::NotAVersion { text: text.to_owned() })?;
        if version < OLDEST {
            return Err(VersionError::TooOld { version });
        }
        if version.major > 4 {
            return Err(VersionError::TooNew { version });
        }
        let same = |broken: &Version| {
            (broken.major, broken.minor, broken.patch) == (version.major, version.minor, version.patch)
        };
        match BROKEN.into_iter().find(|(broken, _)| same(broken)) {
            Some((_, why)) => Err(VersionError::Broken { version, why }),
            None => Ok(Self { major: version.major, version }),
        }
    }
}

impl fmt::Display for HelmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("v3.21.4\n", "3.21.4")]
    #[case("v4.2.4", "4.2.4")]
    #[case("v4.3.0-rc.1+gabc", "4.3.0-rc.1+gabc")]
    fn good(#[case] text: &str, #[case] version: &str) {
        let version = Version::parse(version).unwrap();
        assert_eq!(HelmVersion::parse(text), Ok(HelmVersion { major: version.major, version }));
    }

    #[rstest]
    #[case("v3.18.6", "helm 3.18.6 is too old: 3.19.0 or newer is needed")]
    #[case("v3.19.0-rc.1", "helm 3.19.0-rc.1 is too old: 3.19.0 or newer is needed")]
    #[case("v2.17.0", "helm 2.17.0 is too old: 3.19.0 or newer is needed")]
    #[case("v5.0.0", "helm 5.0.0 is not known to this program: it works with helm 3 and 4")]
    #[case(
        "v4.2.1",
        "helm 4.2.1 must not be used: it hangs when it deletes hooks, for the whole timeout or longer (helm/helm#32214, #32224); 4.2.2 is fixed"
    )]
    #[case(
        "v4.2.1+g1",
        "helm 4.2.1+g1 must not be used: it hangs when it deletes hooks, for the whole timeout or longer (helm/helm#32214, #32224); 4.2.2 is fixed"
    )]
    #[case("v4.2", "it says its version is `v4.2`, without a patch level: use an official build, or stamp the version")]
    #[case("Client: &version.Version", "it says its version is `Client: &version.Version`, which is not one")]
    #[case("", "it says its version is ``, which is not one")]
    fn refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(HelmVersion::parse(text).unwrap_err().to_string(), message);
    }
}
