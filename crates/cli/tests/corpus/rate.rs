//! How many releases were told rightly, and what was noted of that before. `PILOTHOUSE_NOTE=1` has the runs write what they measure
//! into `noted.json`, of which the table of `docs/corpus.md` is made; without it they must not be worse than that, of as many cases.

use crate::case::{Case, Places, folder};
use crate::run::{Ran, Variant, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// So many of a hundred may be told less rightly than was noted: some depend on how busy the machine is.
const WORSE: usize = 5;

/// What is measured every day, and compared with what was noted.
const DAILY: [&str; 2] = ["simulated nodes", "a real node"];

/// Releases that are broken, by how well their cause was told, and releases that end well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rate {
    pub(crate) broken: usize,
    pub(crate) right: usize,
    pub(crate) partly: usize,
    /// With those whose run could not be made, since something panicked.
    pub(crate) wrong: usize,
    pub(crate) unknown: usize,
    /// That end well, and those of them that did, with nothing told for certain.
    pub(crate) well: usize,
    pub(crate) well_right: usize,
    /// Something was told for certain that is not the cause.
    pub(crate) certain: usize,
    /// Runs that could not be made. They count as wrong.
    pub(crate) panicked: usize,
    /// The median time from the symptom to the telling, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) median_ms: Option<i64>,
}

/// What was measured when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) what: String,
    pub(crate) on: String,
    #[serde(flatten)]
    pub(crate) rate: Rate,
}

impl Rate {
    pub(crate) fn of(ran: &[&Ran], panicked: &[Variant]) -> Self {
        let mut rate = Self::default();
        for ran in ran {
            rate.add(ran.case.ends_well, Some(ran.verdict()));
            rate.certain += usize::from(ran.wrong_and_certain().is_some());
        }
        for variant in panicked {
            rate.add(Case::read(&variant.name, &Places::default()).ends_well, None);
        }
        let mut delays: Vec<i64> = ran.iter().filter_map(|ran| ran.delay()).collect();
        delays.sort_unstable();
        rate.median_ms = delays.get(delays.len() / 2).copied();
        rate
    }

    /// Counts one run; one without a verdict could not be made.
    fn add(&mut self, ends_well: bool, verdict: Option<Verdict>) {
        self.panicked += usize::from(verdict.is_none());
        if ends_well {
            self.well += 1;
            self.well_right += usize::from(verdict == Some(Verdict::Right));
            return;
        }
        self.broken += 1;
        match verdict {
            Some(Verdict::Right) => self.right += 1,
            Some(Verdict::Partly) => self.partly += 1,
            Some(Verdict::Unknown) => self.unknown += 1,
            Some(Verdict::Wrong) | None => self.wrong += 1,
        }
    }

    /// What was not run as often as noted: rates of other cases are not compared.
    fn differs_in_what_was_run(&self, noted: &Self) -> Option<String> {
        let (now, then) = ((self.broken, self.well), (noted.broken, noted.well));
        let say = |(broken, well)| format!("{broken} broken releases and {well} that end well");
        (now != then).then(|| format!("{} were run, {} were noted", say(now), say(then)))
    }

    fn runs(&self) -> usize {
        self.broken + self.well
    }

    fn is_no_worse_than(&self, noted: &Self) -> bool {
        let share = |rate: &Self| (rate.right + rate.well_right) * 100 / rate.runs().max(1);
        share(self) + WORSE >= share(noted) && self.certain <= noted.certain && self.panicked <= noted.panicked
    }
}

impl Display for Rate {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { broken, right, partly, wrong, unknown, well, well_right, certain, panicked, .. } = self;
        write!(
            out,
            "of {broken} broken releases {right} right, {partly} partly, {wrong} wrong, {unknown} not understood; "
        )?;
        write!(out, "{well_right} of {well} that end well; {certain} wrong and certain; {panicked} runs panicked")
    }
}

pub(crate) fn all_noted() -> Vec<Noted> {
    serde_json::from_str(&std::fs::read_to_string(folder("noted.json")).unwrap()).unwrap()
}

/// Writes down what was measured, or fails when it is worse than what was noted.
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
pub(crate) fn note_or_compare(what: &str, rate: &Rate) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = all_noted();
    if std::env::var_os("PILOTHOUSE_NOTE").is_none() {
        let say = |text: String| {
            let _ = std::io::stderr().write_all(format!("{what}: {text}\n").as_bytes());
        };
        let Some(noted) = all.iter().find(|noted| noted.what == what) else {
            assert!(!DAILY.contains(&what), "{what}: nothing was noted (PILOTHOUSE_NOTE=1 notes it)");
            return say("not noted, and compared with nothing".to_owned());
        };
        match rate.differs_in_what_was_run(&noted.rate) {
            Some(differs) => say(format!("not compared: {differs}")),
            None => assert!(rate.is_no_worse_than(&noted.rate), "{what}: {rate}; {noted:?} was noted"),
        }
        return;
    }
    let on = jiff::Timestamp::now().to_string().split('T').next().unwrap_or_default().to_owned();
    let now = Noted { what: what.to_owned(), on, rate: rate.clone() };
    match all.iter_mut().find(|noted| noted.what == what) {
        Some(noted) => *noted = now,
        None => all.push(now),
    }
    std::fs::write(folder("noted.json"), serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
}

#[test]
fn a_run_that_panics_is_wrong() {
    let mut rate = Rate::default();
    rate.add(false, Some(Verdict::Right));
    rate.add(false, None);
    rate.add(true, None);
    assert_eq!((rate.broken, rate.right, rate.wrong, rate.panicked), (2, 1, 1, 2));
    assert_eq!((rate.well, rate.well_right), (1, 0));
}

/// A run of fewer cases is not better than one of all of them.
#[test]
fn rates_of_other_cases_are_not_compared() {
    let rate = |broken, well| Rate { broken, well, ..Rate::default() };
    assert_eq!(rate(20, 2).differs_in_what_was_run(&rate(20, 2)), None);
    for other in [rate(19, 2), rate(20, 1)] {
        assert!(other.differs_in_what_was_run(&rate(20, 2)).is_some());
    }
}

/// What is compared every day has been noted.
#[test]
fn the_daily_rates_are_noted() {
    let all = all_noted();
    for what in DAILY {
        assert!(all.iter().any(|noted| noted.what == what), "{what}");
    }
}

#[test]
fn what_is_measured_may_not_be_worse_than_what_was_noted() {
    let rate = |right: usize, certain| Rate { broken: 20, right, wrong: 20 - right, certain, ..Rate::default() };
    assert!(rate(18, 0).is_no_worse_than(&rate(19, 0)));
    assert!(!rate(17, 0).is_no_worse_than(&rate(19, 0)));
    assert!(!rate(20, 1).is_no_worse_than(&rate(19, 0)));
}
