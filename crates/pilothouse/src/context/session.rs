//! What the releases of a run share.

use crate::context::AtWork;
use crate::context::shared_reads::{Prefetched, SharedReads};
use crate::journal;
use crate::journal::{JournalError, StateKey};
use pilothouse_core::{ClusterContext, CrdFacts, PendingSeen, Redactor, ReleaseKey, RevisionMeta, RevisionStatus};
use pilothouse_health::Rules;
use pilothouse_helm::{ChartShelf, HelmClient};
use pilothouse_kube::{ClusterAccess, ClusterClient, ClusterError, Discovery, Gathering, HelmDriver, Tracker};
use pilothouse_process::Scratch;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// What a [`Session`] is made of. Everything comes from the caller: the library does not look at the environment.
pub struct SessionConfig {
    /// The cluster. Helm and the commands of steps work on this very one, by the access it was connected with
    /// ([`ClusterClient::access`]); only for a client that was not made from a kubeconfig they have what `helm` and `command_env`
    /// say.
    pub cluster: Arc<dyn ClusterClient>,
    /// Helm.
    pub helm: Arc<dyn HelmClient>,
    /// Where helm keeps its records.
    pub driver: HelmDriver,
    /// Fires when nothing new is to be begun: what runs goes on to a safe point, what only waits or reads ends.
    pub cancel: CancellationToken,
    /// Fires when what runs is to end too: helm and the programs of steps get SIGTERM.
    pub terminate: CancellationToken,
    /// The secrets known from the start.
    pub redactor: Redactor,
    /// A folder for charts that are fetched.
    pub chart_cache: PathBuf,
    /// A folder for what is saved before it is lost; releases that want that are refused without one.
    pub backups: Option<PathBuf>,
    /// The environment of programs started by `command` steps.
    pub command_env: BTreeMap<OsString, OsString>,
    /// A folder of our own (made 0700) for files that such a program is given while it runs.
    pub scratch: PathBuf,
    /// Time between SIGTERM and SIGKILL for a user's programs that are stopped.
    pub grace: Duration,
    /// How objects are judged.
    pub rules: Rules,
}

/// The clients and settings of a run.
pub struct Session {
    pub(crate) cluster: Arc<dyn ClusterClient>,
    /// The watches that all releases of the run share.
    pub(crate) tracker: Tracker,
    pub(crate) helm: Arc<dyn HelmClient>,
    pub(crate) driver: HelmDriver,
    pub(crate) cancel: CancellationToken,
    pub(crate) terminate: CancellationToken,
    /// Fires when the lock is lost.
    pub(crate) lost: CancellationToken,
    pub(crate) redactor: Redactor,
    pub(crate) chart_cache: PathBuf,
    pub(crate) backups: Option<PathBuf>,
    /// Charts that were read in this run.
    pub(crate) shelf: ChartShelf,
    command_env: BTreeMap<OsString, OsString>,
    scratch: PathBuf,
    pub(crate) grace: Duration,
    /// What is read of why objects are not ready, for all releases.
    pub(crate) gathering: Gathering,
    state_key: OnceLock<StateKey>,
    kube_version: OnceCell<String>,
    /// What charts are rendered for, by what it was read from.
    target: Mutex<(Option<Arc<Discovery>>, Arc<Target>)>,
    /// Whether a release of the run has begun to change something.
    begun: AtomicBool,
    /// The releases that are at work.
    pub(crate) at_work: AtWork,
    /// What is read for several releases at once, or once only.
    pub(crate) reads: SharedReads,
    /// What the payloads of Helm's records said, by the UID and the version of the object.
    stored: Mutex<HashMap<StoredAt, RevisionStatus>>,
    /// What proves of a release that its uninstall has stopped half-way: for good, since it is about one revision.
    removals_over: Mutex<HashMap<ReleaseKey, PendingSeen>>,
    /// The releases of which releases of this run have taken objects away; `None` where these may be anybody's.
    taken_from: Mutex<BTreeSet<Option<ReleaseKey>>>,
    /// In a plan: the revisions that a run would mark failed first, and why.
    foreseen_failed: Mutex<HashMap<ReleaseKey, (u32, String)>>,
}

/// One very write of one of Helm's records.
type StoredAt = (Option<String>, Option<String>);

/// What a chart is rendered for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The cluster's version, as `v1.36.2`.
    pub kube_version: String,
    /// The API versions and kinds it serves, as helm wants them.
    pub api_versions: Vec<String>,
}

impl Target {
    /// What is served once these definitions are there as they are given.
    pub(crate) fn with(&self, definitions: &[CrdFacts]) -> Self {
        let mut served: BTreeSet<String> = self.api_versions.iter().cloned().collect();
        for CrdFacts { group, kind, served_versions, .. } in definitions {
            served.retain(|served| !is_kind(served, group, kind));
            for version in served_versions {
                served.insert(format!("{group}/{version}"));
                served.insert(format!("{group}/{version}/{kind}"));
            }
            let is_empty = |version: &String| {
                let is_of_group = version.split_once('/').is_some_and(|(of, rest)| of == group && !rest.contains('/'));
                is_of_group
                    && !served
                        .range(format!("{version}/")..)
                        .next()
                        .is_some_and(|next| next.starts_with(&format!("{version}/")))
            };
            let empty: Vec<String> = served.iter().filter(|version| is_empty(version)).cloned().collect();
            served.retain(|version| !empty.contains(version));
        }
        Self { kube_version: self.kube_version.clone(), api_versions: served.into_iter().collect() }
    }

    /// Whether a kind of this group and name is served, in whatever version.
    pub(crate) fn has_kind(&self, group: &str, kind: &str) -> bool {
        self.api_versions.iter().any(|served| is_kind(served, group, kind))
    }
}

/// Whether what is served is this kind, in whatever version.
fn is_kind(served: &str, group: &str, kind: &str) -> bool {
    let mut parts = served.split('/');
    parts.next() == Some(group) && parts.nth(1) == Some(kind)
}

impl Session {
    /// A session over these clients.
    pub fn new(config: SessionConfig) -> Arc<Self> {
        let SessionConfig {
            cluster,
            helm,
            driver,
            cancel,
            terminate,
            redactor,
            chart_cache,
            backups,
            mut command_env,
            scratch,
            grace,
            rules,
        } = config;
        let helm = match cluster.access() {
            Some(access) => {
                // What helm takes for an address or for credentials beside the kubeconfig.
                command_env.retain(|name, _| !name.as_encoded_bytes().starts_with(b"HELM_KUBE"));
                helm.for_cluster(access.kubeconfig())
            }
            None => helm,
        };
        Scratch::sweep(&scratch);
        let kube_version = OnceCell::new();
        let gathering = Gathering::new(redactor.clone());
        let tracker = Tracker::new(Arc::clone(&cluster), rules);
        Arc::new(Self {
            cluster,
            tracker,
            helm,
            driver,
            cancel,
            terminate,
            lost: CancellationToken::new(),
            redactor,
            chart_cache,
            backups,
            shelf: ChartShelf::default(),
            command_env,
            scratch,
            grace,
            gathering,
            state_key: OnceLock::new(),
            kube_version,
            target: Mutex::default(),
            begun: AtomicBool::new(false),
            at_work: AtWork::default(),
            reads: SharedReads::default(),
            stored: Mutex::default(),
            removals_over: Mutex::default(),
            taken_from: Mutex::default(),
            foreseen_failed: Mutex::default(),
        })
    }

    /// Lets what is kept in the cluster carry a code by this key, and be believed only with it. To be called before anything is
    /// read; a second call does nothing.
    pub fn use_state_key(&self, key: StateKey) {
        let _ = self.state_key.set(key);
    }

    /// The key by which it is known who has written what is kept in the cluster.
    pub(crate) fn state_key(&self) -> Option<&StateKey> {
        self.state_key.get()
    }

    /// What was read of a release just now, and before anything of the run was begun.
    pub(crate) fn take_just_read(&self, release: &ReleaseKey) -> Option<Prefetched> {
        let read = self.reads.take_just_read(release);
        read.filter(|_| !self.has_begun())
    }

    /// What the payload of one of Helm's records said, if it was read since it was last written.
    pub(crate) fn stored_status(&self, meta: &RevisionMeta) -> Option<RevisionStatus> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.get(&(meta.uid.clone(), meta.resource_version.clone())).copied()
    }

    /// Keeps it.
    pub(crate) fn note_stored(&self, meta: &RevisionMeta, status: RevisionStatus) {
        if meta.uid.is_some() && meta.resource_version.is_some() {
            let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
            stored.insert((meta.uid.clone(), meta.resource_version.clone()), status);
        }
    }

    /// What proves of a release that its uninstall has stopped half-way, if anything does.
    pub(crate) fn removal_over(&self, release: &ReleaseKey) -> Option<PendingSeen> {
        self.removals_over.lock().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
    }

    /// Keeps it.
    pub(crate) fn note_removal_over(&self, release: ReleaseKey, seen: PendingSeen) {
        self.removals_over.lock().unwrap_or_else(PoisonError::into_inner).insert(release, seen);
    }

    /// The revision that a run of now would mark failed before it looks at the release, and why: what a plan goes by.
    pub(crate) fn foreseen_failed(&self, release: &ReleaseKey) -> Option<(u32, String)> {
        self.foreseen_failed.lock().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
    }

    /// Keeps it.
    pub(crate) fn note_foreseen_failed(&self, release: ReleaseKey, revision: u32, why: String) {
        self.foreseen_failed.lock().unwrap_or_else(PoisonError::into_inner).insert(release, (revision, why));
    }

    /// A run begins, and none of its releases has changed anything. What a plan has foreseen it finds out by itself.
    pub(crate) fn begin_run(&self) {
        self.foreseen_failed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.removals_over.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.taken_from.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shelf.clear();
        self.reads.forget_surroundings();
        self.begun.store(false, Ordering::Release);
    }

    /// A release of the run takes away an object of another one, or with a definition or a namespace anybody's.
    pub(crate) fn note_taken_from(&self, release: Option<ReleaseKey>) {
        self.taken_from.lock().unwrap_or_else(PoisonError::into_inner).insert(release);
    }

    /// Whether a release of the run may have taken away what is this one's.
    pub(crate) fn may_have_taken_from(&self, release: &ReleaseKey) -> bool {
        let taken_from = self.taken_from.lock().unwrap_or_else(PoisonError::into_inner);
        taken_from.iter().any(|from| from.as_ref().is_none_or(|from| from == release))
    }

    /// A release begins to change something.
    pub(crate) fn note_begun(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// A release has ended, or left, something that changes the cluster.
    pub(crate) fn note_changed(&self) {
        self.reads.forget_surroundings();
    }

    /// Whether a release of the run has begun to change something.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Fires when nothing new is to be begun.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Helm's records of the releases of a namespace, whoever deployed them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn revisions_of(&self, namespace: &str) -> Result<Vec<RevisionMeta>, ClusterError> {
        self.cluster.release_revisions(self.driver, Some(namespace)).await
    }

    /// What tells the cluster from every other: the UID of its namespace `kube-system`; `None` when that may not be read.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn cluster_id(&self) -> Result<Option<String>, JournalError> {
        journal::cluster_id(self.cluster.as_ref()).await
    }

    /// The cluster.
    pub fn cluster(&self) -> Arc<dyn ClusterClient> {
        self.cluster.clone()
    }

    /// The cluster, and as whom; `None` for a client that was not made from a kubeconfig.
    pub fn cluster_context(&self) -> Option<&ClusterContext> {
        self.cluster.access().map(ClusterAccess::context)
    }

    /// The environment that programs of steps are given.
    pub(crate) fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.command_env
    }

    /// The environment of a program of a step, with a copy of the kubeconfig of its own: what it writes there reaches nobody
    /// else. The copy goes with the folder that is returned.
    pub(crate) fn command_env(&self) -> io::Result<(BTreeMap<OsString, OsString>, Option<Scratch>)> {
        let mut env = self.command_env.clone();
        let Some(access) = self.cluster.access() else { return Ok((env, None)) };
        let scratch = Scratch::new(&self.scratch)?;
        env.insert("KUBECONFIG".into(), scratch.write("kubeconfig", access.kubeconfig().expose())?.into());
        Ok((env, Some(scratch)))
    }

    /// What it stands on, in one line: `Kubernetes v1.36.2, helm 4.2.4`. The cluster is named once it was asked.
    pub fn describe(&self) -> String {
        let helm = format!("helm {}", self.helm.version());
        match self.kube_version.get() {
            Some(version) => format!("Kubernetes {version}, {helm}"),
            None => helm,
        }
    }

    /// What charts are rendered for: the version is asked for once, the kinds are those of the newest discovery.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn target(&self) -> Result<Arc<Target>, ClusterError> {
        let version = self.kube_version.get_or_try_init(|| async { Ok(self.cluster.version().await?.git_version) });
        let (kube_version, served) = tokio::join!(version, self.cluster.discovery(false));
        let (kube_version, served) = (kube_version?.clone(), served?);
        let mut known = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.0.as_ref().is_some_and(|known| Arc::ptr_eq(known, &served));
        if !is_known {
            let target = Target { kube_version, api_versions: served.api_versions() };
            // Every release keeps the one it was rendered for: they share it.
            if *known.1 != target {
                known.1 = Arc::new(target);
            }
            known.0 = Some(served);
        }
        Ok(known.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::crd_facts;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::new("b.example", "Widget", &["v1"], &["a.example/v1", "a.example/v1/Gadget", "a.example/v1/Widget", "apps/v1", "apps/v1/Deployment", "b.example/v1", "b.example/v1/Widget", "v1"])]
    #[case::as_it_is("a.example", "Widget", &["v1"], &["a.example/v1", "a.example/v1/Gadget", "a.example/v1/Widget", "apps/v1", "apps/v1/Deployment", "v1"])]
    #[case::another_version("a.example", "Widget", &["v2"], &["a.example/v1", "a.example/v1/Gadget", "a.example/v2", "a.example/v2/Widget", "apps/v1", "apps/v1/Deployment", "v1"])]
    #[case::the_last_of_a_version("apps", "Deployment", &["v2"], &["a.example/v1", "a.example/v1/Gadget", "a.example/v1/Widget", "apps/v2", "apps/v2/Deployment", "v1"])]
    fn what_is_served_with_a_definition(
        #[case] group: &str,
        #[case] kind: &str,
        #[case] versions: &[&str],
        #[case] expected: &[&str],
    ) {
        let served =
            ["a.example/v1", "a.example/v1/Gadget", "a.example/v1/Widget", "apps/v1", "apps/v1/Deployment", "v1"];
        let target = Target { kube_version: "v1.36.0".to_owned(), api_versions: served.map(str::to_owned).to_vec() };
        let versions = versions.iter().map(|version| json!({"name": version, "served": true}));
        let versions: Vec<_> = versions.chain([json!({"name": "v0", "served": false})]).collect();
        let definition = json!({
            "kind": "CustomResourceDefinition",
            "spec": {"group": group, "names": {"kind": kind, "plural": "all"}, "versions": versions},
        });
        assert_eq!(target.with(&[crd_facts(&definition).unwrap()]).api_versions, expected);
    }
}
