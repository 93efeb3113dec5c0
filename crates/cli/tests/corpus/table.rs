//! What came out, for people.

use crate::rate::{self, Rate};
use crate::run::{Ran, Variant};
use crate::symptoms;
use std::fmt::Write as _;
use std::io::Write as _;

/// Of a hundred cases so many must be told with the right code and object.
const RIGHT: usize = 95;

/// The median time from a symptom to the telling of its cause, in milliseconds, must be below this.
const SOON: i64 = 2000;

/// Of a hundred runs whose cause shows in the cluster so many must have a moment when it did, and one when it was told. Some are
/// refused before anything is changed, so that the cluster shows nothing.
const TIMED: usize = 80;

/// Prints a line for each run, and fails when they are not good enough, or worse than what was noted if they are all that it was
/// noted of.
pub(crate) fn judge(title: &str, all: &[Ran], panicked: &[Variant], is_all: bool) {
    let mut rows: Vec<&Ran> = all.iter().collect();
    rows.sort_by(|a, b| (&a.variant.name, a.variant.helm).cmp(&(&b.variant.name, b.variant.helm)));
    let mut text = format!("\ncorpus on {title}\n");
    let mut wrong = String::new();
    for ran in &rows {
        let told = ran.decisive().map_or("nothing".to_owned(), |told| format!("{} {}", told.code, told.object));
        let delay = ran.delay().map_or(String::new(), |ms| format!("{ms} ms"));
        let line = format!(
            "{:<5} {:<40} helm {} {:>5.1} s {delay:>8}  {told}\n",
            if ran.is_right() { "right" } else { "WRONG" },
            ran.variant.name,
            ran.variant.helm,
            ran.took.as_secs_f64()
        );
        text.push_str(&line);
        if !ran.is_right() {
            let expected = ran.case.object.as_deref().unwrap_or("");
            writeln!(wrong, "{line}      expected {} {expected}, exit code {:?}", ran.case.code, ran.code).unwrap();
            writeln!(wrong, "      {}", ran.stderr.trim().replace('\n', "\n      ")).unwrap();
        }
    }
    let right = rows.iter().filter(|ran| ran.is_right()).count();
    let rate = Rate::of(&rows, panicked);
    let median = rate.median_ms;
    // Where helm's end or nothing but the program itself shows a cause, there is no moment in the cluster to count from.
    let shows = |ran: &&&Ran| ran.is_right() && !ran.case.ends_well && !symptoms::of(&ran.case.code).is_empty();
    let untimed: Vec<&str> =
        rows.iter().filter(shows).filter(|ran| ran.delay().is_none()).map(|ran| ran.variant.name.as_str()).collect();
    let (timed, delays) = (rows.iter().filter(shows).count(), rows.iter().filter(|ran| ran.delay().is_some()).count());
    writeln!(text, "right: {right} of {}", rows.len()).unwrap();
    let mislead: Vec<String> = rows
        .iter()
        .filter_map(|ran| {
            ran.wrong_and_certain().map(|told| format!("{}: {} {}", ran.variant.name, told.code, told.object))
        })
        .collect();
    let unknown = rows.iter().filter(|ran| ran.is_unknown()).count();
    writeln!(text, "not understood: {unknown}; wrong and certain: {mislead:?}").unwrap();
    let median_text = median.map_or("none".to_owned(), |median| format!("{median} ms"));
    writeln!(text, "from symptom to cause: median {median_text} of {delays}; without a moment {untimed:?} of {timed}")
        .unwrap();
    // Past the capture of passing tests: these figures are what the test is for.
    let _ = std::io::stderr().write_all(text.as_bytes());
    keep(&rows);
    assert!(right * 100 >= rows.len() * RIGHT, "{right} of {} are right\n{wrong}", rows.len());
    assert!(mislead.is_empty(), "wrong and certain: {mislead:#?}");
    assert!(rows.len() < 20 || unknown * 100 <= rows.len() * 3, "{unknown} of {} are not understood", rows.len());
    // A few chosen cases may all be of those.
    let enough = (timed - untimed.len()) * 100 >= timed * TIMED;
    assert!(rows.len() < 20 || enough, "without a moment: {untimed:?} of {timed}");
    assert!(median.is_none_or(|median| median < SOON), "median {median:?} ms");
    if is_all {
        rate::note_or_compare(title, &rate);
    }
}

/// `PILOTHOUSE_CORPUS_FOLDER` keeps what the program said in each run, to be looked at.
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
pub(crate) fn keep(rows: &[&Ran]) {
    let Some(folder) = std::env::var_os("PILOTHOUSE_CORPUS_FOLDER") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for ran in rows {
        let path = std::path::Path::new(&folder).join(format!("{}.txt", ran.variant.namespace()));
        std::fs::write(path, format!("{:#?}\n{}\n-----\n{}\n", ran.told, ran.stdout, ran.stderr)).unwrap();
    }
}
