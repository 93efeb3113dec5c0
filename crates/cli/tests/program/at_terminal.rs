//! The program at a real terminal: what it asks before it changes anything, and what an answer does.

use crate::support::{World, in_runtime, kubectl_get, plane, writes};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than any run here takes.
const PATIENCE: Duration = Duration::from_secs(120);
const QUESTION: &str = "[y/N] ";

/// A program that has a terminal of its own, which `script` of util-linux makes.
struct Terminal {
    script: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    /// How much of that was answered already.
    answered: usize,
}

impl Terminal {
    fn run(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut script = Command::new("script");
        script.args(["-qefc", &format!("stty cols 120 rows 40; exec {}", quoted.join(" ")), "/dev/null"]);
        script.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.env("TERM", "xterm").env("NO_COLOR", "1").env("SHELL", "/bin/sh");
        let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut out, all) = (script.stdout.take().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(len @ 1..) = out.read(&mut some) {
                all.lock().unwrap().extend_from_slice(&some[..len]);
            }
        });
        Self { script, shown, answered: 0 }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// What stands before a question, once it is asked.
    fn asks(&mut self) -> String {
        let begun = Instant::now();
        loop {
            let shown = self.shown();
            if let Some(at) = shown[self.answered..].find(QUESTION) {
                let before = shown[self.answered..self.answered + at].to_owned();
                self.answered += at + QUESTION.len();
                return before;
            }
            if begun.elapsed() > PATIENCE || self.script.try_wait().unwrap().is_some() {
                let _ = self.script.kill();
                panic!("no question: {shown}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answer(&mut self, answer: &str) {
        // Enter is a carriage return.
        write!(self.script.stdin.as_mut().unwrap(), "{answer}\r").unwrap();
    }

    /// How it ended, and all that was shown.
    fn end(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.script.try_wait().unwrap() {
                return (status.code(), self.shown());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.script.kill();
        panic!("no end: {}", self.shown());
    }
}

fn world(name: &str) -> World {
    let world = World::new();
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: asked\nversion: 1.0.0\n");
    let settings =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { text: {{ .Values.text }} }\n";
    world.write("chart/templates/settings.yaml", settings);
    say(&world, name, "one");
    world
}

fn say(world: &World, name: &str, text: &str) {
    let release = format!(
        "{{ name: asked, namespace: {name}, chart: {{ path: chart }}, values: [{{ key: text, value: {text} }}] }}"
    );
    world.write("pilothouse.yaml", &format!("version: 1\nname: {name}\nreleases:\n  - {release}\n"));
}

fn text(namespace: &str) -> Option<Value> {
    kubectl_get(plane(), "v1", "ConfigMap", Some(namespace), "settings").map(|map| map["data"]["text"].clone())
}

/// Changes the object as a person with kubectl does, without a conflict with helm.
fn annotate(namespace: &str) {
    let change = json!({"metadata": {"annotations": {"note": "mine"}}}).to_string().into_bytes();
    let uri = format!("/api/v1/namespaces/{namespace}/configmaps/settings?fieldManager=kubectl-edit");
    let request = hyper::Request::patch(uri).header("Content-Type", "application/merge-patch+json");
    let config = plane().client_config();
    in_runtime(async {
        // The server notes in whole seconds who has written: later than the plan.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let client = kube::Client::try_from(config).unwrap();
        client.request::<Value>(request.body(change).unwrap()).await.unwrap();
    });
}

#[test]
fn an_apply_asks_and_does_what_it_is_told() {
    let world = world("asked");
    let context = in_runtime(async { plane().client_config().cluster_url.to_string() });
    let server = context.trim_end_matches('/');
    for no in ["no", "", "n", "what"] {
        let mut terminal = Terminal::run(&world.on_plane(&["apply"]));
        let before = terminal.asks();
        assert!(before.contains("ConfigMap asked/settings"), "the plan comes first: {before}");
        let question = before.lines().next_back().unwrap();
        assert!(question.starts_with("Apply these changes to ") && question.contains(server), "{question}");
        terminal.answer(no);
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(130), "{shown}");
        assert!(shown.contains("stopped: nothing was changed"), "{shown}");
    }
    assert_eq!((text("asked"), writes("asked")), (None, Vec::new()));

    let mut terminal = Terminal::run(&world.on_plane(&["apply"]));
    terminal.asks();
    terminal.answer("yes");
    let (code, shown) = terminal.end();
    assert_eq!((code, text("asked")), (Some(0), Some(json!("one"))), "{shown}");

    // Where nothing is to be done there is nothing to ask.
    let (code, shown) = Terminal::run(&world.on_plane(&["apply"])).end();
    assert!(code == Some(0) && !shown.contains(QUESTION) && shown.contains("unchanged"), "{shown}");

    let mut terminal = Terminal::run(&world.on_plane(&["destroy"]));
    assert!(terminal.asks().contains(server));
    terminal.answer("no");
    assert_eq!((terminal.end().0, text("asked")), (Some(130), Some(json!("one"))));
}

#[test]
fn what_was_approved_is_what_is_done() {
    let world = world("approved");
    world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    say(&world, "approved", "two");
    let mut terminal = Terminal::run(&world.on_plane(&["apply"]));
    terminal.asks();
    annotate("approved");
    terminal.answer("yes");
    let (code, shown) = terminal.end();
    assert!(code == Some(3) && shown.contains("PLAN_OUTDATED"), "{shown}");
    let hint = "where it was shown and approved in the terminal, the same command shows another one";
    assert!(words(&shown).contains(hint), "{shown}");
    assert_eq!(text("approved"), Some(json!("one")));

    // The hint, followed.
    let mut terminal = Terminal::run(&world.on_plane(&["apply"]));
    terminal.asks();
    terminal.answer("y");
    let (code, shown) = terminal.end();
    assert_eq!((code, text("approved")), (Some(0), Some(json!("two"))), "{shown}");
}

#[test]
fn a_saved_plan_that_is_outdated_is_refused_at_a_terminal() {
    let world = world("saved-term");
    world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    say(&world, "saved-term", "two");
    world.transcript(&mut world.on_plane(&["plan", "--out", "a.plan"]));
    annotate("saved-term");
    // Whoever saved it has seen it: nobody is asked.
    let (code, shown) = Terminal::run(&world.on_plane(&["apply", "a.plan"])).end();
    assert!(code == Some(3) && shown.contains("PLAN_OUTDATED") && !shown.contains(QUESTION), "{shown}");
    assert!(words(&shown).contains("`pilothouse plan --out FILE` where one was saved"), "{shown}");
    assert_eq!(text("saved-term"), Some(json!("one")));

    // The hint, followed.
    assert_eq!(Terminal::run(&world.on_plane(&["plan", "--out", "a.plan"])).end().0, Some(0));
    let (code, shown) = Terminal::run(&world.on_plane(&["apply", "a.plan"])).end();
    assert_eq!((code, text("saved-term")), (Some(0), Some(json!("two"))), "{shown}");
}

/// What is refused cannot be agreed to, and a plan with it is carried out neither from the terminal nor from a file; where it is to be
/// left out, the question is about the others.
#[test]
fn a_plan_that_refuses_a_release_is_not_asked_about() {
    let world = world("refused-term");
    let config = plane().client_config();
    in_runtime(async {
        let cluster = pilothouse_kube::Cluster::from_client(kube::Client::try_from(config).unwrap());
        let metadata = json!({"name": "settings", "namespace": "refused-term"});
        pilothouse_kube::ClusterClient::create_namespace(&cluster, "refused-term").await.unwrap();
        let somebodys =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": "mine"}});
        pilothouse_kube::ClusterClient::create(&cluster, &somebodys).await.unwrap();
    });
    let file = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    world.write("other/Chart.yaml", "apiVersion: v2\nname: other\nversion: 1.0.0\n");
    world.write("other/templates/o.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n");
    let other = "  - { name: other, namespace: refused-term, chart: { path: other } }\n";
    world.write("pilothouse.yaml", &format!("{file}{other}"));
    let is_there = || kubectl_get(plane(), "v1", "ConfigMap", Some("refused-term"), "other").is_some();
    let refused = "refused-term/asked is refused (OWNERSHIP_CONFLICT)";

    let (code, shown) = Terminal::run(&world.on_plane(&["apply"])).end();
    assert!(code == Some(3) && !shown.contains(QUESTION), "{shown}");
    assert!(words(&shown).contains(&format!("nothing was changed: {refused}")), "{shown}");

    let saved = world.transcript(&mut world.on_plane(&["plan", "--out", "a.plan"]));
    assert!(saved.starts_with("exit code: 3\n"), "{saved}");
    assert!(saved.contains(&format!("saved in a.plan, and cannot be carried out: {refused}")), "{saved}");
    let outcome = world.transcript(&mut world.on_plane(&["apply", "a.plan", "--keep-going"]));
    assert!(outcome.starts_with("exit code: 3\n"), "{outcome}");
    assert!(outcome.contains(&format!("the plan cannot be carried out: {refused}")), "{outcome}");
    assert!(!is_there());

    let mut terminal = Terminal::run(&world.on_plane(&["apply", "--keep-going"]));
    terminal.asks();
    terminal.answer("yes");
    let (code, shown) = terminal.end();
    assert_eq!((code, text("refused-term"), is_there()), (Some(3), Some(json!("mine")), true), "{shown}");
}

/// Text that was wrapped for the terminal, in one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
