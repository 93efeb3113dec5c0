//! Sessions with everything that need not be said.

use crate::context::{Session, SessionConfig};
use crate::environment::{Environment, EnvironmentError, trusted};
use crate::journal::StateKey;
use pilothouse_core::Redactor;
use pilothouse_health::Rules;
use pilothouse_helm::{Helm, HelmError};
use pilothouse_kube::{Cluster, ClusterError, ConnectError, ConnectOptions};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Makes a [`Session`]: what is not said is found in the environment it is given, or has a default.
///
/// ```no_run
/// # async fn connect() -> Result<(), pilothouse::SessionError> {
/// let session = pilothouse::Session::builder().kubeconfig("/etc/kubeconfig").context("prod").connect().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it connects to nothing until `connect` is called"]
pub struct SessionBuilder {
    environment: Option<Environment>,
    way: Way,
    context: Option<String>,
    helm: Option<PathBuf>,
    cache: Option<PathBuf>,
    backups: Option<PathBuf>,
    state_key: Option<StateKey>,
    redactor: Redactor,
    rules: Rules,
    cancel: CancellationToken,
    terminate: CancellationToken,
}

/// How the cluster is reached.
enum Way {
    /// As the environment says.
    Environment,
    Kubeconfig(PathBuf),
    InCluster,
    Connect(Box<ConnectOptions>),
    Client(Box<kube::Client>),
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The environment does not say enough.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The cluster cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Helm cannot be used.
    #[error(transparent)]
    Helm(#[from] HelmError),
    /// The cluster does not say what it is.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Session {
    /// A session made piece by piece, in the environment of this process.
    pub fn builder() -> SessionBuilder {
        SessionBuilder {
            environment: None,
            way: Way::Environment,
            context: None,
            helm: None,
            cache: None,
            backups: None,
            state_key: None,
            redactor: Redactor::default(),
            rules: Rules::default(),
            cancel: CancellationToken::new(),
            terminate: CancellationToken::new(),
        }
    }

    /// A session as the program makes it: the cluster by kubectl's rules (`KUBECONFIG`, `~/.kube/config`, or the service account of
    /// the pod), helm on the PATH, and the user's folders.
    ///
    /// # Errors
    /// See [`SessionBuilder::connect`].
    pub async fn from_environment() -> Result<Arc<Self>, SessionError> {
        Self::builder().connect().await
    }
}

impl SessionBuilder {
    /// In this environment instead of that of the process.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// On the cluster of this kubeconfig.
    pub fn kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.way = Way::Kubeconfig(path.into());
        self
    }

    /// On the cluster of the pod this runs in.
    pub fn in_cluster(mut self) -> Self {
        self.way = Way::InCluster;
        self
    }

    /// On the cluster that is reached in this way.
    pub fn connection(mut self, options: ConnectOptions) -> Self {
        self.way = Way::Connect(Box::new(options));
        self
    }

    /// On the cluster of this client. Helm and the commands of steps do not get its credentials: they find their cluster by the
    /// `KUBECONFIG` of the environment, which has to be the same one.
    pub fn client(mut self, client: kube::Client) -> Self {
        self.way = Way::Client(Box::new(client));
        self
    }

    /// With this context of the kubeconfig instead of its current one.
    pub fn context(mut self, name: impl Into<String>) -> Self {
        self.context = Some(name.into());
        self
    }

    /// With this helm instead of the one on the PATH.
    pub fn helm(mut self, program: impl Into<PathBuf>) -> Self {
        self.helm = Some(program.into());
        self
    }

    /// With this folder of our own for charts and helm's files, instead of `~/.cache/pilothouse`.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// With this folder for what is saved before it is lost, instead of `~/.local/state/pilothouse/backups`.
    pub fn backups(mut self, folder: impl Into<PathBuf>) -> Self {
        self.backups = Some(folder.into());
        self
    }

    /// What is kept in the cluster carries a code by this key, and is believed only with it.
    pub fn state_key(mut self, key: StateKey) -> Self {
        self.state_key = Some(key);
        self
    }

    /// Hides what this one knows from the start; what sensitive values hold is known by itself.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Objects are judged by these rules.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Ends when these fire: with the first nothing new is begun, with the second helm and the programs of steps get SIGTERM.
    pub fn cancelled_by(mut self, cancel: CancellationToken, terminate: CancellationToken) -> Self {
        (self.cancel, self.terminate) = (cancel, terminate);
        self
    }

    /// Connects to cluster and helm. Both are asked once, so that what is wrong is known before anything begins.
    ///
    /// # Errors
    /// When the environment does not say where they are, or one of them cannot be used.
    pub async fn connect(self) -> Result<Arc<Session>, SessionError> {
        let Self { environment, way, context, helm, cache, backups, state_key, redactor, rules, cancel, terminate } =
            self;
        let environment = environment.unwrap_or_else(Environment::of_process);
        let cache = trusted(cache.or_else(|| environment.cache()), "XDG_CACHE_HOME")?;
        let backups = backups.or_else(|| environment.state().map(|state| state.join("backups")));
        let driver = environment.driver()?;
        let program = helm.or_else(|| environment.program("helm")).ok_or(EnvironmentError::NoHelm)?;
        let mut helm = environment.helm(program, &cache);
        helm.redactor = redactor.clone();
        helm.driver = driver;
        let grace = helm.grace;
        if let Way::Client(_) = &way {
            helm.kubeconfig = environment.path("KUBECONFIG");
        }
        let cluster = async {
            let options = match way {
                Way::Client(client) => return Ok(Cluster::from_client(*client)),
                Way::Connect(options) => *options,
                Way::Environment => environment.connection()?,
                Way::Kubeconfig(path) => ConnectOptions::kubeconfig(path).proxies(environment.proxies()),
                Way::InCluster => ConnectOptions::in_cluster().proxies(environment.proxies()),
            };
            let context = context.or_else(|| options.context.clone());
            Ok::<_, SessionError>(Cluster::connect(options.context(context)).await?)
        };
        let (cluster, helm) = tokio::join!(cluster, Helm::discover(helm));
        let (cluster, helm) = (cluster?, helm?);
        let session = Session::new(SessionConfig {
            cluster: Arc::new(cluster),
            helm: Arc::new(helm),
            driver,
            cancel,
            terminate,
            redactor,
            chart_cache: cache.join("charts"),
            scratch: cache.join("scratch"),
            backups,
            command_env: environment.variables().clone(),
            grace,
            rules,
        });
        if let Some(key) = state_key {
            session.use_state_key(key);
        }
        session.target().await?;
        Ok(session)
    }
}
