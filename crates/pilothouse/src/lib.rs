//! Pilothouse puts a lifecycle around every Helm release, above all around charts its users do not own:
//! `check_prerequisites`, `pre_exec`, `exec`, `on_deploy_failure`, `post_exec`, `validate`.
//!
//! A chart is a [`ChartInfo`] and an implementation of [`HelmChart`], whose every method but one has a useful default.
//! [`run`] carries several through their lifecycles and tells everything as [`Event`]s.
//!
//! The library never prints, reads the environment, or installs signal handlers: what it needs is in [`SessionConfig`].

mod chart;
mod context;
mod crds;
mod declared;
pub mod defaults;
mod emitter;
mod error;
mod evidence;
#[cfg_attr(not(test), expect(dead_code, reason = "the run is going to call it"))]
mod heal;
pub mod helpers;
#[cfg(test)]
mod interrupted_tests;
#[cfg_attr(not(test), expect(dead_code, reason = "the run is going to call it"))]
mod leftovers;
mod lifecycle;
mod observe;
mod offline;
mod prepare;
mod remediation;
mod run;
mod safety;
mod session;
mod status;
mod steps;
mod stored;
#[cfg(test)]
mod test_world;
mod transition;
mod words;

pub use chart::HelmChart;
pub use context::Context;
pub use declared::DeclaredChart;
pub use error::PhaseError;
pub use offline::Offline;
pub use run::{run, validate};
pub use session::{Session, SessionConfig, Target};
pub use status::{ReleaseStatus, status};
pub use steps::{Step, StepDescription, built_in};

pub use pilothouse_core::{
    AdoptStep, ApplyStep, ChartInfo, ChartRef, ChartSource, Class, CommandStep, CrdPolicy, Decision, DeleteStep, Event,
    EventKind, Failure, FailurePolicy, Finding, HelmAction, Namespace, ObjectRef, ObjectStatus, On, Payload,
    PayloadKey, Phase, Redactor, ReleaseKey, ReleaseOutcome, ReleaseSpec, RestartStep, RunId, RunOutcome, RunVerdict,
    SetValue, Stack, StepKind, StepSpec, ValueSource, WaitFor, WaitStep, YamlFile,
};
pub use pilothouse_helm::{Helm, HelmClient, HelmConfig};
pub use pilothouse_kube::{Cluster, ClusterClient, ConnectOptions, HelmDriver};
