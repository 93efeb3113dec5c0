//! Images that cannot be pulled.

use super::containers::Container;
use super::draft::Draft;
use super::evidence::{Evidence, Want, Whereabouts};
use super::line::{GRACE, Line, PULL_GRACE};
use super::read::{Seen, list, name, namespace, object, one_line, quoted, seconds_since, text, time, whereabouts};
use super::references::{controller, makers, makers_are_known};
use super::surroundings::AtWork;
use jiff::Timestamp;
use serde_json::Value;

/// What kind of answer a pull got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    NotFound,
    Denied,
    Unreachable,
    Other,
}

/// Signs of the answers in the texts of registries and container runtimes, in lower case; the first that fits counts.
const SIGNS: [(Answer, &[&str]); 3] = [
    (
        Answer::Denied,
        &[
            "unauthorized",
            "pull access denied",
            "access denied",
            "authentication required",
            "authorization failed",
            "insufficient_scope",
            "no basic auth credentials",
            "access forbidden",
            "403 forbidden",
            "401 unauthorized",
            ": denied",
            "denied: ",
            "permission denied",
            "permission_denied",
        ],
    ),
    (
        Answer::Unreachable,
        &[
            "no such host",
            "connection refused",
            "connection reset",
            "i/o timeout",
            "deadline exceeded",
            "tls handshake",
            "tls: ",
            "x509:",
            "network is unreachable",
            "no route to host",
            "server gave http response to https client",
            "toomanyrequests",
            "too many requests",
            "rate limit",
            "503 service unavailable",
            "502 bad gateway",
            "500 internal server error",
            "504 gateway",
            "temporary failure in name resolution",
            "server misbehaving",
            "unexpected eof",
            ": eof",
            "registryunavailable",
        ],
    ),
    (
        Answer::NotFound,
        &["not found", "manifest unknown", "name unknown", "no such image", "status code 404", "status: 404"],
    ),
];

/// What a message says about an image. The words in the image's own name are no answer.
fn answer(message: &str, image: &str) -> Answer {
    let message = if image.is_empty() { message.to_lowercase() } else { message.replace(image, "").to_lowercase() };
    let fits = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
    SIGNS.iter().find(|(_, signs)| fits(signs)).map_or(Answer::Other, |(answer, _)| *answer)
}

/// Whether a container waits for its image for this reason.
pub(super) fn is_pull(reason: &str) -> bool {
    matches!(
        reason,
        "ErrImagePull"
            | "ImagePullBackOff"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ErrInvalidImageName"
            | "RegistryUnavailable"
            | "ImageInspectError"
            | "SignatureValidationFailed"
    )
}

/// Why a container's image cannot be pulled.
pub(super) fn pull(evidence: &Evidence, container: Container<'_>, now: Timestamp) -> Option<Draft> {
    let (reason, message) = container.waiting()?;
    let image = container.image();
    let root = format!("image {image}");
    let failures: Vec<Seen<'_>> = container
        .events(evidence)
        .into_iter()
        .filter(|seen| {
            seen.reason == "Failed" && seen.message.contains("pull image") && names_image(seen.message, image)
        })
        .collect();
    let draft = match reason {
        "InvalidImageName" | "ErrInvalidImageName" => {
            let why = format!("`{image}` is not the name of an image");
            Draft::new(Line::ImageNameInvalid, root, why)
                .seen(container.says())
                .next("correct image repository and tag in the values: registry/path:tag, in lower case, with one tag")
        }
        "ErrImageNeverPull" => {
            let why = format!("the node does not have {image}, and the pull policy is Never");
            Draft::new(Line::ImageOnNoNode, root, why)
                .seen(container.says())
                .next("set imagePullPolicy to IfNotPresent, or load the image onto the nodes")
        }
        _ => {
            // The events say it in full; while it waits for the next try, the message may be nothing but that.
            let said = failures.last().map_or(message, |seen| seen.message);
            let of = |text: &str| answer(text, image);
            let said = if of(said) == Answer::Other && of(message) != Answer::Other { message } else { said };
            // Every event with this answer counts as one, and the time since the first of them; without events, how long it
            // has waited.
            let alike: Vec<&Seen<'_>> = failures.iter().filter(|seen| of(seen.message) == of(said)).collect();
            let times: i64 = alike.iter().map(|seen| seen.count()).sum();
            let since = if failures.is_empty() {
                waiting_since(container)
            } else {
                alike.iter().filter_map(|seen| seen.first()).min()
            };
            let waited = seconds_since(since, now);
            let again = times >= 2 || (reason == "ImagePullBackOff" && waited >= PULL_GRACE);
            let last = alike.iter().filter_map(|seen| seen.last()).max();
            answered(evidence, container, said, again, now).last_seen(last, evidence)
        }
    };
    let draft = draft.seen(container.says());
    Some(failures.iter().rev().take(2).rev().fold(draft, |draft, seen| draft.seen(seen.says())))
}

fn names_image(message: &str, image: &str) -> bool {
    quoted(message, "pull image ").is_none_or(|named| named == image)
}

/// When the container began to wait for its image at the earliest: when the pod came to its node, or its init containers ended.
fn waiting_since(container: Container<'_>) -> Option<Timestamp> {
    let conditions = list(container.pod, "/status/conditions").iter();
    let begun = conditions
        .filter(|condition| {
            matches!(text(condition, "/type"), "PodScheduled" | "Initialized") && text(condition, "/status") == "True"
        })
        .filter_map(|condition| time(condition, "/lastTransitionTime"));
    begun.max().or_else(|| time(container.pod, "/metadata/creationTimestamp"))
}

fn answered(evidence: &Evidence, container: Container<'_>, said: &str, again: bool, now: Timestamp) -> Draft {
    let (image, pod_namespace) = (container.image(), namespace(container.pod));
    let (registry, root) = (registry(image), format!("image {image}"));
    let missing = missing_pull_secrets(evidence, container.pod);
    let decisive = decisive(said);
    match answer(said, image) {
        Answer::Denied => {
            if let Some(secret) = missing.first() {
                let waited = seconds_since(waiting_since(container), now);
                let of_controller = controller(evidence, "Secret", pod_namespace, secret);
                let is_unseen = !makers_are_known(evidence, "Secret", pod_namespace);
                let line = if waited >= GRACE { Line::PullSecretMissing } else { Line::PullSecretMissingYet };
                let why = format!(
                    "{registry} refuses {image}: {decisive}; the pull Secret {secret}, which the pod names, does not exist in namespace {pod_namespace}"
                );
                // The same credentials are put into many namespaces: missing in each of them, they are one cause.
                Draft::new(line, format!("pull Secret {secret} for {registry}"), why)
                    .amid(of_controller.as_ref().map(|_| AtWork::Controller))
                    .amid(is_unseen.then_some(AtWork::Unseen))
                    .seen(format!("Secret {pod_namespace}/{secret} does not exist"))
                    .all_seen(of_controller.map(|object| format!("{object} is to make it")))
                    .next(format!(
                        "kubectl create secret docker-registry {secret} -n {pod_namespace} --from-file=.dockerconfigjson=FILE, with credentials for {registry} in FILE"
                    ))
            } else {
                let secrets = pull_secrets(container.pod);
                let line = if again { Line::PullDenied } else { Line::PullDeniedOnce };
                let with = match secrets.len() {
                    0 => "the pod names no pull Secret".to_owned(),
                    _ => format!("the pod names pull Secret {}", secrets.join(", ")),
                };
                let draft = Draft::new(line, root, format!("{registry} refuses {image}: {decisive}; {with}"));
                if secrets.is_empty() {
                    draft.next("name a pull Secret in the values (imagePullSecrets), or correct the name of the image")
                } else {
                    draft.next(format!("check that the credentials in {} may read {image}", secrets.join(", ")))
                }
            }
        }
        Answer::NotFound => {
            let line = match (missing.is_empty(), again) {
                (false, _) => Line::ImageHidden,
                (true, true) => Line::ImageAbsent,
                (true, false) => Line::ImageAbsentOnce,
            };
            let platform = said.contains("no match for platform") || said.contains("no matching manifest");
            let what = if platform { "has no variant for the node's platform" } else { "is not there" };
            let draft = Draft::new(line, root, format!("{image} {what}: {registry} says: {decisive}"))
                .next("correct image repository or tag in the values, or push the image");
            missing.iter().fold(draft, |draft, secret| {
                draft.seen(format!("pull Secret {pod_namespace}/{secret}, which the pod names, does not exist"))
            })
        }
        Answer::Unreachable => {
            let draft = Draft::new(
                Line::RegistryUnreachable,
                format!("registry {registry}"),
                format!("{registry} does not give {image}: {decisive}"),
            )
            .next(format!(
                "check from a node that {registry} can be reached: DNS, proxy, certificates, limits of pulls; or correct the registry in the image's name"
            ));
            missing.iter().fold(draft, |draft, secret| {
                draft.seen(format!("pull Secret {pod_namespace}/{secret}, which the pod names, does not exist"))
            })
        }
        Answer::Other => {
            let why = if decisive.is_empty() || decisive.starts_with("Back-off") {
                format!("{image} cannot be pulled, and the node has not said why yet")
            } else {
                format!("{image} cannot be pulled: {decisive}")
            };
            Draft::new(Line::PullFailing, root, why)
                .next(format!("kubectl describe pod -n {pod_namespace} {}", name(container.pod)))
        }
    }
}

/// The end of what runtime and registry say, which is what decides.
fn decisive(said: &str) -> String {
    let said = one_line(said);
    let said = said
        .strip_prefix("Failed to pull image ")
        .and_then(|rest| rest.split_once(": "))
        .map_or(said.as_str(), |(_, end)| end);
    let said = said.rsplit_once("failed to resolve reference ").map_or(said, |(_, end)| end);
    let said = said.rsplit_once("desc = ").map_or(said, |(_, end)| end);
    // `"registry/image:tag": registry/image:tag: not found`
    let said = match said.strip_prefix('"').and_then(|rest| rest.split_once("\": ")) {
        Some((image, rest)) => rest.strip_prefix(image).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(rest),
        None => said,
    };
    said.to_owned()
}

/// The registry of an image, by the rule of container runtimes: the first part, if it looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// The pull Secrets a pod names. Those of its ServiceAccount are written into the pod when it is admitted.
fn pull_secrets(pod: &Value) -> Vec<&str> {
    list(pod, "/spec/imagePullSecrets")
        .iter()
        .map(|secret| text(secret, "/name"))
        .filter(|name| !name.is_empty())
        .collect()
}

fn missing_pull_secrets<'a>(evidence: &'a Evidence, pod: &'a Value) -> Vec<&'a str> {
    let missing = |name: &&str| whereabouts(evidence, "Secret", namespace(pod), name) == Some(&Whereabouts::Missing);
    pull_secrets(pod).into_iter().filter(missing).collect()
}

/// Whether the pull Secrets exist, and who may make those that do not.
pub(super) fn wanted(evidence: &Evidence, pod: &Value) -> Vec<Want> {
    let secrets = pull_secrets(pod).into_iter();
    let mut wants: Vec<Want> = secrets.map(|name| Want::Keys(object("v1", "Secret", namespace(pod), name))).collect();
    if !missing_pull_secrets(evidence, pod).is_empty() {
        wants.extend(makers(namespace(pod)));
    }
    wants
}
