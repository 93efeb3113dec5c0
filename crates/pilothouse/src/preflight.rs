//! What stands in the way of a deploy around its objects: permissions, quotas, webhooks, pull secrets, APIs that go.

mod pull_secrets;
mod quota;
mod removed_apis;
mod rights;
mod selector;
#[cfg(test)]
mod tests;
mod webhooks;

pub(crate) use selector::matches as selects;

use crate::compare::{Compared, Outcome};
use crate::context::Context;
use pilothouse_core::{Finding, ObjectChange};
use serde_json::Value;

/// What was found before a deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preflight {
    /// Why helm would fail, or its pods would not start.
    pub(crate) findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub(crate) not_checked: Vec<String>,
    /// What does not stop anything now.
    pub(crate) warnings: Vec<String>,
}

impl Preflight {
    fn and(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        self.not_checked.extend(other.not_checked);
        self.warnings.extend(other.warnings);
        self
    }

    /// Something that could not be looked at.
    fn not_checked(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self { not_checked: vec![format!("{what}: {why}")], ..Self::default() }
    }
}

/// Looks around a deploy: only what is about objects that change. What cannot be read is told as not checked. Changes nothing.
pub(crate) async fn preflight(ctx: &Context, compared: &[Compared], rendered: &[Value]) -> Preflight {
    let (rights, quota, webhooks, secrets) = tokio::join!(
        rights::check(ctx, compared),
        quota::check(ctx, compared),
        webhooks::check(ctx, compared, rendered),
        pull_secrets::check(ctx, compared, rendered),
    );
    let warnings = match ctx.session().target().await {
        Ok(target) => removed_apis::warnings(rendered, &target.kube_version),
        // Whoever renders for it has told already.
        Err(_) => Vec::new(),
    };
    rights.and(quota).and(webhooks).and(secrets).and(Preflight { warnings, ..Preflight::default() })
}

/// What is done to an object that is written or deleted: the verb of RBAC. `None` where nothing is sent.
fn verb(one: &Compared) -> Option<&'static str> {
    match &one.outcome {
        Outcome::Change(change) => match change {
            ObjectChange::Create => Some("create"),
            ObjectChange::Update | ObjectChange::Adopt => Some("patch"),
            ObjectChange::Delete => Some("delete"),
            ObjectChange::Replace { .. }
            | ObjectChange::Refused { .. }
            | ObjectChange::Keep
            | ObjectChange::After { .. }
            | ObjectChange::Same => None,
        },
        Outcome::NoNamespace { .. } | Outcome::NotServed { .. } | Outcome::Unreadable { .. } => None,
    }
}
