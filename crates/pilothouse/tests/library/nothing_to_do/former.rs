//! What the program has written in the form before, in `former/`: it counts for what it says, and is no reason to deploy or to run
//! anything again. The digests in there are of steps whose stack file lay in the folder the program was started in.

use super::world::{Seen, Wanted, World, nothing};
use pilothouse::state::Resume;
use pilothouse::{Event, EventKind, Phase, Plan, RunId};
use pilothouse_core::{
    ApplyStep, AssertCheck, AssertOf, CheckKind, CheckStep, CheckTerms, CommandStep, FilePath, ObjectRef, On, StepKind,
    StepSpec,
};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const MANIFEST: &str = "tests/nothing_to_do/former/extra.yaml";

fn spec(kind: StepKind) -> StepSpec {
    StepSpec { name: None, on: On::Deploy, point_of_no_return: false, every_run: false, kind }
}

/// A program that must not be run again.
fn command(folder: &str, program: &str) -> StepSpec {
    spec(StepKind::Command(CommandStep {
        argv: vec![program.to_owned(), "migrate".to_owned()],
        env: BTreeMap::from([("MODE".to_owned(), "fast".to_owned())]),
        cwd: Some(FilePath::new(folder, "")),
        output_to: None,
        sensitive: false,
        repeatable: false,
        timeout_in_seconds: 20,
    }))
}

fn apply(folder: &str) -> StepSpec {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inline}\n";
    spec(StepKind::Apply(ApplyStep {
        files: vec![FilePath::new(folder, MANIFEST)],
        manifests: vec![manifest.to_owned()],
    }))
}

fn check() -> StepSpec {
    spec(StepKind::Check(Box::new(CheckStep {
        terms: CheckTerms { timeout_in_seconds: 1, ..CheckTerms::default() },
        kind: CheckKind::Assert(AssertCheck {
            of: AssertOf::Object(ObjectRef::parse("configmap/settings").unwrap()),
            that: "object.data.colour == 'blue'".to_owned(),
        }),
    })))
}

/// What was wanted when these files were written, of a stack file in this folder; `last` is the program after helm.
pub(crate) fn wanted(world: &World, folder: &str, last: &str) -> Wanted {
    let mut wanted = world.wanted();
    wanted.built_in = vec![
        (Phase::PreExec, apply(folder)),
        (Phase::PreExec, command(folder, "true")),
        (Phase::PostExec, command(folder, last)),
        (Phase::Validate, check()),
    ];
    wanted
}

/// A checkout of the stack in a folder of this name.
pub(crate) fn checkout(world: &World, name: &str) -> String {
    world.write(&format!("{name}/{MANIFEST}"), include_str!("former/extra.yaml"));
    world.folder().join(name).display().to_string()
}

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/nothing_to_do/former").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The steps that were begun, and those that were not run again.
pub(crate) fn steps(events: &[Event]) -> (Vec<String>, Vec<String>) {
    let (mut begun, mut skipped) = (Vec::new(), Vec::new());
    for event in events {
        match &event.kind {
            EventKind::StepStarted { description, .. } => begun.push(description.clone()),
            EventKind::StepSkipped { description, .. } => skipped.push(description.clone()),
            _ => {}
        }
    }
    (begun, skipped)
}

fn record(world: &World) -> Value {
    let secret = world.cluster.object("Secret", Some("default"), "pilothouse.release.demo").unwrap();
    unpacked(secret["data"]["record"].as_str().unwrap())
}

pub(crate) fn unpacked(text: &str) -> Value {
    use base64::Engine;
    let packed = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    serde_json::from_reader(flate2::read::GzDecoder::new(packed.as_slice())).unwrap()
}

fn packed(value: &Value) -> String {
    use base64::Engine;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, value.to_string().as_bytes()).unwrap();
    base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap())
}

/// Puts the record of that time in the place of the one that was written now. Only what is of this very world is taken over.
fn as_it_was(world: &World) {
    let mut secret = world.cluster.object("Secret", Some("default"), "pilothouse.release.demo").unwrap();
    let (now, mut then) = (record(world), unpacked(file("done-record.json")["data"]["record"].as_str().unwrap()));
    for of_this_world in ["revision_uid", "objects"] {
        then[of_this_world] = now[of_this_world].clone();
    }
    secret["data"]["record"] = json!(packed(&then));
    world.cluster.put(secret);
}

#[tokio::test]
async fn a_deploy_record() {
    let world = World::new();
    let wanted = wanted(&world, &checkout(&world, "shop"), "true");
    world.run(&wanted).await;
    as_it_was(&world);
    assert_eq!((record(&world)["format"].clone(), record(&world)["key"].clone()), (json!(1), Value::Null));
    // It does not say in which state it has read Helm's record: that is compared in full, once.
    let seen = world.run(&wanted).await;
    assert_eq!(seen.ended, ["unchanged: revision 1 is what is wanted, and was validated"]);
    assert_eq!((seen.helm, seen.steps), (vec!["template default/demo".to_owned()], vec![]));
    let renewed = record(&world);
    assert_eq!((renewed["format"].clone(), renewed["key"].is_string()), (json!(2), true));
    assert_eq!(world.run(&wanted).await, nothing());
    assert_eq!(record(&world), renewed, "it is written once");
}

/// What really is another thing is one still.
#[tokio::test]
async fn a_deploy_record_and_other_values() {
    let world = World::new();
    let wanted = wanted(&world, &checkout(&world, "shop"), "true");
    world.run(&wanted).await;
    as_it_was(&world);
    world.write("values.yaml", "colour: red\n");
    let line = "done: revision 1 is what is wanted, and was not validated".to_owned();
    let helm = vec!["template default/demo".to_owned()];
    assert_eq!(world.run(&wanted).await, Seen { ended: vec![line], helm, steps: vec!["smoke"] });
    assert_eq!(record(&world)["format"], json!(2));
}

/// The steps cannot be told from those of that time: everything is compared once, and nothing is run.
#[tokio::test]
async fn a_deploy_record_of_another_folder() {
    let world = World::new();
    let wanted = wanted(&world, &checkout(&world, "shop"), "true");
    world.run(&wanted).await;
    as_it_was(&world);
    let mut secret = world.cluster.object("Secret", Some("default"), "pilothouse.release.demo").unwrap();
    let mut then = record(&world);
    then["input"]["lifecycle"] = json!("0".repeat(64));
    secret["data"]["record"] = json!(packed(&then));
    world.cluster.put(secret);
    let seen = world.run(&wanted).await;
    assert_eq!((seen.helm, seen.steps), (vec!["template default/demo".to_owned()], vec![]));
    assert_eq!(world.run(&wanted).await, nothing());
}

/// A stack whose last run, of that time, has failed after helm.
async fn failed() -> World {
    let world = World::new();
    world.cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}));
    // At that time state was there; the file does not say so.
    *world.state_namespace.lock().unwrap() = Some("default".to_owned());
    world.begin(&[wanted(&world, &checkout(&world, "shop"), "false")], Resume::IfUnfinished, THEN).await;
    *world.state_namespace.lock().unwrap() = None;
    let mut secret = world.cluster.object("Secret", Some("default"), "pilothouse.stack.test").unwrap();
    secret["data"] = file("failed-stack.json")["data"].clone();
    world.cluster.put(secret);
    let journal = format!("{}/tests/library/nothing_to_do/former/failed.jsonl", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(journal, world.journal(THEN)).unwrap();
    world
}

/// The run that has written these files.
const THEN: RunId = RunId(uuid::Uuid::from_u128(0x0193_7000_7000_8000_0000));

fn now() -> RunId {
    RunId(uuid::Uuid::now_v7())
}

#[rstest]
#[tokio::test]
async fn a_journal(#[values(true, false)] on_disk: bool) {
    let world = failed().await;
    if !on_disk {
        std::fs::remove_file(world.journal(THEN)).unwrap();
    }
    let (seen, events) = world.begin(&[wanted(&world, &checkout(&world, "shop"), "true")], Resume::Last, now()).await;
    assert_eq!(seen.ended, ["done: run 80000000 had deployed revision 1"]);
    assert_eq!(seen.helm, ["template default/demo"]);
    let (begun, skipped) = steps(&events);
    let settings = "assert configmap settings: object.data.colour == 'blue'";
    assert_eq!(begun, ["run true migrate", "migrate", settings, "smoke"], "what had failed, and what comes after it");
    assert_eq!(skipped, [format!("apply {MANIFEST}, 1 manifest"), "run true migrate".to_owned()]);
    let told = serde_json::to_string(&events).unwrap();
    assert!(!told.contains("0c456bf0c326c438"), "digests under no key are not shown any more");
}

/// What must not be run again is asked about when it cannot be told what it was given.
#[tokio::test]
async fn a_journal_of_another_folder() {
    let world = failed().await;
    let mut secret = world.cluster.object("Secret", Some("default"), "pilothouse.stack.test").unwrap();
    let record = unpacked(secret["data"]["record"].as_str().unwrap()).to_string();
    let (apply, command) = (&digest_of("apply ")[..], &digest_of("run true")[..]);
    let other = record.replace(apply, &"0".repeat(64)).replace(command, &"1".repeat(64));
    assert_ne!(record, other);
    secret["data"]["record"] = json!(packed(&serde_json::from_str(&other).unwrap()));
    world.cluster.put(secret);
    std::fs::remove_file(world.journal(THEN)).unwrap();
    let (seen, events) = world.begin(&[wanted(&world, &checkout(&world, "shop"), "true")], Resume::Last, now()).await;
    let (begun, _) = steps(&events);
    assert_eq!(begun, Vec::<String>::new());
    let why = "refused: STEP_UNCERTAIN run 80000000 has done `run true migrate` at 2026-11-30T04:33:08Z, an earlier version \
               wrote that down in a form that does not tell whether it was given the same, and it must not be repeated";
    assert_eq!(seen.ended, [why]);
}

/// The digest of a step in the journal of that time.
fn digest_of(description: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/nothing_to_do/former/failed.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let events = text.lines().skip(1).map(|line| serde_json::from_str::<Event>(line).unwrap());
    let digest = events.into_iter().find_map(|event| match event.kind {
        EventKind::StepStarted { description: is, digest, .. } if is.starts_with(description) => Some(digest),
        _ => None,
    });
    digest.unwrap()
}

#[tokio::test]
async fn a_saved_plan() {
    let world = World::new();
    let plan: Plan = serde_json::from_value(file("plan.json")).unwrap();
    let wanted = [wanted(&world, &checkout(&world, "shop"), "true")];
    let (seen, _) = world.carry_out(Some(plan.clone()), &wanted, Resume::IfUnfinished, now()).await;
    assert_eq!(seen.ended, ["done: installed demo 1.0.0"]);
    let world = World::new();
    world.write("values.yaml", "colour: red\n");
    let wanted = [self::wanted(&world, &checkout(&world, "shop"), "true")];
    let (seen, _) = world.carry_out(Some(plan), &wanted, Resume::IfUnfinished, now()).await;
    let why = "chart, values, steps or what the cluster serves are not those of the plan";
    assert_eq!(seen.ended, [format!("refused: PLAN_OUTDATED {why}")]);
}
