//! Helm's records of releases: how they are asked for, and what they say.

use super::requests::ListQuery;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use pilothouse_core::{HelmDriver, ObjectRef, RUN_LABEL, ReleaseKey, RevisionMeta, RevisionStatus};
use serde::de::Error as _;
use serde_json::{Value, json};

/// The records of one release.
pub(crate) fn of_release(driver: HelmDriver, release: &ReleaseKey) -> ListQuery {
    selected(driver, Some(&release.namespace), format!("owner=helm,name={}", release.name))
}

/// The records of all releases.
pub(crate) fn all(driver: HelmDriver, namespace: Option<&str>) -> ListQuery {
    selected(driver, namespace, "owner=helm".to_owned())
}

/// How many names a selector has at most: the path of a request has room for some thousand characters.
pub(crate) const NAMES_AT_ONCE: usize = 50;

/// The records of the releases with these names.
pub(crate) fn named(driver: HelmDriver, namespace: Option<&str>, names: &[&str]) -> ListQuery {
    selected(driver, namespace, format!("owner=helm,name in ({})", names.join(",")))
}

/// Of these, the records that no newer revision has replaced.
pub(crate) fn current_named(driver: HelmDriver, namespace: Option<&str>, names: &[&str]) -> ListQuery {
    selected(driver, namespace, format!("owner=helm,status!=superseded,name in ({})", names.join(",")))
}

/// The records of all releases that no newer revision has replaced.
pub(crate) fn current(driver: HelmDriver, namespace: Option<&str>) -> ListQuery {
    selected(driver, namespace, "owner=helm,status!=superseded".to_owned())
}

fn selected(driver: HelmDriver, namespace: Option<&str>, selector: String) -> ListQuery {
    let mut query = ListQuery::new("v1", driver.kind()).labelled(selector);
    query.namespace = namespace.map(str::to_owned);
    query
}

/// What the metadata of records says, by namespace, name and revision.
pub(crate) fn revisions(records: &[Value]) -> Vec<RevisionMeta> {
    in_order(records.iter().filter_map(revision_meta).collect())
}

/// By namespace, name and revision, each once.
pub(crate) fn in_order(mut found: Vec<RevisionMeta>) -> Vec<RevisionMeta> {
    found.sort_by(|a, b| (&a.namespace, &a.name, a.revision).cmp(&(&b.namespace, &b.name, b.revision)));
    found.dedup_by(|a, b| (&a.namespace, &a.name, a.revision) == (&b.namespace, &b.name, b.revision));
    found
}

/// The object in which Helm keeps a revision.
pub fn record_ref(driver: HelmDriver, namespace: &str, name: &str, revision: u32) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: driver.kind().to_owned(),
        namespace: Some(namespace.to_owned()),
        name: format!("sh.helm.release.v1.{name}.v{revision}"),
    }
}

/// The merge patch that replaces what a record holds, and its label of the status. Helm looks at both: at the label when
/// it looks for what is deployed, at the status inside when it looks whether the release is locked.
pub fn record_patch(driver: HelmDriver, payload: &str, status: RevisionStatus) -> Value {
    let stored = match driver {
        HelmDriver::Secret => json!(ByteString(payload.as_bytes().to_vec())),
        HelmDriver::ConfigMap => json!(payload),
    };
    json!({"metadata": {"labels": {"status": status.name()}}, "data": {"release": stored}})
}

/// The bytes under `data.release` of a record, as Helm's own encoding made them.
///
/// # Errors
/// When there are none.
pub fn record_payload(driver: HelmDriver, object: &Value) -> Result<Vec<u8>, serde_json::Error> {
    let release = object.pointer("/data/release").ok_or_else(|| serde_json::Error::custom("no key `release`"))?;
    match driver {
        HelmDriver::Secret => serde_json::from_value::<ByteString>(release.clone()).map(|bytes| bytes.0),
        HelmDriver::ConfigMap => serde_json::from_value::<String>(release.clone()).map(String::into_bytes),
    }
}

/// Reads the labels of one record (`pkg/storage/driver/secrets.go`); `None` for an object that only looks like one.
pub(crate) fn revision_meta(object: &Value) -> Option<RevisionMeta> {
    let metadata = object.get("metadata")?;
    let label = |key: &str| metadata.get("labels")?.get(key)?.as_str();
    if !metadata.get("name")?.as_str()?.starts_with("sh.helm.release.v1.") {
        return None;
    }
    let seconds = |key: &str| Timestamp::from_second(label(key)?.parse().ok()?).ok();
    let text = |key: &str| metadata.get(key)?.as_str();
    let created_at = text("creationTimestamp").and_then(|at| at.parse().ok());
    Some(RevisionMeta {
        namespace: metadata.get("namespace")?.as_str()?.to_owned(),
        name: label("name")?.to_owned(),
        revision: label("version")?.parse().ok()?,
        status: RevisionStatus::from_name(label("status")?),
        // helm copies the label of the revision before when it makes a new one: the later time is the right one.
        written_at: seconds("modifiedAt").or_else(|| seconds("createdAt")).max(created_at),
        created_at,
        run: label(RUN_LABEL).and_then(|run| run.parse().ok()),
        resource_version: text("resourceVersion").map(str::to_owned),
        uid: text("uid").map(str::to_owned),
        manager: last_manager(metadata),
    })
}

/// The field manager of the entry with the newest time.
fn last_manager(metadata: &Value) -> Option<String> {
    let written = |entry: &'_ Value| entry.get("time")?.as_str()?.parse::<Timestamp>().ok();
    let entries = metadata.get("managedFields")?.as_array()?;
    let (_, last) = entries.iter().filter_map(|entry| Some((written(entry)?, entry))).max_by_key(|(at, _)| *at)?;
    Some(last.get("manager")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::RunId;
    use rstest::rstest;

    fn record(name: &str, labels: &Value) -> Value {
        json!({"metadata": {
            "name": name, "namespace": "web", "creationTimestamp": "2026-11-21T08:00:00Z", "resourceVersion": "71",
            "uid": "9c1d", "labels": labels,
        }})
    }

    fn meta(status: RevisionStatus, at: &str) -> RevisionMeta {
        RevisionMeta {
            written_at: Some(at.parse().unwrap()),
            created_at: Some("2026-11-21T08:00:00Z".parse().unwrap()),
            resource_version: Some("71".to_owned()),
            uid: Some("9c1d".to_owned()),
            ..RevisionMeta::new(&ReleaseKey::new("web", "podinfo"), 2, status)
        }
    }

    const RUN: &str = "0199a7d5-2a00-7000-8000-000000000007";

    #[rstest]
    #[case("sh.helm.release.v1.podinfo.v2", json!({"name": "podinfo", "version": "2", "status": "pending-upgrade", "createdAt": "1700000000"}),
        Some(meta(RevisionStatus::PendingUpgrade, "2026-11-21T08:00:00Z")))]
    #[case("sh.helm.release.v1.podinfo.v2", json!({"name": "podinfo", "version": "2", "status": "deployed", "createdAt": "1", "modifiedAt": "1800000000"}),
        Some(meta(RevisionStatus::Deployed, "2027-01-15T08:00:00Z")))]
    #[case("sh.helm.release.v1.podinfo.v2", json!({"name": "podinfo", "version": "2", "status": "something-new"}),
        Some(meta(RevisionStatus::Unknown, "2026-11-21T08:00:00Z")))]
    #[case("sh.helm.release.v1.podinfo.v2", json!({"name": "podinfo", "version": "2", "status": "deployed", "pilothouse.dev/run": RUN}),
        Some(RevisionMeta { run: Some(RunId(RUN.parse().unwrap())), ..meta(RevisionStatus::Deployed, "2026-11-21T08:00:00Z") }))]
    // Somebody else's label of that name.
    #[case("sh.helm.release.v1.podinfo.v2", json!({"name": "podinfo", "version": "2", "status": "deployed", "pilothouse.dev/run": "7"}),
        Some(meta(RevisionStatus::Deployed, "2026-11-21T08:00:00Z")))]
    #[case("sh.helm.release.v1.podinfo.v2", json!({"name": "podinfo", "version": "x", "status": "deployed"}), None)]
    #[case("something-else", json!({"name": "podinfo", "version": "2", "status": "deployed"}), None)]
    fn labels_of_a_record(#[case] name: &str, #[case] labels: Value, #[case] expected: Option<RevisionMeta>) {
        assert_eq!(revision_meta(&record(name, &labels)), expected);
    }

    fn entry(manager: &str, time: &str) -> Value {
        json!({"manager": manager, "operation": "Update", "time": time})
    }

    #[rstest]
    #[case(json!([entry("helm", "2026-11-21T08:00:00Z"), entry("kubectl-edit", "2026-11-21T09:00:00Z")]), Some("kubectl-edit"))]
    #[case(json!([entry("helm-controller", "2026-11-21T09:00:00Z"), entry("helm", "2026-11-21T08:00:00Z")]), Some("helm-controller"))]
    // Times are compared, not texts.
    #[case(json!([entry("early", "2026-11-21T09:30:00+02:00"), entry("late", "2026-11-21T08:00:00Z")]), Some("late"))]
    #[case(json!([entry("helm", "2026-11-21T08:00:00Z"), {"manager": "timeless"}, entry("odd", "soon")]), Some("helm"))]
    #[case(json!([{"manager": "timeless"}]), None)]
    #[case(json!([]), None)]
    fn who_last_wrote_a_record(#[case] fields: Value, #[case] expected: Option<&str>) {
        let labels = json!({"name": "podinfo", "version": "2", "status": "deployed"});
        let mut written = record("sh.helm.release.v1.podinfo.v2", &labels);
        written["metadata"]["managedFields"] = fields;
        let manager = expected.map(str::to_owned);
        let expected = RevisionMeta { manager, ..meta(RevisionStatus::Deployed, "2026-11-21T08:00:00Z") };
        assert_eq!(revision_meta(&written), Some(expected));
    }

    #[test]
    fn a_payload_loses_only_kubernetes_own_base64() {
        let secret = json!({"data": {"release": "SDRzSUFB"}});
        assert_eq!(record_payload(HelmDriver::Secret, &secret).unwrap(), b"H4sIAA");
        let config_map = json!({"data": {"release": "H4sIAA"}});
        assert_eq!(record_payload(HelmDriver::ConfigMap, &config_map).unwrap(), b"H4sIAA");
        assert_eq!(record_payload(HelmDriver::Secret, &json!({})).unwrap_err().to_string(), "no key `release`");
    }

    #[test]
    fn a_patch_writes_what_is_read_back() {
        for driver in [HelmDriver::Secret, HelmDriver::ConfigMap] {
            let patch = record_patch(driver, "H4sIAA", RevisionStatus::Failed);
            assert_eq!(record_payload(driver, &patch).unwrap(), b"H4sIAA");
            assert_eq!(patch["metadata"], json!({"labels": {"status": "failed"}}));
        }
        assert_eq!(
            record_patch(HelmDriver::Secret, "H4sIAA", RevisionStatus::Failed)["data"],
            json!({"release": "SDRzSUFB"})
        );
    }
}
