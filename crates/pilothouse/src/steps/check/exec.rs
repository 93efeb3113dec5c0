//! `exec`: a program in a container that runs already.

use crate::context::Context;
use crate::steps::check::evidence;
use crate::steps::check::reach::{is_ready, name_of, take};
use pilothouse_core::{ExecCheck, hide_arguments};
use pilothouse_kube::{ExecOutput, ExecQuery};
use pilothouse_probe::ProbeResult;
use serde_json::Value;
use std::time::Duration;

pub(super) async fn look(ctx: &Context, check: &ExecCheck, attempt: u32, within: Duration) -> ProbeResult {
    check.secrets().into_iter().for_each(|secret| ctx.redactor().add(secret));
    let asked = |place: &str| vec![format!("exec in {place}: {}", hide_arguments(&check.command))];
    let pod = match pod(ctx, check, attempt).await {
        Ok(pod) => pod,
        Err(look) => return look.asked(asked(&check.target.to_string())),
    };
    let Some(container) = container(check, &pod) else {
        return ProbeResult::unknown("the pod has no such container").asked(asked(&check.target.to_string()));
    };
    let namespace = pod.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
    let query = ExecQuery { namespace, pod: name_of(&pod), container, command: check.command.clone(), timeout: within };
    let place = format!("pod {}/{} container {}", query.namespace, query.pod, query.container);
    match ctx.cluster().exec(&query).await {
        Ok(output) => judge(check, &output).asked(asked(&place)).got(shown(&output)),
        Err(error) => evidence::cluster(ctx, &error).asked(asked(&place)),
    }
}

/// The pod itself, or a ready one of the workload, another one at each attempt.
async fn pod(ctx: &Context, check: &ExecCheck, attempt: u32) -> Result<Value, ProbeResult> {
    let failed = |error| evidence::cluster(ctx, &error);
    let target = ctx.cluster().resolve(&check.target, &ctx.release().namespace).await.map_err(failed)?;
    let pods = ctx.cluster().pods_of(&target).await.map_err(failed)?;
    if target.kind == "Pod" {
        return pods.into_iter().next().ok_or_else(|| ProbeResult::unknown(format!("{target} does not exist")));
    }
    if pods.is_empty() && ctx.cluster().get(&target).await.map_err(failed)?.is_none() {
        return Err(ProbeResult::unknown(format!("{target} does not exist")));
    }
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let none = || ProbeResult::nobody(format!("{target} has no ready pod ({ready} of {})", pods.len()));
    take(&pods, attempt).cloned().ok_or_else(none)
}

/// The container that was asked for, if the pod has it; the first when none was.
fn container(check: &ExecCheck, pod: &Value) -> Option<String> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array)?;
    let mut names = containers.iter().filter_map(|container| container["name"].as_str());
    match &check.container {
        Some(wanted) => names.find(|name| name == wanted),
        None => names.next(),
    }
    .map(str::to_owned)
}

fn judge(check: &ExecCheck, output: &ExecOutput) -> ProbeResult {
    if output.exit_code != check.exit_code {
        return ProbeResult::not_held(format!("the exit code is {}, not {}", output.exit_code, check.exit_code));
    }
    match &check.stdout_contains {
        Some(wanted) if !output.stdout.contains(wanted.as_str()) => {
            ProbeResult::not_held(format!("`{wanted}` is not in the standard output"))
        }
        Some(_) | None => ProbeResult::held(format!("the exit code is {}", output.exit_code)),
    }
}

fn shown(output: &ExecOutput) -> Vec<String> {
    let mut lines = vec![format!("exit code {}", output.exit_code)];
    for (name, text) in [("standard output", &output.stdout), ("standard error", &output.stderr)] {
        if !text.trim().is_empty() {
            lines.push(format!("{name}: {}", text.trim_end()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::ObjectRef;
    use rstest::rstest;
    use serde_json::json;

    fn check(exit_code: i32, stdout_contains: Option<&str>, container: Option<&str>) -> ExecCheck {
        ExecCheck {
            target: ObjectRef::parse("deployment/web").unwrap(),
            container: container.map(str::to_owned),
            command: vec!["true".to_owned()],
            exit_code,
            stdout_contains: stdout_contains.map(str::to_owned),
        }
    }

    #[rstest]
    #[case(check(0, None, None), 0, ProbeResult::held("the exit code is 0"))]
    #[case(check(0, None, None), 3, ProbeResult::not_held("the exit code is 3, not 0"))]
    #[case(check(3, None, None), 3, ProbeResult::held("the exit code is 3"))]
    #[case(check(0, Some("PONG"), None), 0, ProbeResult::held("the exit code is 0"))]
    #[case(check(0, Some("PING"), None), 0, ProbeResult::not_held("`PING` is not in the standard output"))]
    fn outputs(#[case] check: ExecCheck, #[case] exit_code: i32, #[case] expected: ProbeResult) {
        let output = ExecOutput { exit_code, stdout: "PONG\n".to_owned(), stderr: String::new() };
        assert_eq!(judge(&check, &output), expected);
    }

    #[rstest]
    #[case(None, Some("web"))]
    #[case(Some("sidecar"), Some("sidecar"))]
    #[case(Some("nope"), None)]
    fn containers(#[case] wanted: Option<&str>, #[case] expected: Option<&str>) {
        let pod = json!({"spec": {"containers": [{"name": "web"}, {"name": "sidecar"}]}});
        assert_eq!(container(&check(0, None, wanted), &pod).as_deref(), expected);
    }
}
