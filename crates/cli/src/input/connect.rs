//! From settings to a session: cluster and helm, connected side by side.

use crate::input::settings::Settings;
use crate::input::stack;
use crate::terminal::args::Connection;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::text::one_line;
use pilothouse::{Session, SessionConfig};
use pilothouse_core::{Redactor, ReleaseSpec, Stack};
use pilothouse_helm::{Helm, HelmConfig};
use pilothouse_kube::{Cluster, ConnectError, ConnectOptions};
use pilothouse_plane::provision::{Look, Provisioner, Tool};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long helm and a user's programs may take to end when they are asked to.
const GRACE: Duration = Duration::from_secs(30);

/// Where everything is that a session needs.
pub(crate) struct Place {
    pub(crate) connection: ConnectOptions,
    pub(crate) helm: PathBuf,
}

/// The cluster that a session works on and as whom, in words for a person.
pub(crate) fn named(session: &Session) -> String {
    // The program never works without a kubeconfig.
    session.cluster_context().map(|context| one_line(&context.to_string())).unwrap_or_default()
}

/// The cluster and the helm of the user, for a stack that may be bound to one cluster.
pub(crate) async fn users(settings: &Settings, connection: &Connection, stack: &Stack) -> Result<Place, CommandError> {
    Ok(Place { connection: settings.connection(connection, &stack.cluster)?, helm: helm(settings).await? })
}

/// The helm of the user: see [`Settings::helm_program`].
pub(crate) async fn helm(settings: &Settings) -> Result<PathBuf, CommandError> {
    if let Some(program) = settings.helm_program() {
        return Ok(program);
    }
    let cached = Provisioner::new(settings.provision()?).look(&[Tool::Helm4, Tool::Helm3]).await;
    let cached = cached.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    let found = [Tool::Helm4, Tool::Helm3].into_iter().find_map(|tool| match cached.get(&tool) {
        Some(Look::Found(installed)) => Some(installed.path.clone()),
        Some(Look::Missing(_)) | None => None,
    });
    found.ok_or_else(|| {
        CommandError::input("there is no helm: neither --helm nor PILOTHOUSE_HELM nor helm on the PATH")
            .hint("`pilothouse plane install` gets one; see also https://helm.sh/docs/intro/install")
    })
}

/// Connects to cluster and helm. Both are asked once, so that what is wrong is known before anything begins.
pub(crate) async fn session(
    settings: &Settings,
    place: Place,
    stack: &Stack,
    stages: &Stages,
) -> Result<Arc<Session>, CommandError> {
    session_saving_in(settings.backups()?, settings, place, stack, stages).await
}

/// The same with another folder for what is saved before it is lost.
pub(crate) async fn session_saving_in(
    backups: PathBuf,
    settings: &Settings,
    place: Place,
    stack: &Stack,
    stages: &Stages,
) -> Result<Arc<Session>, CommandError> {
    let redactor = redactor(stack);
    let rules = stack::rules(stack)?;
    let driver = settings.driver()?;
    let mut helm = helm_config(settings, place.helm, &redactor)?;
    helm.driver = driver;
    let (cluster, helm) = tokio::join!(Cluster::connect(place.connection), Helm::discover(helm));
    let cluster = cluster.map_err(|error| not_connected(&error))?;
    let helm = helm.map_err(|error| CommandError::from_error(Exit::BadInput, &error))?;
    let session = Session::new(SessionConfig {
        cluster: Arc::new(cluster),
        helm: Arc::new(helm),
        driver,
        cancel: stages.drain.clone(),
        terminate: stages.terminate.clone(),
        redactor,
        chart_cache: settings.cache()?.join("charts"),
        scratch: settings.cache()?.join("scratch"),
        backups: Some(backups),
        command_env: settings.environment.variables().clone(),
        grace: GRACE,
        rules,
    });
    if let Some(key) = settings.state_key()? {
        session.use_state_key(key);
    }
    session.target().await.map_err(|error| CommandError::from_error(Exit::BadInput, &error))?;
    Ok(session)
}

/// The cluster alone, for what needs no helm.
pub(crate) async fn cluster(connection: ConnectOptions) -> Result<Cluster, CommandError> {
    Cluster::connect(connection).await.map_err(|error| not_connected(&error))
}

fn not_connected(error: &ConnectError) -> CommandError {
    let exit = match error {
        ConnectError::NotPinned(_) => Exit::Refused,
        _ => Exit::BadInput,
    };
    CommandError::from_error(exit, error)
}

/// A helm that knows no cluster, for rendering and checking.
pub(crate) async fn offline_helm(settings: &Settings, stack: &Stack) -> Result<Arc<Helm>, CommandError> {
    let config = helm_config(settings, helm(settings).await?, &redactor(stack))?;
    let helm = Helm::discover(config).await.map_err(|error| CommandError::from_error(Exit::BadInput, &error))?;
    Ok(Arc::new(helm))
}

fn helm_config(settings: &Settings, program: PathBuf, redactor: &Redactor) -> Result<HelmConfig, CommandError> {
    let mut config = HelmConfig::new(program, settings.cache()?.join("helm"));
    config.base_env.clone_from(settings.environment.variables());
    config.registry_config = settings.environment.helm_file("HELM_REGISTRY_CONFIG", "registry/config.json");
    config.repository_config = settings.environment.helm_file("HELM_REPOSITORY_CONFIG", "repositories.yaml");
    config.redactor = redactor.clone();
    config.grace = GRACE;
    Ok(config)
}

fn redactor(stack: &Stack) -> Redactor {
    let redactor = Redactor::new(stack.releases.iter().flat_map(ReleaseSpec::secrets));
    redactor.spare(&stack.name);
    redactor
}
