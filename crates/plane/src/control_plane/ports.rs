//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

/// The ports one plane listens on, all on 127.0.0.1 but the kubelet's, which is on the node's own address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) api: u16,
    pub(crate) controllers: u16,
    pub(crate) scheduler: u16,
    pub(crate) node: u16,
    pub(crate) kubelet: u16,
}

impl Ports {
    /// Asks the operating system for free ports. They are released before they are used, so another program
    /// may take one in between: a start that fails on that is tried again with other ports.
    pub(crate) fn pick() -> std::io::Result<Self> {
        // All are held at once so that they differ.
        let held: Vec<TcpListener> =
            (0..5).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
        let mut ports = Vec::new();
        for listener in &held {
            ports.push(listener.local_addr()?.port());
        }
        match ports[..] {
            [api, controllers, scheduler, node, kubelet] => Ok(Self { api, controllers, scheduler, node, kubelet }),
            _ => Err(std::io::Error::other("not five ports")),
        }
    }
}
