//! The files of a chart archive (`.tgz`).

use super::contents::{MAX_CHART, MAX_FILE};
use flate2::read::GzDecoder;
use std::io::{self, Read};
use tar::{Archive, EntryType};

/// What a name, or the attributes of a file, may have, in bytes.
const MAX_NAME: u64 = 1024 * 1024;

/// Bytes of the tar reader's words that are still worth showing.
const LONGEST_REASON: usize = 120;

/// Hands each file of an archive on, with its path below the chart.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn each_file(bytes: &[u8], mut file: impl FnMut(&str, Vec<u8>)) -> Result<(), String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("it is not a gzipped archive".to_owned());
    }
    check_sizes(bytes)?;
    let mut total = 0;
    let mut archive = Archive::new(GzDecoder::new(bytes));
    for entry in archive.entries().map_err(|error| damaged(&error))? {
        let mut entry = entry.map_err(|error| damaged(&error))?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::Directory | EntryType::XGlobalHeader | EntryType::XHeader) {
            continue;
        }
        let path =
            String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| "a file's name in it is not UTF-8")?;
        let inner = inside(&path)?;
        let mut bytes = Vec::new();
        entry.by_ref().take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("{path} is larger than {} MiB", MAX_FILE / 1024 / 1024));
        }
        total += bytes.len() as u64;
        if total > MAX_CHART {
            return Err(format!("it unpacks to more than {} MiB", MAX_CHART / 1024 / 1024));
        }
        file(&inner, bytes);
    }
    // What follows the last entry: padding, and gzip's checksum.
    let rest = io::copy(&mut archive.into_inner().take(MAX_CHART), &mut io::sink());
    rest.map(|_| ()).map_err(|error| damaged(&error))
}

/// Looks at the sizes that the archive tells, before anything of it is kept: names and attributes have entries of their own, which
/// the reader takes whole.
fn check_sizes(bytes: &[u8]) -> Result<(), String> {
    let mut total: u64 = 0;
    let mut archive = Archive::new(GzDecoder::new(bytes));
    for entry in archive.entries().map_err(|error| damaged(&error))?.raw(true) {
        let entry = entry.map_err(|error| damaged(&error))?;
        let size = entry.header().entry_size().map_err(|error| damaged(&error))?;
        let is_about_another = matches!(
            entry.header().entry_type(),
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
        );
        if is_about_another && size > MAX_NAME {
            return Err("the name of a file in it is too long".to_owned());
        }
        total = total.saturating_add(size);
        if total > MAX_CHART {
            return Err(format!("it unpacks to more than {} MiB", MAX_CHART / 1024 / 1024));
        }
    }
    Ok(())
}

fn damaged(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        // The tar reader quotes what it cannot read, which may be any bytes at all.
        _ if error.to_string().chars().any(char::is_control) || error.to_string().len() > LONGEST_REASON => {
            "it is damaged: what it unpacks to is no tar archive".to_owned()
        }
        _ => format!("it is damaged: {error}"),
    }
}

/// A path below the folder all files of a chart archive are in. Refuses what would lead out of it.
fn inside(path: &str) -> Result<String, String> {
    let outside = || format!("`{path}` in it leads out of the chart");
    if path.starts_with('/') || path.contains('\\') || path.split('/').any(|segment| segment == "..") {
        return Err(outside());
    }
    if path.as_bytes().get(1) == Some(&b':') {
        return Err(outside());
    }
    let mut segments = path.split('/').filter(|segment| !segment.is_empty() && *segment != ".");
    segments.next();
    let inner: Vec<&str> = segments.collect();
    if inner.is_empty() {
        return Err(format!("`{path}` in it is not in a folder"));
    }
    Ok(inner.join("/"))
}
