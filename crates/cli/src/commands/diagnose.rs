//! `pilothouse diagnose`

use crate::input::connect;
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::{causes, diagnosis};
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer;
use pilothouse::Session;
use pilothouse::diagnosis::Health;
use pilothouse_config::Unset;
use pilothouse_core::{ChartInfo, ClusterPin, HelmAction, Namespace, OnReleaseFailure, ReleaseSpec, SetPolicy, Stack};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Says what is wrong with releases as they stand in the cluster, and why. Changes nothing. Exit code 1 when something is
/// wrong or cannot be told, 4 when something is only on its way.
pub(crate) async fn diagnose(settings: &Settings, args: args::Diagnose, stages: &Stages) -> Result<Exit, CommandError> {
    let args::Diagnose { releases, stack, namespace, mut select, connection } = args;
    select.only.extend(releases);
    let mut stack = match namespace {
        Some(_) => of_nobody(Vec::new()),
        None => stack::load_for(&stack, settings, Unset::LeftOut)?.stack,
    };
    if namespace.is_none() {
        select::select(&mut stack, &select)?;
    }
    let place = connect::users(settings, &connection, &stack).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    if let Some(namespace) = &namespace {
        stack = of_namespace(&session, namespace).await?;
        select::select(&mut stack, &select)?;
    }
    let infos = stack.releases.iter().map(|release| &release.info);
    let infos: Vec<ChartInfo> = infos.filter(|info| info.action == HelmAction::Deploy).cloned().collect();
    let diagnoses = tokio::select! {
        diagnoses = pilothouse::diagnosis::diagnose(&session, &infos) => diagnoses,
        () = stages.drain.cancelled() => return Err(CommandError::new(Exit::Interrupted, "interrupted")),
    };
    let exit = diagnoses.iter().map(|one| exit(one.state)).max_by_key(|exit| weight(*exit)).unwrap_or(Exit::Done);
    let causes = diagnoses.iter().flat_map(|one| one.causes.iter().map(|cause| (one.release.clone(), cause.clone())));
    let told = causes::told(causes.collect());
    if settings.human() {
        diagnosis::lines(&diagnoses, &told, settings.width()).iter().for_each(printer::out);
    } else {
        let name = namespace.is_none().then_some(&stack.name);
        let document = json!({"stack": name, "exit_code": exit.number(), "releases": diagnoses, "causes": told});
        printer::json(settings.output, &document);
    }
    Ok(exit)
}

fn exit(state: Health) -> Exit {
    match state {
        Health::Healthy => Exit::Done,
        Health::InProgress => Exit::InProgress,
        Health::Wrong | Health::NotInstalled | Health::Unreadable => Exit::Failed,
    }
}

fn weight(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::InProgress => 1,
        Exit::Failed | Exit::BadInput | Exit::Refused | Exit::Changes | Exit::Interrupted => 2,
    }
}

/// A stack of releases that no stack file speaks of.
fn of_nobody(releases: Vec<ReleaseSpec>) -> Stack {
    Stack {
        name: String::new(),
        folder: PathBuf::new(),
        failure_policy: SetPolicy::default(),
        on_release_failure: OnReleaseFailure::default(),
        cluster: ClusterPin::default(),
        state_namespace: None,
        readiness: Vec::new(),
        releases,
    }
}

/// The releases that helm has records of in a namespace.
async fn of_namespace(session: &Session, namespace: &str) -> Result<Stack, CommandError> {
    let revisions = session.revisions_of(namespace).await;
    let revisions = revisions.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    let names: BTreeSet<String> = revisions.into_iter().map(|meta| meta.name).collect();
    if names.is_empty() {
        return Err(CommandError::input(format!("helm has no releases in namespace {namespace}")));
    }
    let release = |name: String| ReleaseSpec {
        info: ChartInfo { name, namespace: Namespace::from(namespace), ..ChartInfo::default() },
        steps: BTreeMap::new(),
    };
    Ok(of_nobody(names.into_iter().map(release).collect()))
}
