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
use pilothouse_config::{Loaded, Unset};
use pilothouse_core::RunKind;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Checks a stack file, its charts and values without a cluster: everything that a look at files and a rendering tell.
pub(crate) async fn lint(
    settings: &Settings,
    args: args::StackFile,
    cancel: &CancellationToken,
) -> Result<Exit, CommandError> {
    let Loaded { stack, left_out, .. } = stack::load_for(&args.stack, settings, Unset::LeftOut)?;
    let offline =
        Offline { helm: connect::offline_helm(settings, &stack).await?, chart_cache: settings.cache()?.join("charts") };
    let mut wrong = Vec::new();
    for chart in run::charts(&stack, RunKind::Apply) {
        let key = chart.chart_info().key();
        let unset: Vec<&str> =
            left_out.iter().filter(|(release, _)| *release == key).map(|(_, name)| name.as_str()).collect();
        if !unset.is_empty() {
            // What it renders without them says nothing.
            let why = format!("not set in the environment: {}", unset.join(", "));
            if settings.human() {
                printer::out(format!("{key}: {}: {why}", paint(WARN, "not checked")));
            }
            wrong.push(json!({"release": key, "findings": [], "not_checked": why}));
            continue;
        }
        let Foresight { findings, warnings, not_checked, .. } = offline.lint(chart.as_ref(), cancel).await;
        if cancel.is_cancelled() {
            return Err(CommandError::new(Exit::Interrupted, "interrupted"));
        }
        if settings.human() {
            match findings.len() {
                0 if !not_checked.is_empty() => {}
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
            for line in &not_checked {
                printer::out(format!("{key}: {}: {line}", paint(WARN, "not checked")));
            }
            for warning in &warnings {
                printer::out(format!("  {} {warning}", paint(WARN, "warning:")));
            }
        }
        let mut told = json!({"release": key, "findings": findings, "warnings": warnings});
        if !not_checked.is_empty() {
            told["not_checked"] = json!(not_checked.join("; "));
        }
        wrong.push(told);
    }
    let bad = wrong.iter().any(|release| release["findings"].as_array().is_some_and(|findings| !findings.is_empty()));
    if !settings.human() {
        printer::json(settings.output, &json!({"stack": stack.name, "releases": wrong}));
    }
    Ok(if bad { Exit::BadInput } else { Exit::Done })
}
