//! Services that wait for an address.

use super::draft::Draft;
use super::evidence::Evidence;
use super::line::{LOAD_BALANCER_GRACE, Line};
use super::read::{Seen, events_about, list, name, namespace, one_line, seconds_since, text, time};
use jiff::Timestamp;
use serde_json::Value;

/// A Service of type LoadBalancer without an address.
pub(super) fn causes(evidence: &Evidence, now: Timestamp) -> Option<Draft> {
    let service = evidence
        .live
        .as_deref()
        .filter(|live| text(live, "/kind") == "Service" && text(live, "/apiVersion") == "v1")?;
    if text(service, "/spec/type") != "LoadBalancer" || !list(service, "/status/loadBalancer/ingress").is_empty() {
        return None;
    }
    let events = events_about(evidence, service);
    let class = text(service, "/spec/loadBalancerClass");
    let of_class = if class.is_empty() { String::new() } else { format!(" of class {class}") };
    let describe = format!("kubectl describe service -n {} {}", namespace(service), name(service));
    let warning = events.iter().rev().find(|seen| text(seen.event, "/type") == "Warning");
    let begun = !events.is_empty()
        || !list(service, "/status/conditions").is_empty()
        || !list(service, "/metadata/finalizers").is_empty();
    let own = format!("Service {}/{}", namespace(service), name(service));
    let draft = if let Some(seen) = warning {
        Draft::new(Line::LoadBalancerPending, own, format!("its load balancer is not made: {}", one_line(seen.message)))
    } else if begun {
        Draft::new(Line::LoadBalancerPending, own, format!("its load balancer{of_class} has no address yet"))
    } else if seconds_since(last_changed(service), now) < LOAD_BALANCER_GRACE {
        Draft::new(
            Line::LoadBalancerPending,
            own,
            format!("no load balancer{of_class} has given it an address, and none has said that it will"),
        )
    } else {
        let why = format!("nothing in this cluster gives addresses to Services of type LoadBalancer{of_class}");
        Draft::new(Line::LoadBalancerNobody, format!("controller for load balancers{of_class}"), why)
    };
    let otherwise = "set service.type to ClusterIP or NodePort in the values, or install a controller that gives it one (a cloud's, MetalLB)";
    Some(draft.all_seen(events.iter().rev().take(3).rev().map(Seen::says)).next(otherwise).next(describe))
}

/// When somebody last changed it, so that it has been of this type for as long. Its creation says nothing: one that is there
/// already may have become a LoadBalancer a moment ago.
fn last_changed(service: &Value) -> Option<Timestamp> {
    list(service, "/metadata/managedFields").iter().filter_map(|entry| time(entry, "/time")).max()
}
