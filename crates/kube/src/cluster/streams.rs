//! Connections into pods, through the API server: a port, or a program in a container.

use super::transport::{chain, connection_failed_by};
use crate::client::{ClusterError, ExecOutput, ExecQuery, PodConnection, PodPort};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, Portforwarder};
use kube::client::UpgradeConnectionError;
use pilothouse_core::ObjectRef;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// The most bytes kept of each output of a program; the rest is read and dropped.
const OUTPUT: usize = 64 * 1024;

/// Opens a port of a pod, as `kubectl port-forward` does.
pub(crate) async fn connect(
    client: kube::Client,
    port: &PodPort,
    within: Duration,
) -> Result<PodConnection, ClusterError> {
    let what = || format!("port {} of Pod {}/{}", port.port, port.namespace, port.pod);
    let pods: Api<Pod> = Api::namespaced(client, &port.namespace);
    let ports = [port.port];
    let opening = timeout(within, pods.portforward(&port.pod, &ports));
    let opened =
        opening.await.map_err(|_| ClusterError::Timeout { what: format!("open {}", what()), after: within })?;
    let mut forwarder = opened.map_err(|error| refused(error, "create", &format!("portforward: {}", what()), port))?;
    let gone = || ClusterError::Api { status: 0, what: what(), message: "there is no such stream".to_owned() };
    let stream = forwarder.take_stream(port.port).ok_or_else(gone)?;
    let failed = forwarder.take_error(port.port).ok_or_else(gone)?;
    let refused = async move {
        match failed.await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    };
    Ok(PodConnection { stream: Box::pin(stream), refused: refused.boxed(), guard: Box::new(Guard(forwarder)) })
}

/// Ends the task that carries the bytes.
struct Guard(Portforwarder);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a program in a container to its end.
pub(crate) async fn exec(
    client: kube::Client,
    query: &ExecQuery,
    connecting: Duration,
) -> Result<ExecOutput, ClusterError> {
    let what = format!("exec: container {} of Pod {}/{}", query.container, query.namespace, query.pod);
    let pods: Api<Pod> = Api::namespaced(client, &query.namespace);
    let params = AttachParams::default().stderr(true).container(query.container.clone());
    let port = PodPort { namespace: query.namespace.clone(), pod: query.pod.clone(), port: 0 };
    let starting = timeout(connecting, pods.exec(&query.pod, query.command.clone(), &params));
    let started = starting.await.map_err(|_| ClusterError::Timeout { what: what.clone(), after: connecting })?;
    let mut process = started.map_err(|error| refused(error, "create", &what, &port))?;
    let (stdout, stderr, status) = (process.stdout(), process.stderr(), process.take_status());
    let ends = async {
        tokio::join!(bounded(stdout), bounded(stderr), async {
            match status {
                Some(status) => status.await,
                None => None,
            }
        })
    };
    let ended = timeout(query.timeout, ends).await;
    process.abort();
    let Ok((stdout, stderr, status)) = ended else {
        return Err(ClusterError::Timeout { what, after: query.timeout });
    };
    match exit_code(status.as_ref()) {
        Ok(exit_code) => Ok(ExecOutput { exit_code, stdout, stderr }),
        Err(message) => Err(ClusterError::Api { status: 0, what, message }),
    }
}

async fn bounded(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let mut part = vec![0; 8192];
    loop {
        match stream.read(&mut part).await {
            // What was written until the connection broke is still what was written.
            Ok(0) | Err(_) => return String::from_utf8_lossy(&kept).into_owned(),
            Ok(read) => {
                let room = OUTPUT.saturating_sub(kept.len());
                kept.extend_from_slice(&part[..read.min(room)]);
            }
        }
    }
}

/// The exit code as the API tells it, or why the program did not run.
fn exit_code(status: Option<&Status>) -> Result<i32, String> {
    let Some(status) = status else { return Err("the connection ended before the program".to_owned()) };
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    match code.and_then(|code| code.message.as_deref()?.parse().ok()) {
        Some(code) => Ok(code),
        None => Err(status.message.clone().unwrap_or_else(|| "the program could not be run".to_owned())),
    }
}

/// Tells what kind of failure it is that no stream was opened.
fn refused(error: kube::Error, verb: &str, what: &str, port: &PodPort) -> ClusterError {
    let kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) = &error else {
        return connection_failed_by(error);
    };
    match status.as_u16() {
        401 => ClusterError::Unauthorized { message: "the API server answers 401".to_owned() },
        403 => ClusterError::Forbidden {
            verb: verb.to_owned(),
            what: what.to_owned(),
            message: "the API server answers 403".to_owned(),
        },
        404 => ClusterError::NotFound {
            object: ObjectRef {
                api_version: Some("v1".to_owned()),
                kind: "Pod".to_owned(),
                namespace: Some(port.namespace.clone()),
                name: port.pod.clone(),
            },
        },
        status => {
            let message = chain(&error).last().map(ToString::to_string).unwrap_or_default();
            ClusterError::Api { status, what: what.to_owned(), message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case(json!({"status": "Success"}), Ok(0))]
    #[case(json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with non-zero exit code",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}), Ok(3))]
    #[case(json!({"status": "Failure", "message": "no such file", "reason": "InternalError"}), Err("no such file"))]
    fn exit_codes(#[case] status: Value, #[case] expected: Result<i32, &str>) {
        let status: Status = serde_json::from_value(status).unwrap();
        assert_eq!(exit_code(Some(&status)), expected.map_err(str::to_owned));
    }

    #[tokio::test]
    async fn output_is_bounded_and_read_to_its_end() {
        let long = vec![b'a'; OUTPUT + 9000];
        assert_eq!(bounded(Some(long.as_slice())).await.len(), OUTPUT);
        assert_eq!(bounded(None::<&[u8]>).await, "");
    }
}
