//! How much the API server is asked: with a round trip of 50 ms to it each request that waits for another one is felt.

use crate::support::{World, plane};
use pilothouse_plane::AuditLog;
use std::fmt::Write as _;

const RELEASES: usize = 12;

/// Releases of one ConfigMap each, in one namespace.
fn world(namespace: &str) -> World {
    let mut stack = format!("version: 1\nname: {namespace}\ndefaults: {{ namespace: {namespace} }}\nreleases:\n");
    for number in 1..=RELEASES {
        writeln!(stack, "  - {{ name: r{number}, chart: {{ path: CHARTS/config }} }}").unwrap();
    }
    World::with_stack(&stack)
}

/// What this program has asked about a namespace so far, helm left out. Beside that it asks for the cluster's version and kinds, as
/// other tests on the same plane do meanwhile.
fn requests(namespace: &str) -> Vec<String> {
    let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
    let ours = log
        .events()
        .iter()
        .filter(|event| event.user_agent.starts_with("pilothouse/") && event.namespace.as_deref() == Some(namespace));
    let short = |uri: &str| uri.replace(&format!("/api/v1/namespaces/{namespace}/"), "").replace("&limit=500", "");
    ours.map(|event| format!("{} {}", event.verb, short(&event.uri))).collect()
}

/// What one command asks about the namespace, in the order of the letters.
fn asked(world: &World, namespace: &str, args: &[&str]) -> Vec<String> {
    let before = requests(namespace).len();
    let transcript = world.transcript(&mut world.on_plane(args));
    assert!(transcript.starts_with("exit code: 0\n"), "{transcript}");
    let mut asked = requests(namespace).split_off(before);
    asked.sort();
    asked
}

fn names() -> String {
    let mut names: Vec<String> = (1..=RELEASES).map(|number| format!("r{number}")).collect();
    names.sort();
    names.join("%2C")
}

#[test]
fn a_first_install_asks_little_and_looking_later_less() {
    let namespace = "asked";
    let world = world(namespace);
    let first = asked(&world, namespace, &["apply", "--yes", "--concurrency", "4"]);
    let count = |what: &str| first.iter().filter(|request| request.starts_with(what)).count();
    // Of each release: Helm's records when its turn has come, and the revision that helm has made; the object right after helm, and once
    // more when it is ready; and what is remembered after exec and after validate.
    let each = [
        "list secrets?labelSelector=owner%3Dhelm%2Cname%3Dr",
        "get secrets/sh.helm.",
        "get configmaps/",
        "patch secrets/pilothouse.release.",
    ];
    let [records, revisions, objects, remembered] = each.map(count);
    // While another test has a webhook on this cluster, the server is asked about each object beforehand: a read and a dry run.
    let ahead = count("patch configmaps/");
    let objects = objects - ahead;
    assert_eq!((revisions, objects, remembered), (RELEASES, 2 * RELEASES, 2 * RELEASES), "{first:#?}");
    // Where the wait begins long after helm, as it may on a slow machine, the newest revision is read once more.
    assert!((RELEASES..RELEASES + RELEASES / 2).contains(&records), "{first:#?}");
    // Of all together: Helm's records and ours, in the survey and with the lock held. Lists that all share hold for some seconds: on a
    // slow machine a few are read once more.
    assert!(first.len() - 2 * ahead <= 15 * RELEASES / 2, "{}: {first:#?}", first.len());

    let by_metadata = "list configmaps?labelSelector=app.kubernetes.io%2Fmanaged-by%3DHelm";
    let current = "list secrets?labelSelector=owner%3Dhelm%2Cstatus%21%3Dsuperseded";
    let ours = "list secrets?labelSelector=pilothouse.dev%2Frecord%3Ddeploy";
    let of_each = format!("{current}%2Cname%20in%20%28{}%29", names());
    for (args, expected) in [
        (&["apply", "--yes"][..], &[by_metadata, current, ours][..]),
        (&["plan"], &[by_metadata, current, ours]),
        (&["status"], &["list configmaps?limit=500", &of_each]),
        (&["diagnose"], &["list configmaps?limit=500", &of_each]),
    ] {
        assert_eq!(asked(&world, namespace, args), expected, "{args:?}");
    }
}
