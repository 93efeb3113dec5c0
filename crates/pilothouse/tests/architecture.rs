//! The order of the library's rooms, as ARCHITECTURE.md has it, and what only `actions/` may call. Plain text over `src`: what a
//! line imports or calls, with file and line.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

use std::path::Path;

/// From the ground up: a room imports only what stands before it. Names in one line stand beside each other.
const ROOMS: [&[&str]; 14] = [
    &["text", "digest", "error", "kept_digest", "environment", "span"],
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
    &["front"],
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
const ALLOWED: [(&str, &str); 4] = [
    ("journal/cluster.rs", "the journal's own record"),
    ("observe/crd_changes.rs", "a dry run"),
    ("observe/dry_run/compare.rs", "a dry run"),
    ("steps/check/job.rs", "the Job that the check itself has made"),
];

/// How many fields `Context` has at most, counted through the library's own structs.
const FIELDS_OF_CONTEXT: usize = 9;

/// What counts as one field wherever it stands: it is handed on as a value of its own, and is none of `Context`'s parts.
const SHARED: [(&str, &str); 4] = [
    ("Session", "the clients and settings that all releases of a run share"),
    ("Wanted", "what is wanted, made once and passed by reference"),
    ("Observed", "what was seen of the cluster, read once and passed by reference"),
    ("RenderedAgain", "one more rendering of what is wanted, of which the cache keeps some"),
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

/// Modules of a room that others can name past its face. `(room, module)` with a reason.
const OPEN: [(&str, &str); 2] =
    [("phases", "defaults"), /* what charts written in Rust call */ ("journal", "samples") /* of tests */];

/// Children of rooms that are not private.
fn open_children(files: &[File]) -> Vec<String> {
    let mut open = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/mod.rs") && file.path.matches('/').count() == 1) {
        let here = room(&file.path);
        for (number, line) in lines(file) {
            let child =
                line.trim().strip_prefix("pub").and_then(|rest| rest.split_once("mod ")).map(|(_, child)| child);
            let Some(child) = child.and_then(|child| child.strip_suffix(';')) else { continue };
            if !OPEN.contains(&(here, child)) {
                open.push(format!("{}:{number}: {child} is not private", file.path));
            }
        }
    }
    open
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

/// A struct's fields: each name with the words of its type.
fn fields_of<'a>(files: &'a [File], name: &str) -> Option<Vec<(&'a str, Vec<&'a str>)>> {
    let words = |text: &'a str| -> Vec<&'a str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
    };
    let declares = |line: &str, end: &str| {
        let line = line.split_once("struct ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        line.and_then(|(_, line)| line.strip_prefix(name)).is_some_and(|rest| rest.starts_with(end))
    };
    let named = format!("struct {name}");
    for file in files.iter().filter(|file| !is_test(&file.path) && file.text.contains(&named)) {
        let mut lines = lines(file).map(|(_, line)| line);
        let Some(first) = lines.find(|line| [" {", "(", "<", ";"].iter().any(|end| declares(line, end))) else {
            continue;
        };
        if let Some((_, tuple)) = first.split_once('(').filter(|_| declares(first, "(")) {
            return Some(tuple.split(", ").map(|field| ("0", words(field))).collect());
        }
        let fields = lines.take_while(|line| !line.starts_with('}')).filter_map(|line| line.split_once(": "));
        let of = |(name, kind): (&'a str, &'a str)| Some((words(name).pop()?, words(kind)));
        return Some(fields.filter_map(of).collect());
    }
    None
}

/// The fields of a struct, counted through every struct of the library that they hold, however it is wrapped, and the locks
/// among them. What is filled once is no lock.
fn counted(files: &[File], name: &str, way: &str, fields: &mut Vec<String>, locks: &mut Vec<String>) {
    let of = fields_of(files, name).unwrap_or_else(|| panic!("there is no struct {name}"));
    for (field, kind) in of {
        let way = if way.is_empty() { field.to_owned() } else { format!("{way}.{field}") };
        let is_lock = |word: &&str| {
            ["Mutex", "RwLock", "RefCell", "Cell", "UnsafeCell", "watch"].contains(word) || word.starts_with("Atomic")
        };
        locks.extend(kind.iter().copied().filter(is_lock).map(|lock| format!("{way}: {lock}")));
        let own = |word: &&str| {
            *word != name
                && word.starts_with(char::is_uppercase)
                && fields_of(files, word).is_some_and(|fields| !fields.is_empty())
        };
        let parts: Vec<&str> = kind.iter().copied().filter(own).collect();
        let before = fields.len();
        for part in parts {
            if part == "Session" {
                // What belongs to all releases is not a release's.
                continue;
            }
            let is_one = SHARED.iter().any(|(shared, _)| *shared == part);
            let mut inside = Vec::new();
            counted(files, part, &way, &mut inside, locks);
            fields.extend(if is_one { vec![way.clone()] } else { inside });
        }
        if fields.len() == before {
            fields.push(way);
        }
    }
}

/// What is wrong with `Context`: too many fields, or a lock that is not its cache's.
fn wrong_context(files: &[File]) -> Vec<String> {
    let (mut fields, mut wrong) = (Vec::new(), Vec::new());
    counted(files, "Context", "", &mut fields, &mut wrong);
    wrong.retain(|lock| lock != "cache: Mutex");
    if fields.len() > FIELDS_OF_CONTEXT {
        wrong.push(format!("Context has {} fields: {}", fields.len(), fields.join(", ")));
    }
    wrong
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
fn what_is_in_a_room_is_named_by_its_face() {
    let open = open_children(&library());
    assert!(open.is_empty(), "{}", open.join("\n"));
    let files = planted("plan/mod.rs", "mod a;\npub(crate) mod b;\npub(crate) use b::c;\n");
    assert_eq!(open_children(&files), ["plan/mod.rs:2: b is not private"]);
    assert_eq!(open_children(&planted("plan/a/mod.rs", "pub(crate) mod b;\n")), [""; 0]);
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

#[test]
fn a_context_is_small_and_locks_nothing_but_its_cache() {
    let wrong = wrong_context(&library());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_context_hides_is_counted() {
    let of = |fields: &str, hidden: &str| {
        let text = format!("pub struct Context {{\n{fields}    cache: Mutex<Cache>,\n}}\n");
        let mut files = planted("context/a.rs", &text);
        files.extend(planted(
            "context/b.rs",
            "pub(crate) struct Cache {\n    pub(crate) seen: Option<Arc<Observed>>,\n}\n",
        ));
        files.extend(planted("context/c.rs", "pub(crate) struct Observed {\n    a: u8,\n    b: u8,\n    c: u8,\n}\n"));
        files.extend(planted("context/d.rs", hidden));
        wrong_context(&files)
    };
    let eight: String = ('a'..='h').map(|name| format!("    {name}: u8,\n")).collect();
    assert_eq!(of(&eight, ""), [""; 0]);
    assert_eq!(
        of(&format!("{eight}    i: u8,\n"), ""),
        ["Context has 10 fields: a, b, c, d, e, f, g, h, i, cache.seen"]
    );
    // In a struct of its own, behind an Arc, public or not.
    let all = |inside: &str| format!("pub struct All {{\n{inside}    i: Vec<u8>,\n}}\n");
    assert_eq!(
        of("    all: Arc<All>,\n", &all(&eight)),
        ["Context has 10 fields: all.a, all.b, all.c, all.d, all.e, all.f, all.g, all.h, all.i, cache.seen"]
    );
    assert_eq!(
        of("    all: All,\n", &all("    /// With a lock.\n    pub(crate) a: std::sync::Mutex<u8>,\n")),
        ["all.a: Mutex"]
    );
    assert_eq!(of("    all: Option<All>,\n", "struct All(u8, AtomicBool);\n"), ["all.0: AtomicBool"]);
    assert_eq!(of("    a: RwLock<u8>,\n", ""), ["a: RwLock"]);
}
