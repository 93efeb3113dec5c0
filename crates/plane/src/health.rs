//! Asks components how they are.

use crate::component::{Component, Layout};
use crate::error::PlaneError;
use crate::kubeconfig::client_config;
use kube::Client;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Clients for the health checks of all components.
#[derive(Clone)]
pub(crate) struct Probes {
    store: u16,
    api: Client,
    controllers: Client,
    scheduler: Client,
    node: Client,
}

impl Probes {
    pub(crate) async fn new(layout: &Layout) -> Result<Self, PlaneError> {
        let client = async |port: u16| {
            let error = |error: &dyn std::fmt::Display| PlaneError::Client(error.to_string());
            let mut config = client_config("probe", port, &layout.certificates).await.map_err(|e| error(&e))?;
            config.default_retry = false;
            Client::try_from(config).map_err(|e| error(&e))
        };
        Ok(Self {
            store: layout.ports.store,
            api: client(layout.ports.api).await?,
            controllers: client(layout.ports.controllers).await?,
            scheduler: client(layout.ports.scheduler).await?,
            node: client(layout.ports.node).await?,
        })
    }

    /// Whether `component` says that it is healthy; what it says otherwise.
    pub(crate) async fn ask(&self, component: Component) -> Result<(), String> {
        let answer = async {
            match component {
                Component::Kine => {
                    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, self.store)).await;
                    connected.map(|_| ()).map_err(|error| error.to_string())
                }
                Component::KubeApiserver => get(&self.api, "/readyz").await,
                Component::KubeControllerManager => get(&self.controllers, "/healthz").await,
                Component::KubeScheduler => get(&self.scheduler, "/healthz").await,
                Component::Kwok => get(&self.node, "/healthz").await,
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
