//! The live view of a run on a terminal: a header and a row for each release at work. Pure: time and size are passed in.

use crate::report::view::{Shown, View, millis_between};
use crate::terminal::printer::{BAD, FAINT, STRONG, WARN, paint};
use crate::terminal::text::{duration, fit, fit_end};
use anstyle::Style;
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

/// Lines of the screen that are left to what was there before.
const LEFT: usize = 2;

/// The longest column of names.
const NAME: usize = 40;

/// From this width on there is room for wider gaps.
const ROOMY: usize = 60;

/// The view on a screen of `width` columns and `height` lines: never wider, and two lines lower where that can be.
pub(crate) fn table(view: &View, now: Timestamp, width: usize, height: usize) -> Vec<String> {
    if !view.is_live() {
        return Vec::new();
    }
    let budget = height.saturating_sub(LEFT).max(1).min(height);
    let mut lines = header(view, now, width);
    lines.truncate(budget);
    let (running, waiting) = (view.running(), view.waiting());
    let room = budget - lines.len();
    // The last line counts what has no row.
    let rows = if running.len() + waiting.len() > room { room.saturating_sub(1) } else { room };
    let shown_running = running.len().min(rows);
    let shown_waiting = waiting.len().min(rows - shown_running);
    let columns = Columns::of(view, width);
    let running_rows = running.iter().map(|(row, since)| (*row, duration(millis_between(*since, now))));
    let waiting_rows = waiting.iter().map(|row| (*row, String::new()));
    let shown: Vec<(Shown<'_>, String)> =
        running_rows.take(shown_running).chain(waiting_rows.take(shown_waiting)).collect();
    let elapsed_width = shown.iter().map(|(_, elapsed)| elapsed.len()).max().unwrap_or(0);
    lines.extend(shown.iter().map(|(row, elapsed)| {
        let gap = " ".repeat(columns.gap);
        let name = fit_end(row.name(), columns.name);
        let padding = " ".repeat(columns.name - name.width());
        painted(
            &[
                (STRONG, &name),
                (Style::new(), &format!("{padding}{gap}{}{gap}", row.signs())),
                (FAINT, &format!("{elapsed:>elapsed_width$}{gap}")),
                (Style::new(), &row.reason(now)),
            ],
            width,
        )
    }));
    let hidden = (running.len() - shown_running, waiting.len() - shown_waiting);
    if hidden != (0, 0) && lines.len() < budget {
        lines.push(painted(&[(FAINT, &rest(hidden, shown_waiting > 0))], width));
    }
    lines
}

/// Run, time and counts; what holds the run up stands beside them, or below where there is no room.
fn header(view: &View, now: Timestamp, width: usize) -> Vec<String> {
    let run = format!("run {}  ", view.run());
    let elapsed = format!("{}  ", duration(view.elapsed_ms(now)));
    let mut counts = counts(view);
    let notice = view.notice(now).map(|notice| format!("  {notice}")).unwrap_or_default();
    let needed = run.width() + elapsed.width() + counts.width();
    // The counts matter more than the run's name, and among them what went wrong.
    let run = if needed > width { "" } else { run.as_str() };
    if elapsed.width() + counts.width() > width {
        let (bad, good): (Vec<_>, Vec<_>) = view.counts().into_iter().partition(|(_, word)| is_bad(word));
        counts = in_words(&[bad, good].concat());
    }
    let styled = if view.counts().iter().any(|(_, word)| is_bad(word)) { BAD } else { STRONG };
    let first = [(FAINT, run), (FAINT, elapsed.as_str()), (styled, counts.as_str())];
    if notice.is_empty() {
        return vec![painted(&first, width)];
    }
    if needed + notice.width() > width {
        return vec![painted(&first, width), painted(&[(WARN, notice.trim_start())], width)];
    }
    let [run, elapsed, counts] = first;
    vec![painted(&[run, elapsed, counts, (WARN, notice.as_str())], width)]
}

/// "12 done, 4 running".
pub(crate) fn counts(view: &View) -> String {
    in_words(&view.counts())
}

fn in_words(counts: &[(usize, &str)]) -> String {
    let counts: Vec<String> = counts.iter().map(|(count, word)| format!("{count} {word}")).collect();
    counts.join(", ")
}

fn is_bad(word: &str) -> bool {
    matches!(word, "failed" | "refused" | "interrupted" | "blocked" | "not started")
}

/// The widths of the columns.
struct Columns {
    name: usize,
    gap: usize,
}

impl Columns {
    fn of(view: &View, width: usize) -> Self {
        let longest = view.names().map(UnicodeWidthStr::width).max().unwrap_or(0);
        let share = (width * 3 / 10).clamp(8, NAME);
        Self { name: longest.min(share), gap: if width < ROOMY { 1 } else { 2 } }
    }
}

fn rest((running, waiting): (usize, usize), waiting_shown: bool) -> String {
    let mut parts = Vec::new();
    if running > 0 {
        parts.push(format!("{running} more running"));
    }
    match (waiting, waiting_shown) {
        (0, _) => {}
        (n, true) => parts.push(format!("{n} more waiting")),
        (n, false) => parts.push(format!("{n} waiting")),
    }
    format!("and {}", parts.join(", "))
}

/// Cells beside each other, cut to `width` columns, each in its style.
fn painted(cells: &[(Style, &str)], width: usize) -> String {
    let mut line = String::new();
    let mut left = width;
    for (style, text) in cells {
        let text = fit(text, left);
        left -= text.width();
        if !text.is_empty() {
            line.push_str(&paint(*style, text));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Script, begins, every_kind, key, planned, run_started, shop, started};
    use crate::report::view::millis_between;
    use jiff::SignedDuration;
    use pilothouse_core::{Event, EventKind, Phase, ReleaseKey, StopReason};
    use proptest::prelude::*;

    fn view(events: &[Event]) -> View {
        let mut view = View::default();
        for event in events {
            view.see(event);
        }
        view
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    fn shown(script: &Script, width: usize, height: usize) -> String {
        let lines = plain(&table(&view(&script.events), script.now(), width, height));
        assert!(lines.iter().all(|line| line.width() <= width) && lines.len() <= height);
        lines.join("\n")
    }

    #[test]
    fn a_run_on_screens_of_several_sizes() {
        for (width, height) in [(40, 6), (40, 24), (80, 6), (80, 24), (160, 6), (160, 24)] {
            insta::assert_snapshot!(format!("run_{width}x{height}"), shown(&shop(), width, height));
        }
    }

    #[test]
    fn a_run_of_many_releases_fits() {
        let names: Vec<String> = (1..=50).map(|n| format!("load/podinfo-{n}")).collect();
        let mut script = Script::default();
        script.then([run_started(names.iter().map(|name| planned(name, &[])).collect())]);
        for name in &names[..20] {
            script.after(100).then([started(name), begins(name, Phase::Exec)]);
        }
        insta::assert_snapshot!("many_80x24", shown(&script, 80, 24));
        insta::assert_snapshot!("many_80x50", shown(&script, 80, 50));
    }

    #[test]
    fn before_anything_is_begun() {
        let mut script = Script::default();
        assert_eq!(shown(&script, 80, 24), "", "there is no run yet");
        script.then([run_started(vec![planned("web/a", &[])])]).after(200);
        assert_eq!(shown(&script, 80, 24), "run 099a8057  0.2 s  1 waiting  checking charts and values");
        let waiting = EventKind::LockWaiting { holder: Some(crate::report::samples::holder()), timeout_ms: 60_000 };
        script.then([waiting]).after(12_000);
        insta::assert_snapshot!(shown(&script, 100, 24), @r"
        run 099a8057  12 s  1 waiting
        waiting 12 s for the lock held by ada@build-7 (process 4711, run 456789ab, https://ci.example.com/j…
        ");
        script.then([EventKind::LockTaken { waited_ms: 12_000, taken_over: None }]);
        assert_eq!(shown(&script, 80, 24), "run 099a8057  12 s  1 waiting  checking charts and values");
    }

    #[test]
    fn a_run_that_stops_begins_nothing_more() {
        let mut script = shop();
        script.then([EventKind::RunStopping { reason: StopReason::User }]);
        insta::assert_snapshot!("stopping_80x24", shown(&script, 80, 24));
        script.then([EventKind::RunFinished { verdict: pilothouse_core::RunVerdict::Interrupted, elapsed_ms: 1 }]);
        assert_eq!(shown(&script, 80, 24), "");
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_odd_times() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(millis_between(now + SignedDuration::from_secs(5), now), 0);
    }

    /// Any events in any order, about releases of the run and others, with text of any width.
    fn events() -> impl Strategy<Value = Vec<EventKind>> {
        let name = prop::sample::select(vec![
            "a/b",
            "shop/postgres",
            "名前/漢字漢字漢字漢字漢字",
            "long/name-of-a-release-that-does-not-fit",
        ]);
        let text = prop_oneof!["\\PC{0,90}", any::<String>(), Just("👩‍👩‍👧❤️ ".repeat(30))];
        let kind = (prop::sample::select(every_kind()), name, text);
        prop::collection::vec(kind, 0..60)
            .prop_map(|drawn| drawn.into_iter().map(|(kind, name, text)| about(kind, &key(name), &text)).collect())
    }

    /// The event about this release, with this text.
    fn about(mut kind: EventKind, to: &ReleaseKey, text: &str) -> EventKind {
        match &mut kind {
            EventKind::RunStarted { releases, .. } => {
                let names =
                    ["a/b", "shop/postgres", "名前/漢字漢字漢字漢字漢字", "long/name-of-a-release-that-does-not-fit"];
                *releases = names.map(|name| planned(name, &["a/b", "shop/postgres"])).to_vec();
            }
            EventKind::LockWaiting { holder, .. } => {
                if let Some(holder) = holder {
                    text.clone_into(&mut holder.user);
                }
            }
            EventKind::StepStarted { release, description, .. }
            | EventKind::StepSkipped { release, description, .. } => {
                release.clone_from(to);
                text.clone_into(description);
            }
            EventKind::Checked { release, report, .. } => {
                release.clone_from(to);
                text.clone_into(&mut report.check);
            }
            EventKind::Said { release, text: said, .. } => {
                release.clone_from(to);
                text.clone_into(said);
            }
            EventKind::CauseFound { release, cause, .. } => {
                release.clone_from(to);
                text.clone_into(&mut cause.why);
            }
            EventKind::DriftFound { release, drifts } => {
                release.clone_from(to);
                for drift in drifts {
                    text.clone_into(&mut drift.what);
                }
            }
            EventKind::HealStarted { release, what, .. } => {
                release.clone_from(to);
                text.clone_into(what);
            }
            EventKind::ReleaseStarted { release, .. }
            | EventKind::PhaseStarted { release, .. }
            | EventKind::StepFinished { release, .. }
            | EventKind::HelmStarted { release, .. }
            | EventKind::HelmFinished { release, .. }
            | EventKind::HealFinished { release, .. }
            | EventKind::AdoptionStarted { release, .. }
            | EventKind::BackupStarted { release, .. }
            | EventKind::PointOfNoReturn { release, .. }
            | EventKind::Retrying { release, .. }
            | EventKind::PhaseFinished { release, .. }
            | EventKind::ReleaseFinished { release, .. } => release.clone_from(to),
            EventKind::RunResumed { releases, .. } => {
                for progress in releases {
                    progress.release.clone_from(to);
                }
            }
            EventKind::LockTaken { .. } | EventKind::RunStopping { .. } | EventKind::RunFinished { .. } => {}
        }
        kind
    }

    proptest! {
        #[test]
        fn it_never_leaves_the_screen(events in events(), width in 0..120_usize, height in 0..12_usize) {
            let mut script = Script::default();
            let first = every_kind().remove(0);
            script.then([about(first, &key("a/b"), "")]);
            for event in events {
                script.after(37).then([event]);
                let lines = plain(&table(&view(&script.events), script.now(), width, height));
                prop_assert!(lines.len() <= height, "{lines:#?}");
                for line in &lines {
                    prop_assert!(line.width() <= width, "{line:?} is {} wide", line.width());
                    prop_assert!(!line.contains(char::is_control), "{line:?}");
                }
            }
        }
    }
}
