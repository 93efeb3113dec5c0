//! Images that cannot be pulled, in the words of containerd 2 and of registries.

use super::{Of, Want, Whereabouts, makers, object, there};
use crate::diagnosis::line::Line;
use rstest::rstest;
use serde_json::{Value, json};

const ABSENT: &str = "failed to pull and unpack image \"registry.example/web:1\": failed to resolve reference \"registry.example/web:1\": registry.example/web:1: not found";
const DENIED: &str = "failed to pull and unpack image \"registry.example/web:1\": failed to resolve reference \"registry.example/web:1\": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed";

fn waiting(reason: &str, message: &str) -> Value {
    json!({"restartCount": 0, "ready": false, "state": {"waiting": {"reason": reason, "message": message}}})
}

fn failed(message: &str) -> String {
    format!("Failed to pull image \"registry.example/web:1\": rpc error: code = NotFound desc = {message}")
}

#[rstest]
#[case::once(waiting("ErrImagePull", ABSENT), 1, 2, Line::ImageAbsentOnce)]
#[case::twice(
    waiting("ImagePullBackOff", "Back-off pulling image \"registry.example/web:1\""),
    2,
    15,
    Line::ImageAbsent
)]
#[case::for_a_while(
    waiting("ImagePullBackOff", "Back-off pulling image \"registry.example/web:1\""),
    1,
    25,
    Line::ImageAbsent
)]
fn not_found(#[case] container: Value, #[case] times: i64, #[case] seconds: i64, #[case] line: Line) {
    let of =
        Of::web().container_since(seconds, &container).events("Pod/web-1", "Failed", &failed(ABSENT), times, seconds);
    of.tells(line, "registry.example/web:1 is not there: registry.example says: not found");
    assert_eq!(of.roots(), ["image registry.example/web:1"]);
}

/// Other failures before this answer do not make it one that was given twice.
#[rstest]
#[case::absent(ABSENT, Line::ImageAbsentOnce)]
#[case::denied(DENIED, Line::PullDeniedOnce)]
fn other_answers_do_not_count(#[case] message: &str, #[case] line: Line) {
    let of = Of::web()
        .container_since(300, &waiting("ImagePullBackOff", "Back-off pulling image \"registry.example/web:1\""))
        .events("Pod/web-1", "Failed", &failed("dial tcp 192.0.2.1:443: i/o timeout"), 9, 300)
        .events("Pod/web-1", "Failed", &failed(message), 1, 2);
    assert_eq!(of.told()[0].0, line);
}

#[rstest]
#[case::tag("registry.example/web:404", "connecting failed", Line::PullFailing)]
#[case::digest("registry.example/web@sha256:4040404", "connecting failed", Line::PullFailing)]
#[case::name("registry.example/unauthorized:1", "not found", Line::ImageAbsentOnce)]
#[case::status_text(
    "registry.example/web:1",
    "unexpected status from HEAD request to https://registry.example/v2/web/manifests/1: 404 Not Found",
    Line::ImageAbsentOnce
)]
#[case::status_code("registry.example/web:1", "unexpected status code 404", Line::ImageAbsentOnce)]
fn numbers_and_words_in_names_are_no_answers(#[case] image: &str, #[case] end: &str, #[case] line: Line) {
    let mut container = waiting("ErrImagePull", &format!("failed to pull and unpack image \"{image}\": {end}"));
    container["name"] = json!("web");
    let spec = json!({"containers": [{"name": "web", "image": image}]});
    let of = Of::web().pod_since(3, &spec, &json!({"phase": "Pending", "containerStatuses": [container]}));
    assert_eq!(of.told()[0].0, line);
}

#[test]
fn the_message_of_a_back_off_tells_it_too() {
    let message = format!(
        "Back-off pulling image \"registry.example/web:1\": ErrImagePull: rpc error: code = NotFound desc = {ABSENT}"
    );
    let of = Of::web().container_since(3, &waiting("ImagePullBackOff", &message));
    of.tells(Line::ImageAbsentOnce, "registry.example/web:1 is not there: registry.example says: not found");
}

#[test]
fn no_variant_for_the_platform() {
    let message =
        "failed to pull and unpack image \"registry.example/web:1\": no match for platform in manifest: not found";
    Of::web().container_since(3, &waiting("ErrImagePull", message)).tells(
        Line::ImageAbsentOnce,
        "registry.example/web:1 has no variant for the node's platform: registry.example says: failed to pull and unpack image \"registry.example/web:1\": no match for platform in manifest: not found",
    );
}

const REFUSES: &str = "registry.example refuses registry.example/web:1: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed";

#[rstest]
#[case::once("ErrImagePull", 1, Line::PullDeniedOnce)]
#[case::twice("ImagePullBackOff", 2, Line::PullDenied)]
fn denied_without_a_pull_secret(#[case] reason: &str, #[case] times: i64, #[case] line: Line) {
    let of =
        Of::web().container_since(3, &waiting(reason, DENIED)).events("Pod/web-1", "Failed", &failed(DENIED), times, 3);
    of.tells(line, &format!("{REFUSES}; the pod names no pull Secret"));
}

fn with_pull_secret(seconds: i64, message: &str) -> Of {
    let mut container = waiting("ImagePullBackOff", message);
    container["name"] = json!("web");
    Of::web().pod_since(
        seconds,
        &json!({"imagePullSecrets": [{"name": "regcred"}], "containers": [{"name": "web", "image": "registry.example/web:1"}]}),
        &json!({"phase": "Pending", "containerStatuses": [container]}),
    )
}

#[rstest]
#[case(5, Line::PullSecretMissingYet)]
#[case(31, Line::PullSecretMissing)]
fn denied_and_the_pull_secret_is_missing(#[case] seconds: i64, #[case] line: Line) {
    let of = with_pull_secret(seconds, DENIED).referred("Secret/web/regcred", Whereabouts::Missing);
    let of = of.nobody_makes_secrets();
    of.tells(
        line,
        &format!("{REFUSES}; the pull Secret regcred, which the pod names, does not exist in namespace web"),
    );
    assert_eq!(of.roots(), ["pull Secret regcred for registry.example"]);
}

#[test]
fn denied_with_a_pull_secret_that_is_there() {
    let of = with_pull_secret(25, DENIED).referred("Secret/web/regcred", there(&[".dockerconfigjson"]));
    of.tells(Line::PullDenied, &format!("{REFUSES}; the pod names pull Secret regcred"));
}

#[test]
fn not_found_may_be_hidden_while_the_pull_secret_is_missing() {
    let of = with_pull_secret(60, ABSENT).referred("Secret/web/regcred", Whereabouts::Missing);
    of.tells(Line::ImageHidden, "registry.example/web:1 is not there: registry.example says: not found");
}

#[test]
fn the_pull_secrets_are_looked_for() {
    let keys = Want::Keys(object("v1", "Secret/web/regcred"));
    with_pull_secret(5, DENIED).wants(std::slice::from_ref(&keys));
    let there = with_pull_secret(5, DENIED).read(keys.clone()).referred("Secret/web/regcred", there(&["a"]));
    there.wants(&[]);
}

#[test]
fn who_may_make_a_missing_pull_secret_is_looked_for() {
    let keys = Want::Keys(object("v1", "Secret/web/regcred"));
    let of = with_pull_secret(60, DENIED).read(keys).referred("Secret/web/regcred", Whereabouts::Missing);
    of.wants(&makers());
    assert_eq!(of.told()[0].0, Line::PullSecretMissingYet);
    let mut refused = of.nobody_makes_secrets();
    refused.0.unanswered.extend(makers());
    assert_eq!(refused.told()[0].0, Line::PullSecretMissingYet);
}

#[rstest]
#[case("dial tcp: lookup registry.example on 10.96.0.10:53: no such host")]
#[case("dial tcp 192.0.2.1:443: i/o timeout")]
#[case("tls: failed to verify certificate: x509: certificate signed by unknown authority")]
#[case("unexpected status code 429 Too Many Requests: toomanyrequests: You have reached your pull rate limit")]
fn the_registry_does_not_answer(#[case] end: &str) {
    let end = format!("failed to do request: Head \"https://registry.example/v2/web/manifests/1\": {end}");
    let message = format!(
        "failed to pull and unpack image \"registry.example/web:1\": failed to resolve reference \"registry.example/web:1\": {end}"
    );
    let of = Of::web().container_since(600, &waiting("ErrImagePull", &message)).events(
        "Pod/web-1",
        "Failed",
        &failed(&message),
        9,
        600,
    );
    of.tells(Line::RegistryUnreachable, &format!("registry.example does not give registry.example/web:1: {end}"));
    assert_eq!(of.roots(), ["registry registry.example"]);
}

#[test]
fn a_name_that_is_none() {
    let message = "Failed to apply default image tag \"registry.example/web:1\": couldn't parse image name \"registry.example/web:1\": invalid reference format: repository name (library/Web) must be lowercase";
    let of = Of::web().container_since(1, &waiting("InvalidImageName", message));
    of.tells(Line::ImageNameInvalid, "`registry.example/web:1` is not the name of an image");
}

#[test]
fn never_pulled() {
    let message = "Container image \"registry.example/web:1\" is not present with pull policy of Never";
    let of = Of::web().container_since(1, &waiting("ErrImageNeverPull", message));
    of.tells(Line::ImageOnNoNode, "the node does not have registry.example/web:1, and the pull policy is Never");
}

#[test]
fn a_reason_that_was_not_said() {
    let of = Of::web()
        .container_since(100, &waiting("ImagePullBackOff", "Back-off pulling image \"registry.example/web:1\""));
    of.tells(Line::PullFailing, "registry.example/web:1 cannot be pulled, and the node has not said why yet");
}
