//! What is gathered about one object that is not ready. Never the content of a Secret.

use super::events::Events;
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Redactor, ReleaseKey};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Everything known about one object that is not ready.
#[derive(Clone)]
pub struct Evidence {
    /// The object, complete: with its API version, and its namespace if it has one.
    pub object: ObjectRef,
    /// How it stands.
    pub status: ObjectStatus,
    /// As it is on the cluster; `None` when it does not exist.
    pub live: Option<Arc<Value>>,
    /// What it owns, directly or through others: ReplicaSets, Jobs, Pods, PersistentVolumeClaims.
    pub owned: Vec<Arc<Value>>,
    /// The events about it and about what it owns, oldest first.
    pub events: Events,
    /// The ends of the logs that were read.
    pub logs: Vec<LogTail>,
    /// What its pods refer to and was looked for.
    pub referred: Vec<Referred>,
    /// What lies around it and was read: nodes, quotas, limit ranges, storage classes, the namespace, webhook configurations,
    /// endpoint slices. Each with `apiVersion` and `kind`; without the data of Secrets and ConfigMaps.
    pub around: Vec<Arc<Value>>,
    /// The other objects of the release that are not ready; `None` when nobody has looked. What depends on one that is still
    /// starting is given its time.
    pub beside: Option<Vec<(ObjectRef, ObjectStatus)>>,
    /// The other releases of the run that are still at work, and not in vain.
    pub releases: Vec<OtherRelease>,
    /// The hooks of the release that have not ended: they run, or are to run.
    pub hooks: Vec<ObjectRef>,
    /// Whether nobody waits for it any more: helm's time is up.
    pub out_of_time: bool,
    /// How often each container, by its pod's UID and its name, was started before the last thing came that it may have waited for.
    /// Those starts do not count.
    pub starts_before: HashMap<(String, String), i64>,
    /// The wants that were read, in whatever way that ended: they are not wanted again. A kind that is not served was read and has
    /// no objects.
    pub read: Vec<Want>,
    /// Those of them that could not be answered: nothing is concluded from what they lack.
    pub unanswered: Vec<Want>,
    /// What could not be read, each in one line.
    pub unreadable: Vec<String>,
    /// Since when the release is at work, by the server's clock. What was last seen before that may have been put right since, and is
    /// certain only when it is seen again; `None` when nobody has put anything right.
    pub since: Option<Timestamp>,
    /// What must not be told of it.
    pub redactor: Redactor,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Evidence");
        shown.field("object", &self.object).field("status", &self.status).field("referred", &self.referred);
        shown.field("read", &self.read).field("unreadable", &self.unreadable).finish_non_exhaustive()
    }
}

impl Evidence {
    /// Of an object about which nothing but its status is known.
    pub fn new(object: ObjectRef, status: ObjectStatus) -> Self {
        Self {
            object,
            status,
            live: None,
            owned: Vec::new(),
            events: Events::default(),
            logs: Vec::new(),
            referred: Vec::new(),
            around: Vec::new(),
            beside: None,
            releases: Vec::new(),
            hooks: Vec::new(),
            out_of_time: false,
            starts_before: HashMap::new(),
            read: Vec::new(),
            unanswered: Vec::new(),
            unreadable: Vec::new(),
            since: None,
            redactor: Redactor::default(),
        }
    }

    /// Takes known secrets out of what it says in words, before a message is cut or taken apart, and lets none of them be told.
    pub fn redact(&mut self, redactor: &Redactor) {
        self.redactor = redactor.clone();
        self.status.message = redactor.redact(&self.status.message);
        let beside = self.beside.iter_mut().flatten().map(|(_, status)| &mut status.message);
        beside.chain(&mut self.unreadable).for_each(|text| *text = redactor.redact(text));
        let objects = self.live.iter_mut().chain(&mut self.owned).chain(self.events.iter_mut()).chain(&mut self.around);
        objects.for_each(|object| redact_words(object, redactor));
    }
}

/// Takes known secrets out of the messages of an object, and out of what its containers are given.
fn redact_words(object: &mut Arc<Value>, redactor: &Redactor) {
    const WORDS: [&str; 6] = ["message", "note", "reason", "value", "args", "command"];
    fn is_meant(value: &Value, is_word: bool, redactor: &Redactor) -> bool {
        match value {
            Value::String(text) => is_word && redactor.knows(text),
            Value::Array(items) => items.iter().any(|item| is_meant(item, is_word, redactor)),
            Value::Object(map) => {
                map.iter().any(|(key, value)| is_meant(value, WORDS.contains(&key.as_str()), redactor))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    fn take_out(value: &mut Value, is_word: bool, redactor: &Redactor) {
        match value {
            Value::String(text) if is_word => *text = redactor.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| take_out(item, is_word, redactor)),
            Value::Object(map) => {
                map.iter_mut().for_each(|(key, value)| take_out(value, WORDS.contains(&key.as_str()), redactor));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    // Most objects are shared, and stay so.
    if is_meant(object, false, redactor) {
        take_out(Arc::make_mut(object), false, redactor);
    }
}

/// Another release of the run that is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRelease {
    /// The release.
    pub release: ReleaseKey,
    /// What it was rendered to, hooks included, as far as that is known; without a namespace where the chart names none.
    pub makes: Arc<[ObjectRef]>,
}

impl OtherRelease {
    /// A release of which nobody knows what it makes.
    pub fn new(release: ReleaseKey) -> Self {
        Self { release, makes: Arc::default() }
    }

    /// Whether what a text begins with, `Kind namespace/name` or `Kind name`, is among what it makes.
    pub(super) fn makes(&self, text: &str) -> bool {
        let mut words = text.split_whitespace();
        let (Some(kind), Some(path)) = (words.next(), words.next()) else { return false };
        let (namespace, name) = path.split_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name));
        self.makes.iter().any(|object| {
            let own = object.namespace.as_deref().or(Some(self.release.namespace.as_str()));
            object.kind == kind && object.name == name && (namespace.is_none() || namespace == own)
        })
    }
}

/// The end of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTail {
    /// The pod.
    pub pod: String,
    /// The container, also an init container.
    pub container: String,
    /// Of the run before the present one.
    pub previous: bool,
    /// The lines, oldest first, without empty ones.
    pub lines: Vec<String>,
}

/// Something a pod refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// The Secret, ConfigMap, ServiceAccount, PersistentVolumeClaim.
    pub object: ObjectRef,
    /// What was found.
    pub whereabouts: Whereabouts,
}

/// Where something is that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// It is there, with these keys in its data; never their values.
    There {
        /// Sorted.
        keys: Vec<String>,
    },
    /// The cluster says that it does not exist.
    Missing,
    /// It cannot be told.
    Unreadable,
}

/// Something that would help to understand what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Want {
    /// The end of a container's log.
    Log {
        /// The pod's namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Of the run before the present one; where there is none, of the present one.
        previous: bool,
    },
    /// Whether this exists, and the names of the keys of its data.
    Keys(ObjectRef),
    /// One object as it is, into [`Evidence::around`]. Never a Secret or ConfigMap.
    Object(ObjectRef),
    /// All objects of a kind, into [`Evidence::around`]. Never Secrets or ConfigMaps.
    All {
        /// `v1`, `storage.k8s.io/v1`
        api_version: String,
        /// `Node`
        kind: String,
        /// One namespace; `None` for all, and for cluster-scoped kinds.
        namespace: Option<String>,
        /// A label selector.
        labels: Option<String>,
    },
}

/// Everything known when helm has failed.
#[derive(Clone)]
pub struct HelmEvidence {
    /// The release.
    pub release: ReleaseKey,
    /// What helm printed on standard error, without known secrets.
    pub text: String,
    /// What helm was to create or change, hooks included, as far as that is known.
    pub objects: Vec<ObjectRef>,
    /// What lies around and was read, as in [`Evidence::around`].
    pub around: Vec<Arc<Value>>,
    /// The wants that were read, in whatever way that ended.
    pub read: Vec<Want>,
    /// Those of them that could not be answered: nothing is concluded from what they lack.
    pub unanswered: Vec<Want>,
    /// The other releases of the run that are still at work, and not in vain: with them another try may end otherwise.
    pub releases: Vec<OtherRelease>,
    /// Helm's newest record, when it says that an operation is in progress.
    pub lock: Option<LockSeen>,
    /// What must not be told of it.
    pub redactor: Redactor,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for HelmEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("HelmEvidence");
        shown.field("release", &self.release).field("text", &self.text).field("objects", &self.objects);
        shown.field("read", &self.read).field("lock", &self.lock).finish_non_exhaustive()
    }
}

impl HelmEvidence {
    /// Of a text about which nothing else is known.
    pub fn new(release: ReleaseKey, text: impl Into<String>) -> Self {
        Self {
            release,
            text: text.into(),
            objects: Vec::new(),
            around: Vec::new(),
            read: Vec::new(),
            unanswered: Vec::new(),
            releases: Vec::new(),
            lock: None,
            redactor: Redactor::default(),
        }
    }

    /// Takes known secrets out of what it says in words, as [`Evidence::redact`] does.
    pub fn redact(&mut self, redactor: &Redactor) {
        self.redactor = redactor.clone();
        self.text = redactor.redact(&self.text);
        self.around.iter_mut().for_each(|object| redact_words(object, redactor));
    }
}

/// A record of Helm's that says that an operation is in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSeen {
    /// Its revision.
    pub revision: u32,
    /// `pending-upgrade`
    pub status: String,
    /// When it was written.
    pub since: Option<Timestamp>,
    /// Who is at work, in words, where that is known.
    pub holder: Option<String>,
}
