//! What came out, for people.

use crate::run::Ran;
use std::fmt::Write as _;
use std::io::Write as _;

/// Prints a line for each run, and fails when they are not good enough.
pub(crate) fn judge(title: &str, all: &[Ran], right_of_hundred: usize, soon: i64) {
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
    let mut delays: Vec<i64> = rows.iter().filter_map(|ran| ran.delay()).collect();
    delays.sort_unstable();
    let median = delays.get(delays.len() / 2).copied();
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
    writeln!(text, "from symptom to cause: median {median_text} of {}", delays.len()).unwrap();
    // Past the capture of passing tests: these figures are what the test is for.
    let _ = std::io::stderr().write_all(text.as_bytes());
    keep(&rows);
    assert!(right * 100 >= rows.len() * right_of_hundred, "{right} of {} are right\n{wrong}", rows.len());
    assert!(mislead.is_empty(), "wrong and certain: {mislead:#?}");
    assert!(rows.len() < 20 || unknown * 100 <= rows.len() * 3, "{unknown} of {} are not understood", rows.len());
    // A few chosen cases may have none: where helm does not fail, or nothing has failed, there is no moment to count from.
    assert!(rows.len() < 20 || delays.len() * 6 > rows.len(), "{} of {} have a delay", delays.len(), rows.len());
    assert!(median.is_none_or(|median| median < soon), "median {median:?} ms");
}

/// `PILOTHOUSE_CORPUS_FOLDER` keeps what the program said in each run, to be looked at.
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
fn keep(rows: &[&Ran]) {
    let Some(folder) = std::env::var_os("PILOTHOUSE_CORPUS_FOLDER") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for ran in rows {
        let path = std::path::Path::new(&folder).join(format!("{}.txt", ran.variant.namespace()));
        std::fs::write(path, format!("{:#?}\n{}\n-----\n{}\n", ran.told, ran.stdout, ran.stderr)).unwrap();
    }
}
