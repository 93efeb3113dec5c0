//! A connection that must be accepted.

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::result::ProbeResult;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// How long a node is given to say that nothing listens: it takes the connection before it has one itself. Less than the
/// shortest attempt.
const SETTLES: Duration = Duration::from_millis(800);

/// Whether the other side has accepted a connection, and keeps it.
pub async fn tcp(connection: Connection, deadline: Deadline) -> ProbeResult {
    let via = connection.via.clone();
    let result = if connection.forwarded {
        let late = || ProbeResult::not_held(format!("no connection within {deadline}"));
        deadline.bound(settled(connection)).await.unwrap_or_else(late)
    } else {
        ProbeResult::held("connected")
    };
    result.got(vec![via])
}

async fn settled(connection: Connection) -> ProbeResult {
    let Connection { mut stream, refused, guard, via, .. } = connection;
    let mut first = [0; 1];
    let result = tokio::select! {
        biased;
        why = refused => ProbeResult::not_held(format!("{via} does not take the connection: {why}")),
        read = timeout(SETTLES, stream.read(&mut first)) => match read {
            Ok(Ok(0)) => ProbeResult::not_held(format!("{via} closes the connection at once")),
            Ok(Err(error)) => ProbeResult::not_held(format!("{via} breaks the connection: {error}")),
            Ok(Ok(_)) | Err(_) => ProbeResult::held("connected"),
        },
    };
    drop(guard);
    result
}
