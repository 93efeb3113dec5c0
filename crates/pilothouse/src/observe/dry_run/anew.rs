//! Objects that are created anew: one of the name is there, and an uninstall deletes it first.

use crate::context::Compared;
use crate::observe::dry_run::compare::{CHANGING, Comparison, WriteMethod, created, owned_by};
use crate::observe::dry_run::refusal::{self, Answer, FIELD_MANAGER};
use crate::observe::dry_run::subject::Subject;
use pilothouse_core::ObjectRef;
use pilothouse_kube::{ClusterClient, UpdateOptions};
use serde_json::{Value, json};

/// The name under which a copy is asked about. Nothing is created under it.
const ANOTHER_NAME: &str = "pilothouse-dry-run";
/// Kinds of which another name says something else.
const NAMED_BY_CONTENT: [&str; 2] = ["CustomResourceDefinition", "APIService"];

/// What an uninstall deletes before.
#[derive(Default)]
pub(super) struct Leaving {
    pub(super) objects: Vec<ObjectRef>,
}

impl Leaving {
    pub(super) fn has(&self, object: &ObjectRef) -> bool {
        self.objects.iter().any(|leaving| leaving.same_object(object))
    }

    /// An answer without a refusal that is for what goes before: it takes up a quota, has the port or the address, or is what an
    /// admission webhook names (two Ingresses of one host).
    pub(super) fn without_what_goes(&self, object: &ObjectRef, answer: Answer) -> Answer {
        let Answer::Refused { why } = &answer else { return answer };
        let is_named = |other: &ObjectRef| {
            let (quoted, path) = (format!("\"{}\"", other.name), format!("/{}", other.name));
            other.name != object.name && (why.contains(&quoted) || why.contains(&path))
        };
        let has_services = || self.objects.iter().any(|other| other.kind == "Service");
        let in_the_way = if self.objects.is_empty() {
            false
        } else if why.contains("exceeded quota") {
            // Counted by itself, with what goes.
            true
        } else if why.contains("already allocated") {
            has_services()
        } else {
            why.contains("denied the request") && self.objects.iter().any(is_named)
        };
        if in_the_way {
            let why = format!("not checked by the server: what the uninstall deletes is in the way: {why}");
            return Answer::NotAsked { why };
        }
        answer
    }
}

impl Comparison<'_> {
    /// What becomes of an object that is created once the one of its name is gone. The server is asked about an update of that one:
    /// so it judges the whole manifest under its own name, with the ports, addresses and hosts that it has and that will be free. It
    /// is not asked about an apply, by which a field that is missing would be filled from the one that goes. What cannot be changed in
    /// place can be created all the same, and some admission looks at updates alone; so where the update is refused, a copy under
    /// another name is asked about, and what both are refused for is refused. Not asked the other way round: under another name,
    /// the port and the host of the one that is there would be somebody else's. What is left open: admission that looks at creations
    /// alone.
    pub(super) async fn anew(&self, cluster: &dyn ClusterClient, subject: &Subject<'_>, leaving: &Leaving) -> Compared {
        let live = match self.read(cluster, subject).await {
            Ok(live) => live,
            Err(outcome) => return Compared::unknown(&subject.object, outcome),
        };
        let Some(live) = live else {
            return self.wanted(cluster, subject, None, leaving).await;
        };
        if self.is_changing(&subject.object) {
            return created(subject, Answer::NotAsked { why: CHANGING.to_owned() });
        }
        let manifest = owned_by(subject.manifest, self.release);
        // Helm 4 asks the server to refuse what it does not know.
        let strict = matches!(self.write, WriteMethod::Apply { .. } | WriteMethod::Replace { strict: true });
        let options = UpdateOptions { field_manager: FIELD_MANAGER.to_owned(), strict };
        let (live, update) = self.replaced(cluster, subject, &manifest, live, &options).await;
        let answer = match update {
            Answer::Refused { why } => self.elsewhere(cluster, subject, (&live, &manifest), why, &options).await,
            answer => answer,
        };
        created(subject, leaving.without_what_goes(&subject.object, answer))
    }

    /// The answer to a copy under another name, where the update of the one that is there is refused: that is what counts if both are.
    async fn elsewhere(
        &self,
        cluster: &dyn ClusterClient,
        subject: &Subject<'_>,
        (live, manifest): (&Value, &Value),
        refused: String,
        options: &UpdateOptions,
    ) -> Answer {
        let kind = subject.object.kind.as_str();
        let is_immutable = refusal::replaced(kind, &refused, live, manifest).is_some();
        if NAMED_BY_CONTENT.contains(&kind) {
            let why = "not checked by the server: one that cannot be changed into it is there".to_owned();
            return if is_immutable { Answer::NotAsked { why } } else { Answer::Refused { why: refused } };
        }
        let mut copy = manifest.clone();
        copy["metadata"]["name"] = json!(ANOTHER_NAME);
        copy["metadata"]["namespace"] = json!(subject.object.namespace);
        match cluster.create_dry_run(&copy, options).await {
            Ok(mut then) => {
                then["metadata"]["name"] = json!(subject.object.name);
                Answer::Then(then)
            }
            Err(error) => match refusal::read(&error, false, self.redactor) {
                Answer::Refused { why } => Answer::Refused { why: if is_immutable { why } else { refused } },
                answer => answer,
            },
        }
    }
}
