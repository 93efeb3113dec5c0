//! Pilothouse puts a lifecycle around every Helm release, above all around charts its users do not own:
//! `check_prerequisites`, `pre_exec`, `exec`, `on_deploy_failure`, `post_exec`, `validate`.
//!
//! A chart is a [`ChartInfo`] and an implementation of [`HelmChart`], whose every method but one has a useful default.
//! [`run`] carries several through their lifecycles and tells everything as [`Event`]s; [`plan`] tells before what it would
//! do.
//!
//! The library never prints, reads the environment, or installs signal handlers: what it needs is in [`SessionConfig`].

mod adopting;
mod ahead;
mod attempts;
mod backup;
mod changes;
mod chart;
mod checks;
mod compare;
mod comparing;
mod context;
mod continuing;
mod copying;
mod crds;
mod declared;
pub mod defaults;
mod diagnose;
mod diagnosing;

mod deploy_records;
mod digest;
mod dispatch;
mod drifting;
mod emitter;
mod error;
mod evidence;
mod exec_watch;
mod failed;
mod foreign;
mod foresight;
mod gate;
mod heal;
pub mod helpers;
mod history;
mod input;
#[cfg(test)]
mod interrupted_tests;
mod journal;
mod known;
mod ledger;
mod leftovers;
mod lifecycle;
mod listening;
mod live;
mod observe;
mod offline;
mod owner;
mod planning;
mod policy;
mod preflight;
mod prepare;
mod recorder;
mod remediation;
mod rendering;
mod rollback_target;
mod run;
mod safety;
mod session;
mod state;
mod status;
mod steps;
mod stored;
mod survey;
#[cfg(test)]
mod test_world;
mod transition;
mod undoing;
mod words;

pub use chart::HelmChart;
pub use compare::{Compared, Comparison, Drift, Drifted, Outcome, compare, drifts};
pub use context::Context;
pub use copying::{ClusterCopy, CopyError, LoadedCopy, copy, same_minor};
pub use declared::DeclaredChart;
pub use diagnose::{Diagnosis, Health, diagnose};
pub use error::PhaseError;
pub use foresight::Foresight;
pub use history::{History, HistoryOf, RunDetails, history, run_details};
pub use journal::{JournalError, RunSummary};
pub use ledger::StepAnswer;
pub use offline::Offline;
pub use planning::plan;
pub use run::{Answer, RunConfig, run, validate};
pub use session::{Session, SessionConfig, Target};
pub use state::{Resume, RunError, StateConfig};
pub use status::{ReleaseStatus, status};
pub use steps::{Step, StepDescription, built_in};

pub use pilothouse_core::{
    AdoptStep, AdoptionUndo, ApplyStep, AssertCheck, AssertOf, BeforeDestructive, ChartInfo, ChartRef, ChartSource,
    CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Class, CommandStep, CrdPolicy,
    Decision, DeleteStep, DriftPolicy, Effect, EffectKind, Endpoint, Event, EventKind, ExecCheck, Failure,
    FailurePolicy, FieldChange, Finding, GraphProblem, Header, HeaderValue, HelmAction, HelmTestCheck, Holder,
    HttpCheck, HttpExpect, JobCheck, JobSource, Namespace, Need, NotAdopted, ObjectChange, ObjectRef, ObjectStatus, On,
    OnFailure, OnReleaseFailure, Ownership, OwnershipCounts, Payload, PayloadKey, Phase, Plan, PlannedAction,
    PlannedHook, PlannedObject, PlannedStep, PortRef, PrometheusCheck, Quantity, Records, Redactor, ReleaseKey,
    ReleaseOutcome, ReleasePlan, ReleaseSpec, Remedy, RestartStep, RunId, RunKind, RunOutcome, RunVerdict, SetPolicy,
    SetValue, Stack, StatusPattern, StepKind, StepSpec, StopReason, TcpCheck, TlsTrust, Until, ValueSource, WaitFor,
    WaitStep, YamlFile,
};
pub use pilothouse_health::Rules;
pub use pilothouse_helm::{Helm, HelmClient, HelmConfig};
pub use pilothouse_kube::{Cluster, ClusterClient, ConnectOptions, HelmDriver};
