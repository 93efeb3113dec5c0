//! The objects of a release as they are and as a deploy would leave them, by asking the server without changing anything.

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;

use crate::context::{Compared, Context, Outcome};
use crate::digest;
use crate::observe::dry_run::going::Going;
use crate::observe::dry_run::refusal;
use crate::observe::dry_run::refusal::Answer;
use crate::observe::dry_run::refusal::FIELD_MANAGER;
use crate::observe::dry_run::subject;
use crate::observe::dry_run::subject::Subject;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use pilothouse_core::{
    CrdFacts, ObjectChange, ObjectRef, Readiness, Redactor, ReleaseKey, Secrecy, SeenObject, Sensitive, adoption_patch,
    declared, field_changes, helm_owner, is_client_side_applied, kept_by_upgrade, merge_patched, removed_paths,
};
use pilothouse_health::{Rules, is_built_in};
use pilothouse_kube::{ApplyOptions, ClusterClient, ClusterError, UpdateOptions};
use serde_json::Value;

/// Objects at a time; each takes two requests.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// How often the server is asked about an object that others keep writing.
const UPDATE_ATTEMPTS: usize = 4;

/// Why the server is not asked about what it will judge by another definition.
pub(super) const CHANGING: &str = "not checked by the server: its definition changes first";
/// The same of what another release deletes, maybe with its definition.
pub(super) const TAKEN: &str = "not checked by the server: the one that is there goes with another release first";

/// What is to be compared.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// The release; objects that name no namespace are in its own.
    pub release: &'a ReleaseKey,
    /// The objects as rendered, without the keys by which helm owns them.
    pub wanted: &'a [Value],
    /// The objects of the deployed revision's manifest; none before the first install.
    pub stored: &'a [Value],
    /// What an uninstall does that comes first; nothing where none does.
    pub uninstalled: Uninstalled<'a>,
    /// How helm writes the objects.
    pub write: WriteMethod,
    /// What is going to be defined anew before it is applied, as it is then: the server would judge it by the definition of today, and
    /// is not asked.
    pub changing: &'a [CrdFacts],
    /// Objects as they were read a moment ago, `None` where one was not there: they are not read again.
    pub seen: &'a [(ObjectRef, Option<Value>)],
    /// What releases before this one take away: of what is wanted, it is not there any more then.
    pub taken: &'a [ObjectRef],
    /// What is known to be secret.
    pub redactor: &'a Redactor,
    /// By which the objects' health is judged.
    pub rules: &'a Rules,
    /// By which an object's age is counted.
    pub now: Timestamp,
}

/// The manifests of a release that is uninstalled before it is installed again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uninstalled<'a> {
    /// What goes: of what is wanted, it is not there any more then.
    pub deleted: &'a [Value],
    /// What a resource policy keeps: of what is wanted, it becomes part of the release again.
    pub kept: &'a [Value],
}

/// How helm writes an object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMethod {
    /// By an apply on the server's side, with or without taking over fields that others own.
    Apply {
        /// Whether it takes them over.
        force: bool,
    },
    /// By a patch it makes itself: it takes over what others own, and deletes what its manifest does not set any more.
    Patch,
    /// By an update (`--force`, `--force-replace`): whatever its manifest does not set goes, whoever has set it.
    Replace {
        /// Whether the server refuses fields that it does not know, as helm 4 asks it to.
        strict: bool,
    },
}

impl WriteMethod {
    pub(super) fn is_apply(self) -> bool {
        matches!(self, Self::Apply { .. })
    }
}

/// What is to be told of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What helm makes of it.
    WhatHelmDoes,
    /// What is not as the manifest declares it, whether helm would see that or not.
    WhatIsDeclared,
}

/// Tells what a deploy would do to the objects of a release: first the wanted ones in their order, then those it deletes or
/// leaves behind. Changes nothing (`dryRun=All`); can be repeated, and dropped at any time.
pub async fn compare(cluster: &dyn ClusterClient, what: &Comparison<'_>) -> Vec<Compared> {
    compare_within(cluster, what, Scope::All).await.compared
}

/// What was found of the objects of a release.
pub(crate) struct Looked {
    pub(crate) compared: Vec<Compared>,
    /// What is not wanted any more, and is not there: helm would delete it if it came.
    pub(crate) absent: Vec<ObjectRef>,
}

/// As [`compare`], of some of the objects.
pub(crate) async fn compare_within(cluster: &dyn ClusterClient, what: &Comparison<'_>, scope: Scope) -> Looked {
    look(cluster, what, Asked::WhatHelmDoes, scope).await
}

/// Which objects are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them.
    All,
    /// Those outside the release's own namespace, since that is known not to be there: of the others nobody needs to be asked.
    Elsewhere,
    /// Those that are not wanted any more, and of the others the kinds of which a change can lose something: Secrets too
    /// where the chart makes up values.
    MayLose { secrets: bool },
}

impl Scope {
    fn has(self, object: &ObjectRef) -> bool {
        match self {
            Self::All | Self::Elsewhere => true,
            Self::MayLose { secrets } => match object.kind.as_str() {
                "CustomResourceDefinition" | "StatefulSet" | "PersistentVolume" => true,
                "Secret" => secrets,
                _ => false,
            },
        }
    }
}

pub(super) async fn look(cluster: &dyn ClusterClient, what: &Comparison<'_>, asked: Asked, scope: Scope) -> Looked {
    let namespace = &what.release.namespace;
    let wanted = subject::complete(cluster, what.wanted, namespace, what.changing, what.redactor).await;
    let stored = subject::complete(cluster, what.stored, namespace, &[], what.redactor).await;
    let deleted = subject::complete(cluster, what.uninstalled.deleted, namespace, &[], what.redactor).await;
    let kept = subject::complete(cluster, what.uninstalled.kept, namespace, &[], what.redactor).await;
    let going = Going::of(&deleted, what.taken);
    let deployed = |object: &ObjectRef| find(&stored, object);
    let mut looks: Vec<BoxFuture<'_, Result<Compared, ObjectRef>>> = Vec::new();
    for subject in wanted.iter().filter(|subject| scope.has(&subject.object)) {
        let is_nowhere = scope == Scope::Elsewhere && subject.object.namespace.as_ref() == Some(namespace);
        if is_nowhere && subject.unknown.is_none() {
            let outcome = Outcome::NoNamespace { namespace: namespace.clone() };
            looks.push(std::future::ready(Ok(Compared::unknown(&subject.object, outcome))).boxed());
            continue;
        }
        if going.has(&subject.object) {
            let going = &going;
            let look = async move {
                let compared = what.anew(cluster, subject, going).await;
                Ok(what.with_free_addresses(cluster, subject.manifest, going, compared).await)
            };
            looks.push(look.boxed());
            continue;
        }
        let stored = deployed(&subject.object).map(|stored| stored.manifest);
        let again = find(&kept, &subject.object).is_some();
        let going = &going;
        let look = async move {
            let compared = what.wanted(cluster, subject, stored, going).await;
            Ok(match asked {
                Asked::WhatHelmDoes => {
                    let compared = Compared { again, ..what.by_merge_patch(subject, stored, compared) };
                    what.with_free_addresses(cluster, subject.manifest, going, compared).await
                }
                Asked::WhatIsDeclared => compared,
            })
        };
        looks.push(look.boxed());
    }
    let is_wanted = |subject: &&Subject<'_>| find(&wanted, &subject.object).is_some();
    for subject in stored.iter().filter(|stored| !is_wanted(stored) && !going.is_taken(&stored.object)) {
        looks.push(what.unwanted(cluster, subject, None).boxed());
    }
    for subject in &deleted {
        looks.push(what.unwanted(cluster, subject, Some(ObjectChange::Delete)).boxed());
    }
    // Of what is there twice, helm deletes the one without the policy.
    for subject in kept.iter().filter(|kept| !is_wanted(kept) && !going.has(&kept.object)) {
        looks.push(what.unwanted(cluster, subject, Some(ObjectChange::Keep)).boxed());
    }
    let mut looked = Looked { compared: Vec::with_capacity(looks.len()), absent: Vec::new() };
    let mut looks = futures::stream::iter(looks).buffered(SIDE_BY_SIDE);
    while let Some(one) = looks.next().await {
        match one {
            Ok(compared) => looked.compared.push(compared),
            Err(absent) => looked.absent.push(absent),
        }
    }
    looked
}

fn find<'s, 'm>(subjects: &'s [Subject<'m>], object: &ObjectRef) -> Option<&'s Subject<'m>> {
    subjects.iter().find(|subject| subject.object.same_object(object))
}

impl<'a> Comparison<'a> {
    /// Of these objects, of which the release has none yet.
    pub(crate) fn over_nothing(
        ctx: &'a Context,
        release: &'a ReleaseKey,
        wanted: &'a [Value],
        write: WriteMethod,
    ) -> Self {
        Self {
            release,
            wanted,
            stored: &[],
            uninstalled: Uninstalled::default(),
            write,
            changing: &[],
            seen: &[],
            taken: &[],
            redactor: ctx.redactor(),
            rules: ctx.tracker().rules(),
            now: Timestamp::now(),
        }
    }
}

impl Comparison<'_> {
    pub(super) async fn wanted(
        &self,
        cluster: &dyn ClusterClient,
        subject: &Subject<'_>,
        stored: Option<&Value>,
        going: &Going,
    ) -> Compared {
        let live = match self.read(cluster, subject).await {
            Ok(live) => live,
            Err(outcome) => return Compared::unknown(&subject.object, outcome),
        };
        let manifest = owned_by(subject.manifest, self.release);
        if self.is_changing(&subject.object) {
            let why = CHANGING.to_owned();
            return self.compared(subject, stored, live, &manifest, Answer::NotAsked { why }, None);
        }
        if let (Some(live), WriteMethod::Replace { strict }) = (&live, self.write) {
            let options = UpdateOptions { field_manager: FIELD_MANAGER.to_owned(), strict };
            let (live, answer) = self.replaced(cluster, subject, &manifest, live.clone(), &options).await;
            let answer = going.without_what_goes(&subject.object, answer);
            return self.compared(subject, stored, Some(live), &manifest, answer, None);
        }
        let mut answer = self.ask(cluster, &manifest, self.write != WriteMethod::Apply { force: false }).await;
        let mut conflict = None;
        if let Err(ClusterError::Conflict { message, .. }) = &answer {
            conflict = refusal::conflict(message, self.redactor);
            // What it would become in spite of the conflict.
            answer = self.ask(cluster, &manifest, true).await;
        }
        let answer =
            answer.map_or_else(|error| refusal::read(&error, self.write.is_apply(), self.redactor), Answer::Then);
        let answer = going.without_what_goes(&subject.object, answer);
        self.compared(subject, stored, live, &manifest, answer, conflict)
    }

    /// What an apply on the server's side makes of an object.
    pub(super) async fn ask(
        &self,
        cluster: &dyn ClusterClient,
        manifest: &Value,
        force: bool,
    ) -> Result<Value, ClusterError> {
        let options = ApplyOptions {
            field_manager: FIELD_MANAGER.to_owned(),
            force,
            dry_run: true,
            default_namespace: Some(self.release.namespace.clone()),
        };
        cluster.apply(manifest, &options).await
    }

    /// Whether its kind is defined anew before it is applied.
    pub(super) fn is_changing(&self, object: &ObjectRef) -> bool {
        self.changing.iter().any(|facts| facts.is_of(object))
    }

    /// What an update makes of an object, and how that was when the server was asked: it judges the very version it was read in, as
    /// it does for helm, and an object that is written meanwhile is read again.
    pub(super) async fn replaced(
        &self,
        cluster: &dyn ClusterClient,
        subject: &Subject<'_>,
        manifest: &Value,
        mut live: Value,
        options: &UpdateOptions,
    ) -> (Value, Answer) {
        let mut attempts = UPDATE_ATTEMPTS;
        loop {
            let mut update = manifest.clone();
            update["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let error = match cluster.update_dry_run(&subject.object, &update, options).await {
                Ok(then) => return (live, Answer::Then(then)),
                Err(error) => error,
            };
            if !matches!(error, ClusterError::Conflict { .. }) {
                return (live, refusal::read(&error, self.write.is_apply(), self.redactor));
            }
            attempts -= 1;
            match cluster.get(&subject.object).await {
                Ok(Some(now)) if attempts > 0 => live = now,
                Ok(_) => return (live, Answer::Unknown(refusal::unreadable(&error, self.redactor))),
                Err(error) => return (live, Answer::Unknown(refusal::unreadable(&error, self.redactor))),
            }
        }
    }

    /// What becomes of an object, by the server's answer; `conflict` is why it would be refused all the same.
    fn compared(
        &self,
        subject: &Subject<'_>,
        stored: Option<&Value>,
        live: Option<Value>,
        manifest: &Value,
        answer: Answer,
        conflict: Option<String>,
    ) -> Compared {
        let Some(live) = live else { return created(&subject.object, subject.manifest, answer) };
        let manifest = with_data(manifest.clone());
        let (mut then, mut not_checked) = (declared(&live, &manifest), None);
        let mut change = conflict.map(|why| ObjectChange::Refused { why });
        match answer {
            Answer::Then(answer) => then = answer,
            Answer::NotAsked { why } if matches!(self.write, WriteMethod::Replace { .. }) => {
                not_checked = Some(why);
                then = manifest.clone();
                // The manifest may leave it out; an object of the whole cluster has none.
                if let Some(namespace) = live.pointer("/metadata/namespace") {
                    then["metadata"]["namespace"] = namespace.clone();
                }
            }
            Answer::NotAsked { why } => {
                not_checked = Some(why);
                // Lists of custom resources are mostly replaced as a whole, and what is not set any more goes.
                if let Some(stored) = stored.filter(|_| is_custom(&subject.object)) {
                    then = declared(&merge_patched(&live, stored, &manifest), &manifest);
                }
            }
            Answer::Refused { why } => {
                change = Some(match refusal::replaced(&subject.object.kind, &why, &live, &then) {
                    Some(because) => ObjectChange::Replace { because },
                    None => ObjectChange::Refused { why },
                });
            }
            Answer::Unknown(outcome) => {
                let is_deployed = stored.is_some();
                return Compared { outcome, is_deployed, ..self.seen(&subject.object, live) };
            }
        }
        if let Some(stored) = stored
            && (self.write == WriteMethod::Patch || self.write.is_apply() && is_client_side_applied(&live))
        {
            // The fields are helm's by an update, so an apply leaves them; helm's own patch takes them out.
            for path in removed_paths(&with_data(stored.clone()), &manifest) {
                path.remove(&mut then);
            }
        }
        let secrecy = Secrecy { kind: &subject.object.kind, redactor: self.redactor };
        let fields = field_changes(&live, &then, secrecy);
        let becomes_its_own = stored.is_none() && !helm_owner(&live).is(self.release);
        let change = change.unwrap_or(match (becomes_its_own, fields.is_empty()) {
            (true, _) => ObjectChange::Adopt,
            (false, true) => ObjectChange::Same,
            (false, false) => ObjectChange::Update,
        });
        Compared {
            outcome: Outcome::Change(change),
            fields,
            not_checked,
            is_deployed: stored.is_some(),
            then: Some(Sensitive::new(then)),
            ..self.seen(&subject.object, live)
        }
    }

    /// What helm makes of a custom resource without server-side apply: the difference between its two manifests, as a JSON merge
    /// patch. What others have changed stays, and what is adopted stays as it is (helm/helm#11638). Of the server's answer only
    /// its refusal counts; a default that it gives a field that is not set any more is not foreseen.
    fn by_merge_patch(&self, subject: &Subject<'_>, stored: Option<&Value>, compared: Compared) -> Compared {
        let patched = match (&compared.outcome, &compared.live) {
            (Outcome::Change(ObjectChange::Update | ObjectChange::Same | ObjectChange::Adopt), Some(live))
                if self.write == WriteMethod::Patch && is_custom(&subject.object) =>
            {
                let wanted = owned_by(subject.manifest, self.release);
                let then = merge_patched(live.expose(), stored.unwrap_or(&wanted), &wanted);
                let secrecy = Secrecy { kind: &subject.object.kind, redactor: self.redactor };
                Some((field_changes(live.expose(), &then, secrecy), then))
            }
            (_, _) => None,
        };
        let Some((fields, then)) = patched else { return compared };
        let change = match (compared.outcome == Outcome::Change(ObjectChange::Adopt), fields.is_empty()) {
            (true, _) => ObjectChange::Adopt,
            (false, true) => ObjectChange::Same,
            (false, false) => ObjectChange::Update,
        };
        Compared { outcome: Outcome::Change(change), fields, then: Some(Sensitive::new(then)), ..compared }
    }

    /// What becomes of an object that is not wanted any more, by the live one unless that is `settled`; its name when it is not there.
    async fn unwanted(
        &self,
        cluster: &dyn ClusterClient,
        subject: &Subject<'_>,
        settled: Option<ObjectChange>,
    ) -> Result<Compared, ObjectRef> {
        match self.read(cluster, subject).await {
            Ok(None) => Err(subject.object.clone()),
            Ok(Some(live)) => {
                let by_live = || if kept_by_upgrade(&live) { ObjectChange::Keep } else { ObjectChange::Delete };
                let change = settled.unwrap_or_else(by_live);
                let outcome = Outcome::Change(change);
                Ok(Compared { outcome, is_deployed: true, ..self.seen(&subject.object, live) })
            }
            Err(outcome) => Ok(Compared::unknown(&subject.object, outcome)),
        }
    }

    pub(super) async fn read(
        &self,
        cluster: &dyn ClusterClient,
        subject: &Subject<'_>,
    ) -> Result<Option<Value>, Outcome> {
        if let Some(outcome) = &subject.unknown {
            return Err(outcome.clone());
        }
        if let Some((_, seen)) = self.seen.iter().find(|(object, _)| object.same_object(&subject.object))
            && seen.as_ref().is_none_or(is_whole)
        {
            return Ok(seen.clone());
        }
        cluster.get(&subject.object).await.map_err(|error| refusal::unreadable(&error, self.redactor))
    }

    /// A live object, of which nothing is said yet.
    fn seen(&self, object: &ObjectRef, live: Value) -> Compared {
        let status = self.rules.judge(&live, self.now).status;
        let health = match status.readiness {
            Readiness::Current => "Current".to_owned(),
            other => self.redactor.redact(&format!("{other:?}: {}", status.message)),
        };
        Compared {
            health: Some(health),
            seen: seen_object(&object.kind, &live),
            owner: Some(helm_owner(&live)),
            live: Some(Sensitive::new(live)),
            ..Compared::unknown(object, Outcome::Change(ObjectChange::Same))
        }
    }
}

/// Whether an object that was read is certain to be all of it: of these two, lists have the metadata alone.
fn is_whole(object: &Value) -> bool {
    !matches!(object.get("kind").and_then(Value::as_str), Some("Secret" | "ConfigMap"))
}

/// What becomes of an object that is not there.
pub(crate) fn created(object: &ObjectRef, manifest: &Value, answer: Answer) -> Compared {
    let create = Compared::unknown(object, Outcome::Change(ObjectChange::Create));
    match answer {
        Answer::Then(then) => Compared { then: Some(Sensitive::new(then)), ..create },
        Answer::NotAsked { why } => {
            Compared { not_checked: Some(why), then: Some(Sensitive::new(manifest.clone())), ..create }
        }
        Answer::Refused { why } => Compared { outcome: Outcome::Change(ObjectChange::Refused { why }), ..create },
        Answer::Unknown(outcome) => Compared { outcome, ..create },
    }
}

/// Which object this is, and in which state; `None` for one that the server has not made.
pub(crate) fn seen_object(kind: &str, live: &Value) -> Option<SeenObject> {
    let text = |pointer| live.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(SeenObject {
        uid: text("/metadata/uid")?,
        resource_version: text("/metadata/resourceVersion")?,
        digest: seen_digest(kind, live),
    })
}

/// The digest of what an object holds; none for a Secret: plans are saved and printed, and short values are found by trying.
fn seen_digest(kind: &str, live: &Value) -> String {
    if kind == "Secret" { String::new() } else { digest::content_digest(live) }
}

/// Whether helm does not know the kind: those of Kubernetes but for `APIService`, and no others, are compiled into it.
pub(super) fn is_custom(object: &ObjectRef) -> bool {
    object.group().is_some_and(|group| !is_built_in(group) || group == "apiregistration.k8s.io")
}

/// A manifest with the keys by which helm owns the object, as helm adds them.
pub(super) fn owned_by(manifest: &Value, release: &ReleaseKey) -> Value {
    let mut owned = manifest.clone();
    let keys = adoption_patch(release);
    for map in ["labels", "annotations"] {
        let added = keys["metadata"][map].as_object().into_iter().flatten();
        for (key, value) in added {
            // A chart may well render an empty list or text where nothing is set.
            if !owned["metadata"][map].is_object() {
                owned["metadata"][map] = Value::Object(serde_json::Map::new());
            }
            owned["metadata"][map][key] = value.clone();
        }
    }
    owned
}

/// A manifest whose `stringData` is in `data`, where the server puts it.
fn with_data(mut manifest: Value) -> Value {
    if manifest.get("kind").and_then(Value::as_str) != Some("Secret") {
        return manifest;
    }
    let Some(map) = manifest.as_object_mut() else { return manifest };
    let Some(Value::Object(texts)) = map.remove("stringData") else { return manifest };
    let data = map.entry("data").or_insert_with(|| Value::Object(serde_json::Map::new()));
    if let Some(data) = data.as_object_mut() {
        for (key, text) in texts {
            data.insert(key, Value::String(STANDARD.encode(text.as_str().unwrap_or_default())));
        }
    }
    manifest
}
