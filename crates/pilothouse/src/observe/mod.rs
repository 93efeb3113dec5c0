//! What is there: Helm's release storage, deploy records, live objects, drift and other tools; and what is to be done about it.
//!
//! In: what is wanted. Out: an observation and the decision. Reads the cluster, changes nothing.

mod claims;
mod crd_changes;
mod decision;
mod deploy_preview;
mod deploy_records;
mod drift;
mod drift_left;
mod dry_run;
mod failed_deploy;
mod fingerprint;
mod hook_changes;
mod hook_deletions;
mod left_behind;
mod made_up;
mod objects;
mod observation;
mod other_tools;
mod prefetch;
mod release_storage;
mod remedy;
mod rendered_diff;
mod snapshot;
mod standing;
mod status;
mod survey;
mod under_way;
mod unserved;

pub(crate) use claims::{claim_of, claims_scaled_away, is_reclaimed_at_once};
pub(crate) use crd_changes::{FIELD_MANAGER, apply_options};
pub(crate) use decision::baseline;
pub use decision::decision;
pub(crate) use deploy_preview::{preview_deploy, preview_losses, preview_overwriting, preview_rollback};
pub(crate) use deploy_records::{Found, RECORD_KEY, decode_record, encode_record, read_deploy_record, record_ref};
pub use dry_run::compare::{Comparison, Uninstalled, WriteMethod, compare};
pub(crate) use dry_run::compare::{Scope, seen_object};
pub use dry_run::drifted_objects::{Drifted, DriftedObject, drifted_objects};
pub(crate) use hook_changes::preview_uninstall_hooks;
pub(crate) use hook_deletions::{
    deleted_by_hooks_of, deleted_by_reinstall_hooks, deleted_by_stored_hooks, deleted_by_uninstall_hooks,
    events_of_deploy, stored_hooks,
};
pub(crate) use left_behind::{Left, left_by_reinstall, left_by_uninstall, left_by_upgrade, still_going};
pub use objects::{chart_crds, deployed_chart_version, is_chart_deployed, resolve};
pub(crate) use objects::{deleted_by_uninstall, deleted_with};
pub(crate) use observation::{history_for_look, is_as_observed, observe_for, observed, read_around, wanted_for_exec};
pub(crate) use other_tools::FLUX;
pub(crate) use prefetch::prefetch;
pub(crate) use release_storage::{
    ByUninstall, ManifestObjects, NotServed, base_record_of, by_payload_too, by_uninstall, complete_objects,
    manifest_objects, newest, objects_and_hooks_of, objects_of, objects_of_record, read_record, read_record_of,
    read_revision, release_history, unready_hooks,
};
pub(crate) use remedy::{Action, Situation, Stopped, certain_cause, decide_remedy, failure_policy_for, taken_back};
pub(crate) use rendered_diff::{made_up_for, rendered_as_deployed, stable_rendering};
pub(crate) use snapshot::snapshot;
pub(crate) use standing::{Standing, standings};
pub use status::{ReleaseStatus, statuses};
pub(crate) use survey::{Surveyed, take_survey};
pub(crate) use under_way::{Known, Watched, at_work, foresee_unlocks, pending};
pub(crate) use unserved::{Unserved, rewrite, unserved, without_kind};
