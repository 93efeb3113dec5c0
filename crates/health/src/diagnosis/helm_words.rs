//! Helm's text in its parts, and what single words in it mean.

use super::read::one_line;

/// Lines of helm's text that a cause shows.
const TEXT_LINES: usize = 12;

/// Signs that something does not answer on the network.
const NETWORK: [&str; 11] = [
    "connection refused",
    "no such host",
    "i/o timeout",
    "tls handshake",
    "x509:",
    "no route to host",
    "network is unreachable",
    "connection reset",
    "server misbehaving",
    ": eof",
    "\": unexpected eof",
];

/// Signs that the server of a chart cannot give it now.
const BUSY: [&str; 8] = [
    "deadline exceeded",
    "client.timeout exceeded",
    "429 too many requests",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway",
    "toomanyrequests",
];

/// Signs that a text is about a chart or its templates, whatever else it quotes.
const OF_CHART: [&str; 6] = [
    "parse error at (",
    "execution error at (",
    "yaml parse error on ",
    "looks like \"",
    "failed to download",
    "failed to perform \"fetchreference\"",
];

/// Helm's text in the parts it is joined of; at least one.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let text = text.split_once("Error: ").map_or(text, |(_, error)| error);
    let waited = text.matches(" not ready. status:").count() > 1;
    let parts: Vec<&str> = if waited { text.lines().collect() } else { text.split(" && ").collect() };
    let parts: Vec<&str> = parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { vec![""] } else { parts }
}

/// The lines that say something; the last ones where there are many.
pub(super) fn shown_lines(text: &str) -> Vec<String> {
    let lines: Vec<String> = text.lines().map(one_line).filter(|line| !line.is_empty()).collect();
    let skipped = lines.len().saturating_sub(TEXT_LINES);
    lines.into_iter().skip(skipped).collect()
}

fn has_any(text: &str, signs: &[&str]) -> bool {
    signs.iter().any(|sign| text.contains(sign))
}

/// Whether the API server was asked and did not answer, by a text in lower case.
pub(super) fn api_unreachable(text: &str) -> bool {
    let api = ["/api/", "/apis/", "/version", "/openapi/"];
    has_any(text, &["cluster unreachable", "cluster reachability check failed"])
        || ((has_any(text, &api) || text.contains("reachability check failed"))
            && has_any(text, &NETWORK)
            && !has_any(text, &OF_CHART))
}

/// Whether a chart could not be had because its server did not answer, by a text in lower case.
pub(super) fn chart_unreachable(text: &str) -> bool {
    has_any(text, &NETWORK) || has_any(text, &BUSY)
}

/// The event of a hook that failed, by a text in lower case.
pub(super) fn hook_event(text: &str) -> Option<&'static str> {
    const EVENTS: [&str; 8] = [
        "pre-install",
        "post-install",
        "pre-upgrade",
        "post-upgrade",
        "pre-delete",
        "post-delete",
        "pre-rollback",
        "post-rollback",
    ];
    EVENTS.into_iter().find(|event| {
        let signs = [format!("failed {event}"), format!("{event} hooks failed"), format!("hook {event} ")];
        signs.iter().any(|sign| text.contains(sign))
    })
}

/// Who brings the definitions of a group of APIs.
const BRINGERS: [(&str, &str); 14] = [
    ("monitoring.coreos.com", "the chart kube-prometheus-stack or prometheus-operator-crds"),
    ("cert-manager.io", "the chart cert-manager, with its definitions"),
    ("external-secrets.io", "the chart external-secrets"),
    ("argoproj.io", "the chart argo-cd, argo-rollouts or argo-workflows"),
    ("keda.sh", "the chart keda"),
    ("istio.io", "the chart istio base"),
    ("traefik.io", "the chart traefik or traefik-crds"),
    ("gateway.networking.k8s.io", "the definitions of the Gateway API"),
    ("snapshot.storage.k8s.io", "the definitions of the snapshot controller"),
    ("kyverno.io", "the chart kyverno"),
    ("gatekeeper.sh", "the chart gatekeeper"),
    ("cilium.io", "the chart cilium"),
    ("bitnami.com", "the chart sealed-secrets"),
    ("postgresql.cnpg.io", "the chart cloudnative-pg"),
];

/// Who brings the definitions of this group, as far as that is known.
pub(super) fn bringer(group: &str) -> Option<&'static str> {
    let of = |known: &str| group == known || group.ends_with(&format!(".{known}"));
    BRINGERS.iter().find(|(known, _)| of(known)).map(|(_, bringer)| *bringer)
}

/// Managers and fields in `conflict with "kubectl" using apps/v1: .spec.replicas` and `conflicts with "a" using v1:\n- .x\n- .y`.
pub(super) fn conflicts(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut managers, mut fields) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(" with \"") {
        let Some((manager, after)) = after.split_once('"') else { break };
        if !managers.iter().any(|known| known == manager) {
            managers.push(manager.to_owned());
        }
        rest = after;
    }
    for word in text.split(|c: char| c.is_whitespace()).filter(|word| word.starts_with('.') && word.len() > 1) {
        let field = word.trim_end_matches([',', ';', '"']).to_owned();
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    (managers, fields)
}
