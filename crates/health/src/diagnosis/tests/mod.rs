//! What is told of evidence as Kubernetes gives it, one file per family.

mod certainty;
mod containers;
mod control;
mod helm;
mod images;
mod jobs;
mod never;
mod references;
mod refused;
mod rejected;
mod revisions;
mod scheduling;
mod storage;
mod traces;
mod unmoved;
mod webhooks;

use super::line::Line;
use super::{Evidence, LogTail, Referred, Want, Whereabouts, drafts};
use jiff::{SignedDuration, Timestamp};
use pilothouse_core::{Certainty, ObjectRef, ObjectStatus, Readiness};
use serde_json::{Value, json};
use std::sync::Arc;

/// When all these tests are.
fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// A moment so many seconds before.
fn ago(seconds: i64) -> String {
    (now() - SignedDuration::from_secs(seconds)).to_string()
}

fn the(object: &str) -> ObjectRef {
    ObjectRef::parse(object).unwrap()
}

fn in_progress() -> ObjectStatus {
    ObjectStatus::new(Readiness::InProgress, "0 of 1 pods are ready")
}

/// Evidence about `Deployment web/web` being built.
struct Of(Evidence);

impl Of {
    fn web() -> Self {
        Self::object(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"}}),
        )
    }

    fn object(live: Value) -> Self {
        let object = pilothouse_core::object_ref(&live).unwrap();
        let mut evidence = Evidence::new(object, in_progress());
        evidence.live = Some(Arc::new(live));
        evidence.beside = Some(Vec::new());
        Self(evidence)
    }

    fn owns(mut self, object: Value) -> Self {
        self.0.owned.push(Arc::new(object));
        self
    }

    /// A pod with this spec and status, bound to its node `seconds` ago.
    fn pod_since(self, seconds: i64, spec: &Value, status: &Value) -> Self {
        let mut status = status.clone();
        if status.get("conditions").is_none() {
            status["conditions"] =
                json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(seconds)}]);
        }
        self.owns(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "web", "uid": "pod-1", "creationTimestamp": ago(seconds)},
            "spec": spec, "status": status,
        }))
    }

    /// A pod whose only container `web` of image `registry.example/web:1` has this status.
    fn container_since(self, seconds: i64, container: &Value) -> Self {
        let mut container = container.clone();
        container["name"] = json!("web");
        let running = container.pointer("/state/running").is_some();
        self.pod_since(
            seconds,
            &json!({"containers": [{"name": "web", "image": "registry.example/web:1", "ports": [{"containerPort": 8080}]}], "nodeName": "node-1"}),
            &json!({"phase": if running { "Running" } else { "Pending" }, "containerStatuses": [container]}),
        )
    }

    fn event(self, object: &str, reason: &str, message: &str) -> Self {
        self.events(object, reason, message, 1, 1)
    }

    /// An event about `Kind/name`, that came so often, first `seconds` ago.
    fn events(mut self, object: &str, reason: &str, message: &str, count: i64, seconds: i64) -> Self {
        let (kind, name) = object.split_once('/').unwrap();
        let normal = [
            "SuccessfulCreate",
            "Killing",
            "TriggeredScaleUp",
            "WaitForFirstConsumer",
            "ExternalProvisioning",
            "EnsuringLoadBalancer",
        ];
        self.0.events.push(Arc::new(json!({
            "apiVersion": "v1", "kind": "Event", "type": if normal.contains(&reason) { "Normal" } else { "Warning" },
            "involvedObject": {"kind": kind, "name": name, "namespace": "web"}, "reason": reason, "message": message, "count": count,
            "firstTimestamp": ago(seconds), "lastTimestamp": ago(1),
        })));
        self
    }

    /// The release is at work since so many seconds.
    fn since(mut self, seconds: i64) -> Self {
        self.0.since = Some(now() - SignedDuration::from_secs(seconds));
        self
    }

    fn certain(&self) -> bool {
        crate::causes(&self.0, now()).iter().any(|cause| cause.certainty == Certainty::Certain)
    }

    fn log(mut self, pod: &str, container: &str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.0.logs.push(LogTail { pod: pod.to_owned(), container: container.to_owned(), previous: true, lines });
        self
    }

    fn around(mut self, object: Value) -> Self {
        self.0.around.push(Arc::new(object));
        self
    }

    fn referred(mut self, object: &str, whereabouts: Whereabouts) -> Self {
        self.0.referred.push(Referred { object: the(object), whereabouts });
        self
    }

    /// Something else of the release that is not ready.
    fn beside(mut self, api_version: &str, object: &str) -> Self {
        let object = ObjectRef { api_version: Some(api_version.to_owned()), ..the(object) };
        self.0.beside.get_or_insert_default().push((object, in_progress()));
        self
    }

    fn read(mut self, want: Want) -> Self {
        self.0.read.push(want);
        self
    }

    /// Who makes Secrets in namespace `web` was looked for, and is not there.
    fn nobody_makes_secrets(mut self) -> Self {
        self.0.read.extend(makers());
        self
    }

    fn told(&self) -> Vec<(Line, String)> {
        drafts(&self.0, now()).into_iter().map(|draft| (draft.line, draft.why)).collect()
    }

    fn roots(&self) -> Vec<String> {
        drafts(&self.0, now()).into_iter().map(|draft| draft.root).collect()
    }

    /// Asserts the one cause there is.
    #[track_caller]
    fn tells(&self, line: Line, why: &str) {
        assert_eq!(self.told(), [(line, why.to_owned())]);
    }

    #[track_caller]
    fn wants(&self, expected: &[Want]) {
        assert_eq!(super::wanted(&self.0, now()), expected);
    }
}

fn there(keys: &[&str]) -> Whereabouts {
    Whereabouts::There { keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

fn all(api_version: &str, kind: &str, namespace: Option<&str>) -> Want {
    Want::All {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        labels: None,
    }
}

/// The lists of what makes Secrets in namespace `web`.
fn makers() -> Vec<Want> {
    [
        ("external-secrets.io/v1", "ExternalSecret"),
        ("external-secrets.io/v1beta1", "ExternalSecret"),
        ("cert-manager.io/v1", "Certificate"),
        ("bitnami.com/v1alpha1", "SealedSecret"),
        ("secrets.hashicorp.com/v1beta1", "VaultStaticSecret"),
    ]
    .map(|(api_version, kind)| all(api_version, kind, Some("web")))
    .to_vec()
}

fn object(api_version: &str, object: &str) -> ObjectRef {
    ObjectRef { api_version: Some(api_version.to_owned()), ..the(object) }
}
