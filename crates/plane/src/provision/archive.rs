//! Taking one program out of a gzipped tar archive.

use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most a program may have, in bytes: nothing obtained here comes near it.
pub(crate) const LARGEST: u64 = 1024 * 1024 * 1024;

/// Writes the regular file `member` of the archive to `to`. Nothing else of the archive is written anywhere.
///
/// # Errors
/// When the archive is damaged, has no such file, or the file is larger than [`LARGEST`].
pub(crate) fn extract(archive: &Path, member: &str, to: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(io::BufReader::new(File::open(archive)?)));
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.path()?.as_ref() != Path::new(member) {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return Err(io::Error::other(format!("{member} in the archive is not a regular file")));
        }
        let mut file = File::create_new(to)?;
        let written = io::copy(&mut entry.take(LARGEST + 1), &mut file)?;
        if written > LARGEST {
            return Err(io::Error::other(format!("{member} in the archive is larger than {LARGEST} bytes")));
        }
        return Ok(());
    }
    Err(io::Error::other(format!("the archive has no {member}")))
}
