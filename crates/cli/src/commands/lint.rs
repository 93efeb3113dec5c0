//! `pilothouse lint`

use crate::commands::run;
use crate::input::connect;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::hints::hint;
use crate::terminal::printer::{self, BAD, GOOD, WARN, paint};
use pilothouse::{Foresight, Offline};
use pilothouse_core::RunKind;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Checks a stack file, its charts and values without a cluster: everything that a look at files and a rendering tell.
pub(crate) async fn lint(
    settings: &Settings,
    args: args::StackFile,
    cancel: &CancellationToken,
) -> Result<Exit, CommandError> {
    let stack = stack::load(&args.stack, settings)?;
    let offline =
        Offline { helm: connect::offline_helm(settings, &stack).await?, chart_cache: settings.cache()?.join("charts") };
    let mut wrong = Vec::new();
    for chart in run::charts(&stack, RunKind::Apply) {
        let Foresight { findings, warnings, .. } = offline.lint(chart.as_ref(), cancel).await;
        if cancel.is_cancelled() {
            return Err(CommandError::new(Exit::Interrupted, "interrupted"));
        }
        if settings.human() {
            let key = chart.chart_info().key();
            match findings.len() {
                0 => printer::out(format!("{key}: {}", paint(GOOD, "ok"))),
                _ => printer::out(format!("{key}: {}", paint(BAD, "wrong"))),
            }
            for finding in &findings {
                printer::out(format!("  {} {finding}", finding.code));
                if let Some(hint) = hint(finding) {
                    printer::out(format!("  hint: {hint}"));
                }
            }
        }
        if settings.human() {
            for warning in &warnings {
                printer::out(format!("  {} {warning}", paint(WARN, "warning:")));
            }
        }
        wrong.push(json!({"release": chart.chart_info().key(), "findings": findings, "warnings": warnings}));
    }
    let bad = wrong.iter().any(|release| release["findings"].as_array().is_some_and(|findings| !findings.is_empty()));
    if !settings.human() {
        printer::json(settings.output, &json!({"stack": stack.name, "releases": wrong}));
    }
    Ok(if bad { Exit::BadInput } else { Exit::Done })
}
