//! What digests of steps and of plans were made of in their first form: of the text by which Rust shows a value, in which paths
//! stand as they led from where the program was started. Only for what was written then: format 5 of the journal and before,
//! format 1 of deploy records, plans without a key.

use crate::context::PlainInputs;
use crate::context::StepsSeen;
use crate::digest::{self, part};
use pilothouse_core::{ChartInfo, CheckKind, CheckStep, FilePath, Header, HeaderValue, JobSource, StepKind, hex};
use pilothouse_process::{MAX_DOCUMENT, read_file};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The digests that a step of a stack file may have had: one for each way in which the folder of the stack file may have been
/// called.
pub(crate) async fn digests(kind: &StepKind) -> Vec<String> {
    let mut any = kind.clone();
    let Some(folder) = paths(&mut any).first().map(|path| path.folder().to_owned()) else {
        return vec![shown(kind, &[]).await];
    };
    let mut digests = Vec::new();
    for called in names(&folder) {
        let mut kind = kind.clone();
        for path in paths(&mut kind) {
            *path = path.in_folder(&called);
        }
        // They are where they are, whatever they were called.
        digests.push(shown(&kind, &files(&any)).await);
    }
    digests
}

/// The digests that all a release was given for a plan may have had.
pub(crate) fn former_digests_of_plan(info: &ChartInfo, steps: &StepsSeen, inputs: Option<&PlainInputs>) -> Vec<String> {
    let options =
        format!("{:?} {:?} {:?} {:?}", info.on_failure, info.drift, info.timeout_in_seconds, info.create_namespace);
    let one = |lifecycle: &String| {
        let inputs = inputs.map(|inputs| inputs.open(lifecycle));
        // Digests and numbers cannot fail to be written.
        let inputs = serde_json::to_string(&inputs).unwrap_or_default();
        digest::of([inputs.as_str(), lifecycle, &options].join("\n"))
    };
    steps.former.iter().map(one).collect()
}

/// How the folder of a stack file may have been called: as now, from within, from any folder above, or by its whole path.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names = vec![folder.to_owned(), PathBuf::from(".")];
    if let Ok(whole) = std::fs::canonicalize(folder) {
        let parts: Vec<_> = whole.components().collect();
        names.extend((0..parts.len()).map(|from| parts[from..].iter().collect::<PathBuf>()));
    }
    names
}

async fn shown(kind: &StepKind, files: &[FilePath]) -> String {
    let text = match kind {
        StepKind::Check(check) => format!("{check:?}"),
        StepKind::Apply(step) => format!("Apply({:?})", ApplyStep { files: &step.files, manifests: &step.manifests }),
        StepKind::Command(step) => format!("Command({:?})", CommandStep::of(step)),
        StepKind::Adopt(_) | StepKind::Delete(_) | StepKind::Wait(_) | StepKind::Restart(_) => format!("{kind:?}"),
    };
    let mut hash = Sha256::new();
    part(&mut hash, text.as_bytes());
    for file in files {
        match read_file(file, MAX_DOCUMENT).await {
            Ok(bytes) => part(&mut hash, &bytes),
            Err(error) => part(&mut hash, error.kind().to_string().as_bytes()),
        }
    }
    hex(&hash.finalize())
}

/// A step with manifests, as Rust showed it when nothing of it was left out.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct ApplyStep<'s> {
    files: &'s [FilePath],
    manifests: &'s [String],
}

/// A command, as Rust showed it when nothing of it was left out.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct CommandStep<'s> {
    argv: &'s [String],
    env: &'s BTreeMap<String, String>,
    cwd: &'s Option<FilePath>,
    output_to: &'s Option<String>,
    repeatable: bool,
    timeout_in_seconds: u64,
}

impl<'s> CommandStep<'s> {
    fn of(step: &'s pilothouse_core::CommandStep) -> Self {
        let pilothouse_core::CommandStep { argv, env, cwd, output_to, sensitive: _, repeatable, timeout_in_seconds } =
            step;
        let (repeatable, timeout_in_seconds) = (*repeatable, *timeout_in_seconds);
        Self { argv, env, cwd, output_to, repeatable, timeout_in_seconds }
    }
}

/// The files whose content was part of the digest.
fn files(kind: &StepKind) -> Vec<FilePath> {
    match kind {
        StepKind::Apply(step) => step.files.clone(),
        StepKind::Check(check) => match &check.kind {
            CheckKind::Job(job) => match &job.source {
                JobSource::File(file) => vec![file.clone()],
                JobSource::Manifest(_) | JobSource::Template(_) => Vec::new(),
            },
            CheckKind::Http(_)
            | CheckKind::Tcp(_)
            | CheckKind::Exec(_)
            | CheckKind::Assert(_)
            | CheckKind::HelmTest(_)
            | CheckKind::Prometheus(_) => Vec::new(),
        },
        StepKind::Adopt(_) | StepKind::Delete(_) | StepKind::Wait(_) | StepKind::Command(_) | StepKind::Restart(_) => {
            Vec::new()
        }
    }
}

/// All paths of a step.
fn paths(kind: &mut StepKind) -> Vec<&mut FilePath> {
    match kind {
        StepKind::Apply(step) => step.files.iter_mut().collect(),
        StepKind::Command(step) => step.cwd.iter_mut().collect(),
        StepKind::Check(check) => paths_of_check(check),
        StepKind::Adopt(_) | StepKind::Delete(_) | StepKind::Wait(_) | StepKind::Restart(_) => Vec::new(),
    }
}

fn paths_of_check(check: &mut CheckStep) -> Vec<&mut FilePath> {
    let (tls, headers) = match &mut check.kind {
        CheckKind::Http(http) => (http.tls.as_mut(), &mut http.headers),
        CheckKind::Prometheus(prometheus) => (prometheus.tls.as_mut(), &mut prometheus.headers),
        CheckKind::Job(job) => {
            return match &mut job.source {
                JobSource::File(file) => vec![file],
                JobSource::Manifest(_) | JobSource::Template(_) => Vec::new(),
            };
        }
        CheckKind::Tcp(_) | CheckKind::Exec(_) | CheckKind::Assert(_) | CheckKind::HelmTest(_) => return Vec::new(),
    };
    let held = headers.iter_mut().filter_map(|Header { value, .. }| match value {
        HeaderValue::File { file, .. } => Some(file),
        HeaderValue::Plain(_) | HeaderValue::Sensitive(_) => None,
    });
    tls.and_then(|tls| tls.ca_file.as_mut()).into_iter().chain(held).collect()
}
