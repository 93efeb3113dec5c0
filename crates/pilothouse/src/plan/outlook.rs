//! What the changes of a plan do to what is running.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Session;
use crate::plan::draft::Draft;
use pilothouse_core::{
    Around, ChangedObject, ObjectChange, ObjectRef, Sensitive, Workload, crd_facts, effects, object_ref, replaces_pods,
};
use pilothouse_kube::{ClusterError, ListQuery, live_custom_resources};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is read of a namespace in which something changes.
#[derive(Default)]
struct Namespace {
    budgets: Vec<Value>,
    claims: Vec<Value>,
    /// Workloads of whoever.
    workloads: Vec<Value>,
}

/// Tells of each release what its changes do to what is running. What cannot be read is named.
pub(crate) async fn add_effects(session: &Session, contexts: &[Context], drafts: &mut [Draft]) {
    let mut namespaces: BTreeMap<String, Namespace> = BTreeMap::new();
    let mut unreadable: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in drafts.iter().flat_map(|draft| &draft.compared).filter_map(concerned).collect::<BTreeSet<_>>() {
        let (namespace, not_read) = read(session, &name).await;
        namespaces.insert(name.clone(), namespace);
        unreadable.insert(name, not_read);
    }
    // Every workload as it is going to be: those of the plan take the place of the live ones, and what it deletes is none.
    let planned: Vec<(&Value, bool)> =
        drafts.iter().flat_map(|draft| &draft.compared).filter_map(going_to_be).collect();
    let known: Vec<&ObjectRef> =
        drafts.iter().flat_map(|draft| &draft.compared).map(|one| &one.object).filter(|one| is_workload(one)).collect();
    let others = namespaces.values().flat_map(|namespace| &namespace.workloads);
    let others = others.filter(|live| object_ref(live).is_some_and(|live| !known.iter().any(|o| o.same_object(&live))));
    let workloads: Vec<Workload<'_>> = planned
        .iter()
        .map(|(object, rolls)| Workload { object, rolls: *rolls })
        .chain(others.map(|object| Workload { object, rolls: false }))
        .collect();
    let mut found = Vec::with_capacity(drafts.len());
    for draft in &*drafts {
        found.push(of_release(session, draft, &namespaces, &workloads).await);
    }
    for ((draft, (effects, mut not_checked)), ctx) in drafts.iter_mut().zip(found).zip(contexts) {
        let touched: BTreeSet<String> = draft.compared.iter().filter_map(concerned).collect();
        not_checked.extend(touched.iter().filter_map(|name| unreadable.get(name)).flatten().cloned());
        draft.plan.effects = effects;
        draft.plan.effects.sort_by_key(|effect| std::cmp::Reverse(effect.kind));
        draft.plan.not_checked.extend(not_checked.iter().map(|line| ctx.redactor().redact(line)));
    }
}

async fn of_release(
    session: &Session,
    draft: &Draft,
    namespaces: &BTreeMap<String, Namespace>,
    workloads: &[Workload<'_>],
) -> (Vec<pilothouse_core::Effect>, Vec<String>) {
    let (mut all, mut not_checked) = (Vec::new(), Vec::new());
    let nothing = Namespace::default();
    for compared in &draft.compared {
        let Outcome::Change(change) = &compared.outcome else { continue };
        let namespace = compared.object.namespace.as_ref().and_then(|name| namespaces.get(name)).unwrap_or(&nothing);
        let custom_resources = match custom_resources(session, compared, change).await {
            Ok(counted) => counted,
            Err(error) => {
                not_checked.push(format!("{}: how many objects of it there are: {error}", compared.object));
                None
            }
        };
        let around = Around {
            workloads,
            budgets: &namespace.budgets,
            claims: &namespace.claims,
            custom_resources: custom_resources.as_ref(),
        };
        let changed = ChangedObject {
            object: &compared.object,
            change,
            live: compared.live.as_ref().map(Sensitive::expose),
            then: compared.then.as_ref().map(Sensitive::expose),
        };
        all.extend(effects(&changed, &around));
    }
    (all, not_checked)
}

/// The namespace of an object that is there and changes.
fn concerned(compared: &Compared) -> Option<String> {
    match &compared.outcome {
        Outcome::Change(ObjectChange::Update | ObjectChange::Delete | ObjectChange::Adopt) => {
            compared.object.namespace.clone()
        }
        Outcome::Change(
            ObjectChange::Create
            | ObjectChange::Replace { .. }
            | ObjectChange::Keep
            | ObjectChange::After { .. }
            | ObjectChange::Refused { .. }
            | ObjectChange::Same,
        )
        | Outcome::NoNamespace { .. }
        | Outcome::NotServed { .. }
        | Outcome::Unreadable { .. } => None,
    }
}

fn is_workload(object: &ObjectRef) -> bool {
    matches!(object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
}

/// A workload as it is going to be, and whether its pods are replaced.
fn going_to_be(compared: &Compared) -> Option<(&Value, bool)> {
    if !is_workload(&compared.object) || compared.outcome == Outcome::Change(ObjectChange::Delete) {
        return None;
    }
    let (live, then) = (compared.live.as_ref(), compared.then.as_ref());
    let rolls = live.zip(then).is_some_and(|(live, then)| replaces_pods(live.expose(), then.expose()));
    then.or(live).map(|object| (object.expose(), rolls))
}

async fn read(session: &Session, name: &str) -> (Namespace, Vec<String>) {
    let mut not_read = Vec::new();
    let mut list = async |api_version: &str, kind: &str| match session
        .cluster
        .list(&ListQuery::new(api_version, kind).within(name))
        .await
    {
        Ok(objects) => objects,
        Err(error) => {
            not_read.push(format!("the {kind}s of namespace {name}: {error}"));
            Vec::new()
        }
    };
    let mut namespace = Namespace {
        budgets: list("policy/v1", "PodDisruptionBudget").await,
        claims: list("v1", "PersistentVolumeClaim").await,
        workloads: Vec::new(),
    };
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        namespace.workloads.extend(list("apps/v1", kind).await);
    }
    (namespace, not_read)
}

/// How many objects of a definition that changes are live.
async fn custom_resources(
    session: &Session,
    compared: &Compared,
    change: &ObjectChange,
) -> Result<Option<BTreeMap<String, usize>>, ClusterError> {
    let changes = matches!(change, ObjectChange::Update | ObjectChange::Delete);
    let facts = compared.live.as_ref().filter(|_| changes).and_then(|live| crd_facts(live.expose()));
    let Some(facts) = facts else { return Ok(None) };
    let live = live_custom_resources(session.cluster.as_ref(), &facts).await?;
    Ok(Some(BTreeMap::from([(compared.object.name.clone(), live.len())])))
}
