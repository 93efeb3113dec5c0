//! A release as it is declared, and as Helm and Pilothouse have recorded it.
//!
//! In: what a stack file or a chart says, and records. Out: plain data. It imports `ids`, `text` and `kubernetes`; `graph`, `state`
//! and `run` may import it.

mod chart_info;
mod check;
mod cluster_context;
mod deploy_record;
mod drift;
mod failure_policy;
mod file_path;
mod history;
mod need;
mod payload;
mod revision;
mod stack;
mod step;

pub use chart_info::{
    BeforeDestructive, ChartInfo, ChartRef, ChartSource, ConsentTo, CrdPolicy, FailFast, HelmAction, Namespace,
    SetValue, ValueSource, YamlFile,
};
pub use check::{
    AssertCheck, AssertOf, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Endpoint,
    Evidence, ExecCheck, Header, HeaderValue, HelmTestCheck, HttpCheck, HttpExpect, JobCheck, JobSource, PortRef,
    PrometheusCheck, Quantity, StatusPattern, TcpCheck, TlsTrust, every_value,
};
pub use cluster_context::{ClusterContext, ClusterPin};
pub use deploy_record::{AppliedObject, DEPLOY_RECORD_FORMAT, DeployRecord, InputDigests, InputPart, MadeUp};
pub use drift::{Drift, DriftIgnore, DriftPolicy};
pub use failure_policy::{FailurePolicy, OnFailure, Remedy};
pub use file_path::FilePath;
pub use history::ReleaseHistory;
pub use need::{Need, Until};
pub use payload::{Payload, PayloadError, PayloadKey};
pub use revision::{RUN_LABEL, RevisionMeta, RevisionStatus};
pub use stack::{OnReleaseFailure, ReleaseSpec, SetPolicy, Stack};
pub use step::{AdoptStep, ApplyStep, CommandStep, DeleteStep, On, RestartStep, StepKind, StepSpec, WaitFor, WaitStep};
