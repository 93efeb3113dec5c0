//! `pilothouse plane`

use crate::input::settings::Settings;
use crate::report::{ProvisionProgress, table};
use crate::terminal::args::{self, NodeKind};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer::{self, BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::terminal::text::duration;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use pilothouse_plane::provision::{Obtained, ProvisionConfig, ProvisionError, Provisioner, Tool};
use pilothouse_plane::{
    Binaries, PlaneConfig, PlaneRecord, PlaneStatus, RealNode, RealNodeMissing, RegistryError, SimulatedNode, Tools,
    WORKLOAD_IMAGE, real_node_missing,
};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long `up` waits for the plane it started.
const UP: Duration = Duration::from_secs(90);
/// How long `down` waits before it kills.
const DOWN: Duration = Duration::from_secs(20);

/// Carries out one of the plane commands.
pub(crate) async fn plane(
    settings: &Settings,
    command: args::Plane,
    cancel: &CancellationToken,
) -> Result<Exit, CommandError> {
    match command {
        args::Plane::Install(args) => install(settings, &args, cancel).await,
        args::Plane::Up(args) => {
            check(&args)?;
            obtain(settings, Tool::of_plane(args.is_real()), settings.provision()?, cancel).await?;
            let record = up(settings, &args).await?;
            if settings.human() {
                printer::out(format!("{} is up: {}", paint(STRONG, &record.name), record.url));
                printer::out(format!("  export KUBECONFIG={}", record.kubeconfig.display()));
                printer::out(format!("  pilothouse plane down {}", record.name));
                if args.is_real() {
                    printer::out(format!("  the real node has the image {WORKLOAD_IMAGE}"));
                }
            } else {
                printer::json(settings.output, &json!(record));
            }
            Ok(Exit::Done)
        }
        args::Plane::Supervise(args) => supervise(settings, &args, cancel).await,
        args::Plane::Status(args) => {
            let status = pilothouse_plane::status(&base(settings)?, &args.name).map_err(registry)?;
            show(settings, &args.name, &status);
            Ok(if matches!(status, PlaneStatus::Up(_)) { Exit::Done } else { Exit::Failed })
        }
        args::Plane::Down(args) => {
            pilothouse_plane::down(&base(settings)?, &args.name, DOWN).await.map_err(registry)?;
            if settings.human() {
                printer::out(format!("{} is down, nothing is left of it", paint(STRONG, &args.name)));
            } else {
                printer::json(settings.output, &json!({"name": args.name, "status": "down"}));
            }
            Ok(Exit::Done)
        }
        args::Plane::List => list(settings),
    }
}

/// Gets programs, with progress on standard error.
pub(crate) async fn obtain(
    settings: &Settings,
    tools: &[Tool],
    config: ProvisionConfig,
    cancel: &CancellationToken,
) -> Result<Obtained, CommandError> {
    let progress = ProvisionProgress::new(settings.live);
    let obtained = Provisioner::new(config).obtain(tools, |event| progress.see(&event), cancel).await;
    progress.finish();
    obtained.map_err(|error| match error {
        ProvisionError::Cancelled { .. } => {
            CommandError::new(Exit::Interrupted, "interrupted: what was got so far is kept")
        }
        error => CommandError::from_error(Exit::Failed, &error),
    })
}

/// Whether the nodes that are asked for can be had.
fn check(args: &args::PlaneUp) -> Result<(), CommandError> {
    if !args.is_real() {
        let no_images = CommandError::input("--image gives images to a real node; add --node real");
        return if args.image.is_empty() { Ok(()) } else { Err(no_images) };
    }
    let missing = real_node_missing();
    if !missing.is_empty() {
        return Err(CommandError::from_error(Exit::Failed, &RealNodeMissing(missing)));
    }
    match args.image.iter().find(|file| !file.is_file()) {
        Some(file) => Err(CommandError::input(format!("there is no file {}", file.display()))),
        None => Ok(()),
    }
}

/// A plane of simulated nodes from these programs.
pub(crate) fn config(obtained: &Obtained, nodes: u16, audit: bool) -> Result<PlaneConfig, CommandError> {
    let binaries = Binaries::try_from(obtained).map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    Ok(PlaneConfig {
        tools: Tools::Binaries(binaries),
        nodes: (1..=nodes.max(1)).map(|n| SimulatedNode::new(format!("node-{n}")).into()).collect(),
        audit,
        ..PlaneConfig::default()
    })
}

async fn install(
    settings: &Settings,
    args: &args::PlaneInstall,
    cancel: &CancellationToken,
) -> Result<Exit, CommandError> {
    if args.no_download && args.no_build {
        return Err(CommandError::input("--no-download and --no-build leave no way to get programs"));
    }
    let mut config = settings.provision()?;
    config.allow_download = !args.no_download;
    config.allow_build = !args.no_build;
    let wanted = [Tool::of_plane(args.node == NodeKind::Real), &Tool::HELM].concat();
    let obtained = obtain(settings, &wanted, config, cancel).await?;
    if settings.human() {
        table(&obtained).iter().for_each(printer::out);
    } else {
        let rows: Vec<Value> = obtained
            .iter()
            .map(|installed| {
                json!({
                    "program": installed.tool.name(),
                    "version": installed.version,
                    "size_bytes": installed.size_bytes,
                    "source": installed.source,
                    "sha256": installed.sha256,
                    "path": installed.path,
                })
            })
            .collect();
        printer::json(settings.output, &json!(rows));
    }
    Ok(Exit::Done)
}

/// Starts a plane in the background: this program once more, which holds the plane until it is told to stop.
pub(crate) async fn up(settings: &Settings, args: &args::PlaneUp) -> Result<PlaneRecord, CommandError> {
    let name = args.name.name.as_str();
    let base = base(settings)?;
    match pilothouse_plane::status(&base, name) {
        Ok(PlaneStatus::Up(_) | PlaneStatus::Changing) => {
            return Err(registry(RegistryError::NameTaken { name: name.to_owned() }));
        }
        // What is left of an earlier one goes.
        Ok(PlaneStatus::Dead(_) | PlaneStatus::Failed(_)) => {
            pilothouse_plane::down(&base, name, DOWN).await.map_err(registry)?;
        }
        Err(RegistryError::Unknown { .. }) => {}
        Err(error) => return Err(registry(error)),
    }
    let failed = |what: &str, error: std::io::Error| CommandError::new(Exit::Failed, format!("{what}: {error}"));
    let program = std::env::current_exe().map_err(|error| failed("cannot find this program", error))?;
    std::fs::create_dir_all(&base).map_err(|error| failed("cannot create the folder of planes", error))?;
    let log = base.join(format!("{name}.log"));
    let log_file = std::fs::File::create(&log).map_err(|error| failed("cannot write the plane's log", error))?;
    let mut command = std::process::Command::new(program);
    command.args(["plane", "supervise", name, "--nodes", &args.nodes.to_string()]);
    for kind in &args.node {
        let kind = kind.to_possible_value().map(|value| value.get_name().to_owned());
        command.args(kind.map(|kind| format!("--node={kind}")));
    }
    for file in &args.image {
        command.arg("--image").arg(file);
    }
    command.arg("--cache").arg(settings.cache()?);
    if args.audit {
        command.arg("--audit");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file).process_group(0);
    let mut child = command.spawn().map_err(|error| failed("cannot start the plane's holder", error))?;
    let starting = Starting::new(settings, "starting a control plane");
    let begun = Instant::now();
    loop {
        let ended = child.try_wait().map_err(|error| failed("cannot wait for the plane's holder", error))?;
        match pilothouse_plane::status(&base, name) {
            Ok(PlaneStatus::Up(record)) => {
                starting.done("control plane up");
                // The plane's own folder has its logs; this one was for the time before there was a folder.
                let _ = std::fs::remove_file(&log);
                return Ok(record);
            }
            Ok(PlaneStatus::Failed(why)) => return Err(CommandError::new(Exit::Failed, why)),
            _ if ended.is_some() => {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(CommandError::new(Exit::Failed, format!("the plane did not start: {}", said.trim())));
            }
            _ if begun.elapsed() > UP => {
                let _ = child.kill();
                let _ = child.wait();
                let message = format!("the plane did not start within {} s", UP.as_secs());
                return Err(CommandError::new(Exit::Failed, message));
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn supervise(
    settings: &Settings,
    args: &args::PlaneUp,
    cancel: &CancellationToken,
) -> Result<Exit, CommandError> {
    let obtained = obtain(settings, Tool::of_plane(args.is_real()), settings.provision()?, cancel).await?;
    let mut config = config(&obtained, args.nodes, args.audit)?;
    if !args.node.contains(&NodeKind::Simulated) {
        config.nodes.clear();
    }
    if args.is_real() {
        config.nodes.push(RealNode { images: args.image.clone(), ..RealNode::new("real-1") }.into());
    }
    config.name.clone_from(&args.name.name);
    pilothouse_plane::supervise(config, &base(settings)?, |_| {}, cancel)
        .await
        .map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    Ok(Exit::Done)
}

fn list(settings: &Settings) -> Result<Exit, CommandError> {
    let planes = pilothouse_plane::list(&base(settings)?).map_err(registry)?;
    if settings.human() {
        if planes.is_empty() {
            printer::out(paint(FAINT, "no control plane runs in the background"));
        }
        for (name, status) in &planes {
            printer::out(line(name, status));
        }
    } else {
        printer::json(settings.output, &planes.iter().map(|(name, status)| as_json(name, status)).collect());
    }
    Ok(Exit::Done)
}

fn show(settings: &Settings, name: &str, status: &PlaneStatus) {
    if !settings.human() {
        printer::json(settings.output, &as_json(name, status));
        return;
    }
    printer::out(line(name, status));
    if let PlaneStatus::Up(record) = status {
        printer::out(format!("  kubeconfig  {}", record.kubeconfig.display()));
        printer::out(format!("  supervisor  process {}", record.supervisor.pid));
        for process in &record.components {
            printer::out(format!("  {}  process {}", process.component, process.pid));
        }
    }
}

fn line(name: &str, status: &PlaneStatus) -> String {
    let name = paint(STRONG, name);
    match status {
        PlaneStatus::Up(record) => {
            let age = Timestamp::now().duration_since(record.started_at).as_millis();
            let age = duration(u64::try_from(age).unwrap_or_default());
            format!("{name}  {}  {}  for {age}", paint(GOOD, "up"), record.url)
        }
        PlaneStatus::Changing => format!("{name}  {}", paint(WARN, "starting or stopping")),
        PlaneStatus::Dead(_) => {
            format!("{name}  {}  its holder was killed; `plane down` removes what is left", paint(BAD, "dead"))
        }
        PlaneStatus::Failed(why) => format!("{name}  {}  {why}", paint(BAD, "failed")),
    }
}

fn as_json(name: &str, status: &PlaneStatus) -> Value {
    match status {
        PlaneStatus::Up(record) => json!({"name": name, "status": "up", "plane": record}),
        PlaneStatus::Changing => json!({"name": name, "status": "changing"}),
        PlaneStatus::Dead(record) => json!({"name": name, "status": "dead", "plane": record}),
        PlaneStatus::Failed(why) => json!({"name": name, "status": "failed", "reason": why}),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn registry(error: RegistryError) -> CommandError {
    let exit = match &error {
        RegistryError::NameTaken { .. } | RegistryError::Unknown { .. } | RegistryError::BadName { .. } => {
            Exit::BadInput
        }
        RegistryError::Io { .. }
        | RegistryError::Record { .. }
        | RegistryError::Clear { .. }
        | RegistryError::StillUp { .. } => Exit::Failed,
    };
    CommandError::from_error(exit, &error)
}

fn base(settings: &Settings) -> Result<PathBuf, CommandError> {
    Ok(settings.state()?.join("planes"))
}

/// A spinner with a line, while something starts.
pub(crate) struct Starting {
    bar: ProgressBar,
    begun: Instant,
    human: bool,
}

impl Starting {
    pub(crate) fn new(settings: &Settings, line: &str) -> Self {
        let target = if settings.live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(line.to_owned());
        if settings.live {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, begun: Instant::now(), human: settings.human() }
    }

    pub(crate) fn done(self, line: &str) {
        self.bar.finish_and_clear();
        if self.human {
            let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            printer::err(format!("{line}  {}", paint(FAINT, duration(millis))));
        }
    }
}
