//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
  2    bad input: the file, a chart, values, helm, the connection
  3    refused, because something could be lost or taken over
  130  interrupted
After 2 and 3 nothing was changed by the release in question; input that can be checked ahead of the
run is checked for all releases before the first one begins.";

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How to print results: for people, or as JSON
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    pub(crate) output: Output,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Log what happens inside to standard error (-v, -vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The folder for programs and charts that were fetched [default: $XDG_CACHE_HOME/pilothouse]
    #[arg(long, global = true, env = "PILOTHOUSE_CACHE", hide_env_values = true, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
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
    /// Destroy every release of a stack, last one first
    Destroy(Destroy),
    /// Show the releases of a stack as they stand in the cluster
    Status(OnCluster),
    /// Run only the validate phase of every release
    Validate(OnCluster),
    /// List the runs of a stack, or show one of them in detail
    History(History),
    /// Check a stack file and its charts without a cluster
    Lint(StackFile),
    /// Print what helm renders for a stack, without a cluster
    Render(Render),
    /// Apply and validate a stack on a throwaway control plane
    Rehearse(Rehearse),
    /// The throwaway control plane by itself
    #[command(subcommand)]
    Plane(Plane),
    /// Print the JSON schema of the stack file
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Which stack.
#[derive(Debug, Args)]
pub(crate) struct StackFile {
    /// The stack file, or a folder that has a pilothouse.yaml
    #[arg(default_value = ".", value_name = "FILE")]
    pub(crate) stack: PathBuf,
}

/// Which cluster.
#[derive(Debug, Args)]
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
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
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
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) on: OnCluster,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// An object with data that may be deleted, as kind/name or kind/namespace/name; can be repeated
    #[arg(long, value_name = "OBJECT")]
    pub(crate) consent: Vec<String>,
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

#[derive(Debug, Args)]
pub(crate) struct Render {
    #[command(flatten)]
    pub(crate) stack: StackFile,
    /// Only these releases, by name or namespace/name
    #[arg(long, value_name = "RELEASE")]
    pub(crate) only: Vec<String>,
    /// Print the data of Secrets too
    #[arg(long)]
    pub(crate) show_secrets: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) stack: StackFile,
    /// Leave the control plane running, and say how to reach it and how to stop it
    #[arg(long)]
    pub(crate) keep: bool,
    /// Which major version of helm to rehearse with
    #[arg(long, value_name = "MAJOR", default_value = "4", value_parser = ["3", "4"])]
    pub(crate) helm_major: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

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
    /// How many simulated nodes it has
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) nodes: u16,
}
