//! `pilothouse rehearse`

use crate::args::{self, NodeKind, PlaneName, PlaneUp, RunFlags};
use crate::commands::plane::{self, config};
use crate::commands::run::{self, Run};
use crate::connect::{self, Place};
use crate::exit::{CommandError, Exit};
use crate::interrupt::Stages;
use crate::printer::{self, FAINT, paint};
use crate::report::Afterwards;
use crate::select;
use crate::settings::Settings;
use crate::stack;
use pilothouse::Resume;
use pilothouse_core::{RunKind, Stack};
use pilothouse_kube::ConnectOptions;
use pilothouse_plane::Plane;
use pilothouse_plane::provision::Tool;

/// What a rehearsal cannot tell.
const NOT_EXERCISED: &str = "\
A rehearsal runs real helm against a real Kubernetes API server, scheduler and controllers.
Not exercised: no container runs (pods are simulated, so images, probes, programs and references to missing Secrets or \
ConfigMaps are not tried), admission webhooks are not called, and nothing of your own cluster (its version, policies, \
quotas, objects) is known here.";

/// Applies and validates a stack on a throwaway control plane, and takes everything down again.
pub(crate) async fn rehearse(settings: &Settings, args: args::Rehearse, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.stack.stack, settings)?;
    select::select(&mut stack, &args.select)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    let helm = if args.helm_major == "3" { Tool::Helm3 } else { Tool::Helm4 };
    let mut tools = Tool::PLANE.to_vec();
    tools.push(helm);
    let obtained = plane::obtain(settings, &tools, settings.provision(), &stages.drain).await?;
    let helm = match (&settings.helm, obtained.path(helm)) {
        (Some(given), _) => given.clone(),
        (None, Some(path)) => path.to_owned(),
        (None, None) => return Err(CommandError::input("no helm was obtained")),
    };
    if args.keep {
        return keep(settings, &stack, &args.run, helm, stages).await;
    }
    let started = plane::Starting::new(settings, "starting a control plane");
    let plane = tokio::select! {
        plane = Plane::start(config(&obtained, 2, false)?) => plane,
        () = stages.drain.cancelled() => return Err(CommandError::new(Exit::Interrupted, "interrupted")),
    };
    let plane = plane.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    started.done(&format!("control plane Kubernetes at {}", plane.url()));
    let there = Place { connection: ConnectOptions::kubeconfig(plane.kubeconfig()), helm };
    let result = rehearsed(settings, &stack, &args.run, there, stages).await;
    let broken = plane.check();
    plane.stop().await;
    let exit = result?;
    broken.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    if settings.human() {
        printer::out(paint(FAINT, "control plane stopped, nothing is left of it"));
    }
    Ok(exit)
}

async fn rehearsed(
    settings: &Settings,
    stack: &Stack,
    flags: &RunFlags,
    place: Place,
    stages: &Stages,
) -> Result<Exit, CommandError> {
    let session = connect::session(settings, place, stack, stages).await?;
    // What is kept of a rehearsal goes with it.
    let journals = tempfile::tempdir()
        .map_err(|error| CommandError::new(Exit::Failed, format!("cannot make a temporary folder: {error}")))?;
    let run = Run {
        stack,
        charts: run::charts(stack, RunKind::Apply),
        session: &session,
        kind: RunKind::Apply,
        flags,
        resume: Resume::IfUnfinished,
        journals: journals.path().to_owned(),
        plan: None,
        afterwards: Afterwards::Nothing,
    };
    let outcome = run::run(settings, run).await?;
    if settings.human() {
        printer::out(format!("\n{}", paint(FAINT, NOT_EXERCISED)));
    }
    Ok(outcome.verdict().into())
}

/// As a rehearsal, but on a control plane that stays.
async fn keep(
    settings: &Settings,
    stack: &Stack,
    flags: &RunFlags,
    helm: std::path::PathBuf,
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
    let place = Place { connection: ConnectOptions::kubeconfig(&up.kubeconfig), helm };
    let exit = rehearsed(settings, stack, flags, place, stages).await?;
    if settings.human() {
        printer::out(format!("\nThe control plane stays. Reach it: export KUBECONFIG={}", up.kubeconfig.display()));
        printer::out(format!("Stop it:  pilothouse plane down {name}"));
    }
    Ok(exit)
}
