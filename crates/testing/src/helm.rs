//! A helm in memory.

use crate::cluster::{FakeCluster, merge};
use crate::fail::Failures;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use pilothouse_core::object_ref;
use pilothouse_core::{ReleaseKey, RevisionStatus, Sensitive};
use pilothouse_helm::{
    GetRequest, HelmClient, HelmError, HelmText, HelmVersion, HistoryEntry, Metadata, PullRequest, RollbackRequest,
    TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest, parse_documents,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// A helm that "renders" a fixed text and keeps its records, and the objects, in a [`FakeCluster`]. Every call can be
/// made to fail; an upgrade that fails leaves a revision with the status `failed`, as the real one does.
pub struct FakeHelm {
    cluster: Arc<FakeCluster>,
    version: HelmVersion,
    manifest: Mutex<String>,
    as_upgrade: Mutex<Option<String>>,
    rendered: AtomicUsize,
    chart_version: String,
    recorded_as: Mutex<RevisionStatus>,
    failed_as: Mutex<RevisionStatus>,
    hangs: Mutex<Option<Hang>>,
    /// The calls, and which of them fails.
    pub failures: Failures,
}

/// What an upgrade does that does not end by itself.
struct Hang {
    objects: Vec<Value>,
    leaves: RevisionStatus,
}

impl FakeHelm {
    /// A helm 4 whose every chart renders this, in this version.
    ///
    /// # Panics
    /// Never: the version is a constant.
    pub fn new(cluster: Arc<FakeCluster>, manifest: impl Into<String>, chart_version: impl Into<String>) -> Self {
        let version = HelmVersion::parse("v4.2.4").unwrap_or_else(|error| panic!("{error}"));
        let (manifest, chart_version) = (Mutex::new(manifest.into()), chart_version.into());
        let (recorded_as, failed_as) = (RevisionStatus::Deployed.into(), RevisionStatus::Failed.into());
        let (hangs, failures) = (Mutex::default(), Failures::default());
        let (as_upgrade, rendered) = (Mutex::default(), AtomicUsize::new(0));
        Self {
            cluster,
            version,
            manifest,
            as_upgrade,
            rendered,
            chart_version,
            recorded_as,
            failed_as,
            hangs,
            failures,
        }
    }

    /// The same in another version (`v3.19.0`).
    ///
    /// # Panics
    /// When that is none.
    #[must_use]
    pub fn of_version(self, version: &str) -> Self {
        let version = HelmVersion::parse(version).unwrap_or_else(|error| panic!("{error}"));
        Self { version, ..self }
    }

    /// From now on every chart renders this. Each `@MADE_UP@` in it is another number in each rendering, each `@REVISION@` the number
    /// of the revision.
    pub fn renders(&self, manifest: impl Into<String>) {
        *self.manifest.lock().unwrap_or_else(PoisonError::into_inner) = manifest.into();
    }

    /// From now on every chart renders this as an upgrade.
    pub fn renders_as_upgrade(&self, manifest: impl Into<String>) {
        *self.as_upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(manifest.into());
    }

    fn manifest(&self, is_upgrade: bool, revision: u32) -> String {
        let as_upgrade = self.as_upgrade.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let manifest = as_upgrade.filter(|_| is_upgrade);
        let manifest = manifest.unwrap_or_else(|| self.manifest.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let number = self.rendered.fetch_add(1, Ordering::Relaxed);
        manifest.replace("@MADE_UP@", &format!("made-up-{number}")).replace("@REVISION@", &revision.to_string())
    }

    /// The status an upgrade that ends well leaves, `deployed` unless said otherwise: so helm ends that cannot write its record.
    pub fn recorded_as(&self, status: RevisionStatus) {
        *self.recorded_as.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The status a failing upgrade leaves, `failed` unless said otherwise.
    pub fn failed_as(&self, status: RevisionStatus) {
        *self.failed_as.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Lets the next upgrade make a pending revision and these objects, and then wait until it is told to end: so a hook is
    /// waited for. The revision is left with this status.
    pub fn hang(&self, objects: Vec<Value>, leaves: RevisionStatus) {
        *self.hangs.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hang { objects, leaves });
    }

    async fn hanging(&self, request: &UpgradeRequest, hang: Hang, cancel: &CancellationToken) -> HelmError {
        let manifest = self.manifest(false, self.newest(&request.release) + 1);
        let record = |status| self.record(&request.release, status, &request.labels, &manifest);
        let revision = record(RevisionStatus::PendingUpgrade);
        for object in hang.objects {
            self.cluster.put(object);
        }
        cancel.cancelled().await;
        if hang.leaves != RevisionStatus::PendingUpgrade {
            self.cluster.remove("Secret", Some(&request.release.namespace), &secret_name(&request.release, revision));
            record(hang.leaves);
        }
        HelmError::Interrupted { command: "upgrade", text: HelmText::default() }
    }

    fn call(&self, what: &str, release: &ReleaseKey) -> Result<(), HelmError> {
        if self.failures.hit(format!("{what} {release}")) {
            return Err(HelmError::Answer { command: "fake", why: format!("{what} was made to fail") });
        }
        Ok(())
    }

    fn record(
        &self,
        release: &ReleaseKey,
        status: RevisionStatus,
        labels: &BTreeMap<String, String>,
        manifest: &str,
    ) -> u32 {
        let revision = self.newest(release) + 1;
        let mut secret = release_secret(release, revision, status, &self.chart_version, manifest);
        secret["metadata"]["creationTimestamp"] = json!("2026-11-21T08:00:00Z");
        for (key, value) in labels {
            secret["metadata"]["labels"][key] = json!(value);
        }
        self.cluster.put(secret);
        if status == RevisionStatus::Deployed {
            self.supersede(release, revision);
        }
        revision
    }

    /// The number of the newest revision; 0 where there is none.
    fn newest(&self, release: &ReleaseKey) -> u32 {
        let mut revision = 0;
        while self.cluster.object("Secret", Some(&release.namespace), &secret_name(release, revision + 1)).is_some() {
            revision += 1;
        }
        revision
    }

    fn supersede(&self, release: &ReleaseKey, newest: u32) {
        for revision in 1..newest {
            let name = secret_name(release, revision);
            if let Some(mut secret) = self.cluster.object("Secret", Some(&release.namespace), &name)
                && secret["metadata"]["labels"]["status"] == "deployed"
            {
                secret["metadata"]["labels"]["status"] = json!("superseded");
                self.cluster.put(secret);
            }
        }
    }
}

fn objects(manifest: &str) -> Vec<Value> {
    parse_documents(manifest).unwrap_or_else(|error| panic!("{error}"))
}

fn secret_name(release: &ReleaseKey, revision: u32) -> String {
    format!("sh.helm.release.v1.{}.v{revision}", release.name)
}

/// Helm's record of a revision, as the Secret it is kept in.
pub fn release_secret(
    release: &ReleaseKey,
    revision: u32,
    status: RevisionStatus,
    chart_version: &str,
    manifest: &str,
) -> Value {
    let record = json!({
        "name": release.name,
        "namespace": release.namespace,
        "version": revision,
        "info": {"status": status.name(), "description": ""},
        "chart": {"metadata": {"name": "fake", "version": chart_version}},
        "manifest": manifest,
        "hooks": [],
    });
    record_secret(&record)
}

/// Any record, as the Secret it is kept in.
///
/// # Panics
/// When it lacks name, namespace, version or status.
pub fn record_secret(record: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not a record: {record}")).to_owned();
    let release = ReleaseKey::new(text(&record["namespace"]), text(&record["name"]));
    let revision = record["version"].as_u64().and_then(|revision| u32::try_from(revision).ok());
    let revision = revision.unwrap_or_else(|| panic!("not a record: {record}"));
    let status = text(&record["info"]["status"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let written = gzip.write_all(record.to_string().as_bytes()).and_then(|()| gzip.finish());
    let packed = STANDARD.encode(written.unwrap_or_else(|error| panic!("{error}")));
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": secret_name(&release, revision),
            "namespace": release.namespace,
            "labels": {"owner": "helm", "name": release.name, "status": status, "version": revision.to_string()},
        },
        "data": {"release": STANDARD.encode(packed)},
    })
}

#[async_trait]
impl HelmClient for FakeHelm {
    fn version(&self) -> &HelmVersion {
        &self.version
    }

    /// Its cluster is in memory: it has no other.
    fn for_cluster(self: Arc<Self>, _: &Sensitive<String>) -> Arc<dyn HelmClient> {
        self
    }

    async fn upgrade_install(&self, request: &UpgradeRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        let hang = self.hangs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hang) = hang {
            return Err(self.hanging(request, hang, cancel).await);
        }
        let first = secret_name(&request.release, 1);
        let is_upgrade = self.cluster.object("Secret", Some(&request.release.namespace), &first).is_some();
        let revision = if is_upgrade { self.newest(&request.release) + 1 } else { 1 };
        let manifest = self.manifest(is_upgrade, revision);
        if let Err(error) = self.call("upgrade", &request.release) {
            let status = *self.failed_as.lock().unwrap_or_else(PoisonError::into_inner);
            self.record(&request.release, status, &request.labels, &manifest);
            return Err(error);
        }
        for mut object in objects(&manifest) {
            if object["metadata"]["namespace"].is_null() {
                object["metadata"]["namespace"] = json!(request.release.namespace);
            }
            let owner = pilothouse_core::adoption_patch(&request.release);
            merge(&mut object, &owner);
            self.cluster.put(object);
        }
        let status = *self.recorded_as.lock().unwrap_or_else(PoisonError::into_inner);
        self.record(&request.release, status, &request.labels, &manifest);
        Ok(String::new())
    }

    async fn uninstall(&self, request: &UninstallRequest, _: &CancellationToken) -> Result<String, HelmError> {
        self.call("uninstall", &request.release)?;
        let namespace = request.release.namespace.as_str();
        let manifest = self.manifest(false, self.newest(&request.release));
        for object in objects(&manifest).iter().filter_map(object_ref) {
            self.cluster.remove(&object.kind, Some(object.namespace.as_deref().unwrap_or(namespace)), &object.name);
        }
        let mut revision = 1;
        while self.cluster.remove("Secret", Some(namespace), &secret_name(&request.release, revision)).is_some() {
            revision += 1;
        }
        Ok(String::new())
    }

    async fn rollback(&self, request: &RollbackRequest, _: &CancellationToken) -> Result<String, HelmError> {
        self.call(&format!("rollback to {}", request.revision), &request.release)?;
        self.record(
            &request.release,
            RevisionStatus::Deployed,
            &BTreeMap::new(),
            &self.manifest(true, request.revision),
        );
        Ok(String::new())
    }

    async fn template(&self, request: &TemplateRequest, _: &CancellationToken) -> Result<String, HelmError> {
        self.call("template", &request.release)?;
        Ok(self.manifest(request.is_upgrade, request.revision))
    }

    async fn test(&self, request: &TestRequest, _: &CancellationToken) -> Result<String, HelmError> {
        self.call("test", &request.release)?;
        Ok(String::new())
    }

    async fn pull(&self, request: &PullRequest, _: &CancellationToken) -> Result<PathBuf, HelmError> {
        self.call("pull", &ReleaseKey::new("", request.chart.to_string()))?;
        Ok(request.destination.join("fake.tgz"))
    }

    async fn get_values(&self, request: &GetRequest, _: &CancellationToken) -> Result<Value, HelmError> {
        self.call("get values", &request.release)?;
        Ok(Value::Null)
    }

    async fn get_manifest(&self, request: &GetRequest, _: &CancellationToken) -> Result<String, HelmError> {
        self.call("get manifest", &request.release)?;
        Ok(self.manifest(true, request.revision.unwrap_or_else(|| self.newest(&request.release))))
    }

    async fn get_metadata(&self, request: &GetRequest, _: &CancellationToken) -> Result<Metadata, HelmError> {
        self.call("get metadata", &request.release)?;
        Err(HelmError::Answer { command: "fake", why: "it has no metadata".to_owned() })
    }

    async fn history(&self, request: &GetRequest, _: &CancellationToken) -> Result<Vec<HistoryEntry>, HelmError> {
        self.call("history", &request.release)?;
        Ok(Vec::new())
    }
}
