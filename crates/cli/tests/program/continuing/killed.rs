//! Killed at every boundary of an effect, the next run reaches the same end and repeats nothing that must not be.

use super::left::{Standing, lock_holder, log, newest_journal, releases};
use super::running::{Ran, run};
use crate::support::World;
use pilothouse_plane::provision::Tool;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The releases of a stack, with what each needs.
type Releases = &'static [(&'static str, &'static str)];
/// One that another needs, and one that stands alone: every kind of boundary, and effects side by side and after each other.
const FEW: Releases = &[("base", ""), ("next", "base"), ("alone", "")];
/// A diamond and one that stands alone.
const MANY: Releases = &[("base", ""), ("a", "base"), ("b", "base"), ("c", "a, b"), ("alone", "")];
const PHASES: [(&str, bool); 4] =
    [("check_prerequisites", true), ("pre_exec", false), ("post_exec", false), ("validate", true)];

/// How many places are tried side by side.
const SIDE_BY_SIDE: usize = 4;
/// How many runs it may take after a kill: some are killed too, and some ask.
const MOST_RUNS: usize = 8;

/// A stack of its own, and all that is done with it.
struct Trial {
    world: World,
    name: String,
    tool: Tool,
    releases: Releases,
}

impl Trial {
    fn new(name: &str, tool: Tool, releases: Releases) -> Self {
        let mut stack = format!("version: 1\nname: {name}\ndefaults: {{ namespace: {name} }}\nreleases:\n");
        for (release, needs) in releases {
            let hook = *release == "alone";
            write!(
                stack,
                "  - name: {release}\n    needs: [{needs}]\n    chart: {{ path: CHARTS/config }}\n    \
                 values: [{{ key: text, value: {release} }}, {{ key: hook, value: {hook} }}]\n"
            )
            .unwrap();
            for (phase, repeatable) in PHASES {
                let line = r#"echo "$PILOTHOUSE_NAMESPACE/$PILOTHOUSE_RELEASE:$PILOTHOUSE_PHASE:1" >> log"#;
                writeln!(
                    stack,
                    "    {phase}: [{{ command: {{ run: [sh, -c, '{line}'], repeatable: {repeatable} }} }}]"
                )
                .unwrap();
            }
        }
        Self { world: World::with_stack(&stack), name: name.to_owned(), tool, releases }
    }

    fn apply(&self, state: &str, more: &[String]) -> Ran {
        let mut args = vec!["apply", "--yes", "--output", "json", "--lock-timeout", "30s"];
        args.extend(more.iter().map(String::as_str));
        run(&self.world, self.tool, state, &args)
    }

    /// What the log tells of each step of which an earlier run did not tell the end.
    fn answers(&self, uncertain: &[String]) -> Vec<String> {
        let log = log(&self.world);
        let answer = |step: &String| {
            let flag = if log.contains(step) { "--step-done" } else { "--step-again" };
            format!("{flag}={step}")
        };
        uncertain.iter().map(answer).collect()
    }

    /// Applies until it is done. `kills` are the boundaries at which the first of these runs are killed; each run keeps
    /// its state in a folder `state` names.
    fn go_on(&self, kills: &[u64], state: impl Fn(usize) -> String) {
        let mut answers = Vec::new();
        for nth in 0..MOST_RUNS {
            let kill = kills.get(nth).map(|at| format!("--kill-at={at}"));
            let ran = self.apply(&state(nth), &[answers.as_slice(), kill.as_slice()].concat());
            if ran.was_killed() {
                continue;
            }
            let uncertain = match ran.status.code() {
                Some(0) => return self.assert_end(&state(nth)),
                Some(3) => ran.findings("STEP_UNCERTAIN"),
                _ => panic!("{}: {}", self.name, ran.told()),
            };
            assert!(!uncertain.is_empty(), "{}: {}", self.name, ran.told());
            answers = self.answers(&uncertain);
        }
        panic!("{}: not done after {MOST_RUNS} runs", self.name);
    }

    /// The end of a run that nothing has disturbed.
    fn assert_end(&self, state: &str) {
        let name = &self.name;
        assert_eq!(releases(name), undisturbed(self.releases), "{name}");
        assert_eq!(lock_holder(name), None, "{name}");
        let journal = newest_journal(&self.world, state, name);
        let last = journal.last().unwrap();
        assert_eq!((&last["event"], &last["verdict"]), (&"run_finished".into(), &"done".into()), "{name}");
        let log = log(&self.world);
        for (release, _) in self.releases {
            for (phase, repeatable) in PHASES {
                let line = format!("{name}/{release}:{phase}:1");
                let times = log.iter().filter(|logged| **logged == line).count();
                assert!(times == 1 || repeatable && times > 1, "{line} was run {times} times\n{}", log.join("\n"));
            }
        }
    }
}

/// How the releases of every trial must stand.
fn undisturbed(releases: Releases) -> BTreeMap<String, Standing> {
    let standing = |name: &str| Standing {
        status: "deployed".to_owned(),
        data: [("chart", "config-1.0.0"), ("text", name)].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    releases.iter().map(|(name, _)| ((*name).to_owned(), standing(name))).collect()
}

/// Whether a line of the journal is an intent or an outcome.
fn is_boundary(event: &Value) -> bool {
    ["step_started", "step_finished", "helm_started", "helm_finished"].iter().any(|kind| event["event"] == *kind)
}

/// A run that nothing disturbs; gives how many places there are at which it can be killed with a difference.
fn boundaries(name: &str, tool: Tool, releases: Releases) -> u64 {
    let trial = Trial::new(name, tool, releases);
    trial.apply("state", &[]).expect(0);
    trial.assert_end("state");
    let lines = newest_journal(&trial.world, "state", name).iter().filter(|event| is_boundary(event)).count();
    // Before and after each.
    2 * lines as u64
}

/// Tries every place whose number is a multiple of `step`, several side by side, and says how many there were.
fn every_place(name: &str, tool: Tool, releases: Releases, step: u64, try_place: impl Fn(&Trial, u64) + Sync) -> u64 {
    let last = boundaries(name, tool, releases);
    let next = AtomicU64::new(1);
    let tried = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let at = step * next.fetch_add(1, Ordering::Relaxed);
                    if at > last {
                        return;
                    }
                    let trial = Trial::new(&format!("{name}-{at}"), tool, releases);
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| try_place(&trial, at)));
                    match outcome {
                        Ok(()) => drop(tried.fetch_add(1, Ordering::Relaxed)),
                        Err(_) => failed.lock().unwrap().push(at),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{name}: killed at {failed:?} of {last}, it did not go on; see above");
    tried.into_inner()
}

/// Kills a run at a place, which must be one.
fn kill_at(trial: &Trial, state: &str, at: u64) {
    let ran = trial.apply(state, &[format!("--kill-at={at}")]);
    assert!(ran.was_killed(), "{}", ran.told());
}

/// Kills runs of a stack, with helm 4 and 3 at each place whose number is a multiple of these, and lets the next ones go on.
fn killed_and_continued(name: &str, releases: Releases, step_with_4: u64, step_with_3: u64) {
    let one_state = |_| "state".to_owned();
    let with_4 = every_place(&format!("{name}-helm-4"), Tool::Helm4, releases, step_with_4, |trial, at| {
        kill_at(trial, "state", at);
        // Every third of them, what goes on is killed as well, somewhere; and the third run, too, every ninth.
        let kills = [1 + at % 16, 1 + at % 7];
        let kills = if at % (9 * step_with_4) == 0 {
            &kills[..]
        } else if at % (3 * step_with_4) == 0 {
            &kills[..1]
        } else {
            &[]
        };
        trial.go_on(kills, one_state);
    });
    let with_3 = every_place(&format!("{name}-helm-3"), Tool::Helm3, releases, step_with_3, |trial, at| {
        kill_at(trial, "state", at);
        trial.go_on(&[], one_state);
    });
    // Before and after the beginning and the end of helm and four steps for each release.
    let all = 2 * 2 * 5 * releases.len() as u64;
    assert_eq!((with_4, with_3), (all / step_with_4, all / step_with_3));
}

/// Numbers of places that are multiples of 17 and 23 are before and after beginnings and ends alike.
#[test]
fn at_many_boundaries() {
    killed_and_continued("many", FEW, 17, 23);
}

#[test]
#[ignore = "every boundary"]
fn at_every_boundary() {
    killed_and_continued("every", MANY, 1, 1);
}

/// Only the cluster knows what was done: every run has a state folder of its own.
fn continued_on_another_machine(name: &str, step: u64) -> u64 {
    every_place(name, Tool::Helm4, MANY, step, |trial, at| {
        kill_at(trial, "state-0", at);
        trial.go_on(&[], |nth| format!("state-{}", nth + 1));
    })
}

#[test]
fn at_some_boundaries_and_continued_on_another_machine() {
    let tried = continued_on_another_machine("elsewhere", 17);
    assert!(tried > 4, "{tried} places");
}

#[test]
#[ignore = "more boundaries"]
fn at_more_boundaries_and_continued_on_another_machine() {
    let tried = continued_on_another_machine("elsewhere-more", 9);
    assert!(tried > 9, "{tried} places");
}
