//! Secrets, ConfigMaps and keys that are missing.

use super::{Of, Want, Whereabouts, makers, object, there};
use crate::diagnosis::line::Line;
use rstest::rstest;
use serde_json::{Value, json};

fn waiting(message: &str) -> Value {
    json!({"restartCount": 0, "ready": false, "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}})
}

#[rstest]
#[case::at_first(5, Line::SecretMissingYet)]
#[case::for_a_while(30, Line::SecretMissing)]
fn a_secret_that_is_missing(#[case] seconds: i64, #[case] line: Line) {
    let of = Of::web().container_since(seconds, &waiting("secret \"db\" not found"));
    let of = of.referred("Secret/web/db", Whereabouts::Missing).nobody_makes_secrets();
    of.tells(line, "Secret web/db does not exist");
    assert_eq!(of.roots(), ["Secret web/db"]);
}

#[rstest]
#[case::nobody_has_looked(None, makers(), vec![])]
#[case::it_could_not_be_read(Some(Whereabouts::Unreadable), makers(), vec![])]
#[case::who_makes_it_was_not_read(Some(Whereabouts::Missing), vec![], vec![])]
#[case::who_makes_it_could_not_be_read(Some(Whereabouts::Missing), makers(), makers()[2..3].to_vec())]
fn a_secret_of_which_too_little_is_known(
    #[case] found: Option<Whereabouts>,
    #[case] read: Vec<Want>,
    #[case] unanswered: Vec<Want>,
) {
    let mut of = Of::web().container_since(600, &waiting("secret \"db\" not found"));
    if let Some(found) = found {
        of = of.referred("Secret/web/db", found);
    }
    (of.0.read, of.0.unanswered) = (read, unanswered);
    of.tells(Line::SecretMissingYet, "Secret web/db does not exist");
}

#[test]
fn the_time_counts_from_when_it_was_first_wanted() {
    let of = Of::web().container_since(300, &waiting("secret \"db\" not found")).events(
        "Pod/web-1",
        "Failed",
        "Error: secret \"db\" not found",
        2,
        10,
    );
    of.tells(Line::SecretMissingYet, "Secret web/db does not exist");
}

/// Who is to make it says by a condition why it does not: that is the cause, and what is missing follows from it.
#[rstest]
#[case::external_secret(json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "web"},
    "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "could not get SecretStore \"vault\""}]}}),
    "ExternalSecret web/db", "SecretSyncedError: could not get SecretStore \"vault\"")]
#[case::certificate(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c", "namespace": "web"}, "spec": {"secretName": "db"},
    "status": {"conditions": [
        {"type": "Issuing", "status": "False", "reason": "Failed", "message": "The certificate request has failed to complete: order is invalid"},
        {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "Issuing certificate as Secret does not exist"}]}}),
    "Certificate web/c", "Failed: The certificate request has failed to complete: order is invalid")]
#[case::any_operator(json!({"apiVersion": "acme.example/v1", "kind": "Database", "metadata": {"name": "x", "namespace": "web"}, "spec": {"userSecret": "db"},
    "status": {"conditions": [{"type": "Synced", "status": "False", "message": "cannot reach the cloud: access denied"}]}}),
    "Database web/x", "Synced is False: cannot reach the cloud: access denied")]
#[case::by_a_phase(json!({"apiVersion": "acme.example/v1", "kind": "Database", "metadata": {"name": "x", "namespace": "web"}, "spec": {"userSecret": "db"},
    "status": {"phase": "Failed", "phaseReason": "no quota for another database"}}),
    "Database web/x", "Failed: phase is Failed: no quota for another database")]
fn who_is_to_make_it_says_why_not(#[case] maker: Value, #[case] named: &str, #[case] why: &str) {
    let of = Of::web().container_since(600, &waiting("secret \"db\" not found")).around(maker);
    of.tells(Line::ConditionNotMet, why);
    assert_eq!(of.roots(), [named]);
    let cause = crate::causes(&of.0, super::now()).remove(0);
    assert_eq!(cause.object.map(|object| object.to_string()).as_deref(), Some(named));
    assert!(cause.status.is_none(), "the status of what waits is not that of what it waits for");
    let waits = format!("Secret web/db does not exist yet; {named} is to make it, and Deployment web/web waits for it");
    assert!(cause.evidence.contains(&waits), "{:?}", cause.evidence);
}

/// One that is at it, or that has made it as it says, tells nothing.
#[rstest]
#[case::at_it(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "db", "namespace": "web"},
    "spec": {"secretName": "db"}, "status": {"conditions": [
        {"type": "Issuing", "status": "True", "reason": "DoesNotExist", "message": "Issuing certificate as Secret does not exist"},
        {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "Issuing certificate as Secret does not exist"}]}}))]
#[case::patient(json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "web"},
    "status": {"conditions": [{"type": "Ready", "status": "False", "message": "waiting for the store"}]}}))]
#[case::done(json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "web"},
    "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced"}]}}))]
#[case::says_nothing_yet(json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "web"}}))]
fn who_is_to_make_it_is_at_it(#[case] maker: Value) {
    let why = format!("Secret web/db does not exist yet; {} web/db is to make it", maker["kind"].as_str().unwrap());
    let of = Of::web().container_since(600, &waiting("secret \"db\" not found")).around(maker);
    of.tells(Line::SecretAwaited, &why);
}

#[rstest]
#[case::by_an_external_secret(json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "x", "namespace": "web"}, "spec": {"target": {"name": "db"}}}), "ExternalSecret web/x")]
#[case::by_its_own_name(json!({"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "db", "namespace": "web"}}), "SealedSecret web/db")]
#[case::by_a_certificate(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c", "namespace": "web"}, "spec": {"secretName": "db"}}), "Certificate web/c")]
fn a_secret_that_a_controller_is_to_make(#[case] maker: Value, #[case] named: &str) {
    let of = Of::web().container_since(600, &waiting("secret \"db\" not found")).around(maker);
    of.tells(Line::SecretAwaited, &format!("Secret web/db does not exist yet; {named} is to make it"));
}

#[rstest]
#[case::a_job_may_make_it("batch/v1", "Job/web/make-secrets", Line::SecretMissingYet)]
#[case::an_operator_may_make_it("postgresql.cnpg.io/v1", "Cluster/web/db", Line::SecretMissingYet)]
#[case::a_deployment_does_not("apps/v1", "Deployment/web/other", Line::SecretMissing)]
fn what_else_is_starting(#[case] api_version: &str, #[case] beside: &str, #[case] line: Line) {
    let of = Of::web().container_since(600, &waiting("secret \"db\" not found")).beside(api_version, beside);
    let of = of.referred("Secret/web/db", Whereabouts::Missing).nobody_makes_secrets();
    of.tells(line, "Secret web/db does not exist");
}

#[rstest]
#[case::at_first(5, Line::SecretKeyMissingYet)]
#[case::for_a_while(31, Line::SecretKeyMissing)]
fn a_key_that_is_missing(#[case] seconds: i64, #[case] line: Line) {
    let of = Of::web()
        .container_since(seconds, &waiting("couldn't find key pasword in Secret web/db"))
        .referred("Secret/web/db", there(&["password", "username"]))
        .nobody_makes_secrets();
    of.tells(line, "Secret web/db has no key pasword, it has password, username; did you mean password?");
    assert_eq!(of.roots(), ["Secret web/db key pasword"]);
}

#[test]
fn who_may_fill_a_key_is_looked_for() {
    let of = Of::web()
        .container_since(60, &waiting("couldn't find key a in Secret web/db"))
        .read(Want::Keys(object("v1", "Secret/web/db")))
        .referred("Secret/web/db", there(&["b"]));
    of.wants(&makers());
    of.tells(Line::SecretKeyMissingYet, "Secret web/db has no key a, it has b");
}

#[test]
fn a_key_of_a_secret_that_nobody_could_read() {
    let of = Of::web()
        .container_since(60, &waiting("couldn't find key a in Secret web/db"))
        .referred("Secret/web/db", Whereabouts::Unreadable);
    of.tells(Line::SecretKeyMissingYet, "Secret web/db has no key a");
}

#[rstest]
#[case(
    "configmap \"settings\" not found",
    Whereabouts::Missing,
    31,
    Line::ConfigMapMissing,
    "ConfigMap web/settings does not exist"
)]
#[case(
    "configmap \"settings\" not found",
    Whereabouts::Missing,
    3,
    Line::ConfigMapMissingYet,
    "ConfigMap web/settings does not exist"
)]
#[case("couldn't find key colour in ConfigMap web/settings", there(&["size"]), 31, Line::ConfigMapKeyMissing, "ConfigMap web/settings has no key colour, it has size")]
#[case("couldn't find key colour in ConfigMap web/settings", there(&[]), 3, Line::ConfigMapKeyMissingYet, "ConfigMap web/settings has no key colour, it has none")]
fn config_maps(
    #[case] message: &str,
    #[case] found: Whereabouts,
    #[case] seconds: i64,
    #[case] line: Line,
    #[case] why: &str,
) {
    Of::web().container_since(seconds, &waiting(message)).referred("ConfigMap/web/settings", found).tells(line, why);
}

#[test]
fn what_has_come_in_the_meantime_is_not_missing() {
    let of =
        Of::web().container_since(60, &waiting("secret \"db\" not found")).referred("Secret/web/db", there(&["a"]));
    of.tells(Line::ContainerNotMade, "Secret db is there now; the node has not tried again yet");
}

/// A pod that mounts the Secret `tls` and a key of the ConfigMap `settings`.
fn mounting(seconds: i64) -> Of {
    Of::web().pod_since(
        seconds,
        &json!({"volumes": [
            {"name": "certificates", "secret": {"secretName": "tls"}},
            {"name": "conf", "configMap": {"name": "settings", "items": [{"key": "app.toml", "path": "app.toml"}]}},
            {"name": "both", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
        ]}),
        &json!({"phase": "Pending", "containerStatuses": [{"name": "web", "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
    )
}

#[rstest]
#[case(
    "MountVolume.SetUp failed for volume \"certificates\" : secret \"tls\" not found",
    Line::SecretMissing,
    "Secret web/tls does not exist"
)]
#[case(
    "MountVolume.SetUp failed for volume \"conf\" : configmap \"settings\" not found",
    Line::ConfigMapMissing,
    "ConfigMap web/settings does not exist"
)]
fn volumes_of_what_is_missing(#[case] message: &str, #[case] line: Line, #[case] why: &str) {
    let of = mounting(60).events("Pod/web-1", "FailedMount", message, 7, 60).nobody_makes_secrets();
    let of = of.referred("Secret/web/tls", Whereabouts::Missing);
    of.referred("ConfigMap/web/settings", Whereabouts::Missing).tells(line, why);
}

#[test]
fn volumes_of_keys_that_are_missing() {
    let key = "MountVolume.SetUp failed for volume \"conf\" : configmap references non-existent config key: app.toml";
    let of = mounting(60).events("Pod/web-1", "FailedMount", key, 7, 60);
    of.wants(&[Want::Keys(object("v1", "ConfigMap/web/settings"))]);
    let of = of.referred("ConfigMap/web/settings", there(&["app.yaml"]));
    of.tells(
        Line::ConfigMapKeyMissing,
        "ConfigMap web/settings has no key app.toml, it has app.yaml; did you mean app.yaml?",
    );
    let key = "MountVolume.SetUp failed for volume \"both\" : references non-existent secret key: ca.crt";
    let of = mounting(60)
        .events("Pod/web-1", "FailedMount", key, 7, 60)
        .referred("Secret/web/projected", there(&["tls.crt"]))
        .nobody_makes_secrets();
    of.tells(Line::SecretKeyMissing, "Secret web/projected has no key ca.crt, it has tls.crt");
}

#[test]
fn who_may_make_a_missing_secret_is_looked_for() {
    let of = Of::web().container_since(5, &waiting("secret \"db\" not found"));
    of.wants(&[Want::Keys(object("v1", "Secret/web/db"))]);
    let keys = Want::Keys(object("v1", "Secret/web/db"));
    let of = of.read(keys).referred("Secret/web/db", Whereabouts::Missing);
    of.wants(&makers());
}
