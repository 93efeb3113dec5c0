//! `pilothouse render`

use crate::input::connect;
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer;
use pilothouse::Offline;
use pilothouse_core::HelmAction;
use tokio_util::sync::CancellationToken;

/// Prints what helm renders for the releases of a stack, without a cluster: `lookup` finds nothing, and the Kubernetes
/// version is helm's own default.
pub(crate) async fn render(
    settings: &Settings,
    args: args::Render,
    cancel: &CancellationToken,
) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.stack.stack, settings)?;
    select::select(&mut stack, &args.select)?;
    let offline =
        Offline { helm: connect::offline_helm(settings, &stack).await?, chart_cache: settings.cache()?.join("charts") };
    for release in &stack.releases {
        let info = &release.info;
        if info.action == HelmAction::Skip {
            continue;
        }
        let text = offline.render(info, args.show_secrets, cancel).await.map_err(|findings| {
            let mut error = CommandError::input(format!("{} cannot be rendered", info.key()));
            error.lines.extend(findings.iter().map(ToString::to_string));
            error
        })?;
        printer::out(text.trim_end());
    }
    Ok(Exit::Done)
}
