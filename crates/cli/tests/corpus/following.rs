//! What is told to do about a cause is done, as the case says, and then the same command ends well.

use crate::case::{Case, Follow, Place};
use crate::run::{Ran, finish, seconds};
use crate::several::Majors;
use crate::{prepare, world};
use pilothouse_plane::Plane;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Follows what was told in these runs, so many at a time. Fails when one does not end well afterwards.
pub(crate) fn follow_all(title: &str, all: &[Ran], side_by_side: usize, plane: &Plane, majors: Majors) {
    // With one helm every day; what is told is the same.
    let daily = |ran: &&Ran| majors != Majors::Daily || ran.variant.helm == 4 || !ran.case.helm.contains(&4);
    let (followed, left): (Vec<&Ran>, Vec<&Ran>) = all.iter().filter(|ran| is_followed(ran)).partition(daily);
    if !left.is_empty() {
        let what = format!("hints on {title}: {} of {}", left.len(), left.len() + followed.len());
        pilothouse_testkit::not_run(&what, "the release was run with helm 3; cargo xtask full follows them");
    }
    let begun = Instant::now();
    let (next, wrong) = (std::sync::Mutex::new(followed.iter()), std::sync::Mutex::new(String::new()));
    std::thread::scope(|threads| {
        for _ in 0..side_by_side {
            threads.spawn(|| {
                loop {
                    let Some(ran) = next.lock().unwrap().next() else { break };
                    let told = catch_unwind(AssertUnwindSafe(|| follow(ran, plane)));
                    let told = told.unwrap_or_else(|_| Err("it cannot be followed, see above".to_owned()));
                    if let Err(told) = told {
                        writeln!(wrong.lock().unwrap(), "{} helm {}: {told}", ran.variant.name, ran.variant.helm)
                            .unwrap();
                    }
                }
            });
        }
    });
    let line = format!("hints on {title}: {} followed in {:.1} s\n", followed.len(), begun.elapsed().as_secs_f64());
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "hints that do not help:\n{wrong}");
}

/// What a simulated node does in a real one's place does not end when the release is put right.
fn is_followed(ran: &Ran) -> bool {
    let simulated = ran.variant.place == Place::Simulated && ran.case.fault.is_some();
    ran.case.follow.is_some() && !simulated
}

fn follow(ran: &Ran, plane: &Plane) -> Result<(), String> {
    let (case, ready) = (&ran.case, &ran.ready);
    let Some(follow) = &case.follow else { return Ok(()) };
    let told = what_to_do(ran);
    let mut said = Ok(());
    let missing: Vec<&String> = follow.says.iter().filter(|part| !told.contains(part.as_str())).collect();
    if follow.says.is_empty() || !missing.is_empty() {
        said = Err(format!("nobody was told {missing:?}, but:\n{told}"));
    }
    let namespace = ran.variant.namespace();
    let config = plane.client_config();
    prepare::follow(&config, &namespace, follow);
    let after = after(case, follow);
    let folder = ready.folder.path();
    let chart = prepare::chart(&after, folder).ok_or("its chart is not at hand")?;
    prepare::stack_file(&after, &chart, &namespace, folder, seconds(ran.variant.place), &follow.release);
    let kubeconfig = if follow.as_administrator { plane.kubeconfig() } else { &ready.kubeconfig };
    let mut command = world::program(folder, &ready.helm, kubeconfig);
    command.args(["apply", "--yes"]).args(&after.args);
    let (code, stdout, stderr) = finish(command, folder);
    let helped =
        (code == Some(0)).then_some(()).ok_or_else(|| format!("exit code {code:?} afterwards\n{stdout}{stderr}"));
    match (said, helped) {
        (Ok(()), helped) => helped,
        (said, Ok(())) => said,
        (Err(said), Err(helped)) => Err(format!("{said}\n{helped}")),
    }
}

/// The case as it is when that was done.
fn after(case: &Case, follow: &Follow) -> Case {
    Case {
        values: follow.values.clone().unwrap_or_else(|| case.values.clone()),
        chart: follow.chart.clone().unwrap_or_else(|| case.chart.clone()),
        args: follow.args.clone().unwrap_or_else(|| case.args.clone()),
        ballast_kib: case.ballast_kib.filter(|_| follow.chart.is_none()),
        ..case.clone()
    }
}

/// Every line that says what to do, of a cause or of a refusal.
fn what_to_do(ran: &Ran) -> String {
    let events = ran.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut lines = Vec::new();
    for event in events {
        let causes = event.pointer("/outcome/causes").and_then(Value::as_array).into_iter().flatten();
        let next = causes.flat_map(|cause| cause["next"].as_array().into_iter().flatten());
        lines.extend(next.filter_map(Value::as_str).map(str::to_owned));
        lines.extend(event["hint"].as_str().map(str::to_owned));
    }
    if lines.is_empty() {
        // Hints of a refusal are for people; it changes nothing, and can be had again.
        let Ran { ready, case, .. } = ran;
        let mut command = world::program(ready.folder.path(), &ready.helm, &ready.kubeconfig);
        command.args(["apply", "--yes"]).args(&case.args);
        let (_, stdout, stderr) = finish(command, ready.folder.path());
        let hints = stdout.lines().chain(stderr.lines()).filter_map(|line| line.trim().strip_prefix("hint: "));
        lines.extend(hints.map(str::to_owned));
    }
    lines.join("\n")
}
