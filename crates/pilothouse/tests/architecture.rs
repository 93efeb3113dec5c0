//! The order of the library's rooms, as ARCHITECTURE.md has it, and what only `actions/` may call. Plain text over `src`: what a
//! line imports or calls, with file and line.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

use std::path::Path;

/// From the ground up: a room imports only what stands before it. Names in one line stand beside each other.
const ROOMS: [&[&str]; 13] = [
    &["text", "digest", "error", "kept_digest"],
    &["journal"],
    &["context"],
    &["render"],
    &["observe"],
    &["diagnose"],
    &["preflight"],
    &["actions"],
    &["steps"],
    &["phases"],
    &["lifecycle"],
    &["plan", "copy"],
    &["run"],
];

/// What deletes, replaces, rolls back or overwrites in a cluster.
const LOSING: [&str; 8] = [
    ".delete(",
    ".apply(",
    ".merge_patch(",
    ".upgrade_install(",
    ".uninstall(",
    ".rollback(",
    ".carry_out(",
    "pilothouse_kube::restart(",
];

/// Who may call one of them outside `actions/`, and why.
const ALLOWED: [(&str, &str); 6] = [
    ("journal/cluster.rs", "the journal's own record"),
    ("observe/deploy_records.rs", "our own record of a release"),
    ("observe/crd_changes.rs", "a dry run"),
    ("observe/dry_run/compare.rs", "a dry run"),
    ("plan/objects.rs", "a dry run"),
    ("steps/check/job.rs", "the Job that the check itself has made"),
];

/// A file below `src`, by its path there.
struct File {
    path: String,
    text: String,
}

fn room(path: &str) -> &str {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn floor(room: &str) -> Option<usize> {
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

/// The lines that count: without comments, and only up to the tests at the end of a file.
fn lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let code = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with("_tests.rs") || name == "tests.rs" || ["samples.rs", "test_world.rs", "lib.rs"].contains(&name)
}

/// Imports that go the wrong way.
fn wrong_imports(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !is_test(&file.path)) {
        let here = room(&file.path);
        let Some(at) = floor(here) else {
            wrong.push(format!("{}: it stands in no room", file.path));
            continue;
        };
        for (number, line) in lines(file) {
            for path in line.split("crate::").skip(1) {
                let there = path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                match floor(there) {
                    Some(other) if other > at || (other == at && other > 0 && there != here) => {
                        wrong.push(format!("{}:{number}: {here} imports {there}: {}", file.path, line.trim()));
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
    wrong
}

/// Calls that lose something, where they may not stand.
fn wrong_calls(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    let elsewhere = |file: &&File| {
        !is_test(&file.path)
            && !["actions", "copy"].contains(&room(&file.path))
            && !ALLOWED.iter().any(|(path, _)| *path == file.path)
    };
    for file in files.iter().filter(elsewhere) {
        for (number, line) in lines(file) {
            // Rooms call each other's functions by the same words; those of a cluster or of helm stand behind a client.
            let on_client =
                ["cluster", "helm()", "planned", "pilothouse_kube"].iter().any(|client| line.contains(client));
            if on_client && LOSING.iter().any(|call| line.contains(call)) {
                wrong.push(format!("{}:{number}: only actions/ may do this: {}", file.path, line.trim()));
            }
        }
    }
    wrong
}

fn read(folder: &Path, below: &str, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &path, files);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push(File { path, text: std::fs::read_to_string(entry.path()).unwrap() });
        }
    }
}

fn library() -> Vec<File> {
    let mut files = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    assert!(files.len() > 100, "the library's files were not found");
    files.retain(|file| file.path != "interrupted_tests.rs");
    files
}

fn planted(path: &str, text: &str) -> Vec<File> {
    vec![File { path: path.to_owned(), text: text.to_owned() }]
}

#[test]
fn imports_go_one_way() {
    let wrong = wrong_imports(&library());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_actions_change_what_may_be_lost() {
    let wrong = wrong_calls(&library());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_exception_is_needed() {
    let files = library();
    for (path, why) in ALLOWED {
        let file = files.iter().find(|file| file.path == path).unwrap();
        assert!(LOSING.iter().any(|call| file.text.contains(call)), "{path} ({why}) needs no exception any more");
    }
}

#[test]
fn no_file_is_longer_than_800_lines() {
    let long: Vec<String> =
        library().iter().filter(|file| file.text.lines().count() > 800).map(|file| file.path.clone()).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn a_wrong_import_is_found_with_its_line() {
    let files = planted(
        "context/cache.rs",
        "//! crate::run is only named here.\nuse crate::text;\nuse crate::run::{\n    owner,\n};\n",
    );
    assert_eq!(wrong_imports(&files), ["context/cache.rs:3: context imports run: use crate::run::{"]);
    let files = planted("plan/objects.rs", "fn f() { crate::copy::read(); }\n");
    assert_eq!(wrong_imports(&files), ["plan/objects.rs:1: plan imports copy: fn f() { crate::copy::read(); }"]);
    let files = planted("render/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::run;\n}\n");
    assert_eq!(wrong_imports(&files), [""; 0]);
    assert_eq!(wrong_imports(&planted("attic/a.rs", "")), ["attic/a.rs: it stands in no room"]);
}

#[test]
fn a_losing_call_is_found_with_its_line() {
    let files = planted("lifecycle/a.rs", "\nctx.cluster().delete(&object, &any, how).await?;\n");
    assert_eq!(
        wrong_calls(&files),
        ["lifecycle/a.rs:2: only actions/ may do this: ctx.cluster().delete(&object, &any, how).await?;"]
    );
    assert_eq!(wrong_calls(&planted("actions/a.rs", "ctx.cluster().delete(&object).await?;\n")), [""; 0]);
}
