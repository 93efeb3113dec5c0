//! `http`, `tcp`, `prometheus`: what is asked through a connection.

use crate::context::Context;
use crate::steps::check::reach;
use pilothouse_core::{HttpCheck, PrometheusCheck, TcpCheck};
use pilothouse_probe::{Deadline, HttpProbe, ProbeResult, PrometheusProbe};

pub(super) async fn http(ctx: &Context, check: &HttpCheck, attempt: u32, deadline: Deadline) -> ProbeResult {
    let looking = async {
        let probe = HttpProbe::new(check, deadline).await?;
        let connection = reach::open(ctx, &check.endpoint, attempt, deadline).await?;
        Ok(probe.run(connection, deadline).await)
    };
    looking.await.unwrap_or_else(|result| result).asked(vec![HttpProbe::asked(check)])
}

pub(super) async fn tcp(ctx: &Context, check: &TcpCheck, attempt: u32, deadline: Deadline) -> ProbeResult {
    let result = match reach::open(ctx, &check.endpoint, attempt, deadline).await {
        Ok(connection) => pilothouse_probe::tcp(connection, deadline).await,
        Err(result) => result,
    };
    result.asked(vec![format!("connect to {}", check.endpoint)])
}

/// Whether the query holds is not known when nobody answers it.
pub(super) async fn prometheus(
    ctx: &Context,
    check: &PrometheusCheck,
    attempt: u32,
    deadline: Deadline,
) -> ProbeResult {
    let looking = async {
        let probe = PrometheusProbe::new(check, deadline).await?;
        let connection = reach::open(ctx, &check.endpoint, attempt, deadline).await?;
        Ok(probe.run(connection, deadline).await)
    };
    looking.await.unwrap_or_else(ProbeResult::into_unknown).asked(PrometheusProbe::asked(check))
}
