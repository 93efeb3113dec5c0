//! What the API server and its admission refuse: in events about pods that cannot be made, and in what helm prints.

use super::draft::Draft;
use super::line::{GRACE, Line};
use super::read::{between, object, one_line, quoted};
use super::webhooks::{self, Around};
use pilothouse_core::{ObjectRef, parse_quantity};

/// How often and how long it has been refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tries {
    /// How often.
    pub count: i64,
    /// Seconds since the first time.
    pub seconds: i64,
    /// Whether nobody tries again: helm has ended with it.
    pub over: bool,
}

impl Tries {
    pub(super) fn enough(self) -> bool {
        self.over || self.count >= 2
    }

    pub(super) fn long_enough(self) -> bool {
        self.over || self.seconds >= GRACE
    }
}

/// Why something was refused, from the words of the API server; `None` when they are not understood. `namespace` is where the refused
/// object was to be.
pub(super) fn refusal(message: &str, namespace: &str, tries: Tries, around: Around<'_>) -> Option<Draft> {
    let said = one_line(message);
    let draft = webhooks::refusal(&said, tries, around)
        .or_else(|| terminating(&said, namespace))
        .or_else(|| definition_terminating(&said))
        .or_else(|| quota(&said, namespace))
        .or_else(|| pod_security(&said, namespace))
        .or_else(|| limit_range(&said, namespace))
        .or_else(|| service_account(&said, namespace, tries))
        .or_else(|| class(&said, tries))
        .or_else(|| namespace_missing(&said))
        .or_else(|| forbidden(&said))
        .or_else(|| escalation(&said))
        .or_else(|| owner(&said))?;
    Some(draft.seen(said))
}

/// `namespace web is being terminated`
fn terminating(said: &str, namespace: &str) -> Option<Draft> {
    let named = between(said, "unable to create new content in namespace ", " because it is being terminated")
        .or_else(|| said.contains("is being terminated").then_some(namespace))?;
    let root = format!("Namespace {named}");
    let why = format!("{root} is being deleted, and takes nothing new");
    Some(
        Draft::new(Line::NamespaceTerminating, root, why)
            .next(format!("kubectl get namespace {named} -o yaml: its conditions say what keeps it")),
    )
}

/// `create not allowed while custom resource definition is terminating`
fn definition_terminating(said: &str) -> Option<Draft> {
    said.contains("while custom resource definition is terminating").then(|| {
        let why = "the definition of its kind is being deleted, and takes nothing new";
        Draft::new(Line::CrdTerminating, "a CustomResourceDefinition that is being deleted", why)
            .next("kubectl get crds: let the deletion end (finalizers of its resources keep it), then run again")
    })
}

/// `exceeded quota: compute, requested: limits.cpu=2, used: limits.cpu=0, limited: limits.cpu=1`, and
/// `failed quota: compute: must specify limits.cpu for: web`
fn quota(said: &str, namespace: &str) -> Option<Draft> {
    if let Some((_, rest)) = said.split_once("failed quota: ") {
        let (name, rest) = rest.split_once(": ")?;
        let root = format!("ResourceQuota {namespace}/{name}");
        let why = format!("{root} counts what the containers do not say: {rest}");
        return Some(Draft::new(Line::QuotaTooSmall, root, why).next("set resources.requests and resources.limits in the values, or add a LimitRange with defaults to the namespace"));
    }
    let (_, rest) = said.split_once("exceeded quota: ")?;
    let (name, rest) = rest.split_once(", requested: ")?;
    let (requested, rest) = rest.split_once(", used: ")?;
    let (used, limited) = rest.split_once(", limited: ")?;
    let (requested, used, limited) = (amounts(requested), amounts(used), amounts(limited));
    let of = |list: &[(String, String)], resource: &str| {
        list.iter().find(|(name, _)| name == resource).map(|(_, amount)| amount.clone()).unwrap_or_default()
    };
    let mut too_small = false;
    let says = requested.iter().map(|(resource, wanted)| {
        let (used, hard) = (of(&used, resource), of(&limited, resource));
        if let (Some(wanted), Some(hard)) = (parse_quantity(wanted), parse_quantity(&hard)) {
            too_small |= wanted > hard;
        }
        format!("{resource}: {wanted} asked for, {used} of {hard} used")
    });
    let says: Vec<String> = says.collect();
    let root = format!("ResourceQuota {namespace}/{name}");
    let line = if too_small { Line::QuotaTooSmall } else { Line::QuotaUsedUp };
    Some(
        Draft::new(line, &root, format!("{root} does not allow it: {}", says.join("; ")))
            .next("lower replicas or resources in the values, or have the quota raised")
            .next(format!("kubectl describe resourcequota -n {namespace} {name}")),
    )
}

/// `limits.cpu=2,pods=1` as pairs. What follows the last one in a longer text is cut off.
fn amounts(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs
        .map(|(name, amount)| {
            let amount = amount.split(|c: char| c.is_whitespace() || ";\"&".contains(c)).next().unwrap_or(amount);
            (name.to_owned(), amount.to_owned())
        })
        .collect()
}

/// `violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (...), ...`
fn pod_security(said: &str, namespace: &str) -> Option<Draft> {
    let (_, rest) = said.split_once("violates PodSecurity ")?;
    let level = between(rest, "\"", "\"").unwrap_or_default();
    let level = level.split(':').next().unwrap_or(level);
    let (_, violations) = rest.split_once("\": ")?;
    let why = format!("namespace {namespace} enforces the level {level} of Pod Security: {violations}");
    Some(
        Draft::new(Line::PodSecurity, format!("Pod Security of namespace {namespace}"), why)
            .next("set the securityContext it names in the values")
            .next(format!("kubectl label namespace {namespace} --overwrite pod-security.kubernetes.io/enforce=LEVEL (by whoever runs the cluster)")),
    )
}

/// `maximum cpu usage per Container is 500m, but limit is 2`
fn limit_range(said: &str, namespace: &str) -> Option<Draft> {
    let signs = ["maximum ", "minimum "].iter().any(|sign| said.contains(sign)) && said.contains(" usage per ");
    let ratio = said.contains("max limit to request ratio per ");
    if !signs && !ratio {
        return None;
    }
    let limits = said.split_once("is forbidden: ").map_or(said, |(_, rest)| rest);
    let limits = limits.trim_start_matches('[').trim_end_matches(']');
    let why = format!("a LimitRange of namespace {namespace} does not allow it: {limits}");
    Some(
        Draft::new(Line::LimitRange, format!("LimitRange of namespace {namespace}"), why)
            .next("correct resources in the values")
            .next(format!("kubectl describe limitrange -n {namespace}")),
    )
}

/// What the words of a refusal say is not there.
pub(super) fn missing(message: &str, namespace: &str) -> Option<ObjectRef> {
    let said = one_line(message);
    if let Some((namespace, name)) = missing_account(&said, namespace) {
        return Some(object("v1", "ServiceAccount", namespace, name));
    }
    let (kind, name) = missing_class(&said)?;
    let group = if kind == "PriorityClass" { "scheduling.k8s.io/v1" } else { "node.k8s.io/v1" };
    Some(object(group, kind, "", name))
}

/// `error looking up service account web/app: serviceaccount "app" not found`: its namespace and name.
fn missing_account<'a>(said: &'a str, namespace: &'a str) -> Option<(&'a str, &'a str)> {
    let name = quoted(said, "serviceaccount ").filter(|_| said.contains("not found"))?;
    Some((between(said, "service account ", "/").unwrap_or(namespace), name))
}

fn service_account(said: &str, namespace: &str, tries: Tries) -> Option<Draft> {
    let (namespace, name) = missing_account(said, namespace)?;
    let line = if tries.long_enough() { Line::ServiceAccountMissing } else { Line::ServiceAccountMissingYet };
    let root = format!("ServiceAccount {namespace}/{name}");
    Some(
        Draft::new(line, &root, format!("{root} does not exist"))
            .next("set serviceAccount.create in the values, or correct its name; Kubernetes keeps one that is left out: say `default` for none")
            .next(format!("kubectl get serviceaccounts -n {namespace}")),
    )
}

/// `no PriorityClass with name high was found`, `pod rejected: RuntimeClass "x" not found`: kind and name.
fn missing_class(said: &str) -> Option<(&'static str, &str)> {
    if let Some(name) = between(said, "no PriorityClass with name ", " was found") {
        return Some(("PriorityClass", name));
    }
    let name = || quoted(said, "RuntimeClass ").or_else(|| quoted(said, "runtimeclasses.node.k8s.io "));
    let name = (said.contains("RuntimeClass") && said.contains("not found")).then(name)??;
    Some(("RuntimeClass", name))
}

fn class(said: &str, tries: Tries) -> Option<Draft> {
    let (kind, name) = missing_class(said)?;
    let line = if tries.long_enough() { Line::ClassMissing } else { Line::ClassMissingYet };
    let root = format!("{kind} {name}");
    let kubectl = format!("kubectl get {}, and correct its name in the values", kind.to_lowercase());
    Some(Draft::new(line, &root, format!("{root} does not exist")).next(kubectl))
}

/// `namespaces "web" not found`
fn namespace_missing(said: &str) -> Option<Draft> {
    let name = quoted(said, "namespaces ").filter(|_| said.contains("not found"))?;
    let root = format!("Namespace {name}");
    Some(
        Draft::new(Line::NamespaceMissing, &root, format!("{root} does not exist"))
            .next(format!("kubectl create namespace {name}, or set create_namespace")),
    )
}

/// `pods is forbidden: User "a" cannot create resource "pods" in API group "" in the namespace "web"`
fn forbidden(said: &str) -> Option<Draft> {
    let (before, rest) = said.split_once(" cannot ")?;
    let user = before.rsplit_once("User \"").and_then(|(_, user)| user.strip_suffix('"'))?;
    let (verb, rest) = rest.split_once(" resource ")?;
    let resource = between(rest, "\"", "\"")?;
    let group = quoted(rest, "API group ").unwrap_or_default();
    let scope = match quoted(rest, "in the namespace ") {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in the whole cluster".to_owned(),
    };
    let kind = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let check = match quoted(rest, "in the namespace ") {
        Some(namespace) => format!("kubectl auth can-i {verb} {kind} -n {namespace} --as {user}"),
        None => format!("kubectl auth can-i {verb} {kind} --as {user}"),
    };
    Some(
        Draft::new(
            Line::RbacForbidden,
            format!("permission of {user}: {verb} {kind} {scope}"),
            format!("{user} may not {verb} {kind} {scope}"),
        )
        .next(format!("have a role with the verb {verb} on {kind} bound to {user} {scope}"))
        .next(check),
    )
}

/// `user "a" (groups=["b"]) is attempting to grant RBAC permissions not currently held: {...}`: of a role, and of a binding to one.
fn escalation(said: &str) -> Option<Draft> {
    let (before, lacks) = said.split_once(" is attempting to grant RBAC permissions not currently held:")?;
    let user = before.rsplit_once("user \"").and_then(|(_, user)| user.split('"').next())?;
    Some(
        Draft::new(
            Line::RbacForbidden,
            format!("permission of {user}: to give away what it does not have"),
            format!("{user} may not give away what it does not have itself: {}", lacks.trim()),
        )
        .next(format!("have {user} given these permissions, or the verb escalate on roles and bind on the role"))
        .next("or have somebody with these permissions deploy it"),
    )
}

/// The admission of owner references: `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set
/// finalizers on`, `cannot set an ownerRef on a resource you can't delete`.
fn owner(said: &str) -> Option<Draft> {
    const WORDS: [&str; 2] =
        ["cannot set blockOwnerDeletion ", "cannot set an ownerRef on a resource you can't delete"];
    let at = WORDS.iter().filter_map(|words| said.find(words)).min()?;
    let why = format!("it may not be made so: {}", &said[at..]);
    Some(
        Draft::new(Line::RbacForbidden, "permission to change the owner of what is made", why).next(
            "have whoever makes it given the verbs update on the finalizers of its owner, and delete on the owner",
        ),
    )
}
