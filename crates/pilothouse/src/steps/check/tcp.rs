//! `tcp`: a connection that must be accepted.

use crate::context::release_context::Context;
use crate::steps::check::look::Look;
use crate::steps::check::reach;
use crate::steps::check::reach::{Attempt, Opened};
use pilothouse_core::{Endpoint, TcpCheck};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// How long a node is given to say that nothing listens: it takes the connection before it has one itself. Less than the
/// shortest attempt.
const SETTLES: Duration = Duration::from_millis(800);

pub(super) async fn look(ctx: &Context, check: &TcpCheck, attempt: &Attempt) -> Look {
    let asked = vec![format!("connect to {}", check.endpoint)];
    let opened = match reach::open(ctx, &check.endpoint, attempt).await {
        Ok(opened) => opened,
        Err(look) => return look.asked(asked),
    };
    let Opened { mut stream, refused, guard, via } = opened;
    let look = if matches!(check.endpoint, Endpoint::Address { .. }) {
        Look::held("connected")
    } else {
        let mut first = [0; 1];
        tokio::select! {
            biased;
            why = refused => Look::not_held(format!("{via} does not take the connection: {why}")),
            read = timeout(SETTLES, stream.read(&mut first)) => match read {
                Ok(Ok(0)) => Look::not_held(format!("{via} closes the connection at once")),
                Ok(Err(error)) => Look::not_held(format!("{via} breaks the connection: {error}")),
                Ok(Ok(_)) | Err(_) => Look::held("connected"),
            },
        }
    };
    drop(guard);
    look.asked(asked).got(vec![via])
}
