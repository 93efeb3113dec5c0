//! Objects that are created anew: one of the name is there, and is deleted first.

use crate::context::Compared;
use crate::context::Outcome;
use crate::observe::dry_run::compare::{
    CHANGING, Comparison, TAKEN, WriteMethod, created, is_custom, owned_by, seen_object,
};
use crate::observe::dry_run::going::Going;
use crate::observe::dry_run::refusal::{self, Answer, FIELD_MANAGER};
use crate::observe::dry_run::subject::Subject;
use pilothouse_core::ObjectRef;
use pilothouse_kube::{ClusterClient, UpdateOptions};
use serde_json::{Value, json};

/// The name under which a copy is asked about. Nothing is created under it.
const ANOTHER_NAME: &str = "pilothouse-dry-run";
/// Kinds of which another name says something else.
const NAMED_BY_CONTENT: [&str; 2] = ["CustomResourceDefinition", "APIService"];

impl Comparison<'_> {
    /// What becomes of an object that is created once the one of its name is gone: the server is asked about an update of that one,
    /// which has its name, ports, addresses and hosts, where this is refused about a creation of a copy under another name, and what
    /// both are refused for is refused. An apply fills in what the one that goes has, so only a copy is asked about in that way, for
    /// what nothing else is refused for.
    pub(super) async fn anew(&self, cluster: &dyn ClusterClient, subject: &Subject<'_>, going: &Going) -> Compared {
        let live = match self.read(cluster, subject).await {
            Ok(live) => live,
            Err(outcome) => return Compared::unknown(&subject.object, outcome),
        };
        let Some(live) = live else {
            return self.wanted(cluster, subject, None, going).await;
        };
        // What another release takes away is looked at again before that begins.
        let seen = seen_object(&subject.object.kind, &live).filter(|_| going.is_taken(&subject.object));
        Compared { seen, ..self.over(cluster, subject, going, live).await }
    }

    async fn over(&self, cluster: &dyn ClusterClient, subject: &Subject<'_>, going: &Going, live: Value) -> Compared {
        if self.is_changing(&subject.object) {
            return created(&subject.object, subject.manifest, Answer::NotAsked { why: CHANGING.to_owned() });
        }
        if going.is_taken(&subject.object) && is_custom(&subject.object) {
            return created(&subject.object, subject.manifest, Answer::NotAsked { why: TAKEN.to_owned() });
        }
        let manifest = owned_by(subject.manifest, self.release);
        // Helm 4 asks the server to refuse what it does not know.
        let strict = matches!(self.write, WriteMethod::Apply { .. } | WriteMethod::Replace { strict: true });
        let options = UpdateOptions { field_manager: FIELD_MANAGER.to_owned(), strict };
        let copy = copy(&subject.object, &manifest);
        let (_, update) = self.replaced(cluster, subject, &manifest, live, &options).await;
        let answer = match update {
            Answer::Refused { why } => {
                let is_of_the_old = refusal::is_of_what_is_there(&why) || going.is_in_the_way(&subject.object, &why);
                self.elsewhere(cluster, &subject.object, &copy, (why, is_of_the_old), &options).await
            }
            answer => answer,
        };
        let answer = going.without_what_goes(&subject.object, answer);
        let answer = if self.write.is_apply() {
            self.applied(cluster, &subject.object, &copy, answer, going).await
        } else {
            answer
        };
        created(&subject.object, subject.manifest, answer)
    }

    /// The answer to a copy under another name, where the update of the one that is there is refused: that is what counts if both are.
    async fn elsewhere(
        &self,
        cluster: &dyn ClusterClient,
        object: &ObjectRef,
        copy: &Value,
        (refused, is_of_the_old): (String, bool),
        options: &UpdateOptions,
    ) -> Answer {
        if NAMED_BY_CONTENT.contains(&object.kind.as_str()) {
            let why = "not checked by the server: one that cannot be changed into it is there".to_owned();
            return if is_of_the_old { Answer::NotAsked { why } } else { Answer::Refused { why: refused } };
        }
        match cluster.create_dry_run(copy, options).await {
            Ok(mut then) => {
                then["metadata"]["name"] = json!(object.name);
                Answer::Then(then)
            }
            Err(error) => match refusal::read(&error, self.write.is_apply(), self.redactor) {
                Answer::Refused { .. } if !is_of_the_old => Answer::Refused { why: refused },
                Answer::Refused { why } if is_of_its_name(&object.name, &why, &refused) => Answer::NotAsked {
                    why: "not checked by the server: one that cannot be changed into it is there, and its name counts"
                        .to_owned(),
                },
                answer => of_itself(object, answer),
            },
        }
    }

    /// The answer, unless an apply of a copy is refused: on the server's side it needs lists in which no two items have one key, and
    /// fields that are in the schema.
    async fn applied(
        &self,
        cluster: &dyn ClusterClient,
        object: &ObjectRef,
        copy: &Value,
        answer: Answer,
        going: &Going,
    ) -> Answer {
        let Err(error) = self.ask(cluster, copy, true).await else { return answer };
        let applied = of_itself(object, refusal::read(&error, true, self.redactor));
        match (going.without_what_goes(object, applied), answer) {
            (Answer::Refused { why }, _) if refusal::is_of_schema(&why) => Answer::Refused { why },
            (applied @ (Answer::NotAsked { .. } | Answer::Unknown(_)), Answer::Then(_)) => applied,
            (_, answer) => answer,
        }
    }
}

/// An object under another name.
fn copy(object: &ObjectRef, manifest: &Value) -> Value {
    let mut copy = manifest.clone();
    copy["metadata"]["name"] = json!(ANOTHER_NAME);
    if let Some(namespace) = &object.namespace {
        copy["metadata"]["namespace"] = json!(namespace);
    }
    copy
}

/// Whether a copy is refused for the name that it was given, or for the one that is there and has its own. What an update under its own
/// name is refused for too is of neither.
fn is_of_its_name(name: &str, why: &str, refused: &str) -> bool {
    let heads = [" is invalid: ", " is forbidden: "];
    let said = heads.iter().find_map(|head| why.split_once(head)).filter(|(head, _)| head.contains(ANOTHER_NAME));
    let words = said.map_or(why, |(_, words)| words);
    let speaks = words.contains(ANOTHER_NAME)
        || refusal::has_word(words, name)
        || ["metadata.name", "self.metadata.name", "object.metadata.name"]
            .iter()
            .any(|path| refusal::has_word(words, path));
    speaks && !refused.contains(words.trim_matches(['[', ']']))
}

/// An answer to a copy, as one to the object itself.
fn of_itself(object: &ObjectRef, answer: Answer) -> Answer {
    let named = |why: String| why.replace(ANOTHER_NAME, &object.name);
    match answer {
        Answer::Refused { why } => Answer::Refused { why: named(why) },
        Answer::NotAsked { why } => Answer::NotAsked { why: named(why) },
        Answer::Unknown(Outcome::Unreadable { why }) => Answer::Unknown(Outcome::Unreadable { why: named(why) }),
        Answer::Then(_) | Answer::Unknown(_) => answer,
    }
}
