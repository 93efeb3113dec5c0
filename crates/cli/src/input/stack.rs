//! Reading the stack file.

use crate::input::settings::Settings;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer;
use pilothouse::kubernetes::Rules;
use pilothouse_config::{Loaded, Unset};
use pilothouse_core::{ConsentTo, Stack};
use pilothouse_process::{Named, read_input, read_text};
use std::path::{Path, PathBuf};

/// What a stack file may hold, in bytes.
const MAX_STACK: u64 = 4 * 1024 * 1024;

/// The file a folder stands for.
const FILE_NAME: &str = "pilothouse.yaml";

/// The stack file that is meant: a folder stands for one.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() }
}

/// The stack file that is meant, absolute and without links.
pub(crate) fn place(path: &Path) -> PathBuf {
    let file = file(path);
    std::fs::canonicalize(&file).or_else(|_| std::path::absolute(&file)).unwrap_or(file)
}

/// Whether a run of the file that is recorded may be resumed with this one. Another checkout, perhaps on another machine, has the
/// same file at another place: then what it holds must be the same or, where the recorded one is not here, its name.
pub(crate) fn is_same(recorded: &Path, this: &Path) -> bool {
    recorded == this
        || match read_input(recorded, Named::File, MAX_STACK) {
            Ok(recorded) => read_input(this, Named::File, MAX_STACK).is_ok_and(|this| this == recorded),
            Err(_) => recorded.file_name() == this.file_name(),
        }
}

/// Reads a stack file, or the one of a folder, for a command that needs everything in it.
pub(crate) fn load(path: &Path, settings: &Settings) -> Result<Stack, CommandError> {
    load_for(path, settings, Unset::Problem).map(|loaded| loaded.stack)
}

/// The same for a command that can do without some of what environment variables give.
pub(crate) fn load_for(path: &Path, settings: &Settings, unset: Unset) -> Result<Loaded, CommandError> {
    let file = file(path);
    let text = read_text(&file, Named::FileOrPipe, MAX_STACK).map_err(|error| {
        CommandError::input(format!("cannot read stack file {}: {error}", file.display()))
            .hint(format!("name a stack file, or a folder that has a {FILE_NAME}"))
    })?;
    let folder =
        file.parent().map(Path::to_owned).filter(|folder| folder != Path::new("")).unwrap_or(PathBuf::from("."));
    pilothouse_config::load_for(&text, &file.display().to_string(), &folder, &settings.text_env(), unset)
        .inspect(|loaded| {
            for warning in loaded.warnings.iter() {
                printer::err(format!("warning: {}:{}: {}", file.display(), warning.line, warning.message));
            }
        })
        .map_err(CommandError::problems)
}

/// The rules by which the objects of a stack are judged.
pub(crate) fn rules(stack: &Stack) -> Result<Rules, CommandError> {
    Rules::with(&stack.readiness).map_err(|error| CommandError::from_error(Exit::BadInput, &error))
}

/// Adds consent given on the command line to every release. It must name the namespace of an object where the releases
/// are in several: consent to one database is none to another of the same name.
pub(crate) fn add_consent(stack: &mut Stack, consent: &[String]) -> Result<(), CommandError> {
    let mut namespaces: Vec<&str> = stack.releases.iter().map(|release| release.info.namespace.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let mut all = Vec::with_capacity(consent.len());
    for text in consent {
        let consent = ConsentTo::parse(text).map_err(|error| CommandError::input(format!("--consent: {error}")))?;
        if let ConsentTo::Object(object) = &consent
            && object.namespace.is_none()
            && namespaces.len() > 1
            && !lives_in_no_namespace(&object.kind)
        {
            let error = format!("--consent {text}: the stack has releases in several namespaces");
            return Err(CommandError::input(error).hint("name the object as kind/namespace/name"));
        }
        all.push(consent);
    }
    for release in &mut stack.releases {
        all.iter().cloned().for_each(|consent| release.info.add_consent(consent));
    }
    Ok(())
}

/// The kinds outside of namespaces that consent can be about, as people write them.
fn lives_in_no_namespace(kind: &str) -> bool {
    let kind = kind.split('.').next().unwrap_or_default().to_lowercase();
    let known = ["customresourcedefinition", "crd", "namespace", "ns", "persistentvolume", "pv"];
    known.iter().any(|name| kind == *name || kind == format!("{name}s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{ChartInfo, ClusterPin, Namespace, OnReleaseFailure, ReleaseSpec, SetPolicy};
    use rstest::rstest;
    use std::collections::BTreeMap;

    fn stack(namespaces: &[&str]) -> Stack {
        let release = |namespace: &&str| ReleaseSpec {
            info: ChartInfo { namespace: Namespace::from(*namespace), ..ChartInfo::default() },
            steps: BTreeMap::new(),
        };
        Stack {
            name: "s".to_owned(),
            folder: PathBuf::new(),
            failure_policy: SetPolicy::default(),
            on_release_failure: OnReleaseFailure::default(),
            cluster: ClusterPin::default(),
            state_namespace: None,
            readiness: Vec::new(),
            releases: namespaces.iter().map(release).collect(),
        }
    }

    #[rstest]
    #[case(&["a", "a"], "pvc/data", true)]
    #[case(&["a", "b"], "pvc/data", false)]
    #[case(&["a", "b"], "pvc/a/data", true)]
    #[case(&["a", "b"], "crd/widgets.example.com", true)]
    #[case(&["a", "b"], "customresourcedefinitions.apiextensions.k8s.io/widgets.example.com", true)]
    #[case(&["a"], "data", false)]
    #[case(&["a", "b"], "lock", true)]
    #[case(&["a", "b"], "state", true)]
    #[case(&["a"], "stat", false)]
    fn consent_is_about_one_object(#[case] namespaces: &[&str], #[case] consent: &str, #[case] good: bool) {
        assert_eq!(add_consent(&mut stack(namespaces), &[consent.to_owned()]).is_ok(), good);
    }

    #[test]
    fn another_file_of_the_stack_is_not_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            place(&path)
        };
        let up = write("up.yaml", "up");
        let cases = [
            (up.clone(), up.clone(), true),
            (up.clone(), write("pilothouse.yaml", "other"), false),
            (up.clone(), write("elsewhere/up.yaml", "other"), false),
            // The same commit, checked out once more.
            (up.clone(), write("checkout/up.yaml", "up"), true),
            (PathBuf::from("/no/such/checkout/up.yaml"), up.clone(), true),
            (PathBuf::from("/no/such/checkout/down.yaml"), up, false),
        ];
        for (recorded, this, expected) in cases {
            assert_eq!(is_same(&recorded, &this), expected, "{} {}", recorded.display(), this.display());
        }
        assert_eq!(place(folder.path()), folder.path().canonicalize().unwrap().join(FILE_NAME));
    }
}
