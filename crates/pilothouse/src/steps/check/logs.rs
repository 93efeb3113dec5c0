//! Logs of what a check has run.

use crate::context::Context;
use crate::steps::check::reach::name_of;
use pilothouse_core::ObjectRef;
use pilothouse_kube::LogQuery;

/// Lines of each container's log that are kept.
const LOG_LINES: u32 = 20;

/// The end of what the containers of a workload have written, or why it cannot be read.
pub(super) async fn of(ctx: &Context, object: &ObjectRef) -> Vec<String> {
    let pods = match ctx.cluster().pods_of(object).await {
        Ok(pods) => pods,
        Err(error) => return vec![format!("its pods could not be read: {}", ctx.error_text(&error))],
    };
    let mut lines = Vec::new();
    for pod in &pods {
        let containers = ["initContainers", "containers"].map(|kind| pod["spec"][kind].as_array());
        for container in containers.into_iter().flatten().flatten().filter_map(|container| container["name"].as_str()) {
            let query = LogQuery {
                namespace: object.namespace.clone().unwrap_or_default(),
                pod: name_of(pod),
                container: container.to_owned(),
                previous: false,
                lines: LOG_LINES,
            };
            lines.push(match ctx.cluster().pod_log_tail(&query).await {
                Ok(log) if log.trim().is_empty() => format!("log of {}/{container}: (empty)", query.pod),
                Ok(log) => format!("log of {}/{container}:\n{}", query.pod, log.trim_end()),
                Err(error) => format!("log of {}/{container}: {}", query.pod, ctx.error_text(&error)),
            });
        }
    }
    lines
}
