//! What becomes of the data of volumes and snapshots when a change makes their policy `Delete`.

use serde_json::Value;

/// When a volume goes with its data that was kept before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reclaimed {
    /// At once, since its claim is gone.
    AtOnce,
    /// Once its claim is deleted.
    WithItsClaim,
}

impl Reclaimed {
    /// What a PersistentVolume loses when it becomes `then`; `None` when nothing changes for its data.
    ///
    /// The controller reclaims a volume whose claim is gone as soon as it sees it
    /// (`syncVolume` in `pkg/controller/volume/persistentvolume/pv_controller.go`).
    pub fn of(live: &Value, then: &Value) -> Option<Self> {
        if !is_reclaimed(then) {
            return None;
        }
        let claim = |volume: &Value| ["namespace", "name", "uid"].map(|key| volume["spec"]["claimRef"][key].clone());
        // Without the UID nothing is bound to it: it is free for another claim.
        let is_bound = then.pointer("/spec/claimRef/uid").and_then(Value::as_str).is_some_and(|uid| !uid.is_empty());
        let phase = live.pointer("/status/phase").and_then(Value::as_str);
        let was_left = matches!(phase, Some("Released" | "Failed")) && !is_reclaimed(live);
        if is_bound && (was_left || claim(live) != claim(then)) {
            return Some(Self::AtOnce);
        }
        (!is_reclaimed(live)).then_some(Self::WithItsClaim)
    }
}

/// Whether the data goes with the claim: deleted, or scrubbed.
fn is_reclaimed(volume: &Value) -> bool {
    let policy = volume.pointer("/spec/persistentVolumeReclaimPolicy").and_then(Value::as_str);
    matches!(policy, Some("Delete" | "Recycle"))
}

/// Whether the data of a VolumeSnapshotContent goes with its snapshot when it becomes `then`, and was kept before. Nothing goes at once: its
/// controllers act on the deletion of the snapshot or of the content.
pub(super) fn snapshot_goes_with_its_object(live: &Value, then: &Value) -> bool {
    let policy = |content: &Value| content.pointer("/spec/deletionPolicy").and_then(Value::as_str) == Some("Delete");
    policy(then) && !policy(live)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn volume(policy: &str, phase: &str, claim: &Value) -> Value {
        json!({"kind": "PersistentVolume", "metadata": {"name": "pv"}, "status": {"phase": phase},
            "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": claim}})
    }

    #[rstest]
    #[case::released("Released", "Retain", "Delete", Some(Reclaimed::AtOnce))]
    #[case::scrubbed("Released", "Retain", "Recycle", Some(Reclaimed::AtOnce))]
    #[case::failed("Failed", "Retain", "Delete", Some(Reclaimed::AtOnce))]
    #[case::bound("Bound", "Retain", "Delete", Some(Reclaimed::WithItsClaim))]
    #[case::available("Available", "Retain", "Delete", Some(Reclaimed::WithItsClaim))]
    #[case::no_phase_yet("", "Retain", "Delete", Some(Reclaimed::WithItsClaim))]
    #[case::as_before("Released", "Retain", "Retain", None)]
    #[case::as_doomed_as_before("Failed", "Delete", "Delete", None)]
    #[case::kept_from_now_on("Bound", "Delete", "Retain", None)]
    fn a_policy_that_changes(
        #[case] phase: &str,
        #[case] is: &str,
        #[case] then: &str,
        #[case] expected: Option<Reclaimed>,
    ) {
        let claim = json!({"namespace": "web", "name": "data", "uid": "1"});
        assert_eq!(Reclaimed::of(&volume(is, phase, &claim), &volume(then, phase, &claim)), expected);
    }

    #[rstest]
    #[case::another_claim(json!({"namespace": "web", "name": "other", "uid": "1"}), Some(Reclaimed::AtOnce))]
    #[case::for_a_claim_to_come(json!({"namespace": "web", "name": "other"}), None)]
    #[case::free(Value::Null, None)]
    fn a_claim_that_is_taken_away(#[case] then: Value, #[case] expected: Option<Reclaimed>) {
        let claim = json!({"namespace": "web", "name": "data", "uid": "1"});
        assert_eq!(Reclaimed::of(&volume("Delete", "Bound", &claim), &volume("Delete", "Bound", &then)), expected);
        // What is free again is not taken at once, whatever its policy.
        let released = Reclaimed::of(&volume("Retain", "Released", &claim), &volume("Delete", "Released", &then));
        assert_eq!(released, expected.or(Some(Reclaimed::WithItsClaim)));
    }
}
