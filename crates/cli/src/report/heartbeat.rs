//! The line that a run gives now and then where nobody sees the live view, so that its silence means something.

use crate::report::table::counts;
use crate::report::view::{View, millis_between};
use crate::terminal::text::duration;
use jiff::Timestamp;
use std::time::Duration;

/// How long nothing may be printed before there is such a line.
pub(crate) const QUIET: Duration = Duration::from_secs(30);

/// How many releases it names.
const NAMED: usize = 3;

/// How the run stands, and what the releases are doing that have run for longest. Nothing before a run begins and after
/// it has ended.
pub(crate) fn heartbeat(view: &View, now: Timestamp) -> Option<String> {
    if !view.is_live() {
        return None;
    }
    let mut parts = vec![format!("after {}: {}", duration(view.elapsed_ms(now)), counts(view))];
    parts.extend(view.notice(now));
    let running = view.running();
    parts.extend(running.iter().take(NAMED).map(|(row, since)| {
        let elapsed = duration(millis_between(*since, now));
        format!("{} for {elapsed} ({})", row.name(), row.reason(now))
    }));
    if running.len() > NAMED {
        parts.push(format!("and {} more", running.len() - NAMED));
    }
    Some(parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Script, begins, planned, run_started, shop, started};
    use pilothouse_core::{EventKind, Phase, RunVerdict};

    fn beat(script: &Script) -> Option<String> {
        let mut view = View::default();
        script.events.iter().for_each(|event| view.see(event));
        heartbeat(&view, script.now())
    }

    #[test]
    fn it_tells_counts_and_the_longest_running() {
        let mut script = shop();
        insta::assert_snapshot!(beat(&script).unwrap());
        script.then([EventKind::RunFinished { verdict: RunVerdict::Done, elapsed_ms: 1 }]);
        assert_eq!(beat(&script), None);
    }

    #[test]
    fn it_names_only_a_few() {
        let names: Vec<String> = (1..=5).map(|n| format!("web/{n}")).collect();
        let mut script = Script::default();
        assert_eq!(beat(&script), None);
        script.then([run_started(names.iter().map(|name| planned(name, &[])).collect())]);
        for name in &names {
            script.then([started(name), begins(name, Phase::Validate)]).after(10_000);
        }
        assert_eq!(
            beat(&script).unwrap(),
            "after 50 s: 5 running; web/1 for 50 s (validate); web/2 for 40 s (validate); web/3 for 30 s (validate); and 2 more"
        );
    }
}
