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
mod error;
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
mod steps;
#[cfg(test)]
mod test_world;
mod text;

/// What a chart's author needs inside a phase.
pub mod helpers {
    pub use crate::actions::objects::{adopt, apply, delete, delete_crds, restart, wait, wait_ready};
    pub use crate::actions::uninstall::{uninstall, uninstall_if_breaking_change};
    pub use crate::observe::objects::{chart_crds, deployed_chart_version, is_chart_deployed, resolve};
    pub use crate::preflight::adoption::unowned;
    pub use crate::preflight::changes::deletions::crds_in_use;
}

pub use context::ledger::StepAnswer;
pub use context::preflight_report::Foresight;
pub use context::release_context::Context;
pub use context::release_run::ReleaseRun;
pub use context::session::{Session, SessionConfig, Target};
pub use context::step::{Step, StepDescription};
pub use copy::cluster_copy::{ClusterCopy, CopyError, same_minor};
pub use copy::load::LoadedCopy;
pub use copy::read::copy;
pub use diagnose::release_health::{Diagnosis, Health, diagnose};
pub use error::PhaseError;
pub use journal::history::{History, HistoryOf, RunDetails, history, run_details};
pub use journal::{JournalError, RunSummary, StateKey};
pub use observe::decision;
pub use observe::dry_run::compare::{Comparison, compare};
pub use observe::dry_run::compared::{Compared, Outcome};
pub use observe::dry_run::field_drift::{Drift, Drifted, drifts};
pub use observe::status::{ReleaseStatus, status};
pub use phases::chart::HelmChart;
pub use phases::declared::DeclaredChart;
pub use phases::defaults;
pub use plan::stack_plan::plan;
pub use run::config::{Answer, Resume, RunConfig, StateConfig};
pub use run::offline::Offline;
pub use run::open::RunError;
pub use run::stack_run::{run, validate};
pub use steps::built_in::built_in;

pub use pilothouse_core::{
    AdoptStep, AdoptionUndo, ApplyStep, AssertCheck, AssertOf, BeforeDestructive, Change, ChartInfo, ChartRef,
    ChartSource, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Class, CommandStep,
    CrdPolicy, Decision, DeleteStep, DigestKey, DriftPolicy, Effect, EffectKind, Endpoint, Event, EventKind, ExecCheck,
    Failure, FailurePolicy, FieldChange, FilePath, Finding, GraphProblem, Header, HeaderValue, HelmAction,
    HelmTestCheck, Holder, HttpCheck, HttpExpect, JobCheck, JobSource, Namespace, Need, NotAdopted, ObjectChange,
    ObjectRef, ObjectStatus, On, OnFailure, OnReleaseFailure, Ownership, OwnershipCounts, Payload, PayloadKey, Phase,
    Plan, PlannedAction, PlannedHook, PlannedObject, PlannedStep, PortRef, PrometheusCheck, Quantity, Records,
    Redactor, ReinstallReason, ReleaseKey, ReleaseOutcome, ReleasePlan, ReleaseSpec, ReleaseState, Remaining, Remedy,
    RestartStep, RunId, RunKind, RunOutcome, RunVerdict, SetPolicy, SetValue, Stack, StatusPattern, StepKind, StepSpec,
    StopReason, TcpCheck, TlsTrust, Until, ValueSource, WaitFor, WaitStep, YamlFile,
};
pub use pilothouse_health::Rules;
pub use pilothouse_helm::{Helm, HelmClient, HelmConfig};
pub use pilothouse_kube::{Cluster, ClusterClient, ConnectOptions, HelmDriver};
