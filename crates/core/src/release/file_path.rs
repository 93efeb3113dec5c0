//! Paths as a stack file gives them.

use std::fmt;
use std::path::{Component, Path, PathBuf};

/// A path as it is written in a stack file, and the folder in which a relative one starts. What is remembered of it is what is
/// written: a stack that is checked out elsewhere, or called by another name, is the same stack.
#[derive(Clone)]
pub struct FilePath {
    folder: PathBuf,
    given: PathBuf,
    path: PathBuf,
}

impl FilePath {
    /// The path `given` in a stack file of `folder`.
    pub fn new(folder: impl Into<PathBuf>, given: impl Into<PathBuf>) -> Self {
        let (folder, given) = (folder.into(), given.into());
        // Joined with nothing, it would end in a slash.
        let path = if given.as_os_str().is_empty() { folder.clone() } else { folder.join(&given) };
        Self { folder, given, path }
    }

    /// Where it is for this process.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// That place, for messages.
    pub fn display(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// The folder in which it starts.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same path of a stack file in another folder.
    #[must_use]
    pub fn in_folder(&self, folder: impl Into<PathBuf>) -> Self {
        Self::new(folder, &self.given)
    }

    /// What is remembered of it: what is written, `./a` as `a`.
    pub fn remembered(&self) -> String {
        let parts = self.given.components().filter(|part| *part != Component::CurDir);
        parts.collect::<PathBuf>().display().to_string()
    }
}

impl From<PathBuf> for FilePath {
    fn from(path: PathBuf) -> Self {
        Self::new(PathBuf::new(), path)
    }
}

impl From<&str> for FilePath {
    fn from(path: &str) -> Self {
        PathBuf::from(path).into()
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Whether they lead to the same place.
impl PartialEq for FilePath {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for FilePath {}

/// As it is written.
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = if self.given.as_os_str().is_empty() { Path::new(".") } else { &self.given };
        fmt::Display::fmt(&given.display(), f)
    }
}

/// As the place it leads to.
impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The folder, what is written, where that is, what is shown and what is remembered.
    #[rstest]
    #[case(".", "manifests/a.yaml", "./manifests/a.yaml", "manifests/a.yaml", "manifests/a.yaml")]
    #[case(
        "/srv/shop",
        "./manifests/./a.yaml",
        "/srv/shop/./manifests/./a.yaml",
        "./manifests/./a.yaml",
        "manifests/a.yaml"
    )]
    #[case("shop", "../a.yaml", "shop/../a.yaml", "../a.yaml", "../a.yaml")]
    #[case("shop", "/etc/a.yaml", "/etc/a.yaml", "/etc/a.yaml", "/etc/a.yaml")]
    #[case("shop", "", "shop", ".", "")]
    #[case("shop", ".", "shop/.", ".", "")]
    fn paths(#[case] folder: &str, #[case] given: &str, #[case] path: &str, #[case] shown: &str, #[case] kept: &str) {
        let file = FilePath::new(folder, given);
        assert_eq!((file.path().to_str(), file.to_string().as_str()), (Some(path), shown));
        assert_eq!(file.remembered(), kept);
        assert_eq!(format!("{file:?}"), format!("{:?}", PathBuf::from(path)));
        assert_eq!(file.in_folder("/elsewhere").remembered(), kept);
    }
}
