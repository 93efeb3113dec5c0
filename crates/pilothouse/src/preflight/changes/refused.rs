//! What is not among the templates and the server refuses: the chart's own definitions, and hooks.

use crate::context::Compared;
use crate::context::Context;
use crate::context::HookPreview;
use crate::context::Outcome;
use crate::preflight::changes::immutable;
use pilothouse_core::{Finding, ObjectChange};

/// The definitions of `crds/` that the server would not accept.
pub(crate) fn definitions(ctx: &Context, definitions: &[Compared]) -> Vec<Finding> {
    let refused = definitions.iter().filter_map(|one| Some((one, why(one)?)));
    refused.filter_map(|(one, why)| immutable::refused(one, why, definitions, &ctx.release())).collect()
}

/// The hooks that the server would not accept, unless they miss only what is created beside them; and those of which that is not known,
/// a line each.
pub(crate) fn hooks(ctx: &Context, hooks: &[HookPreview], beside: &[Compared]) -> (Vec<Finding>, Vec<String>) {
    let (mut findings, mut not_checked) = (Vec::new(), Vec::new());
    for HookPreview { event, compared: one, .. } in hooks {
        if let Some(why) = why(one) {
            let all = beside.iter().chain(hooks.iter().map(|hook| &hook.compared));
            let found = immutable::refused(one, why, all, &ctx.release());
            let of_hook =
                |found: Finding| Finding { message: format!("as a {event} hook: {}", found.message), ..found };
            findings.extend(found.map(of_hook));
        }
        let not_known = match &one.outcome {
            Outcome::Unreadable { why } => Some(why),
            Outcome::Change(_) | Outcome::NoNamespace { .. } | Outcome::NotServed { .. } => one.not_checked.as_ref(),
        };
        not_checked.extend(not_known.map(|why| format!("{} as a {event} hook: {why}", one.object)));
    }
    (findings, not_checked)
}

fn why(one: &Compared) -> Option<&str> {
    match &one.outcome {
        Outcome::Change(ObjectChange::Refused { why }) => Some(why),
        Outcome::Change(_) | Outcome::NoNamespace { .. } | Outcome::NotServed { .. } | Outcome::Unreadable { .. } => {
            None
        }
    }
}
