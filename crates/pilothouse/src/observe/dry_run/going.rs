//! What an uninstall deletes before, and what the server says only for that.

use crate::context::{Outcome, is_or_holds};
use crate::observe::dry_run::refusal::{self, Answer};
use crate::observe::dry_run::subject::Subject;
use pilothouse_core::ObjectRef;
use serde_json::Value;

/// What an uninstall deletes before.
#[derive(Default)]
pub(super) struct Going {
    objects: Vec<ObjectRef>,
    /// What other releases take away before.
    taken: Vec<ObjectRef>,
    /// How an answer begins that is by admission which goes too.
    admission: Vec<String>,
}

impl Going {
    pub(super) fn of(deleted: &[Subject<'_>], taken: &[ObjectRef]) -> Self {
        Self {
            objects: deleted.iter().map(|subject| subject.object.clone()).collect(),
            taken: taken.to_vec(),
            admission: deleted.iter().flat_map(words_of_admission).collect(),
        }
    }

    pub(super) fn has(&self, object: &ObjectRef) -> bool {
        self.objects.iter().any(|going| going.same_object(object)) || self.is_taken(object)
    }

    /// Whether another release takes it away before.
    pub(super) fn is_taken(&self, object: &ObjectRef) -> bool {
        self.taken.iter().any(|taken| is_or_holds(taken, object))
    }

    /// An answer without a refusal that is for what goes before.
    pub(super) fn without_what_goes(&self, object: &ObjectRef, answer: Answer) -> Answer {
        let why = match &answer {
            Answer::Refused { why } | Answer::Unknown(Outcome::Unreadable { why }) => why,
            Answer::Then(_) | Answer::NotAsked { .. } | Answer::Unknown(_) => return answer,
        };
        if self.is_in_the_way(object, why) {
            let why = format!("not checked by the server: what the uninstall deletes is in the way: {why}");
            return Answer::NotAsked { why };
        }
        answer
    }

    /// Whether the server says this for what goes before: it takes up a quota, has the port or the address or the host, or judges
    /// admission itself.
    pub(super) fn is_in_the_way(&self, object: &ObjectRef, why: &str) -> bool {
        if self.objects.is_empty() {
            return false;
        }
        let has_host = |other: &ObjectRef| {
            let named = format!("{}/{}", other.namespace.as_deref().unwrap_or_default(), other.name);
            other.kind == "Ingress" && !other.same_object(object) && refusal::has_word(why, &named)
        };
        // What a quota counts is counted by itself, with what goes.
        why.contains("exceeded quota")
            || why.contains("already allocated") && self.objects.iter().any(|other| other.kind == "Service")
            // Of other kinds the words of a policy name an object by chance only: as what is refused, as an image.
            || object.kind == "Ingress" && why.contains("denied the request") && self.objects.iter().any(has_host)
            || self.admission.iter().any(|words| why.contains(words))
    }
}

/// How the server begins what an object that judges admission has to say, or that it says nothing.
fn words_of_admission(subject: &Subject<'_>) -> Vec<String> {
    let name = &subject.object.name;
    match subject.object.kind.as_str() {
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            let webhooks = subject.manifest.get("webhooks").and_then(Value::as_array).into_iter().flatten();
            let names = webhooks.filter_map(|webhook| webhook.get("name")?.as_str());
            names
                .flat_map(|name| {
                    [format!("admission webhook \"{name}\" denied"), format!("failed calling webhook \"{name}\"")]
                })
                .collect()
        }
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => vec![format!("olicy '{name}' with binding '")],
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            vec![format!("' with binding '{name}' ")]
        }
        _ => Vec::new(),
    }
}
