//! The files of a chart archive (`.tgz`).

use super::contents::{MAX_CHART, MAX_FILE};
use flate2::read::GzDecoder;
use std::io::{self, Read};
use tar::{Archive, EntryType};

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
