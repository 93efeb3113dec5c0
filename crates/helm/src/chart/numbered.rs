//! A chart that is rendered as the revision it is going to be.
//!
//! `helm template` tells templates that they are revision 1, whatever it is given (`pkg/action/install.go`), and an upgrade tells
//! them the next one. What is told is one map, `.Release`, for the chart and all of its subcharts (`recAllTpls` in
//! `pkg/engine/engine.go`), and the template with the longest path is rendered first (`sortTemplates` there), the same in helm 3 and
//! 4. So a copy of the chart with one more template, which sets the number and makes nothing, renders as that revision.

use super::archive::each_file;
use super::contents::MAX_CHART;
use super::folder::files_of;
use pilothouse_process::{Named, read_input};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How deep the template is: deeper than those of any chart, which may be in the archives of archives.
const DEPTH: usize = 64;

/// Copies a chart, a folder or an archive, into the folder `into`, which is made, so that its templates find this revision.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn copy_numbered(chart: &Path, revision: u32, into: &Path) -> io::Result<()> {
    if chart.is_dir() {
        for (inner, _) in files_of(chart).map_err(|error| io::Error::other(error.to_string()))? {
            let copy = place(into, &inner)?;
            fs::copy(chart.join(&inner), copy)?;
        }
    } else {
        let bytes = read_input(chart, Named::File, MAX_CHART)?;
        let mut copied = Ok(());
        each_file(&bytes, |inner, bytes| {
            // Helm looks at it in folders only.
            if copied.is_ok() && inner != ".helmignore" {
                copied = place(into, inner).and_then(|copy| fs::write(copy, bytes));
            }
        })
        .map_err(io::Error::other)?;
        copied?;
    }
    // A folder's `.helmignore` counts for it too, and nothing in there can take a file out again: `!` ignores all other files.
    let template = format!("templates/{}pilothouse-revision", "pilothouse-revision/".repeat(DEPTH));
    fs::write(place(into, &template)?, format!("{{{{- $_ := set .Release \"Revision\" {revision} -}}}}\n"))
}

/// Where a file of the chart lies in its copy.
fn place(into: &Path, inner: &str) -> io::Result<PathBuf> {
    let path = into.join(inner);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    Ok(path)
}
