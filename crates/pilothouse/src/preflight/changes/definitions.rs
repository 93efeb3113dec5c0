//! What custom resources would lose to a definition that the chart has among its templates.

use crate::observe::dry_run::compared::{Compared, Outcome};
use crate::preflight::crds::chart_crds;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Finding, ObjectChange};

/// The definitions that helm would replace by ones in which something is missing. Those in `crds/` are looked at where they
/// are brought.
pub(super) fn findings(compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let of = |one: &Compared| {
        let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
        let (live, then) = one.live.as_ref().zip(one.then.as_ref()).filter(|_| changes)?;
        (one.object.kind == "CustomResourceDefinition")
            .then(|| chart_crds::lost(&one.object, live.expose(), then.expose(), consent))
    };
    compared.iter().filter_map(of).flatten().collect()
}
