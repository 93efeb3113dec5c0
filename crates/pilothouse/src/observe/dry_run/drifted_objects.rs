//! What of a deployed release is not as it was deployed.

use crate::context::{Compared, Outcome};
use crate::observe::dry_run::compare::{Asked, Comparison, Scope, WriteMethod, look};
use crate::observe::dry_run::injected::injector;
use pilothouse_core::{FieldChange, ObjectChange, ObjectRef, Secrecy, Sensitive, drifted_fields};
use pilothouse_kube::ClusterClient;
use serde_json::Value;

/// An object that is not as it was deployed, or of which that cannot be told.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftedObject {
    /// The object.
    pub object: ObjectRef,
    /// What is different.
    pub what: Drifted,
    /// Why the server was not asked.
    pub not_checked: Option<String>,
    /// Fields that differ and are known to be filled by something else than the chart, and by what, a line each: they are no drift.
    pub left_out: Vec<String>,
}

/// What is different in an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Drifted {
    /// These fields: `old` is what was deployed, `new` what is there now. None where all that differ are left out.
    Fields(Vec<FieldChange>),
    /// It is not there.
    Missing,
    /// It is being deleted, and is there only until what holds it has let go.
    Terminating,
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Tells which objects of `wanted`, here those of the deployed revision's manifest, are not as helm has deployed them: what
/// applying them once more would change. `stored` counts for nothing. Changes nothing.
pub async fn drifted_objects(cluster: &dyn ClusterClient, what: &Comparison<'_>) -> Vec<DriftedObject> {
    let write =
        if let WriteMethod::Apply { .. } = what.write { WriteMethod::Apply { force: true } } else { what.write };
    let deployed = Comparison { stored: what.wanted, write, ..*what };
    let looked = look(cluster, &deployed, Asked::WhatIsDeclared, Scope::All).await;
    looked.compared.into_iter().filter_map(|compared| drift(compared, what)).collect()
}

fn drift(compared: Compared, what: &Comparison<'_>) -> Option<DriftedObject> {
    let Compared { object, outcome, not_checked, live, then, .. } = compared;
    let mut left_out = Vec::new();
    let mut fields = || {
        let (live, then) = live.as_ref().zip(then.as_ref())?;
        let secrecy = Secrecy { kind: &object.kind, redactor: what.redactor };
        let mut fields = drifted_fields(then.expose(), live.expose(), secrecy);
        fields.retain(|field| match injector(&object, live.expose(), field) {
            Some(by) => {
                left_out.push(format!("{object} {}: filled by {by}", field.path));
                false
            }
            None => true,
        });
        Some(fields).filter(|fields| !fields.is_empty() || !left_out.is_empty())
    };
    let is_terminating = |live: &Sensitive<Value>| live.expose().pointer("/metadata/deletionTimestamp").is_some();
    let drifted = match outcome {
        Outcome::Change(_) if live.as_ref().is_some_and(is_terminating) => Drifted::Terminating,
        Outcome::Change(ObjectChange::Create) => Drifted::Missing,
        Outcome::NoNamespace { .. } => Drifted::Missing,
        Outcome::Change(
            ObjectChange::Same | ObjectChange::Update | ObjectChange::Adopt | ObjectChange::Replace { .. },
        ) => Drifted::Fields(fields()?),
        Outcome::Change(ObjectChange::Refused { why }) => fields().map_or(Drifted::Unknown { why }, Drifted::Fields),
        Outcome::Change(ObjectChange::Keep | ObjectChange::Delete | ObjectChange::After { .. }) => return None,
        Outcome::NotServed { why } | Outcome::Unreadable { why } => Drifted::Unknown { why },
    };
    Some(DriftedObject { object, what: drifted, not_checked, left_out })
}
