//! The command line.

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::path::PathBuf;

/// A lifecycle around every Helm release.
#[derive(Debug, Parser)]
#[command(name = "pilothouse", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Try it without a cluster of your own:
  pilothouse rehearse examples/quickstart

Exit codes:
  0    done
  1    a release failed
  2    bad input: the file, a chart, values, helm, the connection;
       of plan --detailed-exitcode alone: there are changes
  3    refused, because something could be lost or taken over, or a saved plan does not hold
  4    nothing has failed, but something is still on its way (ready, diagnose)
  130  interrupted
After 2 and 3 nothing was changed by the release in question. All releases are looked at before the
first one begins, but for what an earlier one may still put right.";

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How to print results: for people, or for programs
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    pub(crate) output: Output,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Log what happens inside to standard error (-v, -vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Write what the time goes to (phases, releases, helm, requests) into this new file, in Chrome's trace format
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// The folder for programs and charts that were fetched [default: $XDG_CACHE_HOME/pilothouse]
    #[arg(long, global = true, env = "PILOTHOUSE_CACHE", hide_env_values = true, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// A file with the key by which what is kept in the cluster is known to be from those who have it; the key itself may be
    /// in $PILOTHOUSE_STATE_KEY
    #[arg(long, global = true, env = "PILOTHOUSE_STATE_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) state_key: Option<PathBuf>,
    /// The helm program to use [default: helm on the PATH, else the one in the cache]
    #[arg(long, global = true, env = "PILOTHOUSE_HELM", hide_env_values = true, value_name = "FILE")]
    pub(crate) helm: Option<PathBuf>,
}

/// How to print results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Text.
    Human,
    /// One JSON document at the end; progress goes to standard error.
    Json,
    /// Every event of a run as a line of JSON, as it happens; `schema --of events` describes them.
    Jsonl,
}

/// What there is a JSON schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The stack file.
    Stack,
    /// A line of `--output jsonl`.
    Events,
    /// What `plan --output json` prints.
    Plan,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry every release of a stack through its lifecycle
    Apply(Apply),
    /// Tell what apply would do, object by object, and what that does to what is running
    Plan(Plan),
    /// Destroy every release of a stack, each before those it needs
    Destroy(Destroy),
    /// Show the releases of a stack as they stand in the cluster
    Status(OnCluster),
    /// Say what is wrong with releases and why, at any time and without a run; changes nothing
    Diagnose(Diagnose),
    /// Run only the validate phase of every release: exit code 0 when all are valid, 1 when one is not, 2 for bad input
    Validate(Validate),
    /// Show what waits for what in a stack, without a cluster
    Graph(Graph),
    /// Continue a run that was killed or interrupted, or whose releases failed
    Resume(Resume),
    /// List the runs of a stack, or show one of them in detail
    History(History),
    /// The state of a stack: its lock and the journal's copy in the cluster
    #[command(subcommand)]
    State(State),
    /// Check a stack file and its charts without a cluster
    Lint(StackFile),
    /// Print what helm renders for a stack, without a cluster
    Render(Render),
    /// Judge objects from files: is each what its spec asks for? Without a cluster
    Ready(Ready),
    /// Apply and validate a stack on a throwaway control plane
    Rehearse(Rehearse),
    /// The throwaway control plane by itself
    #[command(subcommand)]
    Plane(Plane),
    /// Print a JSON schema
    Schema {
        /// Of what
        #[arg(long, value_enum, default_value_t = SchemaOf::Stack)]
        of: SchemaOf,
    },
    /// Tell what a code means, how it shows and what to do about it
    Explain(Explain),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Which code.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, in any case of letters; without it all codes are listed
    #[arg(value_parser = CodeWord, hide_possible_values = true)]
    pub(crate) code: Option<String>,
}

/// Takes any word, so that an unknown one is answered like every other wrong input, and offers the codes for completion.
#[derive(Debug, Clone, Copy)]
struct CodeWord;

impl TypedValueParser for CodeWord {
    type Value = String;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(pilothouse_core::code::ALL.iter().map(|(code, _)| PossibleValue::new(*code))))
    }
}

/// Which stack.
#[derive(Debug, Args)]
pub(crate) struct StackFile {
    /// The stack file, or a folder that has a pilothouse.yaml
    #[arg(default_value = ".", value_name = "FILE")]
    pub(crate) stack: PathBuf,
}

/// Over the arguments by which releases are chosen, and only these: a heading of the whole struct would go on to what follows it.
const SELECTION: &str = "Selection";

/// Which releases of the stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub(crate) struct Select {
    /// Only releases with these labels: key=value, key!=value, key, !key; separated by commas or repeated, all must fit
    #[arg(short = 'l', long, value_name = "LABELS", help_heading = SELECTION)]
    pub(crate) selector: Vec<String>,
    /// Only these releases, by name or namespace/name, with * and ?; repeated, one must fit
    #[arg(long, value_name = "RELEASE", help_heading = SELECTION)]
    pub(crate) only: Vec<String>,
    /// Also all that those need
    #[arg(long, help_heading = SELECTION)]
    pub(crate) with_needs: bool,
    /// Also all that need those
    #[arg(long, help_heading = SELECTION)]
    pub(crate) with_dependants: bool,
}

/// Which cluster.
#[derive(Debug, Default, Args)]
pub(crate) struct Connection {
    /// The kubeconfig file [default: $KUBECONFIG, else ~/.kube/config, else the service account of the pod]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in it [default: its current context]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// A stack and a cluster.
#[derive(Debug, Args)]
pub(crate) struct OnCluster {
    #[command(flatten)]
    pub(crate) stack: StackFile,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// Releases, by name or namespace/name, with * and ? [default: all of the stack, or of the namespace]
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
    /// The stack file, or a folder that has a pilothouse.yaml
    #[arg(long, default_value = ".", value_name = "FILE", conflicts_with = "namespace")]
    pub(crate) stack: PathBuf,
    /// Look at the releases of this namespace, whoever deployed them, without a stack file
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) on: OnCluster,
    /// Also write what each check has told into this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// What to plan, and how to show it.
#[derive(Debug, Args)]
#[command(after_help = PLAN_HELP)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) on: OnCluster,
    #[command(flatten)]
    pub(crate) shown: PlanOutput,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Where a plan goes, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct PlanOutput {
    /// Also save the plan into this file; `apply FILE` carries out exactly that, or refuses
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// What to print it as. Not with --output json
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
    /// Show every field, every line and every name, however many there are
    #[arg(long)]
    pub(crate) full: bool,
    /// End with 2 when there are changes; bad input ends with 1 then
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// What to print a plan as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people.
    Text,
    /// A comment for a pull request, never longer than GitHub takes.
    Markdown,
}

const PLAN_HELP: &str = "\
Exit codes:
  0    the plan is made: nothing is refused
  1    something failed; with --detailed-exitcode also bad input
  2    bad input; with --detailed-exitcode only: the plan is made and has changes
  3    carrying it out would be refused, because something could be lost or taken over

For example:
  pilothouse plan                                 what would apply do?
  pilothouse plan --only web/podinfo --full       all of one release
  pilothouse plan --out shop.plan                 save it, have it approved, then:
  pilothouse apply shop.plan
  pilothouse plan --format markdown > comment.md  for a pull request
  pilothouse plan --detailed-exitcode             for a script: is there anything to do?
  pilothouse plan --consent pvc/data/db-0         with consent to lose this one claim";

#[derive(Debug, Args)]
#[command(after_help = APPLY_HELP, mut_arg("stack", |arg| arg.help(APPLY_FILE)))]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) on: OnCluster,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Check and render everything, but change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) run: RunFlags,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

const APPLY_FILE: &str = "\
The stack file, a folder that has a pilothouse.yaml, or a plan that was saved with `plan --out`";

const APPLY_HELP: &str = "\
For example:
  pilothouse apply                                 the stack of this folder, after a question
  pilothouse apply --only web/podinfo --yes        one release, without a question
  pilothouse apply shop.plan                       exactly what was planned and saved, or nothing
  pilothouse apply --consent pvc/data/db-0         with consent to lose this one claim";

const DESTROY_FILE: &str = "\
The stack file, a folder that has a pilothouse.yaml, or a plan that was saved with `destroy --plan --out`";

const DESTROY_HELP: &str = "\
For example:
  pilothouse destroy                               the stack of this folder, after a question
  pilothouse destroy --plan                        what would go, and what would stay?
  pilothouse destroy --plan --out end.plan         save it, have it approved, then:
  pilothouse destroy end.plan                      exactly that, or nothing";

#[derive(Debug, Args)]
#[command(
    after_help = DESTROY_HELP,
    mut_arg("stack", |arg| arg.help(DESTROY_FILE)),
    mut_arg("out", |arg| arg.requires("plan").help("Also save the plan into this file; `destroy FILE` carries out exactly that, or refuses")),
    mut_arg("format", |arg| arg.requires("plan")),
    mut_arg("full", |arg| arg.requires("plan")),
    mut_arg("detailed_exitcode", |arg| arg.requires("plan")),
)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) on: OnCluster,
    /// Tell what would be deleted and what would stay, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) shown: PlanOutput,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) run: RunFlags,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run, by the eight characters of `history` or the beginning of its id [default: the last one]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// The stack file, or a folder that has a pilothouse.yaml
    #[arg(long, default_value = ".", value_name = "FILE")]
    pub(crate) stack: PathBuf,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) flags: RunFlags,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// How a run goes.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "How the run goes")]
pub(crate) struct RunFlags {
    /// How many releases are worked on at once [default: four times the cores, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) concurrency: Option<u16>,
    /// Begin nothing new after the first release that does not end well [default: as the file says]
    #[arg(long, conflicts_with = "keep_going")]
    pub(crate) fail_fast: bool,
    /// Go on with releases that do not need the one that failed, or is refused beforehand
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// How long to wait when another run holds the stack's lock
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = lock_timeout)]
    pub(crate) lock_timeout: jiff::SignedDuration,
    /// This step, which an earlier run has begun, has done its work; can be repeated
    #[arg(long, value_name = "STEP")]
    pub(crate) step_done: Vec<String>,
    /// Run this step, which an earlier run has begun, again; can be repeated
    #[arg(long, value_name = "STEP")]
    pub(crate) step_again: Vec<String>,
    /// Kill this process at the Nth boundary of an effect, to try out that the next run continues
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) kill_at: Option<u64>,
}

fn lock_timeout(text: &str) -> Result<jiff::SignedDuration, String> {
    match text.parse::<jiff::SignedDuration>() {
        Ok(time) if time.is_negative() => Err("it is negative".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err("write a time such as 30s, 5m or 1h".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// What may be lost: an object as kind/namespace/name (kind/name where that is clear); `lock`, which takes somebody
    /// else's operation that has left a release pending for dead; `state`, which believes outputs of steps as the cluster
    /// has them; can be repeated, and holds for all selected releases
    #[arg(long, value_name = "OBJECT|lock|state")]
    pub(crate) consent: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) stack: StackFile,
    /// What to draw it as; arrows go from what comes first to what waits for it. Not with --output json
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub(crate) format: GraphFormat,
    #[command(flatten)]
    pub(crate) select: Select,
}

#[derive(Debug, Args)]
#[command(after_help = READY_HELP)]
pub(crate) struct Ready {
    /// A file with objects, or - for standard input: YAML, JSON, JSON lines, lists of kubectl; can be repeated
    #[arg(short, long, required = true, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Also print which rule decided
    #[arg(long)]
    pub(crate) rules: bool,
    /// A stack file whose readiness rules are asked first
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: Option<PathBuf>,
}

const READY_HELP: &str = "\
Exit codes:
  0    everything is ready
  1    something has failed
  2    bad input
  4    nothing has failed, but something is not ready: in progress, being deleted, not found or unknown

For example:
  kubectl get deploy,pvc,certificates -o json | pilothouse ready -f - --rules";

/// How to draw a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A listing for people.
    Text,
    /// A Mermaid flowchart.
    Mermaid,
    /// A Graphviz digraph.
    Dot,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// A run to show in detail, by the eight characters of the list or the beginning of its id
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// The stack file, or a folder that has a pilothouse.yaml
    #[arg(long, default_value = ".", value_name = "FILE")]
    pub(crate) stack: PathBuf,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// The state of a stack.
#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// Move it to another namespace, under its lock; what was interrupted is brought to its end by the same command
    Move(StateMove),
}

#[derive(Debug, Args)]
#[command(after_help = STATE_MOVE_HELP)]
pub(crate) struct StateMove {
    /// The stack file, or a folder that has a pilothouse.yaml
    #[arg(long, default_value = ".", value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// The namespace where it is [default: `default` or `pilothouse`, whichever has it]
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub(crate) from: Option<String>,
    /// The namespace where it is to be [default: the state_namespace of the stack file, else `pilothouse`]
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// How long to wait when a run holds the stack's lock
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = lock_timeout)]
    pub(crate) lock_timeout: jiff::SignedDuration,
}

fn namespace(text: &str) -> Result<String, String> {
    pilothouse_core::check_namespace(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

const STATE_MOVE_HELP: &str = "\
For example:
  pilothouse state move                            from `default` to where the stack file says, else to `pilothouse`
  pilothouse state move --from ops                 the same from another namespace";

#[derive(Debug, Args)]
pub(crate) struct Render {
    #[command(flatten)]
    pub(crate) stack: StackFile,
    #[command(flatten)]
    pub(crate) select: Select,
    /// Print the data of Secrets too
    #[arg(long)]
    pub(crate) show_secrets: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = REHEARSE_HELP,
    mut_arg("kubeconfig", |arg| arg.requires("from_cluster")),
    mut_arg("context", |arg| arg.requires("from_cluster"))
)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) stack: StackFile,
    #[command(flatten)]
    pub(crate) select: Select,
    /// Rehearse on a copy of what matters of a cluster, and tell what the cluster would refuse, recreate, delete or adopt. The
    /// cluster is only read
    #[arg(long)]
    pub(crate) from_cluster: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Go on although the cluster has another minor version than the control plane here
    #[arg(long, requires = "from_cluster")]
    pub(crate) any_version: bool,
    /// Leave the control plane running, and say how to reach it and how to stop it
    #[arg(long)]
    pub(crate) keep: bool,
    /// Which major version of helm to rehearse with
    #[arg(long, value_name = "MAJOR", default_value = "4", value_parser = ["3", "4"])]
    pub(crate) helm_major: String,
    #[command(flatten)]
    pub(crate) run: RunFlags,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

const REHEARSE_HELP: &str = "\
For example:
  pilothouse rehearse                              on an empty control plane
  pilothouse rehearse --from-cluster               on a copy of what the cluster holds for this stack
  pilothouse rehearse --from-cluster --context prod --only web/podinfo

What is copied holds Secrets: it is kept in the memory of this machine, is shown nowhere, and goes with the control plane
(so --keep does not go with it).";

/// The throwaway control plane by itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Plane {
    /// Get the programs of the control plane, and helm 3 and 4
    Install(PlaneInstall),
    /// Start a control plane in the background
    Up(PlaneUp),
    /// Show one control plane and its programs
    Status(PlaneName),
    /// Stop a control plane and remove all it left
    Down(PlaneName),
    /// List the control planes that run in the background
    List,
    /// Hold a control plane until told to stop; `up` starts this
    #[command(hide = true)]
    Supervise(PlaneUp),
}

#[derive(Debug, Args)]
pub(crate) struct PlaneInstall {
    /// Do not download programs, build them
    #[arg(long)]
    pub(crate) no_download: bool,
    /// Do not build programs, download them
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Get what this kind of node needs; a real one needs the kubelet too
    #[arg(long, value_name = "KIND", value_enum, default_value_t = NodeKind::Simulated)]
    pub(crate) node: NodeKind,
}

/// The kinds of nodes a control plane can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum NodeKind {
    /// Pods become ready without containers
    Simulated,
    /// This machine, with a kubelet and containers; needs root, containerd and runc
    Real,
}

#[derive(Debug, Args)]
pub(crate) struct PlaneName {
    /// Its name
    #[arg(default_value = "default")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct PlaneUp {
    #[command(flatten)]
    pub(crate) name: PlaneName,
    /// Write the API server's audit log into the plane's folder
    #[arg(long)]
    pub(crate) audit: bool,
    /// Which kinds of nodes it has; repeat it for both
    #[arg(long, value_name = "KIND", value_enum, default_values_t = [NodeKind::Simulated])]
    pub(crate) node: Vec<NodeKind>,
    /// How many simulated nodes it has, if it has any
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) nodes: u16,
    /// An archive of images (of docker save, or OCI) for the real node; can be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Vec<PathBuf>,
}

impl PlaneUp {
    /// Whether it is to have a real node.
    pub(crate) fn is_real(&self) -> bool {
        self.node.contains(&NodeKind::Real)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches};
    use rstest::rstest;

    fn plan(args: &[&str]) -> Result<Plan, clap::Error> {
        let matches = Cli::command().try_get_matches_from(["pilothouse", "plan"].iter().chain(args))?;
        matches.subcommand().map_or_else(|| unreachable!(), |(_, matches)| Plan::from_arg_matches(matches))
    }

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_plan_with_all_its_flags() {
        let args = "shop --out a.plan --format markdown --full --detailed-exitcode --only web/a --with-needs \
                    --consent pvc/a --consent crd/b";
        let plan = plan(&args.split_whitespace().collect::<Vec<_>>()).unwrap();
        let select = Select { only: vec!["web/a".to_owned()], with_needs: true, ..Select::default() };
        assert_eq!(
            (plan.on.stack.stack, plan.shown.out, plan.shown.format, plan.shown.full, plan.shown.detailed_exitcode),
            (PathBuf::from("shop"), Some(PathBuf::from("a.plan")), PlanFormat::Markdown, true, true)
        );
        assert_eq!((plan.on.select, plan.consent.consent), (select, vec!["pvc/a".to_owned(), "crd/b".to_owned()]));
    }

    #[rstest]
    #[case(&[], true)]
    #[case(&["--output", "json"], true)]
    #[case(&["--format", "yaml"], false)]
    #[case(&["--consent"], false)]
    fn plans(#[case] args: &[&str], #[case] good: bool) {
        assert_eq!(plan(args).is_ok(), good);
    }

    #[test]
    fn the_file_of_apply_may_be_a_plan() {
        let help = Cli::command().find_subcommand("apply").and_then(|apply| {
            let file = apply.get_arguments().find(|arg| arg.get_id() == "stack")?;
            file.get_help().map(ToString::to_string)
        });
        assert_eq!(help.as_deref(), Some(APPLY_FILE));
    }
}
