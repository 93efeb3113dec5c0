//! Names, states, plans and events of Pilothouse: data and pure functions.
//!
//! Nothing here reads a clock, a file, the environment or the network; everything can be tested as a table.

mod cause;
mod cause_group;
mod chain;
mod chart_info;
mod check;
mod cluster_object;
mod constraint;
mod deploy_record;
mod drift;
mod effects;
mod event;
mod failure_policy;
mod finding;
mod graph;
mod graph_problem;
mod hex;
mod holder;
mod ids;
mod immutable;
mod mask;
mod nearest;
mod need;
mod object_diff;
mod outcome;
mod ownership;
mod payload;
mod plan;
mod pod_references;
mod pod_resources;
mod progress;
mod quantity;
mod readiness;
mod rehearsal;
mod release;
mod schedule;
mod select;
mod sensitive;
mod stack;
mod state;
mod step;
mod undo;
mod version_text;

pub use cause::{Cause, CauseClass, Certainty};
pub use cause_group::{CauseGroup, group};
pub use chain::error_chain;
pub use chart_info::{
    BeforeDestructive, ChartInfo, ChartRef, ChartSource, CrdPolicy, FailFast, HelmAction, Namespace, SetValue,
    ValueSource, YamlFile,
};
pub use check::{
    AssertCheck, AssertOf, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Endpoint,
    Evidence, ExecCheck, Header, HeaderValue, HelmTestCheck, HttpCheck, HttpExpect, JobCheck, JobSource, PortRef,
    PrometheusCheck, Quantity, StatusPattern, TcpCheck, TlsTrust, every_value,
};
pub use cluster_object::{
    CrdFacts, HelmOwner, adoption_patch, crd_facts, helm_owner, keeps_on_uninstall, names_other_release, object_ref,
    restart_patch,
};
pub use constraint::{ConstraintError, KubeVersionFrom, VersionConstraint, kube_version_fits, lenient_version};
pub use deploy_record::{AppliedObject, DEPLOY_RECORD_FORMAT, DeployRecord, InputDigests, InputPart};
pub use drift::{Drift, DriftPolicy};
pub use effects::{Around, ChangedObject, Workload, effects, replaces_pods};
pub use event::{Event, EventKind, HelmCommand, Note, PlannedRelease, RunKind};
pub use failure_policy::{FailurePolicy, OnFailure, Remedy};
pub use finding::{Class, Finding, code};
pub use graph::{GraphNode, ReleaseGraph};
pub use graph_problem::{GraphProblem, NeedPlace};
pub use hex::hex;
pub use holder::Holder;
pub use ids::{InvalidName, ObjectRef, Phase, ReleaseKey, RunId, check_namespace, check_release_name};
pub use immutable::{forced_replacement, words_of_refusal};
pub use mask::mask;
pub use nearest::nearest;
pub use need::{Need, Until};
pub use object_diff::{
    FieldPath, PathSegment, Secrecy, declared, declared_changes, drifted_fields, field_changes, is_client_side_applied,
    merge_patched, own_content, own_labels, removed_paths, written_by,
};
pub use outcome::{Failure, NextStep, ReleaseOutcome, RunOutcome, RunVerdict, StopReason};
pub use ownership::{
    AdoptionConsent, AdoptionUndo, AdoptionVerdict, NotAdopted, Ownership, OwnershipCounts, Records, named_release,
    ownership, tool_of_manager,
};
pub use payload::{Payload, PayloadError, PayloadKey};
pub use plan::{
    Effect, EffectKind, FieldChange, ObjectChange, PLAN_FORMAT, Plan, PlanCounts, PlannedAction, PlannedHook,
    PlannedObject, PlannedStep, ReleasePlan, SeenObject,
};
pub use pod_references::named_by_pods;
pub use pod_resources::pod_amount;
pub use progress::{
    Ended, HelmProgress, PhaseProgress, ReleaseEnding, ReleaseProgress, ReleaseWay, RunProgress, StepProgress,
};
pub use quantity::{parse_quantity, quantity, show_quantity};
pub use readiness::{ObjectStatus, Otherwise, Readiness, ReadinessRule};
pub use rehearsal::{Adopted, ObjectSeen, ObjectsSeen, Refusal, Rehearsal, Untold, refusals, what_became};
pub use release::{RUN_LABEL, RevisionMeta, RevisionStatus, last_deployed};
pub use schedule::{Order, Schedule, Wait};
pub use select::{LabelTerm, ReleasePattern, Selection, SelectionError};
pub use sensitive::{Redactor, Sensitive};
pub use stack::{OnReleaseFailure, ReleaseSpec, SetPolicy, Stack};
pub use state::{
    Decision, Foreign, LiveSeen, Observation, PendingSeen, RecordSeen, ReleaseState, Rendered, Wish, decide, determine,
};
pub use step::{AdoptStep, ApplyStep, CommandStep, DeleteStep, On, RestartStep, StepKind, StepSpec, WaitFor, WaitStep};
pub use undo::{Fate, undo_order};
