//! Asks components how they are.

use super::layout::Layout;
use crate::component::Component;
use crate::error::PlaneError;
use crate::kubeconfig::{client_config, local};
use kube::Client;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What there is to say about a component that the plane does not have.
const NO_REAL_NODE: &str = "the plane has no real node";

/// Clients for the health checks of all components.
#[derive(Clone)]
pub(crate) struct Probes {
    store: PathBuf,
    api: Client,
    controllers: Client,
    scheduler: Client,
    node: Client,
    kubelet: Option<Client>,
    containerd: Option<PathBuf>,
}

impl Probes {
    /// Clients for all components; `containerd` is the socket of a real node's.
    pub(crate) fn new(layout: &Layout, containerd: Option<PathBuf>) -> Result<Self, PlaneError> {
        let client = |server: SocketAddr| {
            let error = |error: &dyn std::fmt::Display| PlaneError::Client(error.to_string());
            let mut config = client_config("probe", server, &layout.certificates).map_err(|e| error(&e))?;
            config.default_retry = false;
            Client::try_from(config).map_err(|e| error(&e))
        };
        let ports = layout.ports;
        let kubelet = match &layout.machine {
            Some(machine) => Some(client((machine.address(), ports.kubelet).into())?),
            None => None,
        };
        Ok(Self {
            store: layout.store_socket(),
            api: client(local(ports.api))?,
            controllers: client(local(ports.controllers))?,
            scheduler: client(local(ports.scheduler))?,
            node: client(local(ports.node))?,
            kubelet,
            containerd,
        })
    }

    /// Whether `component` says that it is healthy; what it says otherwise.
    pub(crate) async fn ask(&self, component: Component) -> Result<(), String> {
        let answer = async {
            match component {
                Component::Kine => {
                    // Whether it answers is part of the API server's own /readyz.
                    let there = std::fs::metadata(&self.store);
                    there.map(|_| ()).map_err(|error| format!("{}: {error}", self.store.display()))
                }
                Component::KubeApiserver => get(&self.api, "/readyz").await,
                Component::KubeControllerManager => get(&self.controllers, "/healthz").await,
                Component::KubeScheduler => get(&self.scheduler, "/healthz").await,
                Component::Kwok => get(&self.node, "/healthz").await,
                Component::Kubelet => match &self.kubelet {
                    Some(kubelet) => get(kubelet, "/healthz").await,
                    None => Err(NO_REAL_NODE.to_owned()),
                },
                Component::Containerd => match &self.containerd {
                    Some(socket) => {
                        let connected = tokio::net::UnixStream::connect(socket).await;
                        connected.map(|_| ()).map_err(|error| format!("{}: {error}", socket.display()))
                    }
                    None => Err(NO_REAL_NODE.to_owned()),
                },
            }
        };
        timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
    }

    pub(crate) fn api(&self) -> &Client {
        &self.api
    }
}

async fn get(client: &Client, path: &str) -> Result<(), String> {
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    client.request_text(request).await.map(|_| ()).map_err(|error| with_causes(&error))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
