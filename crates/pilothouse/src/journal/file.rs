//! The journal on disk: one file per run, one line per event.

use crate::journal::kept::{is_kept, side};
use crate::journal::{FORMAT, JournalError, KillPoint, PROGRAM};
use pilothouse_core::{DigestKey, Event, RunId, RunProgress};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How a journal's file ends.
const SUFFIX: &str = ".jsonl";
/// How a journal's file ends while it is made.
const UNFINISHED: &str = ".jsonl.new";

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalHeader {
    /// The format of all that follows.
    pub(crate) format: u32,
    /// The version of the program that writes it.
    pub(crate) program: String,
    /// The run.
    pub(crate) run: RunId,
    /// The stack's name.
    pub(crate) stack: String,
    /// The key of the digests in the events; `None` where they are under none, up to format 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<DigestKey>,
}

impl JournalHeader {
    /// The header this program writes.
    pub(crate) fn new(run: RunId, stack: impl Into<String>, key: DigestKey) -> Self {
        Self { format: FORMAT, program: PROGRAM.to_owned(), run, stack: stack.into(), key: Some(key) }
    }
}

/// The journal of the run that goes on.
#[derive(Debug)]
pub(crate) struct JournalFile {
    file: File,
    path: PathBuf,
    /// How long the file is up to the end of its last whole line.
    whole: u64,
    /// Whether there may be something behind that.
    torn: bool,
    kill_point: KillPoint,
    /// The one call that writes, so that tests can put a full disk in its place.
    write: fn(&mut File, &[u8]) -> io::Result<usize>,
}

impl JournalFile {
    /// Begins the journal of a run. When this returns, the file is on disk with all of the first events that are kept;
    /// when it fails, or the process is killed in it, there is no journal of this run.
    ///
    /// # Errors
    /// When folder or file cannot be made.
    pub(crate) fn create(
        folder: &Path,
        header: &JournalHeader,
        first_events: &[Event],
        kill_point: KillPoint,
    ) -> Result<Self, JournalError> {
        let mut text = line_of(header)?;
        for event in first_events.iter().filter(|event| is_kept(&event.kind)) {
            text.extend(line_of(event)?);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| failed("cannot create the folder for journals", folder, source))?;
        let path = folder.join(format!("{}{SUFFIX}", header.run));
        let unfinished = folder.join(format!("{}{UNFINISHED}", header.run));
        let made =
            OpenOptions::new().append(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()?;
                fs::rename(&unfinished, &path)?;
                // The name is on disk only when the folder is.
                File::open(folder)?.sync_all()?;
                Ok(file)
            });
        let file = made.map_err(|source| {
            let _ = fs::remove_file(&unfinished);
            failed("cannot create the journal", &path, source)
        })?;
        let whole = text.len() as u64;
        Ok(Self { file, path, whole, torn: false, kill_point, write: |file, line| file.write(line) })
    }

    /// Writes an event, if it is one that is kept. With `durable` it is on disk when this returns, whatever becomes of
    /// the machine; without, it survives the end of this process.
    ///
    /// # Errors
    /// When it could not be written as a whole. Then nothing of it is left in the file, if that is possible, and the
    /// next event may be tried.
    pub(crate) fn append(&mut self, event: &Event, durable: bool) -> Result<(), JournalError> {
        if !is_kept(&event.kind) {
            return Ok(());
        }
        let boundary = side(&event.kind).is_some();
        if boundary {
            self.kill_point.pass();
        }
        let line = line_of(event)?;
        self.write_line(&line, durable).map_err(|source| failed("cannot write the journal", &self.path, source))?;
        if boundary {
            self.kill_point.pass();
        }
        Ok(())
    }

    fn write_line(&mut self, line: &[u8], durable: bool) -> io::Result<()> {
        self.cut_to_whole()?;
        self.torn = true;
        let written = loop {
            match (self.write)(&mut self.file, line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let short = match written {
            Ok(n) if n == line.len() => None,
            Ok(n) => Some(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("only {n} of {} bytes were written; the disk may be full", line.len()),
            )),
            Err(error) => Some(error),
        };
        if let Some(error) = short {
            // If this fails, the next event tries it again, and a reader drops the torn line.
            let _ = self.cut_to_whole();
            return Err(error);
        }
        self.torn = false;
        self.whole += line.len() as u64;
        if durable { self.file.sync_data() } else { Ok(()) }
    }

    /// Takes away what an unfinished write has left.
    fn cut_to_whole(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.whole)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Takes the journal of a run away that has not begun after all.
    pub(crate) fn discard(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the journal of a run that has not begun stays");
        }
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal that was read.
#[derive(Debug, PartialEq)]
pub(crate) struct Journal {
    /// The first line.
    pub(crate) header: JournalHeader,
    /// The events in their order.
    pub(crate) events: Vec<Event>,
    /// What they add up to.
    pub(crate) progress: RunProgress,
    /// Whether the last line was not whole and was left out.
    pub(crate) torn: bool,
}

/// Reads a journal. A last line that is not whole, as a kill or a full disk leaves it, is left out.
///
/// # Errors
/// When it cannot be read, is damaged in any other place, or is of a newer format.
pub(crate) fn read(path: &Path) -> Result<Journal, JournalError> {
    let text = fs::read(path).map_err(|source| failed("cannot read the journal", path, source))?;
    parse(&text, path)
}

fn parse(text: &[u8], path: &Path) -> Result<Journal, JournalError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |line: usize, why: String| JournalError::Damaged { path: path.display().to_string(), line, why };
    let unreadable = |line: usize, error: &serde_json::Error| damaged(line, error.to_string());
    let ends_whole = text.ends_with(b"\n");
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let (first, rest) = lines.split_first().ok_or_else(|| damaged(1, "the file is empty".to_owned()))?;
    let Format { format } = serde_json::from_slice(first).map_err(|error| unreadable(1, &error))?;
    if format > FORMAT {
        let place = format!("the journal {}", path.display());
        return Err(JournalError::Newer { place, found: format, known: FORMAT });
    }
    let header: JournalHeader = serde_json::from_slice(first).map_err(|error| unreadable(1, &error))?;
    let mut events: Vec<Event> = Vec::with_capacity(rest.len());
    let mut torn = false;
    for (number, line) in (2..).zip(rest) {
        let last = number == lines.len();
        match serde_json::from_slice::<Event>(line) {
            Ok(_) if last && !ends_whole => torn = true,
            Ok(event) if events.last().is_some_and(|before| before.seq >= event.seq) => {
                return Err(damaged(number, format!("event {} comes too late", event.seq)));
            }
            Ok(event) => events.push(event),
            Err(_) if last => torn = true,
            Err(error) => return Err(unreadable(number, &error)),
        }
    }
    let begun = events.first().and_then(RunProgress::begin).filter(|progress| progress.run == header.run);
    let mut progress = begun.ok_or_else(|| damaged(2, "this is not the beginning of the run".to_owned()))?;
    for event in &events {
        progress.see(event);
    }
    Ok(Journal { header, events, progress, torn })
}

/// The journals of a folder, newest first. Other files are left alone; a folder that does not exist has none.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn journals(folder: &Path) -> Result<Vec<(RunId, PathBuf)>, JournalError> {
    let mut found = runs_ending_in(SUFFIX, folder)?;
    found.sort_by_key(|(run, _)| Reverse(*run));
    Ok(found)
}

/// Removes the oldest journals of a folder, so that `keep` are left, and at least the newest; gives how many went. What
/// older runs have left unfinished goes, too.
///
/// # Errors
/// When the folder cannot be read or a file cannot be removed.
pub(crate) fn prune(folder: &Path, keep: usize) -> Result<usize, JournalError> {
    let journals = journals(folder)?;
    let Some((newest, _)) = journals.first() else { return Ok(0) };
    let unfinished = runs_ending_in(UNFINISHED, folder)?;
    let unfinished = unfinished.into_iter().filter(|(run, _)| run < newest).map(|(_, path)| path);
    let old = journals.iter().skip(keep.max(1)).map(|(_, path)| path.clone());
    let mut removed = 0;
    for path in old.chain(unfinished) {
        match fs::remove_file(&path) {
            Ok(()) => removed += 1,
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed("cannot remove the old journal", &path, source)),
        }
    }
    Ok(removed)
}

fn runs_ending_in(suffix: &str, folder: &Path) -> Result<Vec<(RunId, PathBuf)>, JournalError> {
    let unreadable = |source| failed("cannot read the folder of journals", folder, source);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(suffix));
        if let Some(run) = name.and_then(|name| name.parse().ok()) {
            found.push((RunId(run), path));
        }
    }
    Ok(found)
}

fn line_of(part: &impl Serialize) -> Result<Vec<u8>, JournalError> {
    let mut line = serde_json::to_vec(part).map_err(|error| JournalError::File {
        what: "cannot write as JSON",
        path: "an event".to_owned(),
        source: error.into(),
    })?;
    line.push(b'\n');
    Ok(line)
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::File { what, path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests;
