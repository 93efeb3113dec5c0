//! `pilothouse render`

use crate::args;
use crate::connect;
use crate::exit::{CommandError, Exit};
use crate::printer;
use crate::settings::Settings;
use crate::stack;
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
    let stack = stack::load(&args.stack.stack, settings)?;
    let known =
        |name: &String| stack.releases.iter().any(|r| r.info.name == *name || r.info.key().to_string() == *name);
    if let Some(unknown) = args.only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = stack.releases.iter().map(|release| release.info.name.as_str()).collect();
        return Err(CommandError::input(format!("--only: there is no release `{unknown}`"))
            .hint(format!("the stack has: {}", names.join(", "))));
    }
    let offline =
        Offline { helm: connect::offline_helm(settings, &stack).await?, chart_cache: settings.cache.join("charts") };
    for release in &stack.releases {
        let info = &release.info;
        let wanted =
            args.only.is_empty() || args.only.iter().any(|name| info.name == *name || info.key().to_string() == *name);
        if !wanted || info.action == HelmAction::Skip {
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
