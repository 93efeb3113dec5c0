//! Filling the evidence of objects.

use super::belongs::{events_about, events_namespace, owned, owned_kinds};
use super::read_want::{Answer, all, in_words};
use super::shared::{Answers, Shared};
use crate::client::{ClusterClient, ClusterError, in_one_line};
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, join_all};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Redactor};
use pilothouse_health::{Evidence, HelmEvidence, Referred, Want, Whereabouts, helm_wanted, wanted};
use serde_json::Value;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Objects whose evidence is gathered at a time.
const SIDE_BY_SIDE: usize = 16;
/// Rounds of wishes of one object: each may follow from what the one before has brought.
const ROUNDS: usize = 6;
/// Wishes granted to one object.
const WISHES: usize = 40;

/// An object to gather evidence about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The object, complete.
    pub object: ObjectRef,
    /// How it stands.
    pub status: ObjectStatus,
    /// The other objects of its release that are not ready.
    pub beside: Vec<(ObjectRef, ObjectStatus)>,
    /// What is known of it already, by watching; `None` when it is to be read.
    pub known: Option<Known>,
    /// Since when its release is at work: see [`Evidence::since`].
    pub since: Option<Timestamp>,
}

/// What is known of an object by watching it.
#[derive(Debug, Clone)]
pub struct Known {
    /// As it is on the cluster; `None` when it does not exist.
    pub live: Option<Arc<Value>>,
    /// What it owns.
    pub owned: Vec<Arc<Value>>,
    /// The events about all of that.
    pub events: Vec<Arc<Value>>,
}

impl Subject {
    /// The objects of one release that are not ready, of which nothing else is known.
    pub fn of_release(unready: &[(ObjectRef, ObjectStatus)]) -> Vec<Self> {
        let others = |at: usize| unready.iter().enumerate().filter(move |(other, _)| *other != at);
        let subject = |(at, (object, status)): (usize, &(ObjectRef, ObjectStatus))| Self {
            object: object.clone(),
            status: status.clone(),
            beside: others(at).map(|(_, other)| other.clone()).collect(),
            known: None,
            since: None,
        };
        unready.iter().enumerate().map(subject).collect()
    }
}

/// Gathers evidence. What is read is shared by all objects that are asked about within a short time, also those of
/// different releases: one of these serves a whole run.
pub struct Gathering {
    answers: Answers,
}

impl Default for Gathering {
    fn default() -> Self {
        Self::new(Redactor::default())
    }
}

impl Gathering {
    /// A gathering in which nothing is found that this redactor knows: neither in logs nor in messages.
    pub fn new(redactor: Redactor) -> Self {
        Self { answers: Answers::new(redactor) }
    }

    /// The evidence for each of these, in their order. Never fails: what cannot be read, or not until the deadline, is
    /// told in [`Evidence::unreadable`].
    pub async fn evidence(
        &self,
        client: &dyn ClusterClient,
        subjects: Vec<Subject>,
        deadline: Instant,
    ) -> Vec<Evidence> {
        // A list instead of `map`: with a closure over references the compiler cannot tell that this may change threads.
        let mut each: Vec<BoxFuture<'_, Evidence>> = Vec::new();
        for subject in subjects {
            each.push(One { answers: &self.answers, client, deadline }.fill(subject).boxed());
        }
        futures::stream::iter(each).buffered(SIDE_BY_SIDE).collect().await
    }
}

impl Gathering {
    /// Reads what is wanted to understand why helm failed. Never fails: what cannot be read, or not until the deadline, is
    /// missing.
    pub async fn helm(
        &self,
        client: &dyn ClusterClient,
        mut evidence: HelmEvidence,
        deadline: Instant,
    ) -> HelmEvidence {
        let one = One { answers: &self.answers, client, deadline };
        for _ in 0..ROUNDS {
            let mut wishes = helm_wanted(&evidence);
            wishes.retain(|want| !evidence.read.contains(want));
            wishes.truncate(WISHES.saturating_sub(evidence.read.len()));
            if wishes.is_empty() {
                break;
            }
            let answers = join_all(wishes.iter().map(|want| one.ask(want))).await;
            for (want, answer) in wishes.into_iter().zip(answers) {
                match answer {
                    Ok(Answer::Object(found)) => evidence.around.extend(found),
                    Ok(Answer::List(list)) => evidence.around.extend(list.iter().cloned()),
                    Ok(Answer::Keys(_) | Answer::Log(_)) => {}
                    Err(why) if why.is_no_kind(&want) => {}
                    Err(_) => evidence.unanswered.push(want.clone()),
                }
                evidence.read.push(want);
            }
        }
        evidence.redact(self.answers.redactor());
        evidence
    }
}

/// The gathering for one object.
struct One<'a> {
    answers: &'a Answers,
    client: &'a dyn ClusterClient,
    deadline: Instant,
}

/// Why there is no answer.
enum NoAnswer {
    Late,
    Failed(Arc<ClusterError>),
}

impl NoAnswer {
    /// Whether objects of a kind were wanted that the cluster does not serve: then there are none.
    fn is_no_kind(&self, want: &Want) -> bool {
        let not_served = matches!(self, Self::Failed(error) if matches!(**error, ClusterError::NotServed { .. }));
        not_served && matches!(want, Want::All { .. })
    }
}

impl One<'_> {
    async fn ask(&self, want: &Want) -> Result<Answer, NoAnswer> {
        match timeout_at(self.deadline, self.answers.to(want, self.client)).await {
            Err(_) => Err(NoAnswer::Late),
            Ok(Shared::Err(error)) => Err(NoAnswer::Failed(error)),
            Ok(Shared::Ok(answer)) => Ok(answer),
        }
    }

    async fn fill(self, subject: Subject) -> Evidence {
        let mut evidence = Evidence::new(subject.object, subject.status);
        evidence.beside = Some(subject.beside);
        evidence.since = subject.since;
        match subject.known {
            Some(known) => {
                evidence.owned = known.live.as_ref().map(|live| owned(live, &known.owned)).unwrap_or_default();
                (evidence.live, evidence.events) = (known.live, known.events.into());
            }
            None => self.look(&mut evidence).await,
        }
        let mut left = WISHES;
        for _ in 0..ROUNDS {
            let mut wishes = wanted(&evidence, jiff::Timestamp::now());
            wishes.retain(|want| !evidence.read.contains(want));
            wishes.truncate(left);
            if wishes.is_empty() {
                break;
            }
            left -= wishes.len();
            let answers = join_all(wishes.iter().map(|want| self.ask(want))).await;
            for (want, answer) in wishes.into_iter().zip(answers) {
                take(&mut evidence, want, answer);
            }
        }
        evidence.unreadable.sort();
        evidence.unreadable.dedup();
        evidence.redact(self.answers.redactor());
        evidence
    }

    /// Reads the object, what it owns, and the events about all of that.
    async fn look(&self, evidence: &mut Evidence) {
        let object = evidence.object.clone();
        let namespace = object.namespace.as_deref();
        let mut wants = vec![Want::Object(object.clone()), all("v1", "Event", Some(events_namespace(&object)))];
        // What is in no namespace owns nothing in one that could be found with few requests.
        let kinds = if namespace.is_some() { owned_kinds(&object.kind) } else { &[] };
        wants.extend(kinds.iter().map(|(version, kind)| all(version, kind, namespace)));
        let answers = join_all(wants.iter().map(|want| self.ask(want))).await;
        let (mut events, mut candidates) = (Arc::default(), Vec::new());
        for (want, answer) in wants.iter().zip(answers) {
            match answer {
                Ok(Answer::Object(live)) => evidence.live = live,
                Ok(Answer::List(list)) if is_about_events(want) => events = list,
                Ok(Answer::List(list)) => candidates.extend(list.iter().cloned()),
                Ok(Answer::Keys(_) | Answer::Log(_)) => {}
                // A kind that is not served has no objects; of the object itself its status says so.
                Err(NoAnswer::Failed(error)) if matches!(*error, ClusterError::NotServed { .. }) => {}
                Err(why) => evidence.unreadable.push(unreadable(want, &why)),
            }
        }
        if let Some(live) = evidence.live.clone() {
            evidence.owned = owned(&live, &candidates);
        }
        evidence.events = events_about(&object, evidence.live.as_deref(), &evidence.owned, &events).into();
    }
}

fn is_about_events(want: &Want) -> bool {
    matches!(want, Want::All { kind, .. } if kind == "Event")
}

/// Puts an answer where it belongs.
fn take(evidence: &mut Evidence, want: Want, answer: Result<Answer, NoAnswer>) {
    match (&want, answer) {
        (_, Ok(Answer::Log(log))) => {
            if !log.lines.is_empty() {
                evidence.logs.push(log);
            }
        }
        (Want::Keys(object), Ok(Answer::Keys(whereabouts))) => {
            evidence.referred.push(Referred { object: object.clone(), whereabouts });
        }
        (_, Ok(Answer::Object(found))) => evidence.around.extend(found),
        (_, Ok(Answer::List(list))) => evidence.around.extend(list.iter().cloned()),
        (_, Ok(Answer::Keys(_))) => {}
        // A kind that is not served has no objects.
        (_, Err(why)) if why.is_no_kind(&want) => {}
        (_, Err(why)) => {
            if let Want::Keys(object) = &want {
                evidence.referred.push(Referred { object: object.clone(), whereabouts: Whereabouts::Unreadable });
            }
            evidence.unreadable.push(unreadable(&want, &why));
            evidence.unanswered.push(want.clone());
        }
    }
    evidence.read.push(want);
}

fn unreadable(want: &Want, why: &NoAnswer) -> String {
    match why {
        NoAnswer::Late => format!("{} could not be read in time", in_words(want)),
        NoAnswer::Failed(error) => format!("{} cannot be read: {}", in_words(want), in_one_line(error.as_ref())),
    }
}
