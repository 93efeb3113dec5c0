//! Pilothouse puts a lifecycle around every Helm release, above all around charts its users do not own:
//! `check_prerequisites`, `pre_exec`, `exec`, `on_deploy_failure`, `post_exec`, `validate`.
//!
//! A chart is a [`ChartInfo`] and an implementation of [`HelmChart`], whose every method but one has a useful default.
//! [`run`] carries several through their lifecycles and tells everything as [`Event`]s; [`plan()`] tells before what it would
//! do.
//!
//! ```no_run
//! use pilothouse::{ChartInfo, ChartRef, HelmChart, Session};
//!
//! struct Podinfo(ChartInfo);
//!
//! impl HelmChart for Podinfo {
//!     fn chart_info(&self) -> &ChartInfo {
//!         &self.0
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let podinfo = Podinfo(ChartInfo {
//!         name: "podinfo".into(),
//!         namespace: "web".into(),
//!         chart: ChartRef::repo("https://stefanprodan.github.io/podinfo", "podinfo").version("~6.9"),
//!         ..ChartInfo::default()
//!     });
//!     let session = Session::from_environment().await?;
//!     session.stack("shop").chart(podinfo).apply().await?.into_result()?;
//!     Ok(())
//! }
//! ```
//!
//! At the top stands what most programs name. The rest is in modules: what steps and checks are made of ([`steps`], [`checks`]), what a
//! plan and a run tell ([`mod@plan`], [`events`]), why something does not work ([`diagnosis`]), what runs leave behind ([`state`]), stacks as
//! data ([`stack`]), a copy of a cluster to try a run on ([`rehearsal`]), and the clients of the cluster and of helm ([`kubernetes`],
//! [`helm`]).
//!
//! The library never prints or installs signal handlers, and reads the environment in [`Environment::of_process`] alone.

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
pub mod plan;
mod preflight;
mod render;
mod run;
mod span;
pub mod steps;
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

/// What checks are made of, and what they tell.
pub mod checks {
    pub use pilothouse_core::{
        AssertCheck, AssertOf, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Endpoint,
        Evidence, ExecCheck, Header, HeaderValue, HelmTestCheck, HttpCheck, HttpExpect, JobCheck, JobSource, PortRef,
        PrometheusCheck, Quantity, StatusPattern, TcpCheck, TlsTrust,
    };
}

/// Why something does not work, and how releases stand.
pub mod diagnosis {
    pub use crate::diagnose::{Diagnosis, Health, diagnose};
    pub use crate::observe::{Drifted, DriftedObject, ReleaseStatus, drifted_objects, statuses};
    pub use pilothouse_core::{CauseClass, Certainty};
}

/// What a run tells while it goes on, and what that adds up to.
pub mod events {
    pub use pilothouse_core::{
        CleanText, Ended, HelmCommand, HelmProgress, Note, PhasePart, PhaseProgress, PhaseState, PlannedRelease,
        ReleaseEnding, ReleaseProgress, ReleaseStanding, ReleaseWay, RunProgress, StepProgress, StopReason,
    };
}

/// The client of helm, and what Helm keeps of a release.
pub mod helm {
    pub use pilothouse_core::{ConstraintError, HelmDriver, ReleaseHistory, RevisionMeta, RevisionStatus};
    pub use pilothouse_helm::{
        ChartError, DecodeError, GetRequest, Helm, HelmClient, HelmConfig, HelmError, HelmText, HelmVersion,
        HistoryEntry, Kind, Metadata, PullRequest, RollbackRequest, TemplateRequest, TestRequest, UninstallRequest,
        UpgradeRequest, Values, ValuesDocument, ValuesError, VersionError, YamlError,
    };
}

/// The client of a cluster, and how its objects are judged.
pub mod kubernetes {
    pub use crate::context::Target;
    pub use kube::Client;
    pub use pilothouse_core::{AdoptionConsent, AdoptionVerdict, NotAdopted};
    pub use pilothouse_core::{
        ClusterContext, ClusterPin, ObjectStatus, Otherwise, Ownership, OwnershipCounts, Readiness, ReadinessRule,
    };
    pub use pilothouse_expression::ExpressionError;
    pub use pilothouse_health::{RuleError, Rules, Verdict};
    pub use pilothouse_kube::{
        AdoptError, Adoption, ApplyOptions, ByteStream, Change, Cluster, ClusterAccess, ClusterClient, ClusterError,
        Conflict, ConnectError, ConnectOptions, Credentials, Detail, Discovery, Ended, ExecOutput, ExecQuery, Family,
        Following, ListQuery, LogQuery, NotPinned, NotReady, ObjectError, PodConnection, PodPort, Precondition,
        Propagation, Proxies, Resource, ServerVersion, Snapshot, StoredRevision, Tracker, UpdateOptions,
    };
}

/// A copy of a cluster, to try a run on.
pub mod rehearsal {
    pub use crate::copy::{ClusterCopy, CopyError, LoadedCopy, copy, same_minor};
    pub use pilothouse_core::{Adopted, Refusal, Rehearsal, Untold};
}

/// Stacks as data, as a stack file has them.
pub mod stack {
    pub use crate::phases::DeclaredChart;
    pub use pilothouse_core::{GraphProblem, NeedPlace, ReleaseSpec, Stack};
}

/// What runs leave behind: the lock, the journal, and what the next run makes of them.
pub mod state {
    pub use crate::context::StepAnswer;
    pub use crate::journal::{
        History, HistoryOf, JournalError, PlaceError, RunDetails, RunSummary, StateKey, history, run_details,
    };
    pub use crate::run::{Answer, Resume, StateConfig, StateMove, StateMoveError, StateMoved, move_state};
    pub use pilothouse_core::{DigestKey, Holder};
    pub use pilothouse_kube::LockError;
}

/// A cluster and a helm in memory, of which every call can be made to fail: a session over them tests a chart without a control plane.
#[cfg(feature = "testing")]
pub mod testing {
    pub use pilothouse_testing::{Disturbance, Failures, FakeCluster, FakeHelm, record_secret, release_secret};
}

pub use context::{Context, Foresight, Outcome, ReleaseRun, Session, SessionConfig, Step, StepDescription};
pub use environment::{Environment, EnvironmentError};
pub use error::PhaseError;
pub use front::{ChartStack, DeployError, Running, SessionBuilder, SessionError, deploy};
pub use phases::{HelmChart, defaults};
pub use plan::plan;
pub use run::{Offline, RunConfig, RunError, default_concurrency, run, validate};

pub use pilothouse_core::{
    BeforeDestructive, Cause, ChartInfo, ChartRef, ChartSource, Class, ConsentTo, CrdPolicy, DriftIgnore, DriftPolicy,
    Event, EventKind, FailFast, Failure, FailurePolicy, FilePath, Finding, HelmAction, InvalidName, Namespace, Need,
    NextStep, ObjectRef, OnFailure, OnReleaseFailure, Payload, PayloadError, PayloadKey, Phase, Plan, Redactor,
    ReleaseKey, ReleaseOutcome, Remedy, RunFailed, RunId, RunKind, RunOutcome, RunVerdict, Sensitive, SetPolicy,
    SetValue, Until, ValueSource, YamlFile, code,
};

/// What overriding a phase or writing a step needs, so that no other crate has to be named.
pub use async_trait::async_trait;
/// Versions of charts.
pub use semver::Version;
/// What ends a run.
pub use tokio_util::sync::CancellationToken;
