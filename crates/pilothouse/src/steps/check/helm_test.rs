//! `helm_test`: the chart's own tests.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight;
use crate::steps::check::logs;
use pilothouse_core::{HelmTestCheck, ObjectRef, object_ref};
use pilothouse_helm::{TestRequest, parse_documents};
use pilothouse_probe::ProbeResult;
use std::time::Duration;

pub(super) async fn look(ctx: &Context, check: &HelmTestCheck, within: Duration) -> Result<ProbeResult, PhaseError> {
    let filters = check.tests.iter().map(|test| match test.strip_prefix('!') {
        Some(left_out) => format!("!name={left_out}"),
        None => format!("name={test}"),
    });
    // With its own `--logs` helm fails when it cannot read one, though the tests have passed.
    let request = TestRequest { filters: filters.collect(), logs: false, ..TestRequest::new(ctx.release(), within) };
    PhaseError::refuse_for(preflight::test_hook_findings(ctx).await?)?;
    let asked = vec![format!("helm test {}", ctx.release().name)];
    match ctx.helm().test(&request, ctx.terminate()).await {
        Ok(_) => Ok(ProbeResult::held("the tests passed").asked(asked).got(test_logs(ctx).await)),
        Err(error) if error.is_interrupted() => Err(PhaseError::Interrupted),
        Err(error) => {
            let mut got = vec![ctx.error_text(&error)];
            got.extend(test_logs(ctx).await);
            Ok(ProbeResult::not_held("helm test failed").asked(asked).got(got))
        }
    }
}

/// The logs of the tests that are still there: a chart may have them deleted.
async fn test_logs(ctx: &Context) -> Vec<String> {
    match tests(ctx).await {
        Ok(tests) => {
            let mut lines = Vec::new();
            for test in &tests {
                lines.extend(logs::of(ctx, test).await);
            }
            lines
        }
        Err(error) => vec![format!("the tests' logs could not be read: {}", ctx.error_text(&error))],
    }
}

/// The tests of the chart, as Helm's record names them.
pub(super) async fn tests(ctx: &Context) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some((_, Some(record))) = observe::newest(ctx).await? else { return Ok(Vec::new()) };
    let hooks = record.hooks.iter().filter(|hook| hook.events.iter().any(|event| event.starts_with("test")));
    let mut tests = Vec::new();
    for hook in hooks {
        for object in parse_documents(&hook.manifest).unwrap_or_default().iter().filter_map(object_ref) {
            tests.push(ctx.cluster().resolve(&object, &ctx.release().namespace).await?);
        }
    }
    Ok(tests)
}
