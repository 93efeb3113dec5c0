//! What is certain while what is at work: every cell of the table, each by evidence as Kubernetes gives it.

use super::{Of, Want, Whereabouts, ago, all, now, object, the};
use crate::diagnosis::draft::Draft;
use crate::diagnosis::line::Line;
use crate::diagnosis::{AtWork, Family, HelmEvidence, OtherRelease, causes, helm_causes};
use pilothouse_core::{Cause, Certainty, ReleaseKey};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

/// Of each family the cells in the order of [`AtWork::ALL`]: nothing, starting, making, hook, release, controller, autoscaler, unseen,
/// before. `C`ertain, `P`assing, `U`nclear.
const CELLS: [(Family, &str); 10] = [
    (Family::Fixed, "CCCCCCCCP"),
    (Family::Missing, "CCPPPPCPP"),
    (Family::Restarting, "CPPPPCCPP"),
    (Family::Ruled, "CCCPPCCPP"),
    (Family::Placed, "CCCPPCPPP"),
    (Family::TooLarge, "CCCCCCPPP"),
    (Family::OnNode, "CPPPPCCPP"),
    (Family::Stopped, "CPPPPCCPP"),
    (Family::Passing, "PPPPPPPPP"),
    (Family::Unknown, "UUUUUUUUU"),
];

fn expected(family: Family, at_work: AtWork) -> Certainty {
    let (_, cells) = CELLS.iter().find(|(of, _)| *of == family).unwrap();
    let place = AtWork::ALL.iter().position(|one| *one == at_work).unwrap();
    match cells.as_bytes()[place] {
        b'C' => Certainty::Certain,
        b'P' => Certainty::Passing,
        _ => Certainty::Unclear,
    }
}

fn container(restarts: i64, last: &Value) -> Of {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    Of::web().container_since(
        90,
        &json!({"restartCount": restarts, "ready": false, "state": waiting, "lastState": {"terminated": last}}),
    )
}

fn crashing(restarts: i64) -> Of {
    container(restarts, &json!({"exitCode": 1, "reason": "Error", "finishedAt": ago(30)}))
}

fn out_of_memory() -> Of {
    container(3, &json!({"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(30)}))
}

fn secret() -> Of {
    let waiting = json!({"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"db\" not found"}});
    let of = Of::web().container_since(60, &json!({"restartCount": 0, "ready": false, "state": waiting}));
    of.referred("Secret/web/db", Whereabouts::Missing).nobody_makes_secrets()
}

fn config_map() -> Of {
    let waiting = json!({"waiting": {"reason": "CreateContainerConfigError", "message": "configmap \"db\" not found"}});
    let of = Of::web().container_since(60, &json!({"restartCount": 0, "ready": false, "state": waiting}));
    of.referred("ConfigMap/web/db", Whereabouts::Missing)
}

fn refused(message: &str) -> Of {
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "web"}});
    Of::web().owns(set).events("ReplicaSet/web-1", "FailedCreate", message, 5, 60)
}

fn account() -> Of {
    refused("pods \"web-1-\" is forbidden: error looking up service account web/db: serviceaccount \"db\" not found")
}

fn webhook() -> Of {
    let message = "Internal error occurred: failed calling webhook \"a.example\": failed to call webhook: Post \"https://hook.other.svc:443/x?timeout=10s\": service \"hook\" not found";
    refused(message).read(Want::Object(object("v1", "Service/other/hook")))
}

fn api_service() -> Of {
    Of::object(json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.a.example"},
        "spec": {"service": {"namespace": "other", "name": "hook"}},
        "status": {"conditions": [{"type": "Available", "status": "False", "reason": "ServiceNotFound", "message": "service/hook in \"other\" is not present", "lastTransitionTime": ago(60)}]},
    }))
    .read(Want::Object(object("v1", "Service/other/hook")))
}

fn claim_without_class() -> Of {
    Of::object(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "web", "creationTimestamp": ago(60)},
        "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"},
    }))
    .event("PersistentVolumeClaim/data", "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found")
    .read(all("v1", "PersistentVolume", None))
}

fn load_balancer() -> Of {
    Of::object(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "web", "managedFields": [{"time": ago(200)}]},
        "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}},
    }))
}

fn unscheduled(spec: &Value, message: &str) -> Of {
    let of = Of::web().pod_since(
        60,
        spec,
        &json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": ago(60),
        }]}),
    );
    of.around(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"disk": "hdd"}},
        "spec": {"taints": [{"key": "team", "effect": "NoSchedule"}]}, "status": {"allocatable": {"cpu": "4"}},
    }))
    .read(all("karpenter.sh/v1", "NodePool", None))
    .read(Want::Keys(object("v1", "ConfigMap/kube-system/cluster-autoscaler-status")))
}

fn selector() -> Of {
    let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    unscheduled(&json!({"nodeSelector": {"disk": "ssd"}}), message)
}

fn tainted() -> Of {
    unscheduled(&json!({}), "0/1 nodes are available: 1 node(s) had untolerated taint {team: }.")
}

fn too_large() -> Of {
    let spec = json!({"containers": [{"name": "web", "resources": {"requests": {"cpu": "64"}}}]});
    unscheduled(&spec, "0/1 nodes are available: 1 Insufficient cpu.")
}

fn no_folder() -> Of {
    let message =
        "MountVolume.SetUp failed for volume \"data\" : hostPath type check failed: /srv/x is not a directory";
    let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    Of::web().container_since(60, &waiting).events("Pod/web-1", "FailedMount", message, 3, 60)
}

fn stuck() -> Of {
    Of::object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
        "status": {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out", "lastUpdateTime": ago(30)}]},
    }))
}

/// The evidence while that is at work.
fn amid(mut of: Of, at_work: AtWork) -> Of {
    match at_work {
        AtWork::Nothing => of,
        AtWork::Starting => of.beside("apps/v1", "StatefulSet/web/db"),
        AtWork::Making => of.beside("batch/v1", "Job/web/make"),
        AtWork::Hook => {
            of.0.hooks = vec![the("Job/web/migrate")];
            of
        }
        AtWork::Release => {
            of.0.releases = vec![OtherRelease::new(ReleaseKey::new("web", "setup"))];
            of
        }
        AtWork::Controller => of.around(json!({
            "apiVersion": "vault.example/v1", "kind": "Copied", "metadata": {"name": "c", "namespace": "web"}, "spec": {"to": [{"name": "db"}]},
        })),
        AtWork::Autoscaler => {
            of.around(json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "a"}}))
        }
        AtWork::Unseen => {
            of.0.beside = None;
            of
        }
        AtWork::Before => of.since(0),
    }
}

/// `elsewhere`: the cells that this evidence cannot show, since its rule reads the state of now (before), or knows no custom resource
/// that would make what it lacks (controller).
#[rstest]
#[case::out_of_memory(Family::Fixed, out_of_memory(), &[])]
#[case::secret(Family::Missing, secret(), &[AtWork::Before])]
#[case::config_map(Family::Missing, config_map(), &[AtWork::Before])]
#[case::account(Family::Missing, account(), &[AtWork::Controller])]
#[case::webhook(Family::Missing, webhook(), &[AtWork::Controller])]
#[case::api_service(Family::Missing, api_service(), &[AtWork::Controller, AtWork::Before])]
#[case::storage_class(Family::Missing, claim_without_class(), &[AtWork::Controller, AtWork::Before])]
#[case::load_balancer(Family::Missing, load_balancer(), &[AtWork::Controller, AtWork::Before])]
#[case::crash(Family::Restarting, crashing(3), &[])]
#[case::crash_had_its_time(Family::Fixed, crashing(5), &[])]
#[case::pod_security(Family::Ruled, refused("pods \"web-1-\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true"), &[])]
#[case::webhook_denied(Family::Ruled, refused("admission webhook \"a.example\" denied the request: no"), &[])]
#[case::selector(Family::Placed, selector(), &[AtWork::Before])]
#[case::taint(Family::Placed, tainted(), &[AtWork::Before])]
#[case::cpu(Family::TooLarge, too_large(), &[AtWork::Before])]
#[case::folder(Family::OnNode, no_folder(), &[AtWork::Before])]
#[case::deadline(Family::Stopped, stuck(), &[])]
#[case::first_crash(Family::Passing, crashing(1), &[])]
#[case::nothing_known(Family::Unknown, Of::web(), &[])]
fn every_cell(#[case] family: Family, #[case] of: Of, #[case] elsewhere: &[AtWork]) {
    for at_work in AtWork::ALL.into_iter().filter(|at_work| !elsewhere.contains(at_work)) {
        let told = causes(&amid(Of(of.0.clone()), at_work).0, now());
        let certainties: Vec<Certainty> = told.iter().map(|cause| cause.certainty).collect();
        assert_eq!(certainties, [expected(family, at_work)], "{at_work:?}: {told:?}");
    }
}

/// The cells that no evidence shows alike: what a rule notes decides there as well.
#[rstest]
#[case(Line::ResourcesNever, Family::TooLarge)]
#[case(Line::SelectorUnmatched, Family::Placed)]
#[case(Line::MountHopeless, Family::OnNode)]
fn last_seen_before(#[case] line: Line, #[case] family: Family) {
    let mut draft = Draft::new(line, "x", "y");
    draft.before = true;
    assert_eq!(draft.certainty(), expected(family, AtWork::Before));
}

/// What could not be read is not taken for what is not there.
#[rstest]
#[case(secret())]
#[case(selector())]
#[case(too_large())]
fn who_is_at_work_could_not_be_read(#[case] mut of: Of) {
    assert!(of.certain());
    of.0.unanswered = of.0.read.clone();
    assert!(!of.certain());
}

fn setup(makes: &[&str]) -> OtherRelease {
    OtherRelease { release: ReleaseKey::new("shop", "setup"), makes: makes.iter().map(|object| the(object)).collect() }
}

fn the_cause(of: &Of) -> Cause {
    let mut told = causes(&of.0, now());
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

/// A Secret that another release of the run makes with its next step: the advice is to need it.
#[rstest]
#[case::makes_it(&["Secret/web/db"], "let this release need shop/setup, which makes it: needs")]
#[case::of_another_namespace(&["Secret/other/db"], "if release shop/setup makes it, let this release need that one: needs")]
#[case::may_make_it(&[], "if release shop/setup makes it, let this release need that one: needs")]
fn another_release_makes_it(#[case] makes: &[&str], #[case] next: &str) {
    let mut of = secret();
    of.0.releases = vec![setup(makes)];
    let cause = the_cause(&of);
    assert_eq!((cause.code.as_str(), cause.certainty), ("SECRET_MISSING", Certainty::Passing));
    assert!(cause.next.iter().any(|line| line == next), "{:?}", cause.next);
    of.0.releases.clear();
    assert!(of.certain(), "nobody else is at work any more");
}

/// A program that ends until another release is done: five times are enough, three are not.
#[rstest]
#[case(4, Certainty::Passing)]
#[case(5, Certainty::Certain)]
fn a_crash_while_another_release_works(#[case] restarts: i64, #[case] certainty: Certainty) {
    let mut of = crashing(restarts);
    of.0.releases = vec![setup(&["Secret/web/db"])];
    assert_eq!(the_cause(&of).certainty, certainty);
}

/// The hook that a program waited for has ended: what it was started for before does not count.
#[rstest]
#[case::not_tried_since(4, 4, Certainty::Passing)]
#[case::twice_since(6, 4, Certainty::Passing)]
#[case::three_times_since(7, 4, Certainty::Certain)]
fn a_crash_after_a_hook(#[case] restarts: i64, #[case] before: i64, #[case] certainty: Certainty) {
    for of in [crashing(restarts), container(restarts, &json!({"exitCode": 137, "reason": "OOMKilled"}))] {
        let mut of = of;
        of.0.starts_before.insert(("pod-1".to_owned(), "web".to_owned()), before);
        assert_eq!(the_cause(&of).certainty, certainty);
    }
}

/// A hook that comes later does not help one that waits: helm runs one after the other.
#[test]
fn a_hook_that_waits_for_a_later_one() {
    let mut of = Of::object(json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "first", "namespace": "web", "annotations": {"helm.sh/hook": "post-install"}}}));
    (of.0.owned, of.0.referred) = (secret().0.owned, secret().0.referred);
    let mut of = of.nobody_makes_secrets();
    of.0.hooks = vec![of.0.object.clone(), the("Job/web/second")];
    assert!(of.certain());
    of.0.hooks.remove(0);
    assert!(!of.certain());
}

/// Once a Job has failed, nothing that is at work helps it.
#[test]
fn a_job_that_is_over() {
    let mut of = secret();
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web", "namespace": "web"},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "it was active too long"}]}});
    (of.0.object, of.0.live) = (object("batch/v1", "Job/web/web"), Some(Arc::new(job)));
    of.0.releases = vec![setup(&[])];
    assert_eq!(the_cause(&of).certainty, Certainty::Certain);
}

/// Helm has ended, and another try ends otherwise once the other release has made the kind.
#[test]
fn helm_has_ended_while_another_release_works() {
    let text = "Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"a\" namespace: \"\" from \"\": no matches for kind \"Widget\" in version \"example.com/v1\"\nensure CRDs are installed first";
    let mut evidence = HelmEvidence::new(ReleaseKey::new("web", "web"), text);
    let told = |evidence: &HelmEvidence| {
        let cause = helm_causes(evidence, now()).remove(0);
        (cause.code, cause.certainty)
    };
    assert_eq!(told(&evidence), ("API_NOT_SERVED".to_owned(), Certainty::Certain));
    evidence.releases = vec![setup(&[])];
    assert_eq!(told(&evidence), ("API_NOT_SERVED".to_owned(), Certainty::Passing));
}
