//! The way to where something answers.
//!
//! Services and pods are reached by the API server's port-forwarding, not by its proxy for Services: the proxy rewrites
//! paths, headers and links, speaks only HTTP, and needs the right to `get services/proxy`, with which one reaches everything
//! behind every Service; forwarding needs `create pods/portforward`, which whoever debugs has.

use crate::context::Context;
use crate::steps::check::evidence;
use pilothouse_core::{Endpoint, ObjectRef, PortRef};
use pilothouse_kube::{ListQuery, PodConnection, PodPort};
use pilothouse_probe::{Connection, Deadline, ProbeResult};
use serde_json::Value;

/// `name` or `namespace/name` as both.
pub(super) fn split(ctx: &Context, name: &str) -> (String, String) {
    match name.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (ctx.release().namespace, name.to_owned()),
    }
}

/// Opens a connection. Of several ready pods another one is taken at each attempt, which are counted from 0.
///
/// # Errors
/// Why there is none, as what the attempt has told.
pub(super) async fn open(
    ctx: &Context,
    endpoint: &Endpoint,
    attempt: u32,
    deadline: Deadline,
) -> Result<Connection, ProbeResult> {
    match endpoint {
        Endpoint::Address { host, port } => Connection::to_address(host, *port, deadline).await,
        Endpoint::Service { service, port } => led(behind_service(ctx, service, port, attempt), deadline).await,
        Endpoint::Pod { pod, port } => led(into_pod(ctx, pod, port), deadline).await,
    }
}

/// As long as the cluster has led nowhere, nothing has been asked.
async fn led(
    way: impl Future<Output = Result<Connection, ProbeResult>>,
    deadline: Deadline,
) -> Result<Connection, ProbeResult> {
    let nowhere = || Err(ProbeResult::unknown(format!("the cluster has not led there within {deadline}")));
    deadline.bound(way).await.unwrap_or_else(nowhere)
}

async fn behind_service(ctx: &Context, service: &str, port: &PortRef, attempt: u32) -> Result<Connection, ProbeResult> {
    let (namespace, name) = split(ctx, service);
    let object = get(ctx, "Service", &namespace, &name).await?;
    let pod = ready_pod_of_service(ctx, &object, &namespace, &name, attempt).await?;
    let port = target_port(&object, port, &pod).map_err(ProbeResult::unknown)?;
    forwarded(
        ctx,
        PodPort { namespace: namespace.clone(), pod: name_of(&pod), port },
        format!("{name}.{namespace}.svc"),
    )
    .await
}

async fn into_pod(ctx: &Context, pod: &str, port: &PortRef) -> Result<Connection, ProbeResult> {
    let (namespace, name) = split(ctx, pod);
    let object = get(ctx, "Pod", &namespace, &name).await?;
    let port = container_port(port, &object).map_err(ProbeResult::unknown)?;
    forwarded(ctx, PodPort { namespace, pod: name.clone(), port }, name).await
}

/// `host` is the name by which the pod knows itself.
async fn forwarded(ctx: &Context, port: PodPort, host: String) -> Result<Connection, ProbeResult> {
    let via = format!("pod {}/{} port {}", port.namespace, port.pod, port.port);
    let PodConnection { stream, refused, guard } =
        ctx.cluster().connect_pod(&port).await.map_err(|error| evidence::cluster(ctx, &error))?;
    Ok(Connection::forwarded(stream, refused, guard, via, host))
}

async fn get(ctx: &Context, kind: &str, namespace: &str, name: &str) -> Result<Value, ProbeResult> {
    let object = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    match ctx.cluster().get(&object).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(ProbeResult::unknown(format!("{object} does not exist"))),
        Err(error) => Err(evidence::cluster(ctx, &error)),
    }
}

async fn ready_pod_of_service(
    ctx: &Context,
    service: &Value,
    namespace: &str,
    name: &str,
    attempt: u32,
) -> Result<Value, ProbeResult> {
    let Some(selector) = selector(service) else {
        return Err(ProbeResult::unknown(format!(
            "Service {namespace}/{name} selects no pods, so it cannot be reached here"
        )));
    };
    let query = ListQuery::new("v1", "Pod").within(namespace).labelled(selector);
    let pods = ctx.cluster().list(&query).await.map_err(|error| evidence::cluster(ctx, &error))?;
    let nobody = || ProbeResult::nobody(format!("Service {namespace}/{name} has no ready pod ({} in all)", pods.len()));
    take(&pods, attempt).cloned().ok_or_else(nobody)
}

/// One of those that are ready, another one each time.
pub(super) fn take(pods: &[Value], attempt: u32) -> Option<&Value> {
    let mut ready: Vec<&Value> = pods.iter().filter(|pod| is_ready(pod)).collect();
    ready.sort_by_key(|pod| name_of(pod));
    let index = (attempt as usize).checked_rem(ready.len())?;
    ready.get(index).copied()
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
    ready && pod.pointer("/metadata/deletionTimestamp").is_none()
}

pub(super) fn name_of(object: &Value) -> String {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn selector(service: &Value) -> Option<String> {
    let labels = service.pointer("/spec/selector").and_then(Value::as_object).filter(|labels| !labels.is_empty())?;
    let terms: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    Some(terms.join(","))
}

/// The pod's port behind a port of a Service.
fn target_port(service: &Value, port: &PortRef, pod: &Value) -> Result<u16, String> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let ports: Vec<&Value> = ports.into_iter().flatten().collect();
    let found = ports.iter().find(|entry| match port {
        PortRef::Number(number) => entry["port"].as_u64() == Some(u64::from(*number)),
        PortRef::Name(name) => entry["name"] == name.as_str(),
    });
    let Some(entry) = found else {
        let known: Vec<String> = ports
            .iter()
            .map(|entry| match entry["name"].as_str() {
                Some(name) => format!("{} ({name})", entry["port"]),
                None => entry["port"].to_string(),
            })
            .collect();
        return Err(format!("the Service has no port {port}; it has {}", known.join(", ")));
    };
    match &entry["targetPort"] {
        Value::Null => number(&entry["port"]).ok_or_else(|| format!("port {port} of the Service is no number")),
        Value::String(name) => container_port(&PortRef::parse(name), pod),
        target => number(target).ok_or_else(|| format!("the target of port {port} of the Service is no port")),
    }
}

/// A port of a pod by its number, or by the name a container gives it.
fn container_port(port: &PortRef, pod: &Value) -> Result<u16, String> {
    let name = match port {
        PortRef::Number(number) => return Ok(*number),
        PortRef::Name(name) => name,
    };
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let ports = containers.into_iter().flatten().filter_map(|container| container["ports"].as_array()).flatten();
    let named = ports.into_iter().find(|entry| entry["name"] == name.as_str());
    let found = named.and_then(|entry| number(&entry["containerPort"]));
    found.ok_or_else(|| format!("no container of pod {} has a port named `{name}`", name_of(pod)))
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"port": 80, "targetPort": 8080}), "80", Ok(8080))]
    #[case(json!({"port": 80}), "80", Ok(80))]
    #[case(json!({"port": 80, "targetPort": "web"}), "80", Ok(9898))]
    #[case(json!({"port": 80, "name": "http", "targetPort": "web"}), "http", Ok(9898))]
    #[case(json!({"port": 80, "targetPort": "nope"}), "80", Err("no container of pod web-0 has a port named `nope`"))]
    #[case(json!({"port": 80, "name": "http"}), "81", Err("the Service has no port 81; it has 80 (http)"))]
    fn ports_of_services(#[case] entry: Value, #[case] port: &str, #[case] expected: Result<u16, &str>) {
        let service = json!({"spec": {"ports": [entry]}});
        let pod = json!({"metadata": {"name": "web-0"},
            "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 9898}]}]}});
        assert_eq!(target_port(&service, &PortRef::parse(port), &pod), expected.map_err(str::to_owned));
    }

    #[test]
    fn ready_pods_take_turns_and_others_are_left_out() {
        let pod = |name: &str, ready: &str| json!({"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        let mut leaving = pod("d", "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let pods = [pod("c", "True"), pod("b", "False"), pod("a", "True"), leaving];
        let taken: Vec<String> = (0..3).map(|attempt| name_of(take(&pods, attempt).unwrap())).collect();
        assert_eq!(taken, ["a", "c", "a"]);
        assert_eq!(take(&pods[1..2], 0), None);
    }
}
