//! From a kubeconfig to a cluster that answers.

use super::connection::{Cluster, REQUEST_TIMEOUT};
use super::kubeconfig;
use super::pin::{self, NotPinned};
use super::plugin;
use super::proxy::{Proxies, Proxy};
use crate::client::{ClusterAccess, ClusterClient, ClusterError, cluster_uid};
use http::HeaderValue;
use kube::Config;
use kube::config::Kubeconfig;
use pilothouse_core::{ClusterPin, Redactor};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// What this client calls itself.
const USER_AGENT: &str = concat!("pilothouse/", env!("CARGO_PKG_VERSION"));

/// Where the address and the credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Kubeconfig files, merged as kubectl merges those of `KUBECONFIG`: the first that says something wins. Relative paths in
    /// a file are relative to its folder.
    Kubeconfig(Vec<PathBuf>),
    /// The service account of the pod this runs in, at `https://kubernetes.default.svc`.
    InCluster,
}

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Where the address and the credentials come from.
    pub credentials: Credentials,
    /// The context of the kubeconfig; that of [`only`](Self::only) when there is none, and its `current-context` without one.
    pub context: Option<String>,
    /// The one cluster that may be connected to.
    pub only: ClusterPin,
    /// Whether credential plugins may ask somebody on the terminal, and write there.
    pub interactive: bool,
    /// The proxies that the environment names; none unless they are given.
    pub proxies: Proxies,
    /// How long the first answer may take, retries and credential plugins included.
    pub connect_timeout: Duration,
    /// How long each request may take, retries included.
    pub request_timeout: Duration,
}

impl ConnectOptions {
    /// The kubeconfig file at `path`, its current context, 10 s for the first answer and 15 s for each request.
    pub fn kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self::kubeconfigs([path.into()])
    }

    /// As [`Self::kubeconfig`], of several files.
    pub fn kubeconfigs(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self::new(Credentials::Kubeconfig(paths.into_iter().collect()))
    }

    /// The service account of the pod this runs in, 10 s for the first answer and 15 s for each request.
    pub fn in_cluster() -> Self {
        Self::new(Credentials::InCluster)
    }

    fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            context: None,
            only: ClusterPin::default(),
            interactive: false,
            proxies: Proxies::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: REQUEST_TIMEOUT,
        }
    }

    /// Lets credential plugins that want to ask somebody, or say something, do so on the terminal.
    #[must_use]
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.interactive = interactive;
        self
    }

    /// Uses this context.
    #[must_use]
    pub fn context(mut self, context: Option<String>) -> Self {
        self.context = context;
        self
    }

    /// Connects to no other cluster than this.
    #[must_use]
    pub fn only(mut self, pin: ClusterPin) -> Self {
        self.only = pin;
        self
    }

    /// Connects through these proxies, where the context has none of its own.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
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
    /// The kubeconfig of a context cannot be written down.
    #[error("{context} cannot be handed to helm: {why}")]
    Unwritable {
        /// The context.
        context: String,
        /// Why.
        why: String,
    },
    /// It is another cluster than the one that may be connected to.
    #[error(transparent)]
    NotPinned(#[from] NotPinned),
    /// The credentials cannot be made use of.
    #[error("no client can be made for {server}")]
    Client {
        /// The address of the API.
        server: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The credential plugin failed, or a file of credentials cannot be read.
    #[error("no credentials for {server}: {why}")]
    NoCredentials {
        /// The address of the API.
        server: String,
        /// Why, without anything that the plugin was given or printed but its last line.
        why: String,
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
    #[error("no connection to {server}{}", through(proxy.as_deref()))]
    NoAnswer {
        /// The address of the API.
        server: String,
        /// The proxy that leads there, and who named it.
        proxy: Option<String>,
        /// Why.
        #[source]
        source: Box<ClusterError>,
    },
}

fn through(proxy: Option<&str>) -> String {
    proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Cluster {
    /// Connects and makes sure that there is an API that answers, within `connect_timeout`.
    ///
    /// # Errors
    /// What is wrong with the kubeconfig, or why there is no answer.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let deadline = tokio::time::Instant::now() + options.connect_timeout;
        let (mut config, access, proxy) = match &options.credentials {
            Credentials::Kubeconfig(files) => {
                // A pipe may have to be waited for.
                let (files, path) = (files.clone(), kubeconfig::named(files));
                let options = options.clone();
                let reading = tokio::task::spawn_blocking(move || from_files(&files, &options)).await;
                reading.map_err(|error| ConnectError::Read { path, source: io::Error::other(error) })??
            }
            Credentials::InCluster => in_cluster()?,
        };
        // Before anything is sent there.
        pin::check(&options.only, access.context())?;
        // Retries are made in one place, ours, inside the deadline.
        config.default_retry = false;
        config.connect_timeout = Some(options.connect_timeout);
        // Whoever reads the cluster's audit log should see who it was.
        config.headers.push((http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        let server = access.context().server.clone();
        // Making the client runs the credential plugin, and waits for it.
        let making = tokio::task::spawn_blocking(|| kube::Client::try_from(config));
        let timed_out = || ConnectError::CredentialsTimeout { server: server.clone(), after: options.connect_timeout };
        let made = tokio::time::timeout_at(deadline, making).await.map_err(|_| timed_out())?;
        // The task ends without a value only when it panicked or the runtime goes down.
        let client = made.unwrap_or_else(|error| Err(kube::Error::Service(Box::new(error)))).map_err(|source| {
            match plugin::no_credentials(&source) {
                Some(why) => ConnectError::NoCredentials { server: server.clone(), why },
                None => ConnectError::Client { server: server.clone(), source: Box::new(source) },
            }
        })?;
        let cluster = Self::from_client(client).with_request_timeout(options.request_timeout).through(Arc::new(access));
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let proxy = proxy.as_ref().map(Proxy::named);
        let no_answer = |source| ConnectError::NoAnswer { server, proxy, source: Box::new(source) };
        // Whoever connects asks for the kinds next: that need not wait for the first answer. What fails of it is asked for again then.
        let ahead = cluster.clone();
        let ahead = tokio::spawn(async move { ahead.discover(false).await.map(drop) }.in_current_span());
        if let Err(source) = cluster.probe(left).await {
            ahead.abort();
            return Err(no_answer(source));
        }
        if let (Some(uid), Some(access)) = (&options.only.uid, cluster.access()) {
            let found = cluster_uid(&cluster).await.map_err(no_answer)?;
            pin::check_uid(uid, access.context(), found.as_deref())?;
        }
        Ok(cluster)
    }
}

/// What a client is made of, the access for helm and commands, and the proxy on the way.
type Way = (Config, ClusterAccess, Option<Proxy>);

fn from_files(files: &[PathBuf], options: &ConnectOptions) -> Result<Way, ConnectError> {
    let kubeconfig = kubeconfig::read(files)?;
    let path = kubeconfig::named(files);
    let context = wanted(&kubeconfig, &path, options)?;
    let unusable = |why: String| ConnectError::Context { path, context: context.clone(), why };
    let used = || {
        let mut kubeconfig = kubeconfig::minified(kubeconfig, &context)?;
        let access = kubeconfig::access(&kubeconfig)?;
        if !options.interactive {
            plugin::keep_from_terminal(&mut kubeconfig);
        }
        // The address may have a password in it.
        let clean = |why: String| Redactor::default().clean(&why).into_string();
        let mut config = kubeconfig::client_config(&kubeconfig).map_err(clean)?;
        let proxy_url = kubeconfig.clusters.first().and_then(|named| named.cluster.as_ref()?.proxy_url.as_deref());
        let proxy = options.proxies.proxy_to(&config.cluster_url, proxy_url)?;
        config.proxy_url = proxy.as_ref().map(|proxy| proxy.address.clone());
        Ok((config, access, proxy))
    };
    used().map_err(unusable)
}

/// The context that is asked for.
fn wanted(kubeconfig: &Kubeconfig, path: &Path, options: &ConnectOptions) -> Result<String, ConnectError> {
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let asked = options.context.as_ref().filter(|name| !name.is_empty());
    let wanted = asked.or(options.only.context.as_ref()).or(kubeconfig.current_context.as_ref()).cloned();
    let path = path.to_owned();
    let Some(context) = wanted else { return Err(ConnectError::NoCurrentContext { path, known }) };
    if known.contains(&context) { Ok(context) } else { Err(ConnectError::NoContext { path, context, known }) }
}

/// Without a proxy, as `kube` has it.
fn in_cluster() -> Result<Way, ConnectError> {
    let config = Config::incluster_dns().map_err(|source| ConnectError::InCluster { source })?;
    let text = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
    let token = config.auth_info.token_file.clone().unwrap_or_default();
    let certificate = text(config.root_cert_file.as_deref());
    let server = config.cluster_url.to_string();
    let access = kubeconfig::in_cluster(&server, &config.default_namespace, &token, &certificate)
        .map_err(|why| ConnectError::Unwritable { context: "the service account of the pod".to_owned(), why })?;
    Ok((config, access, None))
}
