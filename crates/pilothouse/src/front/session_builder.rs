//! Sessions with everything that need not be said.

use crate::context::{Session, SessionConfig};
use crate::environment::{Environment, EnvironmentError, trusted};
use crate::journal::StateKey;
use pilothouse_core::Redactor;
use pilothouse_health::Rules;
use pilothouse_helm::{Helm, HelmConfig, HelmError};
use pilothouse_kube::{Cluster, ClusterError, ConnectError, ConnectOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long helm and a user's programs may take to end when they are asked to.
const GRACE: Duration = Duration::from_secs(30);

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
    environment: Environment,
    way: Option<Way>,
    context: Option<String>,
    helm: Option<PathBuf>,
    cache: Option<PathBuf>,
    backups: Option<PathBuf>,
    state_key: Option<StateKey>,
    rules: Rules,
    cancel: CancellationToken,
    terminate: CancellationToken,
}

/// How the cluster is reached.
enum Way {
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
            environment: Environment::of_process(),
            way: None,
            context: None,
            helm: None,
            cache: None,
            backups: None,
            state_key: None,
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
        self.environment = environment;
        self
    }

    /// On the cluster of this kubeconfig.
    pub fn kubeconfig(self, path: impl Into<PathBuf>) -> Self {
        let options = ConnectOptions::kubeconfig(path).proxies(self.environment.proxies());
        self.connection(options)
    }

    /// On the cluster of the pod this runs in.
    pub fn in_cluster(self) -> Self {
        let options = ConnectOptions::in_cluster().proxies(self.environment.proxies());
        self.connection(options)
    }

    /// On the cluster that is reached in this way.
    pub fn connection(mut self, options: ConnectOptions) -> Self {
        self.way = Some(Way::Connect(Box::new(options)));
        self
    }

    /// On the cluster of this client. Helm and the commands of steps do not get its credentials: they find their cluster by the
    /// `KUBECONFIG` of the environment, which has to be the same one.
    pub fn client(mut self, client: kube::Client) -> Self {
        self.way = Some(Way::Client(Box::new(client)));
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
        let Self { environment, way, context, helm, cache, backups, state_key, rules, cancel, terminate } = self;
        let cache = trusted(cache.or_else(|| environment.cache()), "XDG_CACHE_HOME")?;
        let backups = backups.or_else(|| environment.state().map(|state| state.join("backups")));
        let driver = environment.driver()?;
        let redactor = Redactor::default();
        let program = helm.or_else(|| environment.program("helm")).ok_or(EnvironmentError::NoHelm)?;
        let mut helm = HelmConfig::new(program, cache.join("helm"));
        helm.base_env.clone_from(environment.variables());
        helm.registry_config = environment.helm_file("HELM_REGISTRY_CONFIG", "registry/config.json");
        helm.repository_config = environment.helm_file("HELM_REPOSITORY_CONFIG", "repositories.yaml");
        helm.redactor = redactor.clone();
        helm.driver = driver;
        helm.grace = GRACE;
        let way = match way {
            Some(way) => way,
            None => Way::Connect(Box::new(environment.connection()?)),
        };
        let cluster = async {
            match way {
                Way::Connect(options) => {
                    let context = context.or_else(|| options.context.clone());
                    Cluster::connect(options.context(context)).await
                }
                Way::Client(client) => {
                    helm.kubeconfig = environment.path("KUBECONFIG");
                    Ok(Cluster::from_client(*client))
                }
            }
        };
        let cluster = cluster.await?;
        let helm = Helm::discover(helm).await?;
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
            grace: GRACE,
            rules,
        });
        if let Some(key) = state_key {
            session.use_state_key(key);
        }
        session.target().await?;
        Ok(session)
    }
}
