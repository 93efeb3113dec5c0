//! What a release is to be: a struct close to Terraform's `helm_release`.

use super::drift::{DriftIgnore, DriftPolicy};
use super::failure_policy::OnFailure;
use super::need::Need;
use super::payload::PayloadKey;
use crate::ids::{InvalidName, ObjectRef, ReleaseKey};
use crate::text::Sensitive;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Everything that says what one release of a chart is to be. `Default` gives sensible values, so a chart is one literal. It
/// ends in `..Default::default()`, since fields are added with new versions:
///
/// ```
/// # use pilothouse_core as pilothouse;
/// use pilothouse::{ChartInfo, ChartRef, Namespace};
///
/// let podinfo = ChartInfo {
///     name: "podinfo".to_owned(),
///     namespace: Namespace::from("web"),
///     chart: ChartRef::repo("https://stefanprodan.github.io/podinfo", "podinfo").version("~6.9"),
///     ..ChartInfo::default()
/// };
/// assert_eq!(podinfo.timeout_in_seconds, 600);
/// ```
///
/// There is no `atomic`: Helm's destroys the evidence of what failed. [`on_failure`](Self::on_failure) says what becomes of a failed
/// deploy once that is collected; `OnFailure { install: Remedy::Uninstall.into(), upgrade: Remedy::Rollback.into() }` does what `atomic`
/// did.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartInfo {
    /// The Helm release name: at most 53 characters, a DNS-1123 subdomain.
    pub name: String,
    /// The namespace of the release.
    pub namespace: Namespace,
    /// Whether a missing namespace is created.
    pub create_namespace: bool,
    /// Where the chart comes from, and which version.
    pub chart: ChartRef,
    /// What to do with the release.
    pub action: HelmAction,
    /// Single settings, by the key paths of Helm's `--set`. They win over files, later ones over earlier ones.
    pub values: Vec<SetValue>,
    /// Values files, as for Helm's `-f`; later ones win. Each must exist and be readable.
    pub values_files: Vec<PathBuf>,
    /// Values given directly, as named documents; they win over `values_files`.
    pub yaml_files_content: Vec<YamlFile>,
    /// A deployed chart version below this one, moving to or past it, is uninstalled before it is installed again, and
    /// only if no data is attached to it or consent was given.
    pub last_breaking_version_requiring_restart: Option<Version>,
    /// What to do after a failed deploy, once the evidence is collected and the user's steps have run.
    pub on_failure: OnFailure,
    /// Whether a cause that will certainly not pass by itself ends `exec` and waits early.
    pub fail_fast: FailFast,
    /// Wall-clock seconds each of `exec` and `validate` may take.
    pub timeout_in_seconds: u64,
    /// Whether `validate` waits for the release's objects to become ready.
    pub wait: bool,
    /// Replace objects instead of patching them (`--force` in Helm 3, `--force-replace` in Helm 4).
    pub force_upgrade: bool,
    /// Take the values without asking the chart's schema (`--skip-schema-validation`), where that cannot be loaded.
    pub skip_schema_validation: bool,
    /// Check and render, but change nothing.
    pub dry_run: bool,
    /// Do nothing when the release is deployed, in whatever version.
    pub skip_if_already_installed: bool,
    /// Restart the workloads of the release after an upgrade, also those whose pods did not change.
    pub recreate_pods: bool,
    /// How many revisions Helm keeps; 0 means all. Helm never deletes the last deployed one, so 1 keeps up to 2.
    pub max_history: u32,
    /// What to do with the definitions in the chart's `crds/` folders.
    pub crds: CrdPolicy,
    /// Releases that this one waits for.
    pub needs: Vec<Need>,
    /// Labels of the release, for selecting it.
    pub labels: BTreeMap<String, String>,
    /// What to do about objects that others have changed since the deploy, when nothing else is to be done.
    pub drift: DriftPolicy,
    /// Fields in which others may write what they like.
    pub drift_ignore: Vec<DriftIgnore>,
    /// Whether to act on the release although another tool still manages it.
    pub take_over: bool,
    /// Objects with data that may be deleted on the way.
    pub consent: Vec<ObjectRef>,
    /// Whether an operation of somebody else that has left the release pending is taken for dead (consent `lock`).
    pub breaks_lock: bool,
    /// Whether outputs of steps are believed as the cluster's journal has them, although nothing proves who wrote them (consent
    /// `state`).
    pub believes_state: bool,
    /// What is done before something goes that `consent` names.
    pub before_destructive: BeforeDestructive,
}

impl ChartInfo {
    /// The release this is about.
    pub fn key(&self) -> ReleaseKey {
        ReleaseKey::new(self.namespace.as_str(), &self.name)
    }
}

impl Default for ChartInfo {
    fn default() -> Self {
        Self {
            name: String::new(),
            namespace: Namespace::default(),
            create_namespace: true,
            chart: ChartRef::path(PathBuf::new()),
            action: HelmAction::Deploy,
            values: Vec::new(),
            values_files: Vec::new(),
            yaml_files_content: Vec::new(),
            last_breaking_version_requiring_restart: None,
            on_failure: OnFailure::default(),
            fail_fast: FailFast::Certain,
            timeout_in_seconds: 600,
            wait: true,
            force_upgrade: false,
            skip_schema_validation: false,
            dry_run: false,
            skip_if_already_installed: false,
            recreate_pods: false,
            max_history: 10,
            crds: CrdPolicy::Create,
            needs: Vec::new(),
            labels: BTreeMap::new(),
            drift: DriftPolicy::default(),
            drift_ignore: Vec::new(),
            take_over: false,
            consent: Vec::new(),
            breaks_lock: false,
            believes_state: false,
            before_destructive: BeforeDestructive::default(),
        }
    }
}

/// What to do with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HelmAction {
    /// Install it or upgrade it.
    #[default]
    Deploy,
    /// Uninstall it.
    Destroy,
    /// Leave it alone and say so.
    Skip,
}

impl fmt::Display for HelmAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deploy",
            Self::Destroy => "destroy",
            Self::Skip => "skip",
        })
    }
}

/// When `exec` and waits end before their time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailFast {
    /// As soon as a cause is known that will certainly not pass by itself.
    #[default]
    Certain,
    /// Never: causes are told, and the time is waited for all the same.
    Never,
}

/// What to do with the definitions in a chart's `crds/` folders. Helm itself never upgrades them
/// (helm/helm#8972, HIP-0011), so Pilothouse owns them and helm always runs with `--skip-crds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrdPolicy {
    /// Leave them to someone else.
    Skip,
    /// Create those that are missing, also on an upgrade.
    #[default]
    Create,
    /// Create those that are missing and bring the others to the chart's version.
    Upgrade,
}

/// What a user consents to lose: an object, or a word for what is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentTo {
    /// `kind/namespace/name`, or `kind/name` where that is clear.
    Object(ObjectRef),
    /// `lock`: an operation of somebody else that has left the release pending is taken for dead.
    Lock,
    /// `state`: outputs of steps are believed as the cluster has them, whoever may have written them.
    State,
}

impl ConsentTo {
    /// All the words for what is no object.
    pub const WORDS: [&str; 2] = ["lock", "state"];

    /// Reads it as it is written in a stack file and on the command line.
    ///
    /// # Errors
    /// When it is neither an object nor one of the words.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text {
            "lock" => Ok(Self::Lock),
            "state" => Ok(Self::State),
            object => ObjectRef::parse(object).map(Self::Object),
        }
    }
}

impl ChartInfo {
    /// Adds a consent.
    pub fn add_consent(&mut self, consent: ConsentTo) {
        match consent {
            ConsentTo::Object(object) => self.consent.push(object),
            ConsentTo::Lock => self.breaks_lock = true,
            ConsentTo::State => self.believes_state = true,
        }
    }
}

/// What is done before something goes, or is changed for good, that the user has consented to lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeforeDestructive {
    /// Nothing: the consent is enough.
    #[default]
    Proceed,
    /// It is saved in a file. What cannot be saved does not go.
    Backup,
}

/// A namespace: one of the well-known ones, or any name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub enum Namespace {
    /// `default`
    #[default]
    Default,
    /// `kube-system`
    KubeSystem,
    /// `cert-manager`
    CertManager,
    /// `ingress-nginx`
    IngressNginx,
    /// `logging`
    Logging,
    /// `monitoring`
    Monitoring,
    /// `prometheus`
    Prometheus,
    /// Any other name.
    Custom(String),
}

impl Namespace {
    const KNOWN: [Self; 7] = [
        Self::Default,
        Self::KubeSystem,
        Self::CertManager,
        Self::IngressNginx,
        Self::Logging,
        Self::Monitoring,
        Self::Prometheus,
    ];

    /// Its name in the cluster.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => "default",
            Self::KubeSystem => "kube-system",
            Self::CertManager => "cert-manager",
            Self::IngressNginx => "ingress-nginx",
            Self::Logging => "logging",
            Self::Monitoring => "monitoring",
            Self::Prometheus => "prometheus",
            Self::Custom(name) => name,
        }
    }
}

impl From<&str> for Namespace {
    fn from(name: &str) -> Self {
        Self::KNOWN.into_iter().find(|known| known.as_str() == name).unwrap_or_else(|| Self::Custom(name.to_owned()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A chart and the version wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRef {
    /// Where it comes from.
    pub source: ChartSource,
    /// An exact version or a constraint by the rules of Masterminds/semver, which Helm uses. `None` means the newest
    /// stable one, or whatever a local chart is.
    pub version: Option<String>,
}

/// Where a chart comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChartSource {
    /// A folder or a `.tgz` archive.
    Path(PathBuf),
    /// A chart repository.
    Repo {
        /// The repository's URL.
        url: String,
        /// The chart's name in it.
        name: String,
    },
    /// A registry: `oci://host/path/chart`.
    Oci(String),
}

impl ChartRef {
    /// A local folder or archive.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self { source: ChartSource::Path(path.into()), version: None }
    }

    /// The chart `name` of the repository at `url`.
    pub fn repo(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self { source: ChartSource::Repo { url: url.into(), name: name.into() }, version: None }
    }

    /// A chart in a registry, as `oci://host/path/chart`.
    pub fn oci(reference: impl Into<String>) -> Self {
        Self { source: ChartSource::Oci(reference.into()), version: None }
    }

    /// Asks for a version or a constraint.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }
}

impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            ChartSource::Path(path) => write!(f, "{}", path.display())?,
            ChartSource::Repo { url, name } => write!(f, "{name} from {url}")?,
            ChartSource::Oci(reference) => f.write_str(reference)?,
        }
        match &self.version {
            Some(version) => write!(f, " ({version})"),
            None => Ok(()),
        }
    }
}

/// One setting of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct SetValue {
    /// The path, as in Helm's `--set`: `image.tag`, `hosts[0]`, `annotations.example\.com/a`.
    pub key: String,
    /// What it is set to.
    pub value: ValueSource,
}

impl SetValue {
    /// Text whose type is guessed as `--set` does.
    pub fn auto(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), value: ValueSource::Auto(text.into()) }
    }

    /// A string, as `--set-string`.
    pub fn string(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), value: ValueSource::String(text.into()) }
    }

    /// Any JSON value, as `--set-json`.
    pub fn json(key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        Self { key: key.into(), value: ValueSource::Json(value.into()) }
    }

    /// A string that must never be shown.
    pub fn sensitive(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), value: ValueSource::Sensitive(Sensitive::new(text.into())) }
    }

    /// What an earlier phase put into the payload under `payload_key`.
    pub fn from_payload<T>(key: impl Into<String>, payload_key: PayloadKey<T>) -> Self {
        Self { key: key.into(), value: ValueSource::Payload(payload_key.name().to_owned()) }
    }
}

/// What a value is set to.
#[derive(Clone, PartialEq)]
pub enum ValueSource {
    /// Text that becomes a boolean, an integer, null or a string, as with Helm's `--set`.
    Auto(String),
    /// A string, as with `--set-string`.
    String(String),
    /// Any JSON value, as with `--set-json`.
    Json(serde_json::Value),
    /// A string that must never be shown.
    Sensitive(Sensitive<String>),
    /// What an earlier phase of the same release put into the payload under this key.
    Payload(String),
}

/// Without the value.
impl fmt::Debug for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto(_) => f.write_str("Auto(***)"),
            Self::String(_) => f.write_str("String(***)"),
            Self::Json(_) => f.write_str("Json(***)"),
            Self::Sensitive(_) => f.write_str("Sensitive(***)"),
            Self::Payload(key) => f.debug_tuple("Payload").field(key).finish(),
        }
    }
}

/// Values given directly, under a name that says where they come from when they are wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct YamlFile {
    /// A name for messages.
    pub name: String,
    /// One YAML document holding a mapping.
    pub content: String,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for YamlFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YamlFile").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_namespaces_and_their_names_agree() {
        for known in Namespace::KNOWN {
            assert_eq!(Namespace::from(known.as_str()), known);
        }
        assert_eq!(Namespace::from("web"), Namespace::Custom("web".to_owned()));
    }

    #[test]
    fn sensitive_values_do_not_show_in_debug() {
        let info = ChartInfo { values: vec![SetValue::sensitive("db.password", "hunter22")], ..ChartInfo::default() };
        assert!(!format!("{info:?}").contains("hunter22"));
    }
}
