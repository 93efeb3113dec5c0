//! Pilothouse puts a lifecycle around every Helm release, above all around charts its users do not own:
//! `check_prerequisites`, `pre_exec`, `exec`, `on_deploy_failure`, `post_exec`, `validate`.
//!
//! A chart is a [`ChartInfo`] and an implementation of [`HelmChart`], whose every method but one has a useful default.
//! [`run`] carries several through their lifecycles and tells everything as [`Event`]s; [`plan`] tells before what it would
//! do.
//!
//! The library never prints, reads the environment, or installs signal handlers: what it needs is in [`SessionConfig`].

mod actions;
mod context;
mod copy;
mod diagnose;
mod digest;
mod environment;
mod error;
mod front;
#[cfg(test)]
mod interrupted_tests;
mod journal;
mod kept_digest;
mod lifecycle;
mod observe;
mod phases;
mod plan;
mod preflight;
mod render;
mod run;
mod span;
mod steps;
#[cfg(test)]
mod test_world;
mod text;

/// What a chart's author needs inside a phase.
pub mod helpers {
    pub use crate::actions::adopt;
    pub use crate::actions::apply;
    pub use crate::actions::delete;
    pub use crate::actions::delete_crds;
    pub use crate::actions::restart;
    pub use crate::actions::uninstall;
    pub use crate::actions::uninstall_if_breaking_change;
    pub use crate::actions::wait;
    pub use crate::actions::wait_ready;
    pub use crate::observe::chart_crds;
    pub use crate::observe::deployed_chart_version;
    pub use crate::observe::is_chart_deployed;
    pub use crate::observe::resolve;
    pub use crate::preflight::crds_in_use;
    pub use crate::preflight::unowned;
}

pub use context::Context;
pub use context::Foresight;
pub use context::Outcome;
pub use context::ReleaseRun;
pub use context::Session;
pub use context::SessionConfig;
pub use context::Step;
pub use context::StepAnswer;
pub use context::StepDescription;
pub use context::Target;
pub use context::{ByHook, Compared};
pub use copy::ClusterCopy;
pub use copy::CopyError;
pub use copy::LoadedCopy;
pub use copy::copy;
pub use copy::same_minor;
pub use diagnose::Diagnosis;
pub use diagnose::Health;
pub use diagnose::diagnose;
pub use environment::{Environment, EnvironmentError};
pub use error::PhaseError;
pub use front::{ChartStack, DeployError, Running, SessionBuilder, SessionError, deploy};
pub use journal::History;
pub use journal::HistoryOf;
pub use journal::RunDetails;
pub use journal::history;
pub use journal::run_details;
pub use journal::{JournalError, PlaceError, RunSummary, StateKey};
pub use observe::Drifted;
pub use observe::DriftedObject;
pub use observe::ReleaseStatus;
pub use observe::compare;
pub use observe::decision;
pub use observe::drifted_objects;
pub use observe::statuses;
pub use observe::{Comparison, Uninstalled, WriteMethod};
pub use phases::DeclaredChart;
pub use phases::HelmChart;
pub use phases::defaults;
pub use plan::{EarlierRuns, plan};
pub use run::Answer;
pub use run::Offline;
pub use run::Resume;
pub use run::RunConfig;
pub use run::RunError;
pub use run::StateConfig;
pub use run::default_concurrency;
pub use run::run;
pub use run::validate;
pub use run::{StateMove, StateMoveError, StateMoved, move_state};
pub use steps::built_in;

pub use pilothouse_core::{
    AdoptStep, AdoptionUndo, ApplyStep, AssertCheck, AssertOf, BeforeDestructive, Change, ChartInfo, ChartRef,
    ChartSource, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Class, CommandStep,
    CrdPolicy, Decision, DeleteStep, DigestKey, DriftIgnore, DriftPolicy, Effect, EffectKind, Endpoint, Event,
    EventKind, ExecCheck, Failure, FailurePolicy, FieldChange, FilePath, Finding, GraphProblem, Header, HeaderValue,
    HelmAction, HelmTestCheck, Holder, HttpCheck, HttpExpect, JobCheck, JobSource, Namespace, Need, NotAdopted,
    ObjectChange, ObjectRef, ObjectStatus, On, OnFailure, OnReleaseFailure, Ownership, OwnershipCounts, Payload,
    PayloadKey, Phase, Plan, PlannedAction, PlannedHook, PlannedObject, PlannedStep, PortRef, PrometheusCheck,
    Quantity, Records, Redactor, ReinstallReason, ReleaseKey, ReleaseOutcome, ReleasePlan, ReleaseSpec, ReleaseState,
    Remaining, Remedy, RestartStep, RunId, RunKind, RunOutcome, RunVerdict, SetPolicy, SetValue, Stack, StatusPattern,
    StepKind, StepSpec, StopReason, TcpCheck, TlsTrust, Until, ValueSource, WaitFor, WaitStep, YamlFile,
};
pub use pilothouse_health::Rules;
pub use pilothouse_helm::{Helm, HelmClient, HelmConfig};
pub use pilothouse_kube::{Cluster, ClusterClient, ConnectOptions, HelmDriver};
