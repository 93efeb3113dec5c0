//! Open connections, however they were opened.

use crate::deadline::Deadline;
use crate::result::ProbeResult;
use futures::future::BoxFuture;
use pilothouse_core::Endpoint;
use std::any::Any;
use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes both ways.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// An open connection. Dropped, it is closed.
pub struct Connection {
    pub(crate) stream: Pin<Box<dyn ByteStream>>,
    /// Resolves when it turns out that nothing listens there.
    pub(crate) refused: BoxFuture<'static, String>,
    pub(crate) guard: Box<dyn Any + Send>,
    /// What it leads to.
    pub(crate) via: String,
    /// The name by which the other side knows itself.
    pub(crate) host: String,
    /// Somebody between has accepted it, not yet the other side.
    pub(crate) forwarded: bool,
}

impl Connection {
    /// Connects to an address.
    ///
    /// # Errors
    /// When nobody accepts the connection in time: the check does not hold.
    pub async fn to_address(host: &str, port: u16, deadline: Deadline) -> Result<Self, ProbeResult> {
        let via = Endpoint::Address { host: host.to_owned(), port }.to_string();
        match deadline.bound(TcpStream::connect((host, port))).await {
            Some(Ok(stream)) => Ok(Self {
                stream: Box::pin(stream),
                refused: Box::pin(std::future::pending()),
                guard: Box::new(()),
                via,
                host: host.to_owned(),
                forwarded: false,
            }),
            Some(Err(error)) => Err(ProbeResult::not_held(format!("no connection to {via}: {error}"))),
            None => Err(ProbeResult::not_held(format!("no connection to {via} within {deadline}"))),
        }
    }

    /// A connection through somebody who accepts it before the other side has: `refused` resolves when it turns out that nothing
    /// listens there, and `guard` lives as long as the connection. `via` is what it leads to, and `host` the name by which the
    /// other side knows itself.
    pub fn forwarded(
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        refused: BoxFuture<'static, String>,
        guard: Box<dyn Any + Send>,
        via: String,
        host: String,
    ) -> Self {
        Self { stream: Box::pin(stream), refused, guard, via, host, forwarded: true }
    }
}

impl Debug for Connection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("via", &self.via).field("host", &self.host).finish_non_exhaustive()
    }
}
