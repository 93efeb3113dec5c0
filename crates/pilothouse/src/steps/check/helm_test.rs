//! `helm_test`: the chart's own tests.

use super::look::Look;
use crate::context::Context;
use crate::error::PhaseError;
use pilothouse_core::HelmTestCheck;
use pilothouse_helm::TestRequest;
use std::time::Duration;

pub(super) async fn look(ctx: &Context, check: &HelmTestCheck, within: Duration) -> Result<Look, PhaseError> {
    let filters = check.tests.iter().map(|test| match test.strip_prefix('!') {
        Some(left_out) => format!("!name={left_out}"),
        None => format!("name={test}"),
    });
    let request = TestRequest { filters: filters.collect(), ..TestRequest::new(ctx.release(), within) };
    let asked = vec![format!("helm test {}", ctx.release().name)];
    match ctx.helm().test(&request, ctx.terminate()).await {
        Ok(printed) => Ok(Look::held("the tests passed").asked(asked).got(vec![printed])),
        Err(error) if error.is_interrupted() => Err(PhaseError::Interrupted),
        Err(error) => {
            let text = ctx.error_text(&error);
            Ok(Look::not_held("helm test failed").asked(asked).got(vec![text]))
        }
    }
}
