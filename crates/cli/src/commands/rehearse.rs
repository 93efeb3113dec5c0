//! `pilothouse rehearse`

use crate::commands::plane::{self, config};
use crate::commands::run::{self, Run};
use crate::input::connect::{self, Place};
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::{self, Afterwards, RehearsalLine, RehearsalTag};
use crate::terminal::args::Output;
use crate::terminal::args::{self, NodeKind, PlaneName, PlaneUp, RunFlags};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer::{self, FAINT, paint};
use pilothouse::Offline;
use pilothouse::rehearsal::{ClusterCopy, same_minor};
use pilothouse::state::Resume;
use pilothouse_core::{HelmAction, Rehearsal, RunKind, Stack};
use pilothouse_kube::ConnectOptions;
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, VOLUME_PROVISIONER};
use pilothouse_process::Scratch;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What a rehearsal cannot tell.
const NOT_EXERCISED: &str = "\
A rehearsal runs real helm against a real Kubernetes API server, scheduler and controllers.
Not exercised: no container runs (pods are simulated, so images, probes, programs and references to missing Secrets or \
ConfigMaps are not tried), admission webhooks are not called, and nothing of your own cluster (its version, policies, \
quotas, objects) is known here.";

/// What a rehearsal on a copy of a cluster cannot tell.
const NOT_EXERCISED_OF_A_COPY: &str = "\
A rehearsal runs real helm against a real Kubernetes API server, scheduler and controllers, here with a copy of what the \
cluster holds for these releases. The cluster was only read.
Not exercised: no container runs (pods are simulated, so images, probes and programs are not tried, and what waits for a \
controller of your own waits in vain), admission webhooks are not called, your own rights are not tried (here you may do \
everything), pods of others take no room on nodes, volumes are simulated, finalizers hold nothing up, and what an earlier run \
has left unfinished is not known.";

/// Applies and validates a stack on a throwaway control plane, and takes everything down again.
pub(crate) async fn rehearse(settings: &Settings, args: args::Rehearse, stages: &Stages) -> Result<Exit, CommandError> {
    if args.keep && args.from_cluster {
        let why = "--keep would leave what is copied of the cluster, Secrets included, on this machine";
        return Err(CommandError::input(why).hint("leave --keep or --from-cluster out"));
    }
    let mut stack = stack::load(&args.stack.stack, settings)?;
    select::select(&mut stack, &args.select)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    let helm = if args.helm_major == "3" { Tool::Helm3 } else { Tool::Helm4 };
    let mut tools = Tool::PLANE.to_vec();
    tools.push(helm);
    let obtained = plane::obtain(settings, &tools, settings.provision()?, &stages.drain).await?;
    let helm = match (&settings.helm, obtained.path(helm)) {
        (Some(given), _) => given.clone(),
        (None, Some(path)) => path.to_owned(),
        (None, None) => return Err(CommandError::input("no helm was obtained")),
    };
    if args.keep {
        return keep(settings, &stack, &args.run, helm, stages).await;
    }
    let copy =
        if args.from_cluster { Some(Box::pin(copied(settings, &args, &stack, &helm, stages)).await?) } else { None };
    let mut config = config(&obtained, 2, false)?;
    if copy.as_ref().is_some_and(ClusterCopy::has_nodes) {
        config.nodes.clear();
    }
    let started = plane::Starting::new(settings, "starting a control plane");
    let plane = tokio::select! {
        plane = Plane::start(config) => plane,
        () = stages.drain.cancelled() => return Err(CommandError::new(Exit::Interrupted, "interrupted")),
    };
    let plane = plane.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    // From here on there is something to take down.
    stages.begin_run();
    started.done(&format!("control plane Kubernetes at {}", plane.url()));
    let there = Place { connection: ConnectOptions::kubeconfig(plane.kubeconfig()), helm };
    let result = Box::pin(rehearsed(settings, &stack, &args.run, there, copy.as_ref(), stages)).await;
    let broken = plane.check();
    plane.stop().await;
    let exit = result?;
    broken.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    if settings.human() {
        printer::out(paint(FAINT, "control plane stopped, nothing is left of it"));
    }
    Ok(exit)
}

/// Reads what matters of the cluster, and nothing but reads.
async fn copied(
    settings: &Settings,
    args: &args::Rehearse,
    stack: &Stack,
    helm: &Path,
    stages: &Stages,
) -> Result<ClusterCopy, CommandError> {
    let place = Place { connection: settings.connection(&args.connection, &stack.cluster)?, helm: helm.to_owned() };
    let session = connect::session(settings, place, stack, stages).await?;
    let name = connect::named(&session);
    let target = session.target().await.map_err(|error| CommandError::from_error(Exit::BadInput, &error))?;
    let (there, here) = (target.kube_version.as_str(), Tool::KubeApiserver.version());
    if !same_minor(there, here) && !args.any_version {
        let error = CommandError::input(format!(
            "the cluster is Kubernetes {there}, and a rehearsal can have {here} only: another minor version serves, \
             defaults and refuses other things"
        ));
        return Err(error.hint("--any-version goes on all the same, and the report names both"));
    }
    let reading = plane::Starting::new(settings, "reading the cluster");
    let charts = run::charts(stack, RunKind::Apply);
    let copy = tokio::select! {
        copy = pilothouse::rehearsal::copy(&charts, &session) => copy,
        () = stages.drain.cancelled() => return Err(CommandError::new(Exit::Interrupted, "interrupted")),
    };
    let copy = copy.map_err(|error| {
        let hint = "a copy needs get and list: of Helm's records at least, and of all that is to be told something of";
        let failed = CommandError::from_error(Exit::Failed, &error);
        if failed.hint.is_none() { failed.hint(hint) } else { failed }
    })?;
    reading.done(&format!("{} objects read of {name}", copy.len()));
    Ok(copy)
}

async fn rehearsed(
    settings: &Settings,
    stack: &Stack,
    flags: &RunFlags,
    place: Place,
    copy: Option<&ClusterCopy>,
    stages: &Stages,
) -> Result<Exit, CommandError> {
    // What is kept of a rehearsal goes with it; if this is killed, with the next run.
    let state = Scratch::new(&settings.cache()?.join("scratch"))
        .map_err(|error| CommandError::new(Exit::Failed, format!("cannot make a temporary folder: {error}")))?;
    let backups = state.path().join("backups");
    let helm = place.helm.clone();
    let session = connect::session_saving_in(backups, settings, place, stack, stages).await?;
    let loaded = match copy {
        None => None,
        Some(copy) => {
            let loading = plane::Starting::new(settings, "loading the copy");
            let loaded = tokio::select! {
                loaded = copy.load(&session, VOLUME_PROVISIONER) => loaded,
                () = stages.drain.cancelled() => return Err(CommandError::new(Exit::Interrupted, "interrupted")),
            };
            let loaded = loaded.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
            loading.done("copy loaded");
            Some(loaded)
        }
    };
    let beyond = beyond(settings, stack, helm, stages).await?;
    if settings.human() && !beyond.is_empty() {
        printer::out("A rehearsal cannot exercise:");
        for line in &beyond {
            printer::out(format!("  {line}"));
        }
        printer::out("");
    }
    let run = Run {
        stack,
        charts: run::charts(stack, RunKind::Apply),
        session: &session,
        kind: RunKind::Apply,
        flags,
        connection: None,
        resume: Resume::IfUnfinished,
        stack_file: None,
        journals: state.path().join("runs"),
        plan: None,
        afterwards: Afterwards::Nothing,
    };
    let (outcome, document) = run::run_untold(settings, run).await?;
    let rehearsal = match loaded {
        None => None,
        Some(loaded) => Some(loaded.compare(&session, &outcome).await),
    };
    tell(settings, document, rehearsal, &beyond);
    Ok(outcome.verdict().into())
}

/// What of the releases a rehearsal cannot exercise, told before it fails on it. What cannot be rendered without a cluster is told by the
/// run.
async fn beyond(
    settings: &Settings,
    stack: &Stack,
    helm: PathBuf,
    stages: &Stages,
) -> Result<Vec<String>, CommandError> {
    let helm = connect::offline_helm_at(settings, stack, helm).await?;
    let offline = Offline { helm, chart_cache: settings.cache()?.join("charts") };
    let mut lines = Vec::new();
    for release in stack.releases.iter().filter(|release| release.info.action == HelmAction::Deploy) {
        let told = offline.beyond_rehearsal(&release.info, &stages.drain).await.unwrap_or_default();
        lines.extend(told.into_iter().map(|line| format!("{}: {line}", release.info.key())));
    }
    Ok(lines)
}

/// Prints what was found out, behind what the run has told.
fn tell(settings: &Settings, document: Option<Value>, rehearsal: Option<Rehearsal>, beyond: &[String]) {
    match settings.output {
        Output::Human => {
            let told = if rehearsal.is_some() { NOT_EXERCISED_OF_A_COPY } else { NOT_EXERCISED };
            if let Some(rehearsal) = &rehearsal {
                printer::out("");
                report::rehearsal_text(rehearsal).iter().for_each(printer::out);
            }
            printer::out(format!("\n{}", paint(FAINT, told)));
        }
        Output::Json => {
            if let Some(mut document) = document {
                if let Some(rehearsal) = rehearsal {
                    document["rehearsal"] = json!(rehearsal);
                }
                if !beyond.is_empty() {
                    document["not_exercised"] = json!(beyond);
                }
                printer::json(settings.output, &document);
            }
        }
        Output::Jsonl => {
            if let Some(rehearsal) = rehearsal {
                printer::json_line(&RehearsalLine { event: RehearsalTag::Rehearsed, rehearsal });
            }
        }
    }
}

/// As a rehearsal, but on a control plane that stays.
async fn keep(
    settings: &Settings,
    stack: &Stack,
    flags: &RunFlags,
    helm: PathBuf,
    stages: &Stages,
) -> Result<Exit, CommandError> {
    let name = format!("rehearsal-{}", stack.name);
    let wanted = PlaneUp {
        name: PlaneName { name: name.clone() },
        audit: false,
        node: vec![NodeKind::Simulated],
        nodes: 2,
        image: Vec::new(),
    };
    let up = plane::up(settings, &wanted).await?;
    stages.begin_run();
    let place = Place { connection: ConnectOptions::kubeconfig(&up.kubeconfig), helm };
    let exit = Box::pin(rehearsed(settings, stack, flags, place, None, stages)).await?;
    if settings.human() {
        printer::out(format!("\nThe control plane stays. Reach it: export KUBECONFIG={}", up.kubeconfig.display()));
        printer::out(format!("Stop it:  pilothouse plane down {name}"));
    }
    Ok(exit)
}
