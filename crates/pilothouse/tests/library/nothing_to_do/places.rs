//! The same stack from somewhere else, and secrets that nobody finds out from what is kept of them.

use super::former::{checkout, steps, unpacked, wanted};
use super::world::{World, nothing};
use pilothouse::state::Resume;
use pilothouse::{Event, EventKind, Phase, RunId};
use pilothouse_core::{
    CheckKind, CheckStep, CheckTerms, Endpoint, FilePath, Header, HeaderValue, HttpCheck, HttpExpect, On, PortRef,
    Sensitive, SetValue, StepKind, StepSpec,
};
use rstest::rstest;

fn now() -> RunId {
    RunId(uuid::Uuid::now_v7())
}

fn digests(events: &[Event]) -> Vec<String> {
    let digest = |event: &Event| match &event.kind {
        EventKind::StepStarted { digest, .. } | EventKind::HelmStarted { digest, .. } => Some(digest.clone()),
        _ => None,
    };
    events.iter().filter_map(digest).collect()
}

#[tokio::test]
async fn a_deployed_stack() {
    let world = World::new();
    world.run(&wanted(&world, &checkout(&world, "here"), "true")).await;
    assert_eq!(world.run(&wanted(&world, &checkout(&world, "elsewhere"), "true")).await, nothing());
}

#[tokio::test]
async fn a_failed_run() {
    let world = World::new();
    world.begin(&[wanted(&world, &checkout(&world, "here"), "false")], Resume::IfUnfinished, now()).await;
    let elsewhere = checkout(&world, "elsewhere");
    let (seen, events) = world.begin(&[wanted(&world, &elsewhere, "true")], Resume::Last, now()).await;
    assert_eq!(seen.helm, ["template default/demo"]);
    let (begun, skipped) = steps(&events);
    assert_eq!((begun[0].as_str(), skipped[1].as_str(), skipped.len()), ("run true migrate", "run true migrate", 2));
}

#[tokio::test]
async fn a_plan() {
    let world = World::new();
    let plan = world.plan(&[wanted(&world, &checkout(&world, "here"), "true")]).await;
    let elsewhere = checkout(&world, "elsewhere");
    let before = world.cluster.failures.calls().len();
    let (seen, _) =
        world.carry_out(Some(plan), &[wanted(&world, &elsewhere, "true")], Resume::IfUnfinished, now()).await;
    assert_eq!(seen.ended, ["done: installed demo 1.0.0"]);
    let calls = world.cluster.failures.calls().split_off(before);
    // It is compared with the cluster before the lock and under it, and the look of the release itself follows.
    let locked = calls.iter().position(|call| call.starts_with("create Lease")).unwrap();
    let (before, after) = calls.split_at(locked);
    let reads = |calls: &[String]| {
        let until_asked = calls.iter().take_while(|call| !call.starts_with("apply "));
        until_asked.filter(|call| *call == "get Widget default/wheel").count()
    };
    assert_eq!((reads(before), reads(after)), (1, 2), "{calls:#?}");
}

/// A plan whose key is lost is not taken for another one.
#[tokio::test]
async fn a_plan_without_its_key() {
    let world = World::new();
    let mut plan = world.plan(&[wanted(&world, &checkout(&world, "here"), "true")]).await;
    plan.key = None;
    let (seen, _) = world
        .carry_out(Some(plan), &[wanted(&world, &checkout(&world, "here"), "true")], Resume::IfUnfinished, now())
        .await;
    let why = "chart, values, steps or what the cluster serves are not those of the plan";
    assert_eq!(seen.ended, [format!("refused: PLAN_OUTDATED {why}")]);
}

/// Two runs over the same stack tell the same, from wherever they are made; over another one they do not, for its key is another.
#[tokio::test]
async fn what_is_told() {
    let mut told = Vec::new();
    let world = World::new();
    let elsewhere = checkout(&world, "elsewhere");
    for folder in [&checkout(&world, "here"), &elsewhere] {
        world.cluster.remove("Secret", Some("default"), "sh.helm.release.v1.demo.v1");
        let (_, events) = world.begin(&[wanted(&world, folder, "true")], Resume::IfUnfinished, now()).await;
        told.push(digests(&events));
    }
    assert_eq!((told[0].len(), &told[0]), (7, &told[1]));
    let other = World::new();
    let (_, events) =
        other.begin(&[wanted(&other, &checkout(&other, "here"), "true")], Resume::IfUnfinished, now()).await;
    let other = digests(&events);
    assert!(told[0].iter().zip(&other).all(|(one, other)| one != other), "{other:?}");
}

fn http(header: HeaderValue) -> StepSpec {
    let check = HttpCheck {
        endpoint: Endpoint::Service { service: "web".to_owned(), port: PortRef::Number(80) },
        tls: None,
        path: "/".to_owned(),
        method: "GET".to_owned(),
        headers: vec![Header { name: "Authorization".to_owned(), value: header }],
        body: None,
        expect: HttpExpect::default(),
    };
    // It fails at once, and is content with that.
    let terms = CheckTerms { timeout_in_seconds: 1, baseline: false, must_fail: false, ..CheckTerms::default() };
    let kind = StepKind::Check(Box::new(CheckStep { terms, kind: CheckKind::Http(check) }));
    StepSpec { name: None, on: On::Deploy, point_of_no_return: false, every_run: false, kind }
}

fn token(world: &World, text: &str) -> HeaderValue {
    let file = world.write("token", text);
    HeaderValue::File { prefix: "Bearer ".to_owned(), file: FilePath::from(file) }
}

#[rstest]
#[case::sensitive(|_: &World, text: &str| HeaderValue::Sensitive(Sensitive::new(text.to_owned())))]
#[case::of_a_file(token)]
#[case::plain(|_: &World, text: &str| HeaderValue::Plain(text.to_owned()))]
#[tokio::test]
async fn another_header_is_another_step(#[case] header: fn(&World, &str) -> HeaderValue) {
    let world = World::new();
    // A step that is not run here: its release fails before it, so that nothing waits for the service.
    let step = |text: &str| pilothouse::steps::built_in(&http(header(&world, text)));
    let one = step("one").digest().await;
    assert_eq!(step("one").digest().await, one);
    assert_ne!(step("two").digest().await, one);
}

/// Without the key nobody can tell what was given, though all but the secret is known.
#[tokio::test]
async fn a_guess() {
    let kept = |world: &World, events: &[Event]| {
        let record = world.cluster.object("Secret", Some("default"), "pilothouse.release.demo").unwrap();
        let record = unpacked(record["data"]["record"].as_str().unwrap());
        (digests(events), record["input"]["values"].clone())
    };
    let mut all = Vec::new();
    for guess in ["letmein42", "letmein42"] {
        let world = World::new();
        let mut wanted = wanted(&world, &checkout(&world, "here"), "true");
        wanted.info.values.push(SetValue::sensitive("password", guess));
        wanted.step(Phase::PostExec, guess);
        let (_, events) = world.begin(&[wanted], Resume::IfUnfinished, now()).await;
        all.push(kept(&world, &events));
    }
    let [(one, values), (other, other_values)] = &all[..] else { panic!("two runs") };
    assert!(one.iter().all(|digest| !other.contains(digest)) && values != other_values);
}
