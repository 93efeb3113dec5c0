use super::*;
use crate::journal::samples;
use crate::journal::samples::{event, run_id};
use pilothouse_core::{EventKind, Note, Phase, RunVerdict, error_chain};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use tempfile::TempDir;

fn begin(folder: &Path, run: u128) -> JournalFile {
    let header = JournalHeader::new(run_id(run), "shop", samples::key_of_digests());
    JournalFile::create(folder, &header, &samples::events(run)[..1], KillPoint::default()).unwrap()
}

/// A whole journal of a run.
fn whole(folder: &Path, run: u128) -> PathBuf {
    let mut file = begin(folder, run);
    for event in &samples::events(run)[1..] {
        file.append(event, true).unwrap();
    }
    file.path().to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn said(seq: u64, note: Note) -> Event {
    event(seq, EventKind::Said { release: samples::key("podinfo"), phase: Phase::Exec, note, text: "x".to_owned() })
}

#[test]
fn what_is_written_is_read() {
    let folder = TempDir::new().unwrap();
    let path = whole(folder.path(), 1);
    let journal = read(&path).unwrap();
    assert_eq!(
        journal,
        Journal {
            header: JournalHeader {
                format: 6,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                run: run_id(1),
                stack: "shop".to_owned(),
                key: Some(samples::key_of_digests()),
            },
            events: samples::events(1),
            progress: samples::progress(1),
            torn: false,
        }
    );
}

#[test]
fn what_is_only_for_the_screen_is_not_kept() {
    let folder = TempDir::new().unwrap();
    let mut file = begin(folder.path(), 1);
    let waiting = event(2, EventKind::LockWaiting { holder: None, timeout_ms: 1 });
    let all = [waiting, said(3, Note::Doing), said(4, Note::Info), said(5, Note::Warning)];
    for event in &all {
        file.append(event, false).unwrap();
    }
    assert_eq!(read(file.path()).unwrap().events[1..], all[2..]);
}

#[test]
fn nobody_else_can_read_it() {
    let state = TempDir::new().unwrap();
    let folder = state.path().join("runs/shop");
    let file = begin(&folder, 1);
    assert_eq!((mode(&folder), mode(file.path())), (0o700, 0o600));
}

/// Cut anywhere behind the first event, the journal is still read, without the line that is not whole.
#[test]
fn a_journal_cut_anywhere_is_read_to_its_last_whole_line() {
    let folder = TempDir::new().unwrap();
    let path = whole(folder.path(), 1);
    let text = fs::read(&path).unwrap();
    let lines: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').map(|at| at + 1).collect();
    for cut in lines[1]..=text.len() {
        fs::write(&path, &text[..cut]).unwrap();
        let journal = read(&path).unwrap();
        let whole = lines.iter().filter(|end| **end <= cut).count();
        assert_eq!(journal.events, samples::events(1)[..whole - 1], "cut at {cut}");
        assert_eq!(journal.torn, lines[whole - 1] != cut, "cut at {cut}");
    }
}

#[test]
fn a_last_line_of_zeros_is_what_a_power_cut_leaves() {
    let folder = TempDir::new().unwrap();
    let path = whole(folder.path(), 1);
    let mut text = fs::read(&path).unwrap();
    text.extend([0; 100]);
    fs::write(&path, &text).unwrap();
    let journal = read(&path).unwrap();
    assert!(journal.torn);
    assert_eq!(journal.events, samples::events(1));
}

#[test]
fn damage_elsewhere_is_an_error_with_its_line() {
    let folder = TempDir::new().unwrap();
    let path = whole(folder.path(), 1);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |changed: &[(usize, &str)]| {
        let mut lines = lines.clone();
        for (line, text) in changed {
            lines[line - 1] = text;
        }
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        read(&path).unwrap_err().to_string()
    };
    let expected = |line: usize, why: &str| {
        format!("the journal {} is damaged in line {line}: {why}; move it away to go on without it", path.display())
    };
    assert_eq!(with(&[(1, "{}")]), expected(1, "missing field `format` at line 1 column 2"));
    assert_eq!(with(&[(4, "{")]), expected(4, "EOF while parsing an object at line 1 column 1"));
    assert_eq!(with(&[(4, lines[4]), (5, lines[3])]), expected(5, "event 3 comes too late"));
    assert_eq!(with(&[(2, lines[2])]), expected(3, "event 2 comes too late"));
    assert_eq!(
        with(&[(2, &lines[2].replace("\"seq\":2", "\"seq\":1"))]),
        expected(2, "this is not the beginning of the run")
    );
    fs::write(&path, "").unwrap();
    assert_eq!(read(&path).unwrap_err().to_string(), expected(1, "EOF while parsing a value at line 1 column 0"));
}

#[test]
fn a_newer_format_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new.jsonl");
    fs::write(&path, "{\"format\":7,\"what\":\"else\"}\nnothing we know\nmore\n").unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 7, known: 6, .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "the journal {} was written by a newer pilothouse (format 7; this one knows 6): use that one, or a newer one",
            path.display()
        )
    );
}

/// A disk that takes ten bytes and no more.
fn ten_bytes(file: &mut File, line: &[u8]) -> io::Result<usize> {
    file.write(&line[..10])
}

fn no_space(_: &mut File, _: &[u8]) -> io::Result<usize> {
    Err(io::Error::from(io::ErrorKind::StorageFull))
}

#[test]
fn a_full_disk_is_told_and_leaves_whole_lines() {
    let folder = TempDir::new().unwrap();
    let mut file = begin(folder.path(), 1);
    let events = samples::events(1);
    let real = file.write;
    for (full, why) in [
        (
            ten_bytes as fn(&mut File, &[u8]) -> io::Result<usize>,
            "only 10 of 129 bytes were written; the disk may be full",
        ),
        (no_space, "no storage space"),
    ] {
        file.write = full;
        let error = file.append(&events[1], true).unwrap_err();
        let first = format!("cannot write the journal {}", file.path().display());
        assert_eq!(error_chain(&error), [first, why.to_owned()]);
        let journal = read(file.path()).unwrap();
        assert_eq!((journal.events.len(), journal.torn), (1, false));
    }
    // There is room again.
    file.write = real;
    file.append(&events[1], true).unwrap();
    assert_eq!(read(file.path()).unwrap().events, events[..2]);
}

/// What the kernel says of a full disk, from a file that is always full. It cannot be cut either.
#[test]
fn a_device_that_is_full() {
    let folder = TempDir::new().unwrap();
    let mut file = begin(folder.path(), 1);
    file.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let error = error_chain(&file.append(&samples::events(1)[1], true).unwrap_err());
    assert_eq!(error[1], "No space left on device (os error 28)");
    // What is left behind could not be taken away, so nothing more is written behind it.
    assert!(file.torn);
    let error = error_chain(&file.append(&samples::events(1)[1], true).unwrap_err());
    assert_eq!(error[1], "Invalid argument (os error 22)");
}

/// Also where the tests run as root, whom permissions do not stop: a file stands where the folder should be.
#[test]
fn a_folder_that_cannot_be_made() {
    let state = TempDir::new().unwrap();
    let folder = state.path().join("runs");
    fs::write(&folder, "").unwrap();
    let header = JournalHeader::new(run_id(1), "shop", samples::key_of_digests());
    let error = JournalFile::create(&folder, &header, &samples::events(1), KillPoint::default()).unwrap_err();
    assert_eq!(
        error_chain(&error),
        [format!("cannot create the folder for journals {}", folder.display()), "File exists (os error 17)".to_owned()]
    );
}

/// The kernel's own read-only folder.
#[test]
fn a_read_only_folder() {
    let header = JournalHeader::new(run_id(1), "shop", samples::key_of_digests());
    let folder = Path::new("/proc/self");
    let error = JournalFile::create(folder, &header, &samples::events(1), KillPoint::default()).unwrap_err();
    assert_eq!(error_chain(&error)[0], format!("cannot create the journal /proc/self/{}.jsonl", run_id(1)));
    assert_eq!(error_chain(&error).len(), 2);
}

/// A journal is there as a whole or not at all, also when its name cannot be given to it.
#[test]
fn nothing_is_left_of_a_journal_that_could_not_be_begun() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join(format!("{}.jsonl", run_id(1)))).unwrap();
    let header = JournalHeader::new(run_id(1), "shop", samples::key_of_digests());
    assert!(JournalFile::create(folder.path(), &header, &samples::events(1), KillPoint::default()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn journals_are_listed_newest_first_and_the_oldest_go() {
    let folder = TempDir::new().unwrap();
    for run in [3, 1, 5, 2, 4] {
        whole(folder.path(), run);
    }
    let unfinished = |run: u128| folder.path().join(format!("{}.jsonl.new", run_id(run)));
    fs::write(unfinished(2), "").unwrap();
    fs::write(unfinished(6), "").unwrap();
    fs::write(folder.path().join("notes.jsonl"), "").unwrap();
    fs::write(folder.path().join("README"), "").unwrap();
    let runs = || journals(folder.path()).unwrap().iter().map(|(run, _)| run.0.as_u128()).collect::<Vec<_>>();
    assert_eq!(runs(), [5, 4, 3, 2, 1]);
    assert_eq!(prune(folder.path(), 3).unwrap(), 3);
    assert_eq!(runs(), [5, 4, 3]);
    // The one that may just be being made stays.
    assert_eq!((unfinished(2).exists(), unfinished(6).exists()), (false, true));
    assert_eq!(prune(folder.path(), 3).unwrap(), 0);
    assert_eq!(prune(folder.path(), 0).unwrap(), 2);
    assert_eq!(runs(), [5]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn a_folder_that_is_not_there_has_no_journals() {
    let folder = TempDir::new().unwrap();
    let none = folder.path().join("none");
    assert_eq!(journals(&none).unwrap(), []);
    assert_eq!(prune(&none, 1).unwrap(), 0);
    fs::write(&none, "").unwrap();
    assert_eq!(
        error_chain(&journals(&none).unwrap_err()),
        [format!("cannot read the folder of journals {}", none.display()), "Not a directory (os error 20)".to_owned()]
    );
}

#[test]
fn every_intent_and_outcome_has_a_place_before_and_one_after() {
    let folder = TempDir::new().unwrap();
    let mut file = begin(folder.path(), 1);
    let mut events = samples::events(1);
    let kinds = [
        EventKind::HealStarted { release: samples::key("podinfo"), what: String::new(), why: String::new() },
        EventKind::HealFinished { release: samples::key("podinfo"), error: None },
        samples::run_finished(RunVerdict::Done),
    ];
    events.extend((events.len() as u64 + 1..).zip(kinds).map(|(seq, kind)| event(seq, kind)));
    let counted: Vec<u64> = events[1..]
        .iter()
        .map(|event| {
            let before = file.kill_point.passed;
            file.append(event, false).unwrap();
            file.kill_point.passed - before
        })
        .collect();
    //                  step  step        helm helm        heal heal
    assert_eq!(counted, [0, 0, 2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0]);
}

/// Set for the process that is to be killed.
const KILLED_AT: &str = "JOURNAL_TEST_KILLED_AT";

/// Killed at each place in turn, the journal holds what was written before, and nothing is torn. The test runs itself
/// as the process that is killed.
#[test]
#[expect(clippy::disallowed_methods, reason = "the killed process is told where")]
fn killed_at_every_place() {
    if let Ok(told) = std::env::var(KILLED_AT) {
        let (place, folder) = told.split_once(' ').unwrap();
        let header = JournalHeader::new(run_id(1), "shop", samples::key_of_digests());
        let kill_point = KillPoint::new(Some(place.parse().unwrap()));
        let mut file = JournalFile::create(Path::new(folder), &header, &samples::events(1)[..1], kill_point).unwrap();
        for event in &samples::events(1)[1..] {
            file.append(event, true).unwrap();
        }
        return;
    }
    let mut kept = Vec::new();
    for place in 1..=9 {
        let folder = TempDir::new().unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::file::tests::killed_at_every_place"])
            .env(KILLED_AT, format!("{place} {}", folder.path().display()))
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        let journal = read(&journals(folder.path()).unwrap()[0].1).unwrap();
        assert!(!journal.torn);
        assert_eq!(journal.events, samples::events(1)[..journal.events.len()]);
        kept.push((status.signal(), journal.events.len()));
    }
    let killed = |events: usize| (Some(9), events);
    // Before and after the events 4, 5, 8 and 9; there is no ninth place.
    let expected = [3, 4, 4, 5, 7, 8, 8, 9].map(killed).into_iter().chain([(None, 11)]).collect::<Vec<_>>();
    assert_eq!(kept, expected);
}
