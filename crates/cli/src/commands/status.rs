//! `pilothouse status`

use crate::input::connect;
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer::{self, BAD, FAINT, GOOD, STRONG, WARN, paint};
use pilothouse::ChartInfo;
use pilothouse::diagnosis::{ReleaseStatus, statuses as release_statuses};
use pilothouse_config::Unset;
use serde_json::json;

/// Shows the releases of a stack as they stand in the cluster. Exit code 1 when one cannot be read.
pub(crate) async fn status(settings: &Settings, args: args::OnCluster, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load_for(&args.stack.stack, settings, Unset::LeftOut)?.stack;
    select::select(&mut stack, &args.select)?;
    let place = connect::users(settings, &args.connection, &stack).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let releases: Vec<ChartInfo> = stack.releases.iter().map(|release| release.info.clone()).collect();
    let statuses = release_statuses(&session, &releases).await;
    let unreadable = statuses.iter().any(|status| status.error.is_some());
    if settings.human() {
        for status in &statuses {
            for line in lines(status) {
                printer::out(line);
            }
        }
    } else {
        printer::json(settings.output, &json!({"stack": stack.name, "releases": statuses}));
    }
    Ok(if unreadable { Exit::Failed } else { Exit::Done })
}

fn lines(status: &ReleaseStatus) -> Vec<String> {
    let name = paint(STRONG, &status.release);
    if let Some(error) = &status.error {
        return vec![format!("{name}  {}  {error}", paint(BAD, "unreadable"))];
    }
    let Some(revision) = &status.revision else {
        return vec![format!("{name}  {}", paint(FAINT, "not installed"))];
    };
    let style = if status.healthy() { GOOD } else { WARN };
    let chart = status.chart.as_deref().unwrap_or("unknown chart");
    let ready = format!("{} of {} objects ready", status.ready, status.objects);
    let mut lines =
        vec![format!("{name}  {}  revision {}, {chart}, {ready}", paint(style, revision.status), revision.revision)];
    for (object, object_status) in &status.not_ready {
        let reason = object_status.reason.as_ref().map(|reason| format!(" {reason}:")).unwrap_or_default();
        lines.push(format!("  - {object}: {}:{reason} {}", object_status.readiness, object_status.message));
    }
    lines
}
