//! Which object helm's text is about.

use super::read::{between, object, quoted};
use pilothouse_core::{ObjectRef, ReleaseKey};

/// Kinds charts are made of: plural, kind, API version, and whether they are in a namespace.
const KINDS: [(&str, &str, &str, bool); 33] = [
    ("deployments", "Deployment", "apps/v1", true),
    ("statefulsets", "StatefulSet", "apps/v1", true),
    ("daemonsets", "DaemonSet", "apps/v1", true),
    ("replicasets", "ReplicaSet", "apps/v1", true),
    ("jobs", "Job", "batch/v1", true),
    ("cronjobs", "CronJob", "batch/v1", true),
    ("pods", "Pod", "v1", true),
    ("services", "Service", "v1", true),
    ("configmaps", "ConfigMap", "v1", true),
    ("secrets", "Secret", "v1", true),
    ("serviceaccounts", "ServiceAccount", "v1", true),
    ("persistentvolumeclaims", "PersistentVolumeClaim", "v1", true),
    ("persistentvolumes", "PersistentVolume", "v1", false),
    ("namespaces", "Namespace", "v1", false),
    ("resourcequotas", "ResourceQuota", "v1", true),
    ("limitranges", "LimitRange", "v1", true),
    ("endpoints", "Endpoints", "v1", true),
    ("ingresses", "Ingress", "networking.k8s.io/v1", true),
    ("ingressclasses", "IngressClass", "networking.k8s.io/v1", false),
    ("networkpolicies", "NetworkPolicy", "networking.k8s.io/v1", true),
    ("poddisruptionbudgets", "PodDisruptionBudget", "policy/v1", true),
    ("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling/v2", true),
    ("roles", "Role", "rbac.authorization.k8s.io/v1", true),
    ("rolebindings", "RoleBinding", "rbac.authorization.k8s.io/v1", true),
    ("clusterroles", "ClusterRole", "rbac.authorization.k8s.io/v1", false),
    ("clusterrolebindings", "ClusterRoleBinding", "rbac.authorization.k8s.io/v1", false),
    ("storageclasses", "StorageClass", "storage.k8s.io/v1", false),
    ("priorityclasses", "PriorityClass", "scheduling.k8s.io/v1", false),
    ("customresourcedefinitions", "CustomResourceDefinition", "apiextensions.k8s.io/v1", false),
    ("apiservices", "APIService", "apiregistration.k8s.io/v1", false),
    ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", false),
    ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", false),
    ("validatingadmissionpolicies", "ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", false),
];

/// Names an object by kind or plural, each also with its group behind a dot. The namespace is the release's where none is given and the
/// kind has one.
fn of_word(word: &str, namespace: Option<&str>, name: &str, release: &ReleaseKey) -> ObjectRef {
    let plain = word.split('.').next().unwrap_or(word);
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    match KINDS.iter().find(|(plural, kind, _, _)| *plural == plain || kind.eq_ignore_ascii_case(plain)) {
        Some((_, kind, api_version, true)) => object(api_version, kind, namespace.unwrap_or(&release.namespace), name),
        Some((_, kind, api_version, false)) => object(api_version, kind, "", name),
        None => ObjectRef {
            api_version: None,
            kind: word.to_owned(),
            namespace: Some(namespace.unwrap_or(&release.namespace).to_owned()),
            name: name.to_owned(),
        },
    }
}

/// The object a part of helm's text is about: the one it names, or the only one of the release of the resource it names.
/// `gated` are the resources, each as `plural.group`, that a webhook in the text is asked about.
pub(super) fn about(text: &str, release: &ReleaseKey, objects: &[ObjectRef], gated: &[String]) -> Option<ObjectRef> {
    if let Some(named) = named(text, release) {
        // Kinds that are not known here have been named by their resource.
        let known = objects.iter().find(|object| object.name == named.name && resource(object) == named.kind);
        return Some(known.cloned().unwrap_or(named));
    }
    let mut of_resource = objects.iter().filter(|object| {
        let resource = resource(object);
        forbidden_resource(text).is_some_and(|forbidden| forbidden == resource) || gated.contains(&resource)
    });
    of_resource.next().filter(|_| of_resource.next().is_none()).cloned()
}

/// Helm 3 passes on what the API server says of a new object: `User "u" cannot create resource "services" in API group "" in ...`
fn forbidden_resource(text: &str) -> Option<String> {
    let plural = quoted(text, " resource ").filter(|_| text.contains(" is forbidden: User "))?;
    Some(with_group(plural, quoted(text, "in API group ").unwrap_or_default()))
}

pub(super) fn with_group(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

/// `plural.group` of an object, the plural as Kubernetes itself guesses it from the kind (`UnsafeGuessKindToResource` in
/// apimachinery's `meta`). A wrong guess finds no object.
fn resource(object: &ObjectRef) -> String {
    let group =
        object.api_version.as_deref().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    with_group(&plural_of(&object.kind), group)
}

/// The plural as Kubernetes guesses it.
pub(super) fn plural_of(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        _ if kind.ends_with("endpoints") => kind,
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

/// The object a part of helm's text names.
fn named(text: &str, release: &ReleaseKey) -> Option<ObjectRef> {
    applied(text)
        .or_else(|| patched(text, release))
        .or_else(|| imported(text, release))
        .or_else(|| waited_for(text))
        .or_else(|| unmapped(text, release))
        .or_else(|| hook_job(text, release))
        .or_else(|| refused(text, release))
}

/// Helm 4: `object shop/web apps/v1, Kind=Deployment:`; cluster-scoped ones are `object /web ...`.
fn applied(text: &str) -> Option<ObjectRef> {
    let (before, rest) = text.split_once(", Kind=")?;
    let kind: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let (place, api_version) = before.rsplit_once("object ")?.1.split_once(' ')?;
    let (namespace, name) = place.split_once('/')?;
    Some(object(api_version.trim_start_matches('/'), &kind, namespace, name))
}

/// Helm 3: `cannot patch "db" with kind StatefulSet:`
fn patched(text: &str, release: &ReleaseKey) -> Option<ObjectRef> {
    let name = quoted(text, "cannot patch ")?;
    let (_, rest) = text.split_once(" with kind ")?;
    Some(of_word(rest.split([':', ' ']).next()?, None, name, release))
}

/// `Service "web" in namespace "shop" exists and cannot be imported`
fn imported(text: &str, release: &ReleaseKey) -> Option<ObjectRef> {
    let (before, _) = text.split_once(" exists and cannot be imported")?;
    let (before, namespace) = before.rsplit_once(" in namespace ")?;
    let (before, name) = before.trim_end_matches('"').rsplit_once(" \"")?;
    let kind = before.rsplit(char::is_whitespace).next()?;
    Some(of_word(kind, Some(namespace.trim_matches('"')), name, release))
}

/// Helm 4: `resource Job/shop/migrate not ready.`
fn waited_for(text: &str) -> Option<ObjectRef> {
    let path = between(text, "resource ", " not ready")?;
    let mut parts = path.rsplitn(3, '/');
    let (name, namespace, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let release = ReleaseKey::new(namespace, name);
    Some(of_word(kind, Some(namespace), name, &release))
}

/// `resource mapping not found for name: "a" namespace: "" from "": no matches for kind "A" in version "b/v1"`
fn unmapped(text: &str, release: &ReleaseKey) -> Option<ObjectRef> {
    let name = quoted(text, "resource mapping not found for name: ")?;
    let kind = quoted(text, "no matches for kind ")?;
    let api_version = quoted(text, "in version ")?;
    let namespace = quoted(text, "namespace: ").filter(|namespace| !namespace.is_empty()).unwrap_or(&release.namespace);
    Some(object(api_version, kind, namespace, name))
}

/// Helm 3: `job migrate failed: BackoffLimitExceeded`
fn hook_job(text: &str, release: &ReleaseKey) -> Option<ObjectRef> {
    let (before, _) =
        text.split_once(" failed: BackoffLimitExceeded").or_else(|| text.split_once(" failed: DeadlineExceeded"))?;
    let (before, name) = before.rsplit_once(char::is_whitespace)?;
    before.ends_with("job").then(|| of_word("Job", None, name, release))
}

/// The API server: `deployments.apps "web" is forbidden:`, `Deployment.apps "web" is invalid:`, `jobs.batch "a" already exists`
fn refused(text: &str, release: &ReleaseKey) -> Option<ObjectRef> {
    const SIGNS: [&str; 4] = ["\" is forbidden", "\" is invalid", "\" already exists", "\" not found"];
    let end = SIGNS.iter().filter_map(|sign| text.find(sign)).min()?;
    let (before, name) = text[..end].rsplit_once(" \"").or_else(|| text[..end].rsplit_once('"'))?;
    let word = before.rsplit(char::is_whitespace).next()?;
    let is_word = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    let is_kind = word.contains('.') || KINDS.iter().any(|(plural, kind, _, _)| word == *plural || word == *kind);
    (is_word && is_kind).then(|| of_word(word, None, name, release))
}

/// Whether objects of a kind are never read, since their content may be secret.
pub(super) fn may_be_read(object: &ObjectRef) -> bool {
    object.api_version.is_some() && object.kind != "Secret" && object.kind != "ConfigMap"
}
