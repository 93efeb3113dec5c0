//! Service and Ingress.

use crate::conventions::fields::{array, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

pub(super) fn service(object: &Value) -> ObjectStatus {
    match text(object, "/spec/type") {
        "ExternalName" => ObjectStatus::new(Readiness::Current, "it is a name for another host"),
        "LoadBalancer" => load_balancer(object),
        _ if text(object, "/spec/clusterIP").is_empty() => {
            ObjectStatus::new(Readiness::InProgress, "it has no address in the cluster yet")
        }
        _ => ObjectStatus::new(Readiness::Current, "it has its address"),
    }
}

fn load_balancer(object: &Value) -> ObjectStatus {
    let address = array(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|entry| [text(entry, "/ip"), text(entry, "/hostname")])
        .find_map(|words| words.into_iter().find(|word| !word.is_empty()));
    match address {
        Some(address) => ObjectStatus::new(Readiness::Current, format!("it has the address {address}")),
        // Helm takes these as reachable, too (`pkg/kube/ready.go`).
        None if !array(object, "/spec/externalIPs").is_empty() => {
            ObjectStatus::new(Readiness::Current, "it has external addresses")
        }
        None => ObjectStatus::new(Readiness::InProgress, "no load balancer has given it an address")
            .because("NoLoadBalancerAddress"),
    }
}

pub(super) fn ingress(object: &Value) -> ObjectStatus {
    let has_address = !array(object, "/status/loadBalancer/ingress").is_empty();
    ObjectStatus::new(Readiness::Current, if has_address { "it has an address" } else { "it exists" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, InProgress};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"spec": {"type": "ExternalName"}}), (Current, "it is a name for another host"))]
    #[case(json!({"spec": {"type": "ClusterIP", "clusterIP": "None"}}), (Current, "it has its address"))]
    #[case(json!({"spec": {"type": "ClusterIP"}}), (InProgress, "it has no address in the cluster yet"))]
    #[case(json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}), (InProgress, "no load balancer has given it an address"))]
    #[case(json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"hostname": "a.b"}]}}}), (Current, "it has the address a.b"))]
    #[case(json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{}]}}}), (InProgress, "no load balancer has given it an address"))]
    #[case(json!({"spec": {"type": "LoadBalancer", "externalIPs": ["1.2.3.4"]}}), (Current, "it has external addresses"))]
    fn services(#[case] object: Value, #[case] expected: (Readiness, &'static str)) {
        let status = service(&object);
        assert_eq!((status.readiness, status.message.as_str()), expected);
    }

    #[test]
    fn an_ingress_is_ready_when_it_exists() {
        assert_eq!(ingress(&json!({})), ObjectStatus::new(Current, "it exists"));
    }
}
