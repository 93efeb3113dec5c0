//! A run: what it is going to do, what happens in it, how far it has come, how it ends, and why something failed.
//!
//! In: releases, objects, events. Out: plans, events, progress, outcomes. It may import every other folder; none imports it.

mod cause;
mod cause_group;
mod event;
mod finding;
mod fold;
mod holder;
mod outcome;
mod plan;
mod progress;
#[cfg(test)]
mod progress_tests;
mod rehearsal;
#[cfg(test)]
mod standing_tests;
mod staying;

pub use cause::{Cause, CauseClass, Certainty};
pub use cause_group::{CauseGroup, group};
pub use event::{Event, EventKind, Note, PlannedRelease};
pub use finding::{Class, Finding, NOT_OF_THIS_KUBERNETES, code};
pub use holder::Holder;
pub use outcome::{Failure, NextStep, ReleaseOutcome, RunFailed, RunOutcome, RunVerdict, StopReason};
pub use plan::{
    PLAN_FORMAT, Plan, PlanCounts, PlannedAction, PlannedHook, PlannedObject, PlannedRendering, PlannedStep,
    ReleasePlan, SameObject, SeenObject,
};
pub use progress::{
    Ended, HelmCommand, HelmProgress, PhasePart, PhaseProgress, PhaseState, ReleaseEnding, ReleaseProgress,
    ReleaseStanding, ReleaseWay, RunKind, RunProgress, StepProgress,
};
pub use rehearsal::{Adopted, ObjectSeen, ObjectsSeen, Refusal, Rehearsal, Untold, refusals, what_became};
pub use staying::{Staying, Stays, stays_in_words};
