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

/// The folders of the template in the chart's own, and its name.
const NAME: &str = "pilothouse-revision";

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
    let template = format!("templates/{}{NAME}", format!("{NAME}/").repeat(DEPTH));
    fs::write(place(into, &template)?, format!("{{{{- $_ := set .Release \"Revision\" {revision} -}}}}\n"))
}

/// Whether a chart is a folder with a `.helmignore` that may mean the template too. Nothing in there can take a file out again (`!`
/// ignores all other files), and helm does not look at it in archives: of such a chart the archive that helm makes of it is copied.
pub(crate) fn may_ignore_the_template(chart: &Path) -> bool {
    let Ok(bytes) = read_input(&chart.join(".helmignore"), Named::File, MAX_CHART) else { return false };
    String::from_utf8_lossy(&bytes).lines().any(may_mean_the_template)
}

/// Whether a line of a `.helmignore` may (`pkg/ignore`): rather too often than not. One without a slash is about names alone.
fn may_mean_the_template(line: &str) -> bool {
    let pattern = line.trim();
    if pattern.is_empty() || pattern.starts_with('#') {
        return false;
    }
    let pattern = pattern.trim_end_matches('/');
    let parts: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    match parts[..] {
        _ if pattern.starts_with('!') => true,
        [name] if !pattern.starts_with('/') => may_match(name, NAME),
        [first, ref inner @ ..] => {
            !inner.is_empty() && may_match(first, "templates") && inner.iter().all(|part| may_match(part, NAME))
        }
        [] => false,
    }
}

/// Whether a pattern may match a name, by what stands before its first and after its last special character.
fn may_match(pattern: &str, name: &str) -> bool {
    let special = ['*', '?', '[', ']', '\\'];
    match (pattern.find(special), pattern.rfind(special)) {
        (Some(first), Some(last)) => name.starts_with(&pattern[..first]) && name.ends_with(&pattern[last + 1..]),
        _ => pattern == name,
    }
}

/// Where a file of the chart lies in its copy.
fn place(into: &Path, inner: &str) -> io::Result<PathBuf> {
    let path = into.join(inner);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", false)]
    #[case("# templates/*/", false)]
    #[case("*.swp", false)]
    #[case("*~", false)]
    #[case(".git/", false)]
    #[case("/docs/*", false)]
    #[case("templates/tests/", false)]
    #[case("templates/*.yaml", false)]
    #[case("templates/r*", false)]
    #[case("revision/", false)]
    #[case("/pilothouse-revision", false)]
    #[case("templates/*/", true)]
    #[case("/templates/*", true)]
    #[case(" templates/[a-z]*/*/ ", true)]
    #[case("*/p*", true)]
    #[case("pi*", true)]
    #[case("*-revision/", true)]
    #[case("!a", true)]
    fn lines_that_may_mean_the_template(#[case] line: &str, #[case] expected: bool) {
        assert_eq!(may_mean_the_template(line), expected);
    }
}
