//! What custom resources would lose to a definition that the chart has among its templates.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::preflight::crds::chart_crds;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Finding, ObjectChange};

/// The definitions that helm would replace by ones in which something is missing. Those in `crds/` are looked at where they
/// are brought.
pub(super) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in compared.iter().filter(|one| one.object.kind == "CustomResourceDefinition") {
        let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
        if let Some((live, then)) = one.live.as_ref().zip(one.then.as_ref()).filter(|_| changes) {
            findings.extend(chart_crds::lost(ctx, &one.object, live.expose(), then.expose(), consent).await);
        }
    }
    findings
}
