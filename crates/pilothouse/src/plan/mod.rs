//! What a run would do, told before it. Beside `lifecycle`: it changes nothing.
//!
//! In: charts and a session. Out: a plan, or why a saved one does not hold any more. Imported by `run`.

mod brings;
mod draft;
mod held;
mod objects;
mod outlook;
mod ownership;
mod release_plan;
mod stack_plan;
mod taken;
mod verify;

pub use crate::context::{ByHook, Compared};
pub use crate::observe::{Comparison, Uninstalled, WriteMethod, compare, decision};
pub(crate) use brings::brings;
pub use pilothouse_core::{
    Change, CrdFacts, Decision, Drift, Effect, EffectKind, FieldChange, Foreign, HelmOwner, InputPart, ObjectChange,
    PlanCounts, PlannedAction, PlannedHook, PlannedObject, PlannedRendering, PlannedStep, Records, ReinstallReason,
    ReleasePlan, ReleaseState, Remaining, Rendered, SameObject, SeenObject, Staying, Stays,
};
pub use stack_plan::{EarlierRuns, plan};
pub(crate) use taken::foresee_taken;
pub(crate) use verify::outdated_findings;
