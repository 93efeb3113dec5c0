//! Reading what is remembered of each release's last deploy: one small Secret beside Helm's own. Written by `actions`.

use crate::journal::StateKey;
use crate::journal::code_of;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use pilothouse_core::{DEPLOY_RECORD_FORMAT, DeployRecord, ObjectRef, RecordSeen, ReleaseKey};
use pilothouse_kube::{ClusterClient, ClusterError, Detail, ListQuery};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{Read, Write};

/// The label all records have.
const LABEL: &str = "pilothouse.dev/record=deploy";
/// The one key of the Secret.
pub(crate) const RECORD_KEY: &str = "record";
/// The newest form that is read.
const NEWEST: u64 = DEPLOY_RECORD_FORMAT as u64;
/// What a record may unpack to: more does not come from one that was written here.
const UNPACKED: u64 = 64 * 1024 * 1024;

/// What was found in place of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Record(Box<DeployRecord>),
    /// There is something that cannot be understood, with the reason.
    Damaged(String),
}

/// What is known of a release's last deploy by what was found.
pub(crate) fn seen(found: Option<Found>) -> RecordSeen {
    match found {
        None => RecordSeen::None,
        Some(Found::Record(record)) => RecordSeen::Some(record),
        Some(Found::Damaged(why)) => RecordSeen::Unreadable(why),
    }
}

/// The Secret of a release's record. Helm's names allow nothing that a Secret's would not.
pub(crate) fn record_ref(release: &ReleaseKey) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Secret".to_owned(),
        namespace: Some(release.namespace.clone()),
        name: format!("pilothouse.release.{}", release.name),
    }
}

/// All records of a namespace, or of all, by release.
///
/// # Errors
/// When they cannot be listed; an error is never "none".
pub(crate) async fn list(
    cluster: &dyn ClusterClient,
    namespace: Option<&str>,
    key: Option<&StateKey>,
) -> Result<HashMap<ReleaseKey, Found>, ClusterError> {
    let mut query = ListQuery::new("v1", "Secret").labelled(LABEL);
    query.namespace = namespace.map(str::to_owned);
    let mut found = HashMap::new();
    let mut each = |secret: Option<Value>| match secret {
        Some(secret) => found.extend(release_of(&secret).map(|release| (release, decode_record(&secret, key)))),
        None => found.clear(),
    };
    cluster.list_each(&query, Detail::Whole, &mut each).await?;
    Ok(found)
}

/// The record of one release.
///
/// # Errors
/// When it cannot be read; an error is never "none".
pub(crate) async fn read_deploy_record(
    cluster: &dyn ClusterClient,
    release: &ReleaseKey,
    key: Option<&StateKey>,
) -> Result<Option<Found>, ClusterError> {
    Ok(cluster.get(&record_ref(release)).await?.map(|secret| decode_record(&secret, key)))
}

fn release_of(secret: &Value) -> Option<ReleaseKey> {
    let metadata = secret.get("metadata")?;
    let name = metadata.get("name")?.as_str()?.strip_prefix("pilothouse.release.")?;
    Some(ReleaseKey::new(metadata.get("namespace")?.as_str()?, name))
}

/// In base64, as a Secret wants it.
pub(crate) fn encode_record(record: &DeployRecord) -> String {
    // Neither a record nor memory can fail to be written.
    let json = serde_json::to_vec(record).unwrap_or_default();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let packed = gzip.write_all(&json).and_then(|()| gzip.finish()).unwrap_or_default();
    STANDARD.encode(packed)
}

pub(crate) fn decode_record(secret: &Value, key: Option<&StateKey>) -> Found {
    let unpacked = || -> Result<Vec<u8>, String> {
        let text = secret.pointer(&format!("/data/{RECORD_KEY}")).and_then(Value::as_str);
        let text = text.ok_or_else(|| format!("it has no key `{RECORD_KEY}`"))?;
        let packed = STANDARD.decode(text).map_err(|error| error.to_string())?;
        let mut json = Vec::new();
        GzDecoder::new(packed.as_slice()).take(UNPACKED).read_to_end(&mut json).map_err(|error| error.to_string())?;
        Ok(json)
    };
    let read = |json: Vec<u8>| -> Result<DeployRecord, String> {
        let value: Value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
        match value.get("format").and_then(Value::as_u64) {
            Some(1..=NEWEST) => serde_json::from_value(value).map_err(|error| error.to_string()),
            format => Err(format!(
                "its format is {}, this program reads {DEPLOY_RECORD_FORMAT}",
                format.map_or_else(|| "unknown".to_owned(), |format| format.to_string())
            )),
        }
    };
    match unpacked().and_then(read) {
        Ok(record) if key.is_some_and(|key| !is_by(secret, &record.release, key)) => {
            Found::Damaged(format!("it was not written with the state key, or was changed since: {}", record.release))
        }
        Ok(record) if release_of(secret).is_some_and(|release| release == record.release) => {
            Found::Record(Box::new(record))
        }
        Ok(record) => Found::Damaged(format!("it is about another release, {}", record.release)),
        Err(why) => Found::Damaged(why),
    }
}

/// Whether a record carries the code of what is in it.
fn is_by(secret: &Value, release: &ReleaseKey, key: &StateKey) -> bool {
    let value = secret.pointer(&format!("/data/{RECORD_KEY}")).and_then(Value::as_str).unwrap_or_default();
    key.fits(&record_ref(release).to_string(), value, code_of(secret).as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::{forget, store_deploy_record};
    use crate::kept_digest;
    use pilothouse_core::{AppliedObject, InputDigests, Phase, RunId};
    use pilothouse_testkit::FakeCluster;
    use rstest::rstest;
    use serde_json::json;
    use uuid::Uuid;

    fn record(objects: usize) -> DeployRecord {
        let object = |index: usize| AppliedObject {
            object: ObjectRef {
                api_version: Some("v1".to_owned()),
                kind: "ConfigMap".to_owned(),
                namespace: Some("web".to_owned()),
                name: format!("a{index}"),
            },
            uid: Uuid::from_u128(index as u128 * 7_919_777_331).to_string(),
            generation: None,
            resource_version: (index * 31).to_string(),
            // Digests do not get smaller by packing.
            labels: crate::digest::of(index.to_string()),
        };
        DeployRecord {
            format: DEPLOY_RECORD_FORMAT,
            stack: "shop".to_owned(),
            release: ReleaseKey::new("web", "front.end"),
            chart: "front 1.0.0".to_owned(),
            revision: 3,
            revision_uid: "u".to_owned(),
            revision_version: None,
            run: Some(RunId(Uuid::from_u128(1))),
            written_at: "2026-11-21T08:00:00Z".parse().unwrap(),
            key: Some(kept_digest::fresh_key()),
            input: InputDigests {
                chart: "c".to_owned(),
                values: "v".to_owned(),
                options: "o".to_owned(),
                helm_major: 4,
                capabilities: None,
                lifecycle: "l".to_owned(),
            },
            reached: Phase::Validate,
            objects: Some((0..objects).map(object).collect()),
            made_up: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_and_removed() {
        let cluster = FakeCluster::default();
        let record = record(3);
        let release = record.release.clone();
        assert_eq!(read_deploy_record(&cluster, &release, None).await.unwrap(), None);
        store_deploy_record(&cluster, &record, None).await.unwrap();
        let found = Found::Record(Box::new(record));
        assert_eq!(read_deploy_record(&cluster, &release, None).await.unwrap(), Some(found.clone()));
        assert_eq!(list(&cluster, None, None).await.unwrap(), HashMap::from([(release.clone(), found)]));
        assert_eq!(list(&cluster, Some("other"), None).await.unwrap(), HashMap::new());
        forget(&cluster, &release).await.unwrap();
        forget(&cluster, &release).await.unwrap();
        assert_eq!(read_deploy_record(&cluster, &release, None).await.unwrap(), None);
    }

    #[tokio::test]
    async fn too_many_objects_are_left_out() {
        let cluster = FakeCluster::default();
        let record = record(20_000);
        store_deploy_record(&cluster, &record, None).await.unwrap();
        let expected = DeployRecord { objects: None, ..record.clone() };
        assert_eq!(
            read_deploy_record(&cluster, &record.release, None).await.unwrap(),
            Some(Found::Record(Box::new(expected)))
        );
    }

    #[tokio::test]
    async fn thousands_of_objects_fit() {
        let cluster = FakeCluster::default();
        let record = record(5_000);
        store_deploy_record(&cluster, &record, None).await.unwrap();
        assert_eq!(
            read_deploy_record(&cluster, &record.release, None).await.unwrap(),
            Some(Found::Record(Box::new(record)))
        );
    }

    #[rstest]
    #[case(json!({}), "it has no key `record`")]
    #[case(json!({"record": "%"}), "Invalid symbol 37, offset 0.")]
    #[case(json!({"record": "AAAAAAAAAAAAAAAA"}), "invalid gzip header")]
    #[tokio::test]
    async fn what_cannot_be_read_is_told(#[case] data: Value, #[case] why: &str) {
        let cluster = FakeCluster::default();
        let release = ReleaseKey::new("web", "a");
        cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "data": data,
            "metadata": {"name": "pilothouse.release.a", "namespace": "web"}}));
        assert_eq!(read_deploy_record(&cluster, &release, None).await.unwrap(), Some(Found::Damaged(why.to_owned())));
    }

    #[tokio::test]
    async fn another_format_or_release_is_no_record() {
        let cluster = FakeCluster::default();
        let (newer, other) = (DeployRecord { format: 3, ..record(0) }, record(0));
        for (name, record) in [("newer", newer), ("other", other)] {
            cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "data": {RECORD_KEY: encode_record(&record)},
                "metadata": {"name": format!("pilothouse.release.{name}"), "namespace": "web"}}));
        }
        let mut why = Vec::new();
        for name in ["newer", "other"] {
            why.push(read_deploy_record(&cluster, &ReleaseKey::new("web", name), None).await.unwrap());
        }
        let damaged = |why: &str| Some(Found::Damaged(why.to_owned()));
        assert_eq!(
            why,
            [damaged("its format is 3, this program reads 2"), damaged("it is about another release, web/front.end"),]
        );
    }
}
