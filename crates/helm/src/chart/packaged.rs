//! Charts packaged as archives.

use super::archive::each_file;
use super::contents::{Contents, Described};
use super::metadata::ChartMetadata;
use super::scan::ChartScan;

/// How deep archives in the `charts/` folders of archives are read.
const MAX_NESTING: usize = 1;

/// Reads an archive to its end, so that damage is found wherever it is. Helm's limits and rules apply.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn describe_archive(bytes: &[u8]) -> Result<Described, String> {
    let mut scan = ChartScan::default();
    let described = describe_nested(bytes, 0, |path, bytes| scan.add(path, bytes))?;
    Ok(Described { templates: scan.finish(), ..described })
}

/// What an archive in a chart's `charts/` folder says about itself.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn metadata(bytes: &[u8]) -> Result<ChartMetadata, String> {
    nested(bytes, 0)
}

fn describe_nested(bytes: &[u8], depth: usize, mut look: impl FnMut(&str, &[u8])) -> Result<Described, String> {
    let mut contents = Contents::default();
    each_file(bytes, |path, bytes| {
        look(path, &bytes);
        if Contents::wants(path) {
            contents.insert(path, bytes);
        }
    })?;
    contents.describe(|bytes| nested(bytes, depth))
}

fn nested(bytes: &[u8], depth: usize) -> Result<ChartMetadata, String> {
    if depth >= MAX_NESTING {
        // Only the charts directly below are asked for, and these have their own archives.
        return Ok(ChartMetadata::default());
    }
    describe_nested(bytes, depth + 1, |_, _| ()).map(|described| described.metadata)
}
