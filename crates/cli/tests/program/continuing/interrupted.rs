//! A run that was interrupted or has failed, and the next one that goes on with it.

use super::left::{journals, lock_holder, log, newest_journal, releases, revisions};
use super::running::{Ran, eventually, run, start};
use crate::support::World;
use pilothouse_plane::provision::Tool;
use rustix::process::Signal;

const HELM: Tool = Tool::Helm4;

fn logging(line: &str, then: &str) -> String {
    format!("[{{ command: {{ run: [sh, -c, 'echo {line} >> log; {then}'] }} }}]")
}

/// The steps that were not run, since an earlier run has done them.
fn skipped(ran: &Ran) -> Vec<String> {
    let events = ran.events("step_skipped");
    let name = |event: &serde_json::Value| {
        format!("{}:{}", event["release"]["name"].as_str().unwrap(), event["phase"].as_str().unwrap())
    };
    let mut skipped: Vec<String> = events.iter().map(name).collect();
    skipped.sort();
    skipped
}

fn assert_deployed_once(namespace: &str, names: &[&str]) {
    let expected: Vec<_> = names.iter().map(|name| ((*name).to_owned(), 1, "deployed".to_owned())).collect();
    assert_eq!(revisions(namespace), expected);
    assert_eq!(lock_holder(namespace), None);
}

/// One that is done, one that works, and one that waits for it.
#[test]
fn an_interrupted_run_is_continued_by_the_next() {
    let stack = format!(
        "version: 1\nname: ctrl-c\ndefaults: {{ namespace: ctrl-c }}\nreleases:\n  - name: a\n    \
         chart: {{ path: CHARTS/config }}\n    pre_exec: {}\n  - name: b\n    needs: [a]\n    \
         chart: {{ path: CHARTS/config }}\n    pre_exec: {}\n    post_exec: {}\n  - name: c\n    needs: [b]\n    \
         chart: {{ path: CHARTS/config }}\n    pre_exec: {}\n",
        logging("a", ""),
        logging("b", "until [ -e go ]; do sleep 0.1; done"),
        logging("b-after", ""),
        logging("c", ""),
    );
    let world = World::with_stack(&stack);
    let mut program = start(&world, HELM, "state", &["apply", "--yes"]);
    eventually("b works", || (log(&world) == ["a", "b"]).then_some(()));
    program.signal(Signal::INT);
    eventually("it is told", || program.stderr().starts_with("interrupted: nothing new is begun").then_some(()));
    assert!(program.is_running(), "what runs goes on to a safe point");
    world.write("go", "");
    program.wait().expect(130);
    assert_eq!(log(&world), ["a", "b"]);
    let journal = newest_journal(&world, "state", "ctrl-c");
    assert_eq!(journal.last().unwrap()["verdict"], "interrupted");
    assert_eq!((releases("ctrl-c").len(), lock_holder("ctrl-c")), (1, None));

    let history = run(&world, HELM, "state", &["history", "--output", "json"]).expect(0).json();
    let path = &journals(&world, "state", "ctrl-c")[0];
    assert_eq!(history["runs"].as_array().unwrap().len(), 1);
    assert_eq!(history["runs"][0]["run"], path.file_stem().unwrap().to_str().unwrap());
    assert_eq!(history["runs"][0]["verdict"], "interrupted");

    let next = run(&world, HELM, "state", &["apply", "--yes", "--output", "json"]).expect(0);
    assert_eq!(next.events("run_resumed")[0]["from"], history["runs"][0]["run"]);
    // What is proven to be done with a needs no lock, and nothing of it is even looked at.
    assert_eq!(skipped(&next), ["b:pre_exec"]);
    assert_eq!(log(&world), ["a", "b", "b-after", "c"]);
    assert_deployed_once("ctrl-c", &["a", "b", "c"]);
}

#[test]
fn a_failed_run_is_resumed_once_its_cause_is_gone() {
    let stack = format!(
        "version: 1\nname: resumed\ndefaults: {{ namespace: resumed }}\nreleases:\n  - name: good\n    \
         chart: {{ path: CHARTS/config }}\n    pre_exec: {}\n  - name: bad\n    chart: {{ path: CHARTS/config }}\n    \
         pre_exec: {}\n    post_exec: {}\n  - name: later\n    needs: [bad]\n    chart: {{ path: CHARTS/config }}\n    \
         pre_exec: {}\n",
        logging("good", ""),
        logging("bad", ""),
        logging("bad-after", "[ -e fixed ]"),
        logging("later", ""),
    );
    let world = World::with_stack(&stack);
    let resume = || run(&world, HELM, "state", &["resume", "--yes", "--output", "json"]);
    let unknown = resume().expect(2).json();
    assert_eq!(unknown["error"][0], "no run of this stack is known");

    run(&world, HELM, "state", &["apply", "--yes"]).expect(1);
    let mut before = log(&world);
    before.sort();
    assert_eq!(before, ["bad", "bad-after", "good"]);
    world.write("fixed", "");
    let resumed = resume().expect(0);
    assert_eq!(skipped(&resumed), ["bad:pre_exec", "good:pre_exec"]);
    assert_eq!(log(&world)[3..], ["bad-after", "later"]);
    assert_deployed_once("resumed", &["bad", "good", "later"]);

    let nothing = resume().expect(2).json();
    let last = journals(&world, "state", "resumed").pop().unwrap();
    let run = last.file_stem().unwrap().to_str().unwrap();
    let why = format!("there is no run to continue: the last one, {}, was done", &run[run.len() - 8..]);
    assert_eq!(nothing["error"][0], why.as_str());
}

/// What was done with another input does not count, and neither does what was done after it.
#[test]
fn a_step_that_was_changed_is_run_again() {
    let stack = |middle: &str| {
        format!(
            "version: 1\nname: changed\ndefaults: {{ namespace: changed }}\nreleases:\n  - name: a\n    \
             chart: {{ path: CHARTS/config }}\n    \
             pre_exec:\n      - command: {{ run: [sh, -c, 'echo first >> log'] }}\n      \
             - command: {{ run: [sh, -c, 'echo {middle} >> log'] }}\n    post_exec: {}\n  - name: b\n    needs: [a]\n    \
             chart: {{ path: CHARTS/config }}\n    pre_exec: {}\n",
            logging("last", ""),
            logging("b", "[ -e go ] || kill -KILL $PPID"),
        )
    };
    let world = World::with_stack(&stack("middle"));
    let ran = run(&world, HELM, "state", &["apply", "--yes"]);
    assert!(ran.was_killed(), "{}", ran.told());
    assert_eq!(log(&world), ["first", "middle", "last", "b"]);

    world.write("pilothouse.yaml", &stack("changed"));
    world.write("go", "");
    let ran = run(&world, HELM, "state", &["apply", "--yes", "--output", "json"]).expect(3);
    assert_eq!(ran.findings("STEP_UNCERTAIN"), ["changed/b:pre_exec:1"], "{}", ran.told());
    assert_eq!(skipped(&ran), ["a:pre_exec"]);
    assert_eq!(log(&world)[4..], ["changed", "last"]);
    let again = ["apply", "--yes", "--output", "json", "--step-again", "changed/b:pre_exec:1"];
    let ran = run(&world, HELM, "state", &again).expect(0);
    assert_eq!(skipped(&ran), ["a:post_exec", "a:pre_exec", "a:pre_exec"]);
    assert_eq!(log(&world)[6..], ["b"]);
}
