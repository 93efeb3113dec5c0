//! Secrets in every input, and none of them in any output: transcripts, plans, journals, what is left on the disk.

use crate::support::{World, helm, plane};
use pilothouse_plane::provision::Tool;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What a chart may make of a value.
const TEMPLATE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, annotations: { pw: {{ .Values.p | quote }} } }
spec:
  replicas: 0
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: "x:1", env: [
      { name: TOK, value: {{ .Values.p | quote }} }, { name: B64, value: {{ .Values.p | b64enc }} },
      { name: AUTH, value: "Basic {{ printf "user:%s" .Values.p | b64enc }}" },
      { name: AT1, value: "{{ printf "u%s" .Values.p | b64enc }}" },
      { name: JS, value: {{ dict "p" .Values.p | toJson | quote }} },
      { name: GO, value: {{ printf "%q" .Values.p | quote }} },
      { name: URL, value: "http://h/?q={{ .Values.p | urlquery }}" } ] }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: web }
data: { conf: {{ printf "login = admin / %s" .Values.p | quote }} }
"#;

const STEPS: &str = r#"echo "PASSWORD=$PW"; echo "plain $PW"; echo "postgres://app:$PW@db/x"; echo "--password=$PW"
echo "{\"password\": \"$PW\"}"; echo "token: $PW"; printf %s "u:$PW" | base64; printf '%q\n' "$PW" 2>/dev/null || true"#;

fn world(namespace: &str, steps: &str) -> World {
    let world = World::with_stack(&format!(
        "version: 1\nname: {namespace}\ndefaults: {{ timeout_in_seconds: 60, wait: false }}\nreleases:\n  - name: web\n    \
         namespace: {namespace}\n    chart: {{ path: web }}\n    values: [{{ key: p, from_env: PW, sensitive: true }}]\n{steps}"
    ));
    world.write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n");
    world.write("web/templates/all.yaml", TEMPLATE);
    world
}

/// All that a command prints, and all that lies in the world's folder afterwards.
fn told(world: &World, command: &mut Command) -> String {
    let mut told = world.transcript(command);
    let mut folders = vec![world.path("state"), world.path("cache")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                told.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    told
}

#[test]
fn a_secret_in_what_a_command_prints() {
    for (namespace, end) in [("pw-said", ""), ("pw-failed", "; exit 1")] {
        let run = serde_json::json!(["sh", "-c", format!("{STEPS}{end}")]);
        let world = world(namespace, &format!("    pre_exec: [{{ command: {{ run: {run} }} }}]\n"));
        // Which delimiter ends the value of an assignment is a matter of the redactor's own tests.
        for (delimiter, output) in [(",", "human"), (";", "jsonl"), (" ", "json"), ("\"", "human")] {
            let secret = format!("hunter{delimiter}22canary");
            let told = told(&world, world.on_plane(&["apply", "--yes", "--output", output]).env("PW", &secret));
            assert!(told.contains("PASSWORD=***") && !told.contains("22canar"), "{secret}: {told}");
            assert!(!told.contains("MjJjYW5hc") && !told.contains("IyY2FuYX") && !told.contains("yMmNhbmFy"), "{told}");
        }
    }
}

#[test]
fn the_secret_that_is_in_force_and_the_new_one_in_every_spelling() {
    let world = world("pw-rotated", "");
    let applied = told(&world, world.on_plane(&["apply", "--yes"]).env("PW", "first-old-pw"));
    assert!(applied.starts_with("exit code: 0") && !applied.contains("first-old-pw"), "{applied}");
    for args in [
        &["plan", "--full"][..],
        &["plan", "--full", "--format", "markdown"],
        &["plan", "--output", "json"],
        &["plan", "--out", "state.plan"],
        &["status"],
        &["diagnose"],
    ] {
        let mut shown = told(&world, world.on_plane(args).env("PW", "second\"new-pw"));
        shown.push_str(&std::fs::read_to_string(world.path("state.plan")).unwrap_or_default());
        // Both, plain, as JSON, in base64 at three offsets, percent-encoded.
        for secret in [
            "first-old-pw",
            "new-pw",
            "Zmlyc3Qtb2xkLXB3",
            "ZpcnN0LW9sZC1wd",
            "c2Vjb25kIm5ldy1wd",
            "NlY29uZCJuZXctcH",
            "zZWNvbmQibmV3LXB3",
            "mlyc3Qtb2xkLXB",
            "%22new",
        ] {
            assert!(!shown.contains(secret), "{secret} in {args:?}: {shown}");
        }
    }
    let plan = world.transcript(world.on_plane(&["plan", "--full"]).env("PW", "second\"new-pw"));
    assert!(plan.contains("***") && plan.contains("TOK"), "{plan}");
}

/// Of releases, phases, helm and requests a trace has names and verbs, and nothing of what they hold.
#[test]
fn a_trace_of_a_run_with_a_secret() {
    let run = serde_json::json!(["sh", "-c", STEPS]);
    let world = world("pw-traced", &format!("    pre_exec: [{{ command: {{ run: {run} }} }}]\n"));
    let secret = "traced-canary-pw";
    let apply = |name: &str| world.transcript(world.on_plane(&["apply", "--yes", "--trace", name]).env("PW", secret));
    let told = apply("trace.json");
    assert!(told.starts_with("exit code: 0\n"), "{told}");
    let path = world.path("trace.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let trace: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let has = |kind: &str, name: &str| trace.iter().any(|span| span["cat"] == kind && span["name"] == name);
    for (kind, name) in [
        ("command", "command"),
        ("part", "survey"),
        ("part", "journal"),
        ("release", "pw-traced/web"),
        ("phase", "pre_exec"),
        ("helm", "upgrade"),
        ("request", "patch Secret pw-traced/pilothouse.release.web"),
    ] {
        assert!(has(kind, name), "{kind} {name}: {text}");
    }
    // Plain, and in base64 at three offsets.
    for spelling in ["canary", "dHJhY2VkLWNhbmFye", "RyYWNlZC1jYW5hcn", "0cmFjZWQtY2FuYXJ5"] {
        assert!(!text.contains(spelling), "{spelling}: {text}");
    }
    // It is not written over.
    assert!(apply("trace.json").starts_with("exit code: 2\n"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// Spellings that charts and programs make: hex, JSON in JSON, base32, and parts that are cut out.
#[test]
fn a_secret_that_is_cut_and_rewritten() {
    let steps = "    pre_exec: [{ command: { run: [sh, -c, 'printf %s \"$PW\" | od -An -tx1; printf %s \"$LONG\" | cut -c100-300; printf %s \"$LONG\" | cut -c1-80; \
                 printf %s \"$PW\" | base64 | base64; printf %s \"$PW\" | tr a-z A-Z; echo; echo \"$PW\" | rev; printf %s \"$PW\" | base64 | tr A-Z a-z'] } }]\n";
    let world = world("pw-cut", steps);
    let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    let values = "{ key: p, from_env: PW, sensitive: true }, { key: long, from_env: LONG, sensitive: true }";
    world.write("pilothouse.yaml", &stack.replace("{ key: p, from_env: PW, sensitive: true }", values));
    world.write(
        "web/templates/cut.yaml",
        r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: cut }
data:
  hex: {{ printf "%x" .Values.p }}
  HEX: {{ printf "% X" .Values.p }}
  json: {{ dict "a" (dict "p" .Values.p) | toJson | toJson | toJson | quote }}
  base32: {{ .Values.p | b32enc }}
  start: {{ .Values.p | trunc 12 | quote }}
  long: {{ .Values.long | trunc 600 }}
  middle: {{ substr 200 300 .Values.long }}
  piece: {{ substr 3 19 .Values.p | quote }}
  end: {{ .Values.p | trunc -12 | quote }}
  upper: {{ .Values.p | upper | quote }}
  upper64: {{ .Values.p | b64enc | upper | quote }}
"#,
    );
    let secret = "Zq7!canary/one@x y&%\"q";
    let long: String = (0..3000_u32).map(|n| char::from(b'a' + u8::try_from(n * n % 23 + n % 3).unwrap())).collect();
    for args in [
        &["render"][..],
        &["plan", "--full"],
        &["plan", "--full", "--output", "json"],
        &["apply", "--yes", "--output", "jsonl"],
        &["history", "--output", "json"],
        &["diagnose"],
    ] {
        let told = told(&world, world.on_plane(args).env("PW", secret).env("LONG", &long));
        let hidden = [
            "canary",
            "CANARY",
            "yranac",
            "bmfyes9vbm",
            "BMFYES9VBM",
            "@x y",
            "63616e617279",
            "63 61 6e 61 72 79",
            "63 61 6E 61 72 79",
            "LJYTOIL",
            "Zq7!",
            &long[210..250],
            &long[20..60],
        ];
        for part in hidden {
            assert!(!told.contains(part), "{part} in {args:?}: {told}");
        }
        assert!(args[0] != "render" || told.contains("hex: '***'") || told.contains("hex: ***"), "{told}");
    }
}

#[test]
fn a_secret_that_the_schema_of_a_chart_does_not_take() {
    let world = world("pw-schema", "");
    world.write("web/values.schema.json", r#"{"properties": {"p": {"type": "string", "pattern": "^[a-z]*$"}}}"#);
    let told = told(&world, world.on_plane(&["apply", "--yes"]).env("PW", "BAD-CANARY-PW\"\\x"));
    assert!(!told.starts_with("exit code: 0") && !told.contains("CANARY"), "{told}");
}

#[test]
fn outputs_of_steps_are_shown_nowhere() {
    let world = world("outputs", "    pre_exec: [{ command: { run: [echo, tok-12345], output_to: t } }]\n");
    let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    world.write(
        "pilothouse.yaml",
        &stack.replace("[{ key: p, from_env: PW, sensitive: true }]", "[{ key: p, from_payload: t }]"),
    );
    let applied = world.transcript(&mut world.on_plane(&["apply", "--yes", "--output", "jsonl"]));
    // It stands in the step's description, which is its arguments.
    let outputs = |text: &str| text.replace("run echo tok-12345", "").contains("tok-12345");
    assert!(applied.starts_with("exit code: 0") && !outputs(&applied), "{applied}");
    let runs = world.transcript(&mut world.on_plane(&["history", "--output", "json"]));
    let runs: serde_json::Value = serde_json::from_str(runs.split_once("stdout -----\n").unwrap().1).unwrap();
    let run = runs["runs"][0]["run"].as_str().unwrap();
    let details = world.transcript(&mut world.on_plane(&["history", run, "--output", "json"]));
    assert!(details.contains("\"t\": \"***\"") && !outputs(&details), "{details}");
}

#[test]
fn a_sensitive_output_is_kept_nowhere() {
    let step = "    pre_exec:\n      - { name: token, command: { run: [sh, -c, 'echo c4n4ry-${PWD:+12345}'], output_to: t, sensitive: true, repeatable: true } }\n      \
                - { name: says, command: { run: [sh, -c, 'echo token is c4n4ry-${PWD:+12345}'] } }\n";
    let world = world("sensitive-output", step);
    let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    world.write(
        "pilothouse.yaml",
        &stack.replace("[{ key: p, from_env: PW, sensitive: true }]", "[{ key: p, from_payload: t }]"),
    );
    let told = told(&world, &mut world.on_plane(&["apply", "--yes", "--output", "jsonl"]));
    assert!(
        told.starts_with("exit code: 0") && told.contains("token is ***") && !told.contains("c4n4ry-12345"),
        "{told}"
    );
}

#[test]
fn arguments_that_look_like_secrets() {
    let step = "    pre_exec: [{ command: { run: [./migrate, --password=hunter22, \"api_key=abc,22\", --token, hunter33] } }]\n";
    let world = world("arguments", step);
    for args in [
        &["plan"][..],
        &["plan", "--format", "markdown"],
        &["plan", "--out", "state.plan"],
        &["apply", "--yes"],
        &["history"],
    ] {
        let mut told = told(&world, world.on_plane(args).env("PW", "a-value-of-no-interest"));
        told.push_str(&std::fs::read_to_string(world.path("state.plan")).unwrap_or_default());
        assert!(!told.contains("hunter") && !told.contains(",22"), "{args:?}: {told}");
    }
    let lint = world.transcript(world.program(&["lint"]).env("PW", "a-value-of-no-interest"));
    assert_eq!(lint.matches("this argument looks like a secret").count(), 3, "{lint}");
}

/// Arguments, scripts and variables in which something looks like a secret: programs print them.
#[test]
fn what_looks_like_a_secret_is_known_where_it_is_printed() {
    let script =
        "echo https://joe:c4n4ry-1A@h/x; echo c4n4ry-1A; env; echo 'mysql -pc4n4ry-4D' | rev | rev; echo c4n4ry-4D";
    let steps = [
        serde_json::json!({ "command": { "run": ["echo", "--password", "c4n4ry-2B", "--api-key=c4n4ry-3C", "https://h/?sig=c4n4ry-5E"] } }),
        serde_json::json!({ "command": { "run": ["sh", "-c", script], "env": { "DB_PASSWORD": "c4n4ry-6F" } } }),
        serde_json::json!({ "command": { "run": ["sh", "-c", "echo \"$0 $1\"; echo c4n4ry-7G", "mysql", "-pc4n4ry-7G"] } }),
    ];
    let world = world("guessed", &format!("    pre_exec: {}\n", serde_json::json!(steps)));
    for args in [
        &["lint"][..],
        &["plan", "--full", "--out", "state.plan"],
        &["apply", "--yes", "--output", "jsonl"],
        &["apply", "--yes"],
        &["history", "--output", "json"],
    ] {
        let mut told = told(&world, world.on_plane(args).env("PW", "a-value-of-no-interest"));
        told.push_str(&std::fs::read_to_string(world.path("state.plan")).unwrap_or_default());
        assert!(!told.contains("c4n4ry"), "{args:?}: {told}");
    }
}

/// A credential in the query of an address, which is shown where it does not answer.
#[test]
fn tokens_in_addresses() {
    let world = world(
        "addresses",
        "    validate: [{ http: { url: 'https://127.0.0.1:1/a?token=c4n4ry1', timeout_in_seconds: 1 } }]\n",
    );
    let validate = told(&world, world.on_plane(&["apply", "--yes", "--output", "jsonl"]).env("PW", "of-no-interest"));
    assert!(validate.contains("127.0.0.1:1/a?token=***") && !validate.contains("c4n4ry"), "{validate}");
    let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    let chart = "{ repo: 'https://127.0.0.1:1/x?sig=c4n4ry2', name: a, version: 1.0.0 }";
    world.write("pilothouse.yaml", &stack.replace("{ path: web }", chart));
    for args in [&["lint"][..], &["plan", "--output", "json"], &["plan"], &["apply", "--yes", "--output", "jsonl"]] {
        let told = told(&world, world.on_plane(args).env("PW", "of-no-interest"));
        assert!(told.contains("127.0.0.1:1/x") && !told.contains("c4n4ry"), "{args:?}: {told}");
    }
}

#[test]
fn of_control_sequences_only_colours_reach_the_terminal() {
    let run = r"[printf, 'before\033]0;pwned title\007\033[2J\033[1;1H\033[32mgreen\033[0m\n10%%\r20%%\n']";
    let world = world(
        "control",
        &format!(
            "    pre_exec:\n      - {{ name: says, command: {{ run: {run} }} }}\n      - {{ name: fails, command: {{ run: [sh, -c, \"printf 'x\\\\033[2Jcleared\\\\n'; exit 1\"] }} }}\n"
        ),
    );
    for args in [&["apply", "--yes", "--color", "always"][..], &["apply", "--yes", "--output", "jsonl"]] {
        let told = world.transcript(world.on_plane(args).env("PW", "a-value-of-no-interest"));
        let control: Vec<char> = told.replace("\u{1b}[", "").chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(control.is_empty(), "{told:?}");
        assert!(!told.contains("pwned") && !told.contains("[2J") && !told.contains("[1;1H"), "{told:?}");
        assert!(told.contains("xcleared") && told.contains("10% 20%"), "{told:?}");
    }
}

#[test]
fn a_credential_plugin_that_fails() {
    let world = world("plugin", "");
    let mut kubeconfig = kube::config::Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    let script = "echo tok-on-stdout; echo first-line >&2; echo no login >&2; exit 1";
    let user = serde_json::json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
        "env": [{"name": "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", "value": "hunter22"}],
    }});
    kubeconfig.auth_infos[0].auth_info = Some(serde_json::from_value(user).unwrap());
    let file = world.write("kubeconfig", &serde_json::to_string(&kubeconfig).unwrap());
    for args in [&["status"][..], &["status", "--output", "json"], &["plan"], &["apply", "--yes", "--output", "jsonl"]]
    {
        let told = told(&world, world.program(args).env("KUBECONFIG", &file).env("PW", "a-value-of-no-interest"));
        assert!(
            !told.contains("hunter22") && !told.contains("tok-on-stdout") && !told.contains("first-line"),
            "{told}"
        );
        assert!(told.contains("the credential plugin sh ended with exit status: 1: no login"), "{told}");
    }
}

#[test]
fn without_a_home_nothing_is_believed_from_a_folder_for_all() {
    let world = world("homeless", "");
    let cached = |command: &mut Command| {
        command
            .env_remove("HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_STATE_HOME")
            .env("PW", "of-no-interest");
        world.transcript(command.env("TMPDIR", world.path("tmp")))
    };
    let told = cached(&mut world.program(&["render"]));
    assert!(
        told.starts_with("exit code: 2") && told.contains("set HOME, or name a folder of your own with --cache"),
        "{told}"
    );
    let cache = world.path("given");
    let args = ["render", "--cache", cache.to_str().unwrap()];
    assert!(cached(&mut world.program(&args)).starts_with("exit code: 0"));
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    let told = cached(&mut world.program(&args));
    assert!(told.starts_with("exit code: 2") && told.contains("others can write to it (mode 777)"), "{told}");
    assert!(!world.path("tmp").exists());
}

/// Needs root, who alone can give a folder away; what is somebody else's is refused.
#[test]
fn another_users_cache_is_not_believed() {
    let world = world("other-user", "");
    let cache = world.path("theirs");
    std::fs::create_dir(&cache).unwrap();
    let expected = match std::os::unix::fs::chown(&cache, Some(65534), Some(65534)) {
        Ok(()) => "exit code: 2",
        Err(_) => "exit code: 0",
    };
    let _ = helm(Tool::Helm4);
    let args = ["render", "--cache", cache.to_str().unwrap()];
    let told = world.transcript(world.program(&args).env("PW", "of-no-interest"));
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(expected == "exit code: 2", told.contains("belongs to the user with the number 65534"), "{told}");
    assert!(Path::new(&cache).is_dir());
}

/// A run fails after a step whose output is a value; another machine goes on.
#[test]
fn another_machine_believes_what_was_done_and_no_values() {
    let steps = "    pre_exec:\n      - { name: backup, command: { run: [sh, -c, 'echo backup >> backup.log'] } }\n      \
                 - { command: { run: [echo, registry.example/good], output_to: img } }\n      \
                 - { command: { run: [test, -e, ok], repeatable: true } }\n";
    let stack = |namespace: &str| {
        let world = world(namespace, steps);
        let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
        world.write(
            "pilothouse.yaml",
            &stack.replace("[{ key: p, from_env: PW, sensitive: true }]", "[{ key: p, from_payload: img }]"),
        );
        world
    };
    let run = |world: &World, machine: &str, args: &[&str], key: Option<&str>| {
        let mut command = world.on_plane(args);
        command.env("XDG_STATE_HOME", world.path(machine)).env_remove("PILOTHOUSE_STATE_KEY");
        if let Some(key) = key {
            command.env("PILOTHOUSE_STATE_KEY", key);
        }
        world.transcript(&mut command)
    };
    let backups = |world: &World| std::fs::read_to_string(world.path("backup.log")).unwrap();
    let (apply, resume) = (&["apply", "--yes"][..], &["resume", "--yes"][..]);

    let world = stack("no-key");
    assert!(run(&world, "a", &apply[..2], None).starts_with("exit code: 1"));
    world.write("ok", "");
    let told = run(&world, "b", resume, None);
    assert!(
        told.starts_with("exit code: 3") && told.contains("STEP_OUTPUT_UNTRUSTED") && told.contains("--state-key FILE"),
        "{told}"
    );
    let told = run(&world, "b", resume, None);
    assert!(told.starts_with("exit code: 3"), "what was copied here is not more to be believed: {told}");
    let told = run(&world, "b", &["resume", "--yes", "--consent", "state"], None);
    assert!(told.starts_with("exit code: 0"), "{told}");
    assert_eq!(backups(&world), "backup\n", "what was done is believed");

    let world = stack("with-key");
    let key = Some("0123456789abcdef");
    assert!(run(&world, "a", &apply[..2], key).starts_with("exit code: 1"));
    world.write("ok", "");
    for other in [None, Some("another key of 16")] {
        let told = run(&world, "c", resume, other);
        assert!(told.contains("STEP_OUTPUT_UNTRUSTED"), "{told}");
    }
}

#[test]
fn another_machine_with_the_state_key_goes_on() {
    let steps = "    pre_exec:\n      - { command: { run: [echo, registry.example/good], output_to: img } }\n      \
                 - { command: { run: [test, -e, ok], repeatable: true } }\n";
    let world = world("state-key", steps);
    let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    world.write(
        "pilothouse.yaml",
        &stack.replace("[{ key: p, from_env: PW, sensitive: true }]", "[{ key: p, from_payload: img }]"),
    );
    let file = world.write("key", "0123456789abcdef\n");
    let run = |machine: &str, args: &[&str]| {
        let mut command = world.on_plane(args);
        world.transcript(command.env("XDG_STATE_HOME", world.path(machine)).env("PILOTHOUSE_STATE_KEY_FILE", &file))
    };
    assert!(run("a", &["apply", "--yes"]).starts_with("exit code: 1"));
    world.write("ok", "");
    let told = run("b", &["resume", "--yes", "--stack", "."]);
    assert!(told.starts_with("exit code: 0"), "{told}");
    world.write("key", "short");
    let told = run("b", &["apply", "--yes"]);
    assert!(told.starts_with("exit code: 2") && told.contains("fewer than 16 characters"), "{told}");
}
