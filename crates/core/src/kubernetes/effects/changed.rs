//! A change of an object, with what is around it.

use crate::ids::ObjectRef;
use crate::kubernetes::change::{EffectKind, ObjectChange};
use crate::kubernetes::pod_references::pod_spec;
use serde_json::Value;
use std::collections::BTreeMap;

/// An object that changes.
#[derive(Clone, Copy)]
pub struct ChangedObject<'a> {
    /// The object, complete.
    pub object: &'a ObjectRef,
    /// What is going to happen to it.
    pub change: &'a ObjectChange,
    /// It as it is, when it is there.
    pub live: Option<&'a Value>,
    /// It as it is going to be, when that is known.
    pub then: Option<&'a Value>,
}

/// What else is needed to tell the effects of a change.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    /// The workloads as they are going to be, of all releases, and whether their pods are replaced.
    pub workloads: &'a [Workload<'a>],
    /// The PodDisruptionBudgets of the object's namespace.
    pub budgets: &'a [Value],
    /// The PersistentVolumeClaims of the object's namespace.
    pub claims: &'a [Value],
    /// How many objects of its kind are live, by the name of the CustomResourceDefinition.
    pub custom_resources: Option<&'a BTreeMap<String, usize>>,
}

/// A workload that may use what changes.
#[derive(Clone, Copy)]
pub struct Workload<'a> {
    /// It as it is going to be.
    pub object: &'a Value,
    /// Whether its pods are replaced anyway, so that they see what has changed.
    pub rolls: bool,
}

/// Whether a workload's pods are replaced when `live` becomes `then`.
pub fn replaces_pods(live: &Value, then: &Value) -> bool {
    pod_spec(then).is_some() && live.pointer("/spec/template") != then.pointer("/spec/template")
}

/// An effect on the object at hand.
pub(super) type Found = (EffectKind, String);
