//! The public names of the library, kept in `docs/public-api.txt` so that a change of them is seen in review.
//!
//! They come from what rustdoc writes as JSON of the library and the inner crates whose items it gives names to. An item of an inner
//! crate that is reached but has no public name stands under the inner name, and is a fault.

mod crates;
mod listing;
mod names;
mod render;

use crates::Crates;
use names::Names;
use std::path::{Path, PathBuf};

const KEPT: &str = "docs/public-api.txt";

/// What is done with the listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Write it anew.
    Write,
    /// Tell whether it is as it is kept.
    Compare,
}

/// Makes the listing. Gives whether it is complete, and as it is kept when that was asked.
///
/// # Errors
/// When it cannot be made: rustdoc fails, or writes a form that is not known here.
pub(crate) fn run(wish: Wish) -> Result<bool, String> {
    let root = root()?;
    let crates = Crates::documented(&root)?;
    let names = Names::of(&crates);
    let lines = listing::lines(&crates, &names);
    let unnamed: Vec<&String> = lines.iter().filter(|line| is_inner(line)).collect();
    for line in &unnamed {
        println!("an inner crate stands in the public face: {line}");
    }
    println!("{} names at the top, {} in all, {} lines", names.at_the_top(), names.count(), lines.len());
    let path = root.join(KEPT);
    let text = lines.join("\n") + "\n";
    if wish == Wish::Write {
        std::fs::write(&path, text).map_err(|error| format!("{KEPT}: {error}"))?;
        return Ok(unnamed.is_empty());
    }
    let kept = std::fs::read_to_string(&path).map_err(|error| format!("{KEPT}: {error}"))?;
    let differences = differences(&kept, &text);
    for difference in &differences {
        println!("{difference}");
    }
    if !differences.is_empty() {
        println!("the public names are not those of {KEPT}: `cargo xtask public-api` writes it anew");
    }
    Ok(unnamed.is_empty() && differences.is_empty())
}

/// Whether a line has the path of an item of an inner crate.
fn is_inner(line: &str) -> bool {
    line.match_indices("pilothouse_").any(|(at, start)| {
        let name = line[at + start.len()..].trim_start_matches(|c: char| c.is_ascii_lowercase());
        name.starts_with("::")
    })
}

/// Lines that only one of two listings has.
fn differences(kept: &str, made: &str) -> Vec<String> {
    let only = |mark: char, these: &str, others: &str| -> Vec<String> {
        let others: std::collections::HashSet<&str> = others.lines().collect();
        these.lines().filter(|line| !others.contains(line)).map(|line| format!("{mark} {line}")).collect()
    };
    [only('-', kept, made), only('+', made, kept)].concat()
}

fn root() -> Result<PathBuf, String> {
    let here = Path::new(".").canonicalize().map_err(|error| format!("the current folder: {error}"))?;
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_path_buf).ok_or_else(|| format!("{} is not inside the workspace", here.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_has_gone_and_one_that_has_come_are_told() {
        assert_eq!(differences("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
        assert!(differences("a\n", "a\n").is_empty());
    }

    #[test]
    fn a_path_of_an_inner_crate_is_told_from_a_name_like_it() {
        assert!(is_inner("pilothouse::Need.on: Vec<pilothouse_core::ids::ReleaseKey>"));
        assert!(!is_inner("pilothouse::Plan.pilothouse_plan: u32"));
    }

    /// The whole of it needs rustdoc's JSON, which takes half a minute: `.ci/run` asks for it.
    #[test]
    fn the_kept_listing_names_no_inner_crate() {
        let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(KEPT)).unwrap();
        let inner: Vec<&str> = kept.lines().filter(|line| is_inner(line)).collect();
        assert!(inner.is_empty(), "{inner:#?}");
        assert!(kept.lines().any(|line| line.starts_with("pilothouse::HelmChart:")));
    }
}
