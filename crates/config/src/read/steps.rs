//! The steps of a phase.

use super::arguments::arguments;
use super::checks::read_check;
use super::context::Context;
use super::documents::read_manifests;
use super::fields::{Fields, Sink};
use crate::keys::{ADOPT, APPLY, COMMAND, DELETE, RESTART, STEP, Table, WAIT_STEP};
use crate::text::{Node, Problem};
use pilothouse_core::{
    AdoptStep, ApplyStep, CommandStep, DeleteStep, ObjectRef, On, Phase, RestartStep, StepKind, StepSpec, WaitFor,
    WaitStep, secret_arguments,
};

const DELETE_TIMEOUT_IN_SECONDS: u64 = 120;
const WAIT_TIMEOUT_IN_SECONDS: u64 = 300;
const COMMAND_TIMEOUT_IN_SECONDS: u64 = 300;

/// What people write for kinds that can be restarted.
const RESTARTABLE: [&str; 9] =
    ["deployment", "deployments", "deploy", "statefulset", "statefulsets", "sts", "daemonset", "daemonsets", "ds"];

/// Reads the steps of a phase of a release.
pub(crate) fn read_steps(release: &Fields<'_>, phase: Phase, context: &Context<'_>, out: &mut Sink) -> Vec<StepSpec> {
    let mut steps = Vec::new();
    for (index, node) in release.items(phase.name(), out).iter().enumerate() {
        let what = format!("step {} of `{phase}`", index + 1);
        let Some(step) = Fields::open(node, &STEP, what, out) else { continue };
        let name = step.text("name", out).map(str::to_owned);
        let actions = [("deploy", On::Deploy), ("destroy", On::Destroy), ("always", On::Always)];
        let on = step.choice("on", &actions, out).unwrap_or_default();
        let point_of_no_return = read_no_return(&step, phase, out);
        let every_run = step.flag("every_run", out).unwrap_or(false);
        report_not_allowed(&step, phase, out);
        // When several are given, that is reported already; each is read for what is wrong in it.
        let kinds = [
            read_adopt(&step, out).map(StepKind::Adopt),
            read_apply(&step, context, out).map(StepKind::Apply),
            read_delete(&step, out).map(StepKind::Delete),
            read_wait(&step, out).map(StepKind::Wait),
            read_command(&step, context, out).map(StepKind::Command),
            read_restart(&step, out).map(StepKind::Restart),
        ];
        let check = read_check(&step, phase, context, out).map(|check| StepKind::Check(Box::new(check)));
        if let Some(kind) = kinds.into_iter().flatten().next().or(check) {
            steps.push(StepSpec { name, on, point_of_no_return, every_run, kind });
        }
    }
    steps
}

/// Only what changes something on the way can be a point of no return.
fn read_no_return(step: &Fields<'_>, phase: Phase, out: &mut Sink) -> bool {
    const KEY: &str = "point_of_no_return";
    let given = step.flag(KEY, out).unwrap_or(false);
    if let (false, Some(span)) = (matches!(phase, Phase::PreExec | Phase::PostExec), step.key_span(KEY)) {
        out.push(
            Problem::error("STEP_NOT_ALLOWED", span, format!("`{KEY}` is not allowed in `{phase}`"))
                .label("not for this phase")
                .help("only a step of `pre_exec` or `post_exec` can be one"),
        );
    }
    given
}

/// What changes the cluster.
pub(crate) const CHANGES: [&str; 4] = ["adopt", "apply", "delete", "restart"];
/// What only looks at the release, but runs something for that: not before it is deployed.
pub(crate) const ONLY_VALIDATE: [&str; 3] = ["exec", "job", "helm_test"];

/// `check_prerequisites` and `validate` must not change the cluster.
fn report_not_allowed(step: &Fields<'_>, phase: Phase, out: &mut Sink) {
    if phase.may_change_cluster() {
        return;
    }
    for key in ONLY_VALIDATE.into_iter().filter(|_| phase == Phase::CheckPrerequisites) {
        if let Some(span) = step.key_span(key) {
            out.push(
                Problem::error("STEP_NOT_ALLOWED", span, format!("`{key}` is not allowed in `{phase}`"))
                    .label("runs something in the cluster")
                    .help("put this step into `validate`"),
            );
        }
    }
    for key in CHANGES {
        if let Some(span) = step.key_span(key) {
            let other = if phase == Phase::Validate { Phase::PostExec } else { Phase::PreExec };
            out.push(
                Problem::error("STEP_NOT_ALLOWED", span, format!("`{key}` is not allowed in `{phase}`"))
                    .label("changes the cluster")
                    .help(format!(
                        "`{phase}` only looks: it takes `wait`, `command` and checks; put this step into `{other}`"
                    )),
            );
        }
    }
}

fn open<'t>(step: &Fields<'t>, table: &'static Table, out: &mut Sink) -> Option<Fields<'t>> {
    let node: &Node = step.node(table.name)?;
    Fields::open(node, table, format!("`{}`", table.name), out)
}

fn objects(fields: &Fields<'_>, out: &mut Sink) -> Vec<ObjectRef> {
    fields.objects("objects", out).into_iter().map(|(object, _)| object).collect()
}

fn read_adopt(step: &Fields<'_>, out: &mut Sink) -> Option<AdoptStep> {
    let fields = open(step, &ADOPT, out)?;
    let unowned = fields.flag("unowned", out).unwrap_or(false);
    let objects = if fields.node("objects").is_some() { objects(&fields, out) } else { Vec::new() };
    Some(AdoptStep { objects, unowned })
}

fn read_apply(step: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Option<ApplyStep> {
    let fields = open(step, &APPLY, out)?;
    let files = fields.texts("files", out).into_iter().map(|(file, _)| context.file(file)).collect();
    let manifests = read_manifests(&fields, out);
    fields.report_empty_list("files", out);
    fields.report_empty_list("manifests", out);
    if fields.node("files").is_none() && fields.node("manifests").is_none() {
        report_nothing(step, "apply", "give `files` or `manifests`", out);
    }
    Some(ApplyStep { files, manifests })
}

fn read_delete(step: &Fields<'_>, out: &mut Sink) -> Option<DeleteStep> {
    let fields = open(step, &DELETE, out)?;
    let objects = objects(&fields, out);
    let chart_crds = fields.flag("chart_crds", out);
    if fields.node("objects").is_none() && chart_crds != Some(true) {
        report_nothing(step, "delete", "give `objects`, or `chart_crds: true`", out);
    }
    Some(DeleteStep {
        objects,
        chart_crds: chart_crds.unwrap_or(false),
        timeout_in_seconds: fields.seconds("timeout_in_seconds", out).unwrap_or(DELETE_TIMEOUT_IN_SECONDS),
    })
}

fn report_nothing(step: &Fields<'_>, key: &str, help: &str, out: &mut Sink) {
    if let Some(span) = step.key_span(key) {
        out.push(Problem::error("EMPTY", span, format!("there is nothing to {key}")).label("nothing given").help(help));
    }
}

fn read_wait(step: &Fields<'_>, out: &mut Sink) -> Option<WaitStep> {
    let fields = open(step, &WAIT_STEP, out)?;
    let states = [("ready", WaitFor::Ready), ("exists", WaitFor::Exists), ("deleted", WaitFor::Deleted)];
    Some(WaitStep {
        objects: objects(&fields, out),
        wait_for: fields.choice("for", &states, out).unwrap_or_default(),
        timeout_in_seconds: fields.seconds("timeout_in_seconds", out).unwrap_or(WAIT_TIMEOUT_IN_SECONDS),
    })
}

fn read_command(step: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Option<CommandStep> {
    let fields = open(step, &COMMAND, out)?;
    let argv = arguments(&fields, "run", out);
    warn_of_secrets(&fields, &argv, out);
    let cwd = context.file(fields.text("cwd", out).unwrap_or_default());
    let env = fields.text_map("env", out);
    for name in env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        if let Some(span) = fields.key_span("env") {
            out.push(
                Problem::error("ENV_NAME", span, format!("`{name}` cannot be the name of an environment variable"))
                    .label("has such a name"),
            );
        }
    }
    Some(CommandStep {
        argv,
        env,
        // An empty path would mean nothing to a child process.
        cwd: Some(cwd).filter(|cwd| !cwd.path().as_os_str().is_empty()),
        output_to: fields.text("output_to", out).map(str::to_owned),
        sensitive: read_sensitive(&fields, out),
        repeatable: fields.flag("repeatable", out).unwrap_or(false),
        timeout_in_seconds: fields.seconds("timeout_in_seconds", out).unwrap_or(COMMAND_TIMEOUT_IN_SECONDS),
    })
}

/// Only an output can be sensitive.
fn read_sensitive(command: &Fields<'_>, out: &mut Sink) -> bool {
    let sensitive = command.flag("sensitive", out).unwrap_or(false);
    if let (true, None, Some(span)) = (sensitive, command.node("output_to"), command.key_span("sensitive")) {
        out.push(
            Problem::error(
                "SENSITIVE_WITHOUT_OUTPUT",
                span,
                "`sensitive` says that what `output_to` keeps is a secret",
            )
            .label("there is no `output_to`")
            .help("leave it out: what a command prints is not shown where it is a known secret, or looks like one"),
        );
    }
    sensitive
}

/// Warns of arguments that look like secrets: they stand in the stack file, and in the list of processes for everybody.
fn warn_of_secrets(command: &Fields<'_>, argv: &[String], out: &mut Sink) {
    // What is no list was reported when the arguments were read.
    let nodes = if argv.is_empty() { &[] } else { command.items("run", out) };
    for (node, is_secret) in nodes.iter().zip(secret_arguments(argv)) {
        if is_secret {
            out.push(
                Problem::warning("SECRET_ARGUMENT", node.span, "this argument looks like a secret")
                    .label("everybody on the machine can read it while the program runs")
                    .help(
                        "let the program read it from a file or from the environment that pilothouse itself is given",
                    ),
            );
        }
    }
}

fn read_restart(step: &Fields<'_>, out: &mut Sink) -> Option<RestartStep> {
    let fields = open(step, &RESTART, out)?;
    let mut objects = Vec::new();
    for (object, span) in fields.objects("objects", out) {
        let kind = object.kind.to_ascii_lowercase();
        let kind = kind.strip_suffix(".apps").unwrap_or(&kind);
        if !RESTARTABLE.contains(&kind) {
            out.push(
                Problem::error("OBJECT_INVALID", span, format!("`{}` cannot be restarted", object.kind))
                    .label("not a workload")
                    .help("only Deployments, StatefulSets and DaemonSets can be"),
            );
        }
        objects.push(object);
    }
    Some(RestartStep { objects })
}
