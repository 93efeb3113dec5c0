//! SHA-256 of files and texts.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The SHA-256 of a file, as 64 hexadecimal digits. Runs beside the runtime's workers.
pub(crate) async fn of_file(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    blocking(move || read(path)).await
}

/// Runs file work of some length beside the runtime's workers.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn read(path: PathBuf) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => hasher.update(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

/// The digest for `file` in a checksum file: either nothing but a digest, or lines of `sha256sum`
/// (`DIGEST  NAME`, where a name may have a folder before it or a `*`).
pub(crate) fn published(text: &str, file: &str) -> Option<String> {
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.find_map(|words| match words.as_slice() {
        [digest] if is_digest(digest) => Some(*digest),
        [digest, name] if is_digest(digest) => {
            (name.trim_start_matches('*').rsplit('/').next() == Some(file)).then_some(*digest)
        }
        _ => None,
    });
    found.map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    #[test]
    fn reads_checksum_files() {
        let cases = [
            (A.to_owned(), Some(A)),
            (format!("{A}\n"), Some(A)),
            (format!("{A}  kine-amd64\n"), Some(A)),
            (format!("{A} *kine-amd64"), Some(A)),
            (format!("{B}  other\n{A}  dist/artifacts/kine-amd64\n"), Some(A)),
            (format!("{A}  kine-amd64.tar"), None),
            ("<html>not found</html>".to_owned(), None),
            (A[1..].to_owned(), None),
            (String::new(), None),
        ];
        for (text, wanted) in cases {
            assert_eq!(published(&text, "kine-amd64").as_deref(), wanted, "{text}");
        }
        assert_eq!(published(B, "x"), Some(B.to_ascii_lowercase()));
    }

    #[tokio::test]
    async fn digests_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(&path).await.unwrap(), wanted);
    }
}
