//! PersistentVolumeClaim and PersistentVolume.

use super::fields::text;
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

pub(super) fn claim(object: &Value) -> ObjectStatus {
    match text(object, "/status/phase") {
        "Bound" => ObjectStatus::new(Readiness::Current, "it is bound"),
        "Lost" => ObjectStatus::new(Readiness::Failed, "its volume is lost").because("Lost"),
        _ => ObjectStatus::new(Readiness::InProgress, "it is not bound to a volume"),
    }
}

pub(super) fn volume(object: &Value) -> ObjectStatus {
    match text(object, "/status/phase") {
        phase @ ("Available" | "Bound" | "Released") => {
            ObjectStatus::new(Readiness::Current, format!("it is {}", phase.to_lowercase()))
        }
        "Failed" => ObjectStatus::new(Readiness::Failed, text(object, "/status/message")).because("Failed"),
        _ => ObjectStatus::new(Readiness::InProgress, "it is not available yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({}), InProgress, InProgress)]
    #[case(json!({"phase": "Pending"}), InProgress, InProgress)]
    #[case(json!({"phase": "Bound"}), Current, Current)]
    #[case(json!({"phase": "Available"}), InProgress, Current)]
    #[case(json!({"phase": "Released"}), InProgress, Current)]
    #[case(json!({"phase": "Lost"}), Failed, InProgress)]
    #[case(json!({"phase": "Failed"}), InProgress, Failed)]
    fn phases(#[case] status: Value, #[case] as_claim: Readiness, #[case] as_volume: Readiness) {
        let object = json!({"status": status});
        assert_eq!((claim(&object).readiness, volume(&object).readiness), (as_claim, as_volume));
    }
}
