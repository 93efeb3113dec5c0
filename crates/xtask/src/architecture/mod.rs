//! Which file imports which, within each crate: files per folder, cycles between folders and cycles of files.
//!
//! An import is counted from the file that makes it to the file that defines the name, however many re-exports, globs and other
//! names lie between. What a file with no code of its own re-exports is followed; the file itself is none of the graph. Only code
//! for tests is left out.

mod graph;
mod modules;
mod parse;
mod report;
mod resolve;
#[cfg(test)]
mod tests;
mod workspace;

pub(crate) use report::run;
