//! What has to be saved when an object is lost: itself, and what goes with it.

use crate::context::Context;
use pilothouse_core::recreatable;
use pilothouse_core::{
    Class, Finding, ObjectRef, Sensitive, code, crd_facts, deletes_its_claims, is_claim_of, object_ref,
};
use pilothouse_kube::{ClusterError, ListQuery};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds in a namespace that nobody makes by hand and that are made again by themselves.
const MADE_AGAIN: [&str; 4] = ["Event", "Endpoints", "EndpointSlice", "Lease"];

/// What is saved, as far as it was read.
pub(super) struct Content<'a> {
    ctx: &'a Context,
    /// What is going to be lost and is there.
    pub(super) objects: Vec<ObjectRef>,
    /// That and what goes with it, each once, as it can be created again.
    pub(super) documents: Vec<Sensitive<Value>>,
    known: BTreeSet<String>,
    findings: Vec<Finding>,
}

/// What becomes of an object that is saved before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is changed for good.
    Changed,
    /// It goes, so that what hangs on it goes too.
    Deleted,
    /// It is changed, a volume whose claim is gone or goes, and goes with its data by that.
    Reclaimed,
}

impl<'a> Content<'a> {
    pub(super) fn new(ctx: &'a Context) -> Self {
        Self { ctx, objects: Vec::new(), documents: Vec::new(), known: BTreeSet::new(), findings: Vec::new() }
    }

    /// All of it, or why it cannot be saved.
    pub(super) fn told(self) -> Result<Self, Vec<Finding>> {
        if self.findings.is_empty() { Ok(self) } else { Err(self.findings) }
    }

    /// Adds an object, if it is there; where it goes also what is deleted with it.
    pub(super) async fn add(&mut self, object: &ObjectRef, fate: Fate) {
        let goes = fate == Fate::Deleted;
        let Some(live) = self.read(object).await else { return };
        self.objects.push(object.clone());
        self.keep(&live);
        match object.kind.as_str() {
            "PersistentVolumeClaim" if goes => self.claim(object, &live).await,
            "PersistentVolume" if goes => self.volume(object, &live),
            "PersistentVolume" if fate == Fate::Reclaimed => self.cannot_be_saved(object, &object.name),
            "StatefulSet" if goes && deletes_its_claims(&live) => self.claims_of(object, &live).await,
            "Namespace" if goes => self.all_in(&object.name).await,
            "CustomResourceDefinition" => self.custom_resources(object, &live).await,
            _ => {}
        }
    }

    async fn read(&mut self, object: &ObjectRef) -> Option<Value> {
        match self.ctx.cluster().get(object).await {
            Ok(live) => live,
            Err(ClusterError::NotServed { .. }) => None,
            Err(error) => {
                self.unreadable(object, &error);
                None
            }
        }
    }

    async fn list(&mut self, of: &ObjectRef, query: &ListQuery) -> Vec<Value> {
        self.ctx.cluster().list(query).await.unwrap_or_else(|error| {
            self.unreadable(of, &error);
            Vec::new()
        })
    }

    fn unreadable(&mut self, object: &ObjectRef, error: &ClusterError) {
        let message = format!("it cannot be saved: {}", self.ctx.error_text(error));
        self.findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, message));
    }

    fn keep(&mut self, live: &Value) {
        let Some(object) = object_ref(live) else { return };
        if self.known.insert(format!("{}/{object}", object.group().unwrap_or_default())) {
            self.documents.push(Sensitive::new(recreatable(live)));
        }
    }

    /// The definition of its volume, so that it can be bound again; the data only if it stays where it is.
    async fn claim(&mut self, claim: &ObjectRef, live: &Value) {
        let Some(name) = live.pointer("/spec/volumeName").and_then(Value::as_str) else { return };
        let volume = ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "PersistentVolume".to_owned(),
            namespace: None,
            name: name.to_owned(),
        };
        let Some(live) = self.read(&volume).await else { return };
        self.keep(&live);
        self.volume(claim, &live);
    }

    /// Data on a volume is not in the API: it can be gone for only if the volume outlives its object.
    fn volume(&mut self, subject: &ObjectRef, volume: &Value) {
        let policy = volume.pointer("/spec/persistentVolumeReclaimPolicy").and_then(Value::as_str);
        if policy == Some("Retain") {
            return;
        }
        let name = volume.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        self.cannot_be_saved(subject, name);
    }

    fn cannot_be_saved(&mut self, subject: &ObjectRef, name: &str) {
        let message = format!(
            "its data on volume {name} is not in the API, so it cannot be saved: back it up by a step of your own, or give the volume the reclaim policy Retain"
        );
        self.findings.push(Finding::new(Class::Unsafe, code::BACKUP_IMPOSSIBLE, subject, message));
    }

    /// The claims that a StatefulSet has made.
    async fn claims_of(&mut self, set: &ObjectRef, live: &Value) {
        let mut query = ListQuery::new("v1", "PersistentVolumeClaim");
        query.namespace.clone_from(&set.namespace);
        for claim in self.list(set, &query).await {
            if let Some(object) = object_ref(&claim).filter(|claim| is_claim_of(live, &set.name, &claim.name)) {
                self.keep(&claim);
                self.claim(&object, &claim).await;
            }
        }
    }

    /// Everything in a namespace but what is made again by itself.
    async fn all_in(&mut self, namespace: &str) {
        let subject = ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: namespace.to_owned(),
        };
        let served = match self.ctx.cluster().discovery(false).await {
            Ok(served) => served,
            Err(error) => return self.unreadable(&subject, &error),
        };
        let can = |verbs: &[String], verb: &str| verbs.iter().any(|one| one == verb);
        let mut seen = BTreeSet::new();
        for kind in served.resources() {
            let is_kept = kind.namespaced
                && can(&kind.verbs, "list")
                && can(&kind.verbs, "create")
                && !MADE_AGAIN.contains(&kind.kind.as_str());
            // The first version of a kind is the one that the server prefers.
            if !is_kept || !seen.insert((&kind.group, &kind.kind)) {
                continue;
            }
            let query = ListQuery::new(kind.api_version(), &kind.kind).within(namespace);
            for live in self.list(&subject, &query).await {
                if is_controlled(&live) {
                    continue;
                }
                self.keep(&live);
                if let Some(claim) = object_ref(&live).filter(|object| object.kind == "PersistentVolumeClaim") {
                    self.claim(&claim, &live).await;
                }
            }
        }
    }

    /// Every object of a definition, in the version in which it is stored, or another one that is served.
    async fn custom_resources(&mut self, crd: &ObjectRef, live: &Value) {
        let Some(facts) = crd_facts(live) else { return };
        if !facts.was_served() {
            return;
        }
        for version in facts.storage_version.iter().chain(&facts.versions) {
            let query = ListQuery::new(format!("{}/{version}", facts.group), &facts.kind);
            match self.ctx.cluster().list(&query).await {
                Ok(objects) => return objects.iter().for_each(|object| self.keep(object)),
                Err(ClusterError::NotServed { .. }) => {}
                Err(error) => return self.unreadable(crd, &error),
            }
        }
        self.unreadable(crd, &ClusterError::NotServed { kind: facts.kind, group: Some(facts.group) });
    }
}

/// Whether a controller has made it, and would make it again.
fn is_controlled(live: &Value) -> bool {
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner["controller"] == true)
}
