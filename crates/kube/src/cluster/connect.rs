//! From a kubeconfig to a cluster that answers.

use super::connection::{Cluster, REQUEST_TIMEOUT};
use crate::client::ClusterError;
use http::HeaderValue;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What this client calls itself.
const USER_AGENT: &str = concat!("pilothouse/", env!("CARGO_PKG_VERSION"));

/// Where the address and the credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A kubeconfig file; relative paths in it are relative to its folder.
    Kubeconfig(PathBuf),
    /// The service account of the pod this runs in, at `https://kubernetes.default.svc`.
    InCluster,
}

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Where the address and the credentials come from.
    pub credentials: Credentials,
    /// The context of the kubeconfig; its `current-context` when there is none.
    pub context: Option<String>,
    /// How long the first answer may take, retries and credential plugins included.
    pub connect_timeout: Duration,
    /// How long each request may take, retries included.
    pub request_timeout: Duration,
}

impl ConnectOptions {
    /// The kubeconfig file at `path`, its current context, 10 s for the first answer and 15 s for each request.
    pub fn kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self::new(Credentials::Kubeconfig(path.into()))
    }

    /// The service account of the pod this runs in, 10 s for the first answer and 15 s for each request.
    pub fn in_cluster() -> Self {
        Self::new(Credentials::InCluster)
    }

    fn new(credentials: Credentials) -> Self {
        Self { credentials, context: None, connect_timeout: Duration::from_secs(10), request_timeout: REQUEST_TIMEOUT }
    }

    /// Uses this context.
    #[must_use]
    pub fn context(mut self, context: Option<String>) -> Self {
        self.context = context;
        self
    }
}

/// Why there is no connection. What a kubeconfig holds is never part of the text.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read.
    #[error("kubeconfig {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a kubeconfig.
    #[error("{} is not a kubeconfig: {why}", path.display())]
    NotKubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where it is known.
        why: String,
    },
    /// There is no such context.
    #[error("kubeconfig {} has no context `{context}`; it has: {}", path.display(), list(known))]
    NoContext {
        /// The file.
        path: PathBuf,
        /// The context that was asked for.
        context: String,
        /// The contexts there are.
        known: Vec<String>,
    },
    /// No context was asked for, and the file has no `current-context`.
    #[error("kubeconfig {} names no current context; it has: {}", path.display(), list(known))]
    NoCurrentContext {
        /// The file.
        path: PathBuf,
        /// The contexts there are.
        known: Vec<String>,
    },
    /// The context cannot be used: no such cluster, a missing or broken certificate, key or address.
    #[error("context `{context}` of kubeconfig {} cannot be used: {why}", path.display())]
    Context {
        /// The file.
        path: PathBuf,
        /// The context.
        context: String,
        /// Why.
        why: String,
    },
    /// This does not run in a pod with a service account.
    #[error("there is no service account of a pod to connect with")]
    InCluster {
        /// Why.
        #[source]
        source: kube::config::InClusterError,
    },
    /// The credentials cannot be made use of.
    #[error("no client can be made for {server}")]
    Client {
        /// The address of the API.
        server: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The credential plugin did not finish in time.
    #[error("no credentials for {server} after {} s", after.as_secs_f32())]
    CredentialsTimeout {
        /// The address of the API.
        server: String,
        /// How long was waited.
        after: Duration,
    },
    /// There is no usable answer.
    #[error("no connection to {server}")]
    NoAnswer {
        /// The address of the API.
        server: String,
        /// Why.
        #[source]
        source: Box<ClusterError>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Cluster {
    /// Connects and makes sure that there is an API that answers, within `connect_timeout`.
    ///
    /// Reads no environment variable but, inside `kube`, `HTTPS_PROXY` and `NO_PROXY` for a context without a proxy of
    /// its own.
    ///
    /// # Errors
    /// What is wrong with the kubeconfig, or why there is no answer.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let deadline = tokio::time::Instant::now() + options.connect_timeout;
        let mut config = match &options.credentials {
            Credentials::Kubeconfig(path) => from_file(path, options.context).await?,
            Credentials::InCluster => Config::incluster_dns().map_err(|source| ConnectError::InCluster { source })?,
        };
        // Retries are made in one place, ours, inside the deadline.
        config.default_retry = false;
        config.connect_timeout = Some(options.connect_timeout);
        // Whoever reads the cluster's audit log should see who it was.
        config.headers.push((http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        let server = config.cluster_url.to_string();
        // Making the client runs the credential plugin, and waits for it.
        let making = tokio::task::spawn_blocking(|| kube::Client::try_from(config));
        let timed_out = || ConnectError::CredentialsTimeout { server: server.clone(), after: options.connect_timeout };
        let made = tokio::time::timeout_at(deadline, making).await.map_err(|_| timed_out())?;
        // The task ends without a value only when it panicked or the runtime goes down.
        let client = made
            .unwrap_or_else(|error| Err(kube::Error::Service(Box::new(error))))
            .map_err(|source| ConnectError::Client { server: server.clone(), source: Box::new(source) })?;
        let cluster = Self::from_client(client).with_request_timeout(options.request_timeout);
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        cluster.probe(left).await.map_err(|source| ConnectError::NoAnswer { server, source: Box::new(source) })?;
        Ok(cluster)
    }
}

async fn from_file(path: &Path, context: Option<String>) -> Result<Config, ConnectError> {
    let kubeconfig = read(path)?;
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let wanted = context.or_else(|| kubeconfig.current_context.clone()).filter(|name| !name.is_empty());
    let path = path.to_owned();
    let Some(context) = wanted else { return Err(ConnectError::NoCurrentContext { path, known }) };
    if !known.contains(&context) {
        return Err(ConnectError::NoContext { path, context, known });
    }
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| ConnectError::Context {
        path,
        context,
        why: error.to_string(),
    })
}

fn read(path: &Path) -> Result<Kubeconfig, ConnectError> {
    let not_kubeconfig = |why: String| ConnectError::NotKubeconfig { path: path.to_owned(), why };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| match error {
        KubeconfigError::ReadConfig(source, path) => ConnectError::Read { path, source },
        // The parser's own text shows lines of the file, in which there are credentials.
        KubeconfigError::Parse(error) => not_kubeconfig(match error.location() {
            Some(at) => format!("it cannot be parsed at line {}, column {}", at.line(), at.column()),
            None => "it cannot be parsed".to_owned(),
        }),
        other => not_kubeconfig(other.to_string()),
    })?;
    if kubeconfig.clusters.is_empty() && kubeconfig.contexts.is_empty() {
        return Err(not_kubeconfig("it has neither clusters nor contexts".to_owned()));
    }
    Ok(kubeconfig)
}
