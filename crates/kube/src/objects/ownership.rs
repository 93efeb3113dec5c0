//! Which release owns objects in Helm's eyes, and giving them to another.

use crate::client::{ClusterClient, ClusterError, Detail, Precondition, SIDE_BY_SIDE, read_all};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use pilothouse_core::{
    AdoptionConsent, AdoptionUndo, AdoptionVerdict, HelmDriver, ObjectRef, Ownership, Records, ReleaseKey,
    adoption_patch, named_release, ownership,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;

/// An object could not be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{object} cannot be {doing}")]
pub struct ObjectError {
    /// The object.
    pub object: ObjectRef,
    /// `read`, `adopted`, `restarted`, `deleted`.
    pub doing: &'static str,
    /// Why.
    #[source]
    pub source: Arc<ClusterError>,
}

impl ObjectError {
    pub(crate) fn new(object: &ObjectRef, doing: &'static str, source: impl Into<Arc<ClusterError>>) -> Self {
        Self { object: object.clone(), doing, source: source.into() }
    }
}

/// An object that exists and is not the release's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The object.
    pub object: ObjectRef,
    /// Whose it is.
    pub ownership: Ownership,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.ownership)
    }
}

/// Tells whose objects are, in their order: each with how it was read, `None` where it is not there. Besides that, only Helm's
/// records of the releases that they name are looked at.
///
/// # Errors
/// When Helm's records cannot be read, and not since they may not be read.
pub async fn ownerships(
    client: &dyn ClusterClient,
    seen: &[(ObjectRef, Option<Value>)],
    release: &ReleaseKey,
) -> Result<Vec<Ownership>, ObjectError> {
    let mut records: BTreeMap<ReleaseKey, Records> = BTreeMap::new();
    for (object, live) in seen {
        let other = live.as_ref().and_then(named_release).filter(|other| other != release);
        if let Some(other) = other.filter(|other| !records.contains_key(other)) {
            let known = records_of(client, &other).await.map_err(|error| ObjectError::new(object, "read", error))?;
            records.insert(other, known);
        }
    }
    Ok(seen.iter().map(|(_, live)| ownership(live.as_ref(), release, &records)).collect())
}

/// Finds every object that exists and that Helm, acting for `release`, would refuse to take over
/// (`pkg/action/validate.go`; Helm itself stops at the first). Kinds that are not served have no objects.
///
/// # Errors
/// The first object that cannot be read: unreadable is not absent.
pub async fn ownership_conflicts(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    release: &ReleaseKey,
) -> Result<Vec<Conflict>, ObjectError> {
    let seen = read_for_ownership(client, objects, Detail::Metadata).await?;
    conflicts_among(client, &seen, release).await
}

/// Reads objects to tell whose they are: each with how it is, `None` where it is not there. Kinds that are not served have no objects.
///
/// # Errors
/// The first object that cannot be read: unreadable is not absent.
pub async fn read_for_ownership(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    want: Detail,
) -> Result<Vec<(ObjectRef, Option<Value>)>, ObjectError> {
    let mut seen = Vec::with_capacity(objects.len());
    for (object, live) in objects.iter().zip(read_all(client, objects, want).await) {
        match live {
            Ok(live) => seen.push((object.clone(), live)),
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => {}
            Err(error) => return Err(ObjectError::new(object, "read", error)),
        }
    }
    Ok(seen)
}

/// As [`ownership_conflicts`], of objects that were read.
///
/// # Errors
/// When Helm's records of a release that one of them names cannot be read.
pub async fn conflicts_among(
    client: &dyn ClusterClient,
    seen: &[(ObjectRef, Option<Value>)],
    release: &ReleaseKey,
) -> Result<Vec<Conflict>, ObjectError> {
    let whose = ownerships(client, seen, release).await?;
    let all = seen.iter().zip(whose).map(|((object, _), ownership)| Conflict { object: object.clone(), ownership });
    Ok(all.filter(|conflict| conflict.ownership.is_someone_elses()).collect())
}

/// Finds every object that would not be given to `release` even where it is named ([`PlannedAdoption::of`]), and changes
/// nothing: what another release has whose records still exist, or what another object controls. References without a
/// namespace mean the release's. Kinds that are not served have no objects.
///
/// # Errors
/// The first object that cannot be read: unreadable is not absent.
pub async fn adoption_conflicts(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    release: &ReleaseKey,
) -> Result<Vec<Conflict>, ObjectError> {
    let mut seen = Vec::with_capacity(objects.len());
    for found in find_all(client, objects, release).await {
        match found {
            Ok(found) => seen.push(found),
            Err(error) if matches!(*error.source, ClusterError::NotServed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let whose = ownerships(client, &seen, release).await?;
    let judged = seen.into_iter().zip(whose).map(|((object, _), ownership)| Conflict { object, ownership });
    Ok(judged.filter(|one| matches!(verdict(&one.ownership), AdoptionVerdict::Refuse(_))).collect())
}

/// What an adoption did, each object in one of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// Given to the release now.
    pub adopted: Vec<ObjectRef>,
    /// The release's already.
    pub already: Vec<ObjectRef>,
    /// Not there; Helm will create them.
    pub absent: Vec<ObjectRef>,
}

/// Why nothing, or not everything, was adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Some of the objects are someone else's; nothing was changed.
    #[error("refused: {}", conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// All of them.
        conflicts: Vec<Conflict>,
    },
    /// Whose it is has changed since it was looked at; objects before it were adopted.
    #[error("{object} was given to somebody else meanwhile: look at it, and adopt it again")]
    Changed {
        /// The object.
        object: ObjectRef,
    },
    /// A kind or object cannot be read, or the change is refused; objects before it may have been adopted.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// Exactly these objects, looked at and ready to be given to a release; nothing was changed yet.
#[derive(Debug)]
pub struct PlannedAdoption {
    release: ReleaseKey,
    wanted: Vec<Wanted>,
    done: Adoption,
}

/// An object that is to be adopted.
#[derive(Debug)]
struct Wanted {
    object: ObjectRef,
    /// Whose it was when it was looked at.
    ownership: Ownership,
    precondition: Precondition,
    undo: Value,
}

impl PlannedAdoption {
    /// Looks at exactly these objects, each of which the user has named or is nobody's. References without a namespace mean the
    /// release's. Changes nothing.
    ///
    /// # Errors
    /// [`AdoptError::Refused`] with all that another release has whose records still exist, or what another object controls.
    pub async fn of(
        client: &dyn ClusterClient,
        objects: &[ObjectRef],
        release: &ReleaseKey,
    ) -> Result<Self, AdoptError> {
        let mut seen = Vec::with_capacity(objects.len());
        for found in find_all(client, objects, release).await {
            seen.push(found?);
        }
        let whose = ownerships(client, &seen, release).await?;
        let mut planned = Self { release: release.clone(), wanted: Vec::new(), done: Adoption::default() };
        let mut conflicts = Vec::new();
        for ((object, live), ownership) in seen.into_iter().zip(whose) {
            match (verdict(&ownership), live) {
                (AdoptionVerdict::Refuse(_), _) => conflicts.push(Conflict { object, ownership }),
                (AdoptionVerdict::NotNeeded | AdoptionVerdict::Adopt, None) => planned.done.absent.push(object),
                (AdoptionVerdict::NotNeeded, Some(_)) => planned.done.already.push(object),
                (AdoptionVerdict::Adopt, Some(live)) => {
                    let (precondition, undo) = (Precondition::unchanged(&live), undo(&live, release));
                    planned.wanted.push(Wanted { object, ownership, precondition, undo });
                }
            }
        }
        if conflicts.is_empty() { Ok(planned) } else { Err(AdoptError::Refused { conflicts }) }
    }

    /// What takes it back once it is carried out: to be written down before. Empty when there is nothing to adopt.
    pub fn undo(&self) -> Vec<AdoptionUndo> {
        let mut all = Vec::new();
        for wanted in &self.wanted {
            AdoptionUndo::add(&mut all, &wanted.object, &wanted.undo);
        }
        all
    }

    /// Sets Helm's label and two annotations on each, if whose it is has not changed, and nothing else. Doing it again changes
    /// nothing.
    ///
    /// # Errors
    /// [`AdoptError`].
    pub async fn carry_out(self, client: &dyn ClusterClient) -> Result<Adoption, AdoptError> {
        let mut done = self.done;
        for wanted in self.wanted {
            adopt_one(client, &wanted, &self.release).await?;
            done.adopted.push(wanted.object);
        }
        Ok(done)
    }
}

/// What is to be done with an object that is to be adopted.
fn verdict(ownership: &Ownership) -> AdoptionVerdict {
    ownership.adoption(AdoptionConsent::Named)
}

/// Patches one object; when someone has changed it meanwhile, looks at it again: what takes it back was written down for whose it
/// was.
async fn adopt_one(client: &dyn ClusterClient, wanted: &Wanted, release: &ReleaseKey) -> Result<(), AdoptError> {
    const ATTEMPTS: u32 = 5;
    let object = &wanted.object;
    let (patch, mut precondition) = (adoption_patch(release), wanted.precondition.clone());
    for attempt in 1..=ATTEMPTS {
        match client.merge_patch(object, &patch, &precondition).await {
            Ok(_) => return Ok(()),
            Err(ClusterError::Conflict { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(ObjectError::new(object, "adopted", error).into()),
        }
        let live = client.get(object).await.map_err(|error| ObjectError::new(object, "read", error))?;
        let whose = ownerships(client, &[(object.clone(), live.clone())], release).await?;
        precondition = match (whose.first().map(verdict), live) {
            // What was nobody's and is another tool's by now has the same keys.
            (Some(AdoptionVerdict::Adopt), Some(live))
                if undo(&live, release) == wanted.undo
                    && whose.first().map(discriminant) == Some(discriminant(&wanted.ownership)) =>
            {
                Precondition::unchanged(&live)
            }
            (Some(AdoptionVerdict::NotNeeded), _) => return Ok(()),
            (_, _) => return Err(AdoptError::Changed { object: object.clone() }),
        };
    }
    Ok(())
}

/// An object, complete, and as it is.
type Found = Result<(ObjectRef, Option<Value>), ObjectError>;

/// Completes references and reads what they name, side by side; the answer is in their order.
async fn find_all(client: &dyn ClusterClient, objects: &[ObjectRef], release: &ReleaseKey) -> Vec<Found> {
    // A list instead of `map`: with a closure over references the compiler cannot tell that this may change threads.
    let mut each: Vec<BoxFuture<'_, Found>> = Vec::new();
    for object in objects {
        each.push(find(client, object, release).boxed());
    }
    futures::stream::iter(each).buffered(SIDE_BY_SIDE).collect().await
}

async fn find(client: &dyn ClusterClient, object: &ObjectRef, release: &ReleaseKey) -> Found {
    let resolved = client.resolve(object, &release.namespace).await;
    let object = resolved.map_err(|error| ObjectError::new(object, "read", error))?;
    let live = client.get(&object).await.map_err(|error| ObjectError::new(&object, "read", error))?;
    Ok((object, live))
}

/// The patch that gives the ownership keys the values they have now, or takes them away where there are none.
fn undo(live: &Value, release: &ReleaseKey) -> Value {
    let mut undo = adoption_patch(release);
    for map in ["labels", "annotations"] {
        let keys = undo.pointer_mut(&format!("/metadata/{map}")).and_then(Value::as_object_mut);
        for (key, value) in keys.into_iter().flatten() {
            *value = live["metadata"][map].get(key).cloned().unwrap_or(Value::Null);
        }
    }
    undo
}

/// Whether Helm has any record of a release, by whatever driver.
async fn records_of(client: &dyn ClusterClient, release: &ReleaseKey) -> Result<Records, ClusterError> {
    for driver in [HelmDriver::Secret, HelmDriver::ConfigMap] {
        match client.release_history(driver, release).await {
            Ok(history) if history.is_empty() => {}
            Ok(_) => return Ok(Records::Exist),
            Err(ClusterError::Forbidden { .. }) => return Ok(Records::Unreadable),
            Err(error) => return Err(error),
        }
    }
    Ok(Records::Gone)
}
