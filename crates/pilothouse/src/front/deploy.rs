//! One call for everything.

use super::session_builder::SessionError;
use crate::context::Session;
use crate::environment::Environment;
use crate::phases::HelmChart;
use crate::run::RunError;
use pilothouse_core::{RunFailed, RunOutcome};
use std::ffi::OsString;
use std::path::Path;

/// Why a deploy did not come to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// There is no session: the cluster or helm cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The run could not begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A release was not deployed.
    #[error(transparent)]
    Failed(#[from] RunFailed),
}

/// Carries charts through their lifecycles as the stack of this name, on the cluster of a kubeconfig. The variables count beside
/// those of the process, for helm and the commands of steps too: credentials of a cloud, say.
///
/// # Errors
/// When it cannot begin, or a release was not deployed.
///
/// ```no_run
/// # use pilothouse::{ChartInfo, DeployError, HelmChart};
/// # struct Podinfo(ChartInfo);
/// # impl HelmChart for Podinfo { fn chart_info(&self) -> &ChartInfo { &self.0 } }
/// # async fn example(podinfo: Podinfo) -> Result<(), DeployError> {
/// pilothouse::deploy("shop", "/etc/kubeconfig", [("AWS_PROFILE", "prod")], vec![Box::new(podinfo)]).await?;
/// # Ok(())
/// # }
/// ```
pub async fn deploy<N: Into<OsString>, V: Into<OsString>>(
    stack: &str,
    kubeconfig: impl AsRef<Path>,
    variables: impl IntoIterator<Item = (N, V)>,
    charts: Vec<Box<dyn HelmChart>>,
) -> Result<RunOutcome, DeployError> {
    let environment = Environment::of_process().with(variables);
    let session = Session::builder().environment(environment).kubeconfig(kubeconfig.as_ref()).connect().await?;
    Ok(session.stack(stack).charts(charts).apply().await?.into_result()?)
}
