//! A plan in a file: what was planned, and what is needed to carry out exactly that.

use crate::terminal::args::{Consent, Select};
use crate::terminal::exit::{CommandError, Exit};
use pilothouse::Session;
use pilothouse_core::{DigestKey, PLAN_FORMAT, Plan, RunKind};
use pilothouse_process::{Named, read_input};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The key by which a saved plan is told from a stack file. It is the first of the file.
const MARKER: &str = "pilothouse_plan";

/// What to do about a plan that cannot be used.
const MAKE_ANEW: &str = "make it anew: pilothouse plan --out FILE";

/// A plan with what it was made from. The plan itself stands at the top, so that the file can be read like what
/// `plan --output json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    #[serde(flatten)]
    pub(crate) plan: Plan,
    pub(crate) saved: PlannedWith,
}

/// What a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedWith {
    /// The version of the program that made it.
    pub(crate) program: String,
    /// What it is a plan of; an apply, where nothing is said.
    #[serde(default = "apply", skip_serializing_if = "is_apply")]
    pub(crate) kind: RunKind,
    /// The stack file, absolute.
    pub(crate) stack_file: PathBuf,
    /// How the releases were chosen.
    pub(crate) select: Select,
    /// What was consented to, as it was given.
    pub(crate) consent: Vec<String>,
    /// The cluster that was looked at.
    pub(crate) cluster: PlannedCluster,
    /// The key of the plan's digests, that a plan does not hold itself. A plan of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<DigestKey>,
}

/// The cluster a plan is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedCluster {
    /// How it is called, for people.
    pub(crate) name: String,
    /// What tells it from every other: the UID of its namespace `kube-system`, where that may be read.
    pub(crate) id: Option<String>,
}

fn apply() -> RunKind {
    RunKind::Apply
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_apply(kind: &RunKind) -> bool {
    *kind == RunKind::Apply
}

/// The command that carries out a plan of this kind.
pub(crate) fn command(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Apply | RunKind::Validate => "apply",
        RunKind::Destroy => "destroy",
    }
}

/// Whether this is a saved plan and no stack file; a damaged one counts too, as long as its beginning is there.
pub(crate) fn is_saved_plan(bytes: &[u8]) -> bool {
    let mut found = false;
    // What is no JSON is no plan. An error behind the marker is told when the plan is read.
    let _ = serde_json::Deserializer::from_slice(bytes).deserialize_map(FindMarker { found: &mut found });
    found
}

/// Notes whether the marker is among the keys at the top, even if the text ends early.
struct FindMarker<'a> {
    found: &'a mut bool,
}

impl<'de> Visitor<'de> for FindMarker<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a plan")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            *self.found |= key == MARKER;
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Writes the plan into a file that only the user can read: whole, or not at all. Never writes over anything but a plan,
/// nor through a link.
pub(crate) fn write(path: &Path, saved: &SavedPlan) -> Result<(), CommandError> {
    check_target(path)?;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let failed = |error: &dyn fmt::Display| {
        CommandError::new(Exit::Failed, format!("cannot write the plan to {}: {error}", path.display()))
    };
    let mut text = serde_json::to_vec_pretty(saved).map_err(|error| failed(&error))?;
    text.push(b'\n');
    // Made with mode 0600. Its own name would only distract from what is wrong.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error.kind()))?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// What a saved plan may hold, in bytes.
const MAX_PLAN: u64 = 64 * 1024 * 1024;

/// Whether a plan may be put there: nothing else must be lost by it.
fn check_target(path: &Path) -> Result<(), CommandError> {
    let cannot = |error: &std::io::Error| CommandError::input(format!("cannot write to {}: {error}", path.display()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(&error)),
        Ok(meta) if !meta.is_file() => Err(CommandError::input(format!("{} is no regular file", path.display()))
            .hint("name a new file for the plan, or one with a plan")),
        Ok(meta) if meta.len() == 0 => Ok(()),
        Ok(_) if is_saved_plan(&read_input(path, Named::File, MAX_PLAN).map_err(|error| cannot(&error))?) => Ok(()),
        Ok(_) => Err(CommandError::input(format!("{} is there and is no saved plan", path.display()))
            .hint("it is not written over: name another file with --out")),
    }
}

/// The plan in a file, if it is one, of whatever kind.
pub(crate) fn any(path: &Path) -> Result<Option<SavedPlan>, CommandError> {
    // What cannot be read is told by whoever reads it as a stack file.
    let is_plan = read_input(path, Named::File, MAX_PLAN).is_ok_and(|bytes| is_saved_plan(&bytes));
    is_plan.then(|| read(path)).transpose()
}

/// The plan in a file, if it is one: of a run of this kind, without selection and consent, which are the plan's.
pub(crate) fn find(
    path: &Path,
    kind: RunKind,
    select: &Select,
    consent: &Consent,
) -> Result<Option<SavedPlan>, CommandError> {
    let Some(saved) = any(path)? else { return Ok(None) };
    if saved.saved.kind != kind {
        let (is, wanted) = (command(saved.saved.kind), command(kind));
        let line = format!("{} is a plan of {is}, and this is {wanted}", path.display());
        return Err(CommandError::input(line).hint(format!("carry it out with `pilothouse {is} {}`", path.display())));
    }
    if *select != Select::default() || !consent.consent.is_empty() {
        let line = "a saved plan says itself which releases it is about and what was consented to";
        return Err(CommandError::input(line).hint(format!("make another plan with these flags: {}", make_anew(kind))));
    }
    if saved.plan.is_refused() {
        let line = format!("the plan cannot be carried out: {}", saved.plan.refused_releases());
        let hint = format!("put right what the plan says of that, and make it anew: {}", make_anew(kind));
        return Err(CommandError::new(Exit::of_plan(&saved.plan, false), line).hint(hint));
    }
    Ok(Some(saved))
}

/// The command that makes a plan of this kind.
fn make_anew(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Apply | RunKind::Validate => "pilothouse plan --out FILE",
        RunKind::Destroy => "pilothouse destroy --plan --out FILE",
    }
}

impl SavedPlan {
    /// A plan for one cluster is none for another.
    pub(crate) async fn on_its_cluster(&self, session: &Session) -> Result<(), CommandError> {
        let PlannedCluster { name, id } = &self.saved.cluster;
        let here = session.cluster_id().await.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
        let (line, hint) = match (id, here) {
            (Some(planned), Some(here)) if *planned != here => (
                format!("the plan was made for another cluster, {name}"),
                "name its kubeconfig and context, or make a plan for this cluster",
            ),
            (Some(_), None) => (
                format!("whether this is the cluster of the plan, {name}, cannot be told"),
                "let the credentials read the namespace kube-system, whose UID tells clusters apart, or make a plan with them",
            ),
            (Some(_), Some(_)) | (None, _) => return Ok(()),
        };
        Err(CommandError::new(Exit::Refused, line).hint(hint))
    }
}

/// Reads a saved plan.
pub(crate) fn read(path: &Path) -> Result<SavedPlan, CommandError> {
    let bytes = read_input(path, Named::File, MAX_PLAN)
        .map_err(|error| CommandError::input(format!("cannot read the plan {}: {error}", path.display())))?;
    parse(&bytes, path)
}

/// Reads a saved plan from the content of a file.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<SavedPlan, CommandError> {
    /// What is the same in every format.
    #[derive(Deserialize)]
    struct Envelope {
        pilothouse_plan: u64,
        saved: Option<IgnoredAny>,
    }
    let path = path.display();
    let damaged =
        |error: serde_json::Error| CommandError::input(format!("the plan {path} is damaged: {error}")).hint(MAKE_ANEW);
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(damaged)?;
    if envelope.pilothouse_plan != u64::from(PLAN_FORMAT) {
        let found = envelope.pilothouse_plan;
        let line = format!("the plan {path} has format {found}; this program reads format {PLAN_FORMAT}");
        return Err(CommandError::input(line).hint(format!("use the program that made it, or {MAKE_ANEW}")));
    }
    if envelope.saved.is_none() {
        let line = format!("the plan {path} was printed, not saved: it does not say what it was made from");
        return Err(CommandError::input(line).hint("save it with `plan --out FILE`"));
    }
    let mut saved: SavedPlan = serde_json::from_slice(bytes).map_err(damaged)?;
    saved.plan.key.clone_from(&saved.saved.key);
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{every_way, unchanged};
    use rstest::rstest;
    use serde_json::{Value, json};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn saved() -> SavedPlan {
        SavedPlan {
            plan: Plan { key: Some(DigestKey::new([7; 32])), ..every_way() },
            saved: PlannedWith {
                program: "0.1.0".to_owned(),
                kind: RunKind::Apply,
                stack_file: PathBuf::from("/work/shop/pilothouse.yaml"),
                select: Select { only: vec!["web/*".to_owned()], with_needs: true, ..Select::default() },
                consent: vec!["pvc/data/db-0".to_owned()],
                cluster: PlannedCluster {
                    name: "context prod of /home/ada/.kube/config".to_owned(),
                    id: Some("5c1b7a0e".to_owned()),
                },
                key: Some(DigestKey::new([7; 32])),
            },
        }
    }

    #[test]
    fn what_is_written_can_be_read_and_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.plan");
        write(&path, &SavedPlan { plan: unchanged(1), ..saved() }).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, &saved()).unwrap();
        assert_eq!(read(&path).unwrap(), saved());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing unfinished stays beside it.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_but_a_plan_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let there = |name: &str| folder.path().join(name);
        fs::write(there("stack"), "version: 1\n").unwrap();
        fs::write(there("empty"), "").unwrap();
        symlink(there("empty"), there("link")).unwrap();
        fs::create_dir(there("folder")).unwrap();
        let refused = ["stack", "empty", "link", "folder", "no/folder", "stack/below"].map(|name| {
            let error = write(&there(name), &saved()).err()?;
            Some(error.lines[0].replace(&there(name).display().to_string(), "FILE"))
        });
        let expected = [
            Some("FILE is there and is no saved plan"),
            None,
            Some("FILE is no regular file"),
            Some("FILE is no regular file"),
            Some("cannot write the plan to FILE: entity not found"),
            Some("cannot write to FILE: Not a directory (os error 20)"),
        ];
        assert_eq!(refused.each_ref().map(Option::as_deref), expected);
        assert_eq!(fs::read_to_string(there("stack")).unwrap(), "version: 1\n");
        assert!(fs::symlink_metadata(there("link")).unwrap().is_symlink());
    }

    #[rstest]
    #[case("{\"pilothouse_plan\": 1, \"stack\": \"shop\"}", true)]
    #[case(" \n{\"stack\": {\"a\": [1]}, \"pilothouse_plan\": 99}", true)]
    #[case("{\"pilothouse_plan\": 1, \"stack\": \"sh", true)]
    #[case("{\"version\": 1, \"name\": \"pilothouse_plan\"}", false)]
    #[case("{\"releases\": [{\"pilothouse_plan\": 1}]}", false)]
    #[case("{\"releases\": [{\"pilothouse_plan\": 1", false)]
    #[case("pilothouse_plan: 1\n", false)]
    #[case("version: 1\nname: shop\n", false)]
    #[case("[{\"pilothouse_plan\": 1}]", false)]
    #[case("", false)]
    fn a_plan_is_known_by_its_marker(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_saved_plan(text.as_bytes()), expected);
    }

    #[test]
    fn the_marker_comes_first() {
        let text = serde_json::to_string(&saved()).unwrap();
        assert!(is_saved_plan(&text.as_bytes()[..text.len() / 100]));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let changed = |change: fn(&mut Value)| {
            let mut document = serde_json::to_value(saved()).unwrap();
            change(&mut document);
            let error = parse(document.to_string().as_bytes(), Path::new("a.plan")).unwrap_err();
            (error.lines.join("; "), error.hint)
        };
        assert_eq!(
            changed(|plan| plan[MARKER] = json!(99)),
            (
                "the plan a.plan has format 99; this program reads format 1".to_owned(),
                Some(format!("use the program that made it, or {MAKE_ANEW}"))
            )
        );
        assert_eq!(
            changed(|plan| {
                plan.as_object_mut().map(|plan| plan.remove("saved"));
            }),
            (
                "the plan a.plan was printed, not saved: it does not say what it was made from".to_owned(),
                Some("save it with `plan --out FILE`".to_owned())
            )
        );
        let damaged = [r#"{"pilothouse_plan": 1, "saved": {}}"#, r#"{"pilothouse_plan": 1, "st"#].map(|text| {
            let error = parse(text.as_bytes(), Path::new("a.plan")).unwrap_err();
            assert_eq!(error.hint.as_deref(), Some(MAKE_ANEW));
            error.lines.join("; ")
        });
        assert_eq!(
            damaged,
            [
                "the plan a.plan is damaged: missing field `program` at line 1 column 34",
                "the plan a.plan is damaged: EOF while parsing a string at line 1 column 26"
            ]
        );
    }
}
