//! Aggregated APIs that nobody answers for.

use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::line::{GRACE, Line};
use super::read::{condition, name, object, one_line, seconds_since, text, time, was_read};
use jiff::Timestamp;
use pilothouse_core::ObjectRef;
use serde_json::Value;

fn of(evidence: &Evidence) -> Option<&Value> {
    evidence.live.as_deref().filter(|live| text(live, "/kind") == "APIService")
}

fn service(api: &Value) -> Option<ObjectRef> {
    let service = text(api, "/spec/service/name");
    (!service.is_empty()).then(|| object("v1", "Service", text(api, "/spec/service/namespace"), service))
}

/// Why an APIService is not available, in the words of the API server's controller.
pub(super) fn causes(evidence: &Evidence, now: Timestamp) -> Option<Draft> {
    let api = of(evidence)?;
    let down = condition(api, "Available").filter(|condition| text(condition, "/status") != "True")?;
    let (reason, message) = (text(down, "/reason"), one_line(text(down, "/message")));
    let service = service(api);
    let lasts = seconds_since(time(down, "/lastTransitionTime"), now) >= GRACE;
    let absent = service.as_ref().is_some_and(|service| {
        let is_it = |found: &Value| text(found, "/kind") == "Service" && name(found) == service.name;
        was_read(evidence, &Want::Object(service.clone())) && !evidence.around.iter().any(|found| is_it(found))
    });
    let line =
        if absent && lasts && reason == "ServiceNotFound" { Line::ApiServiceNobody } else { Line::ApiServiceDown };
    let root = service.as_ref().map_or_else(|| evidence.object.to_string(), ToString::to_string);
    let draft = Draft::new(line, root, format!("its API is not available: {reason}: {message}"))
        .next(format!("kubectl describe apiservice {}", name(api)));
    Some(match service {
        Some(service) => {
            let namespace = service.namespace.unwrap_or_default();
            draft.next(format!(
                "kubectl get service,endpointslices -n {namespace}, and look at the pods behind Service {}",
                service.name
            ))
        }
        None => draft,
    })
}

/// The Service that is to answer.
pub(super) fn wanted(evidence: &Evidence) -> Vec<Want> {
    of(evidence).and_then(service).map(Want::Object).into_iter().collect()
}
