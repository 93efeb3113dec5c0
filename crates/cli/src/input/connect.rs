//! From settings to a session: cluster and helm, connected side by side.

use crate::input::settings::Settings;
use crate::input::stack;
use crate::terminal::args::Connection;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::text::one_line;
use pilothouse::{Session, SessionError};
use pilothouse_core::{Redactor, ReleaseSpec, Stack};
use pilothouse_helm::Helm;
use pilothouse_kube::{Cluster, ConnectError, ConnectOptions};
use pilothouse_plane::provision::{Look, Provisioner, Tool};
use std::path::PathBuf;
use std::sync::Arc;

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
    let mut builder = Session::builder()
        .environment(settings.environment.clone())
        .connection(place.connection)
        .helm(place.helm)
        .cache(settings.cache()?)
        .backups(backups)
        .redactor(redactor(stack))
        .rules(stack::rules(stack)?)
        .cancelled_by(stages.drain.clone(), stages.terminate.clone());
    if let Some(key) = settings.state_key()? {
        builder = builder.state_key(key);
    }
    builder.connect().await.map_err(|error| match error {
        SessionError::Connect(error) => not_connected(&error),
        error => CommandError::from_error(Exit::BadInput, &error),
    })
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
    offline_helm_at(settings, stack, helm(settings).await?).await
}

/// The same, where the program is known.
pub(crate) async fn offline_helm_at(
    settings: &Settings,
    stack: &Stack,
    program: PathBuf,
) -> Result<Arc<Helm>, CommandError> {
    let mut config = settings.environment.helm(program, settings.cache()?);
    config.redactor = redactor(stack);
    let helm = Helm::discover(config).await.map_err(|error| CommandError::from_error(Exit::BadInput, &error))?;
    Ok(Arc::new(helm))
}

fn redactor(stack: &Stack) -> Redactor {
    let redactor = Redactor::new(stack.releases.iter().flat_map(ReleaseSpec::secrets));
    redactor.spare(&stack.name);
    redactor
}
