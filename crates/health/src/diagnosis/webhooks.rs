//! Webhooks that admit and that convert, and policies.

use super::admission::Tries;
use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::helm_objects::{plural_of, with_group};
use super::line::Line;
use super::read::{around, between, list, name, namespace, object, one_line, quoted, text};
use pilothouse_core::Readiness;
use serde_json::Value;
use std::sync::Arc;

/// What was read around, which wants were read, and which of them could not be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub objects: &'a [Arc<Value>],
    pub read: &'a [Want],
    pub unanswered: &'a [Want],
}

impl Around<'_> {
    /// Whether something was read, so that what it lacks is not there.
    fn has(&self, want: &Want) -> bool {
        self.read.contains(want) && !self.unanswered.contains(want)
    }
}

/// Why a webhook or policy refused, or could not be asked.
pub(super) fn refusal(said: &str, tries: Tries, around: Around<'_>) -> Option<Draft> {
    let enough = tries.enough();
    unreachable(said, tries, around)
        .or_else(|| unconverted(said, tries, around))
        .or_else(|| builtin_policy(said, enough))
        .or_else(|| denied(said, enough, around))
}

/// `failed calling webhook "x": failed to call webhook: Post "https://svc.ns.svc:443/path?timeout=10s": no endpoints available for
/// service "svc"`
fn unreachable(said: &str, tries: Tries, around: Around<'_>) -> Option<Draft> {
    let webhook = quoted(said, "failed calling webhook ")?;
    let (url, says) = answer(call(said).unwrap_or(said));
    let called = configured(around, webhook, url);
    let mut draft = Draft::new(Line::WebhookUnreachable, format!("webhook {webhook}"), String::new());
    draft.why = format!("the admission webhook {webhook} cannot be asked: {says}");
    let draft = named(draft, webhook, &called);
    let draft = behind(draft, service(url, &called), tries, around);
    let configurations = called.iter().map(|(configuration, _)| *configuration);
    let of = |mark| {
        configurations.clone().map(move |one| format!("{}{mark}{}", text(one, "/kind").to_lowercase(), name(one)))
    };
    // To delete one that was not called would be a hole in the rules of the cluster.
    Some(match called.len() {
        0 => draft,
        1 => draft.next(format!("if what it belongs to is gone: kubectl delete {}", of(" ").collect::<String>())),
        several => {
            let all = if several == 2 { "both" } else { "all" };
            let names = of("/").collect::<Vec<_>>().join(" ");
            draft.next(format!("kubectl get {names} -o yaml: {all} have this webhook, and one of them was called"))
        }
    })
}

/// What was called, and what came of it, in the API server's words.
fn call(said: &str) -> Option<&str> {
    said.split_once("failed to call webhook: ").map(|(_, call)| call)
}

/// With the configurations that have the webhook.
fn named(draft: Draft, webhook: &str, configured: &[(&Value, &Value)]) -> Draft {
    configured.iter().fold(draft, |draft, (configuration, _)| {
        draft.seen(format!("{} {} has the webhook {webhook}", text(configuration, "/kind"), name(configuration)))
    })
}

/// The URL that was called, where a text has one, and what came of it.
fn answer(call: &str) -> (Option<&str>, &str) {
    let url = between(call, "\"", "\"").filter(|url| url.contains("://"));
    let says = url.and_then(|url| call.split_once(&format!("\"{url}\": "))).map_or(call, |(_, rest)| rest);
    (url, says)
}

/// With what is known of the Service behind a webhook that was called.
fn behind(mut draft: Draft, service: Option<(String, String)>, tries: Tries, around: Around<'_>) -> Draft {
    let Some((in_namespace, service)) = service else { return draft };
    let named = format!("{in_namespace}/{service}");
    let about = match endpoints(around, &in_namespace, &service) {
        Endpoints::NoService => {
            if tries.long_enough() {
                draft.line = Line::WebhookNobody;
            }
            format!("; its Service {named} does not exist")
        }
        Endpoints::Ready(0) => format!("; its Service {named} has no endpoints that are ready"),
        Endpoints::Ready(1) => format!("; its Service {named} has 1 endpoint that is ready"),
        Endpoints::Ready(more) => format!("; its Service {named} has {more} endpoints that are ready"),
        Endpoints::NotRead => format!("; its Service is {named}"),
    };
    draft.why.push_str(&about);
    draft
        .next(format!("kubectl get endpointslices -n {in_namespace} -l kubernetes.io/service-name={service}"))
        .next(format!("kubectl get pods -n {in_namespace}"))
}

/// What the API server could not have converted, from its words (`webhook_converter.go` of apiextensions-apiserver):
/// `conversion webhook for example.com/v1, Kind=Gadget failed: Post "https://svc.ns.svc:443/convert?timeout=30s": ...`, and
/// `conversion webhook for example.com/v1, Kind=Gadget returned 0 objects, expected 1`.
struct Conversion<'a> {
    group: &'a str,
    /// The kind, or that of its list: both are told.
    kind: &'a str,
    url: Option<&'a str>,
    says: &'a str,
}

impl<'a> Conversion<'a> {
    fn of(said: &'a str) -> Option<Self> {
        let (_, rest) = said.split_once("conversion webhook for ")?;
        let (version, rest) = rest.split_once(", Kind=")?;
        let (kind, says) = rest.split_once(' ')?;
        let (group, _) = version.split_once('/')?;
        let (url, says) = says.strip_prefix("failed: ").map_or((None, says), answer);
        Some(Self { group, kind, url, says })
    }

    /// The kinds whose objects it may be about.
    fn kinds(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.kind).chain(self.kind.strip_suffix("List").filter(|kind| !kind.is_empty()))
    }

    /// The definition of the kind, if it was read.
    fn definition(&self, around_it: Around<'a>) -> Option<&'a Value> {
        let mut all = around(around_it.objects, "CustomResourceDefinition");
        all.find(|definition| {
            text(definition, "/spec/group") == self.group
                && ["/spec/names/kind", "/spec/names/listKind"].iter().any(|at| text(definition, at) == self.kind)
        })
    }

    fn service(&self, around: Around<'a>) -> Option<(String, String)> {
        let by_definition = || service_of(self.definition(around)?.pointer("/spec/conversion/webhook")?);
        self.url.and_then(service_of_url).or_else(by_definition)
    }

    /// The definition by the name it has where its plural is the usual one.
    fn wanted(&self) -> impl Iterator<Item = Want> {
        let names = self.kinds().map(|kind| with_group(&plural_of(kind), self.group));
        names.map(|name| Want::Object(object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &name)))
    }
}

/// Why objects of a kind could not be converted between its versions.
fn unconverted(said: &str, tries: Tries, around: Around<'_>) -> Option<Draft> {
    let conversion = Conversion::of(said)?;
    let definition = conversion.definition(around).map(name);
    let root = match definition {
        Some(name) => format!("CustomResourceDefinition {name}"),
        None => format!("the definition of {} ({})", conversion.kinds().last()?, conversion.group),
    };
    let what = if conversion.url.is_some() { "cannot be asked" } else { "fails" };
    let why = format!("the conversion webhook of {root} {what}: {}", conversion.says);
    let draft = behind(Draft::new(Line::WebhookUnreachable, root, why), conversion.service(around), tries, around);
    Some(match definition {
        Some(name) => {
            draft.next(format!("kubectl get crd {name} -o yaml: spec.conversion names the webhook and what it trusts"))
        }
        None => draft,
    })
}

/// Why an object cannot be read, where that is for want of a conversion.
pub(super) fn unreadable(evidence: &Evidence) -> Option<Draft> {
    let around = Around { objects: &evidence.around, read: &evidence.read, unanswered: &evidence.unanswered };
    let tries = Tries { count: 1, seconds: 0, over: false };
    let said = one_line(unread(evidence)?);
    unconverted(&said, tries, around).map(|draft| draft.seen(said))
}

/// What tells more about a webhook for want of which the object cannot be read.
pub(super) fn wanted_to_read(evidence: &Evidence) -> Vec<Want> {
    let around = Around { objects: &evidence.around, read: &evidence.read, unanswered: &evidence.unanswered };
    unread(evidence).map(|said| wanted(said, around)).unwrap_or_default()
}

fn unread(evidence: &Evidence) -> Option<&str> {
    let unread = evidence.live.is_none() && evidence.status.readiness == Readiness::Unknown;
    unread.then_some(evidence.status.message.as_str())
}

enum Endpoints {
    NotRead,
    NoService,
    Ready(usize),
}

fn endpoints(around_it: Around<'_>, in_namespace: &str, service: &str) -> Endpoints {
    let here = |object: &&Value| namespace(object) == in_namespace;
    let service_read = around_it.has(&wanted_service(in_namespace, service));
    if service_read && !around(around_it.objects, "Service").filter(here).any(|object| name(object) == service) {
        return Endpoints::NoService;
    }
    if !around_it.has(&wanted_endpoints(in_namespace, service)) {
        return Endpoints::NotRead;
    }
    let of_service = |slice: &&Value| {
        let label = slice.pointer("/metadata/labels").and_then(|labels| labels.get("kubernetes.io/service-name"));
        label.and_then(Value::as_str) == Some(service)
    };
    let slices = around(around_it.objects, "EndpointSlice").filter(here).filter(of_service);
    let ready = slices
        .flat_map(|slice| list(slice, "/endpoints"))
        .filter(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)));
    Endpoints::Ready(ready.count())
}

/// Namespace and name in `https://svc.ns.svc:443/path`.
fn service_of_url(url: &str) -> Option<(String, String)> {
    let host = url.split_once("://")?.1.split(['/', ':', '?']).next()?;
    let mut parts = host.split('.');
    let (service, namespace, svc) = (parts.next()?, parts.next()?, parts.next()?);
    (svc == "svc").then(|| (namespace.to_owned(), service.to_owned()))
}

fn service_of(webhook: &Value) -> Option<(String, String)> {
    let service = webhook.pointer("/clientConfig/service")?;
    Some((text(service, "/namespace").to_owned(), text(service, "/name").to_owned()))
}

/// The Service that was called: that of the URL, or that of all configurations that may have been meant.
fn service(url: Option<&str>, configured: &[(&Value, &Value)]) -> Option<(String, String)> {
    let of_configured = || {
        let mut services = configured.iter().map(|(_, entry)| service_of(entry));
        let first = services.next()??;
        services.all(|other| other.as_ref() == Some(&first)).then_some(first)
    };
    url.and_then(service_of_url).or_else(of_configured)
}

/// The configurations that have the webhook and call that URL, where one is known, each with its entry: a name is one in its
/// configuration only.
fn configured<'a>(around_it: Around<'a>, webhook: &str, url: Option<&str>) -> Vec<(&'a Value, &'a Value)> {
    let configurations = around(around_it.objects, "ValidatingWebhookConfiguration")
        .chain(around(around_it.objects, "MutatingWebhookConfiguration"));
    configurations
        .flat_map(|configuration| list(configuration, "/webhooks").iter().map(move |entry| (configuration, entry)))
        .filter(|(_, entry)| text(entry, "/name") == webhook && url.is_none_or(|url| calls(entry, url)))
        .collect()
}

/// Whether a webhook's entry leads to the URL that was called (`HookClientConfigForWebhook` and `HookClient` of apiserver's
/// `webhook` packages), which has a timeout behind it.
fn calls(entry: &Value, url: &str) -> bool {
    let configured = match entry.pointer("/clientConfig/service") {
        Some(service) => {
            let port = service.pointer("/port").and_then(Value::as_u64).unwrap_or(443);
            let path = text(service, "/path").trim_start_matches('/');
            format!("https://{}.{}.svc:{port}/{path}", text(service, "/name"), text(service, "/namespace"))
        }
        None => text(entry, "/clientConfig/url").to_owned(),
    };
    let called = url.split('?').next().unwrap_or(url);
    called.trim_end_matches('/') == configured.trim_end_matches('/')
}

/// The resources, each as `plural.group`, about which the webhook is asked that a text names.
pub(super) fn gated(said: &str, around: Around<'_>) -> Vec<String> {
    if let Some(conversion) = Conversion::of(said) {
        return conversion.kinds().map(|kind| with_group(&plural_of(kind), conversion.group)).collect();
    }
    let webhook = quoted(said, "failed calling webhook ").or_else(|| quoted(said, "admission webhook "));
    let Some(webhook) = webhook else { return Vec::new() };
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        list(rule, key).iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let of_rule = |rule: &Value| {
        let (groups, resources) = (texts(rule, "/apiGroups"), texts(rule, "/resources"));
        resources.iter().flat_map(|plural| groups.iter().map(|group| with_group(plural, group))).collect::<Vec<_>>()
    };
    let url = call(said).and_then(|call| answer(call).0);
    let entries = configured(around, webhook, url).into_iter().map(|(_, entry)| entry);
    entries.flat_map(|entry| list(entry, "/rules")).flat_map(of_rule).collect()
}

/// `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ...`
fn builtin_policy(said: &str, enough: bool) -> Option<Draft> {
    let policy = between(said, "AdmissionPolicy '", "'")?;
    let (_, reason) = said.split_once("denied request: ")?;
    let line = if enough { Line::PolicyDenied } else { Line::PolicyDeniedOnce };
    let root = format!("policy {policy}");
    Some(
        Draft::new(line, &root, format!("ValidatingAdmissionPolicy {policy} refuses it: {reason}"))
            .next("change the values so that the policy is met, or have an exception made")
            .next(format!("kubectl get validatingadmissionpolicy {policy} -o yaml")),
    )
}

/// `admission webhook "x" denied the request: reason`
fn denied(said: &str, enough: bool, around: Around<'_>) -> Option<Draft> {
    let webhook = quoted(said, "admission webhook ").filter(|_| said.contains("denied the request"))?;
    let reason = said.split_once("denied the request: ").map_or("it gives no reason", |(_, reason)| reason);
    if let Some(policy) = policy(webhook, reason) {
        let line = if enough { Line::PolicyDenied } else { Line::PolicyDeniedOnce };
        return Some(
            Draft::new(line, format!("policy {policy}"), format!("the policy {policy} refuses it: {reason}"))
                .next("change the values so that the policy is met, or have an exception made"),
        );
    }
    let line = if enough { Line::WebhookDenied } else { Line::WebhookDeniedOnce };
    let why = format!("the admission webhook {webhook} refuses it: {reason}");
    let draft = Draft::new(line, format!("webhook {webhook}"), why).next("change the values so that it is accepted");
    Some(named(draft, webhook, &configured(around, webhook, None)))
}

/// The policy that refused, where the webhook is that of a policy engine.
fn policy(webhook: &str, reason: &str) -> Option<String> {
    if webhook.ends_with("gatekeeper.sh") {
        return Some(between(reason, "[", "]").unwrap_or("of Gatekeeper").to_owned());
    }
    if webhook.contains("kyverno") {
        let (_, rest) = reason.split_once("following policies").unwrap_or(("", reason));
        let name = rest.split_whitespace().find(|word| word.ends_with(':')).map(|word| word.trim_end_matches(':'));
        return Some(name.unwrap_or("of Kyverno").to_owned());
    }
    None
}

fn wanted_service(namespace: &str, service: &str) -> Want {
    Want::Object(object("v1", "Service", namespace, service))
}

fn wanted_endpoints(namespace: &str, service: &str) -> Want {
    Want::All {
        api_version: "discovery.k8s.io/v1".to_owned(),
        kind: "EndpointSlice".to_owned(),
        namespace: Some(namespace.to_owned()),
        labels: Some(format!("kubernetes.io/service-name={service}")),
    }
}

/// What tells more about a webhook named in a message: its configuration, its Service and whether that has endpoints.
pub(super) fn wanted(message: &str, around: Around<'_>) -> Vec<Want> {
    if let Some(conversion) = Conversion::of(message) {
        let mut wants: Vec<Want> = conversion.wanted().collect();
        wants.extend(conversion.service(around).iter().flat_map(|(namespace, service)| {
            [wanted_service(namespace, service), wanted_endpoints(namespace, service)]
        }));
        return wants;
    }
    let failed = quoted(message, "failed calling webhook ");
    let Some(webhook) = failed.or_else(|| quoted(message, "admission webhook ")) else { return Vec::new() };
    let configurations = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"].map(|kind| Want::All {
        api_version: "admissionregistration.k8s.io/v1".to_owned(),
        kind: kind.to_owned(),
        namespace: None,
        labels: None,
    });
    let mut wants = configurations.to_vec();
    let url = call(message).and_then(|call| answer(call).0);
    let service = service(url, &configured(around, webhook, url));
    if let Some((namespace, service)) = service.filter(|_| failed.is_some()) {
        wants.push(wanted_service(&namespace, &service));
        wants.push(wanted_endpoints(&namespace, &service));
    }
    wants
}
