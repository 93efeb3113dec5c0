//! Which release owns objects in Helm's eyes, and giving them to another.

use crate::client::{ClusterClient, Detail, HelmDriver, Precondition};
use crate::error::ClusterError;
use crate::read::{SIDE_BY_SIDE, read_all};
use crate::workload::controller_reference;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use pilothouse_core::{HelmOwner, ObjectRef, ReleaseKey, adoption_patch, helm_owner};
use serde_json::Value;
use std::fmt;
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

/// Who has an object that a release wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Another release.
    Release(ReleaseKey),
    /// Another object controls it (`ownerReferences`), and would undo changes.
    Controller {
        /// The controller's kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// No release; Helm refuses to take it over until it has the ownership keys.
    Nobody {
        /// What it lacks for Helm, when it has some of the keys.
        lacks: Vec<String>,
        /// What its `managed-by` label says, if anything.
        managed_by: Option<String>,
    },
}

impl Holder {
    /// Whether no release, no controller and no other tool has it.
    pub fn is_nobody(&self) -> bool {
        match self {
            Self::Release(_) | Self::Controller { .. } => false,
            Self::Nobody { managed_by, .. } => managed_by.as_deref().is_none_or(|tool| tool == "Helm"),
        }
    }
}

/// An object that exists and is not the release's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The object.
    pub object: ObjectRef,
    /// Who has it.
    pub holder: Holder,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.holder)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(release) => write!(f, "belongs to release {release}"),
            Self::Controller { kind, name } => write!(f, "is controlled by {kind} {name}"),
            Self::Nobody { lacks, .. } if !lacks.is_empty() => {
                write!(f, "exists and lacks {} for Helm to take it over", lacks.join(", "))
            }
            Self::Nobody { managed_by: Some(tool), .. } => {
                write!(f, "exists, is managed by {tool}, and belongs to no release")
            }
            Self::Nobody { managed_by: None, .. } => f.write_str("exists and belongs to no release"),
        }
    }
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
    let mut conflicts = Vec::new();
    for (object, seen) in objects.iter().zip(read_all(client, objects, Detail::Metadata).await) {
        let live = match seen {
            Ok(live) => live,
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => None,
            Err(error) => return Err(ObjectError::new(object, "read", error)),
        };
        let holder = live.and_then(|live| match helm_owner(&live) {
            owner if owner.is(release) => None,
            HelmOwner::Release(other) => Some(Holder::Release(other)),
            HelmOwner::Partial { names: Some(other), .. } if other != *release => Some(Holder::Release(other)),
            HelmOwner::Partial { lacks, .. } => Some(Holder::Nobody { lacks, managed_by: None }),
            HelmOwner::Nobody { managed_by } => Some(Holder::Nobody { lacks: Vec::new(), managed_by }),
        });
        conflicts.extend(holder.map(|holder| Conflict { object: object.clone(), holder }));
    }
    Ok(conflicts)
}

/// What an adoption did, each object in one of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// Given to the release now.
    pub adopted: Vec<ObjectRef>,
    /// The JSON merge patch for each of these that would undo it, in the same order.
    pub undo: Vec<Value>,
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
    /// A kind or object cannot be read, or the change is refused; objects before it may have been adopted.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// What to do with one object.
enum Verdict {
    Absent,
    Already,
    /// With the patch that would undo it.
    Adopt(Precondition, Value),
    Refuse(Holder),
}

/// Gives exactly these objects to a release: sets Helm's label and two annotations on each, if it is still as it was
/// read, and nothing else. References without a namespace mean the release's. Everything is checked before anything is
/// changed: what another release has whose records still exist, or what another object controls, is refused. Doing it
/// again changes nothing.
///
/// # Errors
/// [`AdoptError`].
pub async fn adopt(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    release: &ReleaseKey,
) -> Result<Adoption, AdoptError> {
    let judged = judge_all(client, objects, release).await;
    let (mut report, mut wanted, mut conflicts) = (Adoption::default(), Vec::new(), Vec::new());
    for judged in judged {
        match judged? {
            (object, Verdict::Absent) => report.absent.push(object),
            (object, Verdict::Already) => report.already.push(object),
            (object, Verdict::Adopt(precondition, undo)) => wanted.push((object, precondition, undo)),
            (object, Verdict::Refuse(holder)) => conflicts.push(Conflict { object, holder }),
        }
    }
    if !conflicts.is_empty() {
        return Err(AdoptError::Refused { conflicts });
    }
    for (object, precondition, undo) in wanted {
        adopt_one(client, &object, precondition, release).await?;
        report.adopted.push(object);
        report.undo.push(undo);
    }
    Ok(report)
}

/// Finds every object that [`adopt`] would refuse to give to `release`, and changes nothing: what another release has
/// whose records still exist, or what another object controls. References without a namespace mean the release's. Kinds
/// that are not served have no objects.
///
/// # Errors
/// The first object that cannot be read: unreadable is not absent.
pub async fn adoption_conflicts(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    release: &ReleaseKey,
) -> Result<Vec<Conflict>, ObjectError> {
    let mut conflicts = Vec::new();
    for judged in judge_all(client, objects, release).await {
        match judged {
            Ok((object, Verdict::Refuse(holder))) => conflicts.push(Conflict { object, holder }),
            Ok((_, Verdict::Absent | Verdict::Already | Verdict::Adopt(..))) => {}
            Err(error) if matches!(*error.source, ClusterError::NotServed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(conflicts)
}

/// Judges all objects side by side; the answer is in their order.
async fn judge_all(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    release: &ReleaseKey,
) -> Vec<Result<(ObjectRef, Verdict), ObjectError>> {
    // A list instead of `map`: with a closure over references the compiler cannot tell that this may change threads.
    let mut each: Vec<BoxFuture<'_, Result<(ObjectRef, Verdict), ObjectError>>> = Vec::new();
    for object in objects {
        each.push(find_and_judge(client, object, release).boxed());
    }
    futures::stream::iter(each).buffered(SIDE_BY_SIDE).collect().await
}

/// Patches one object; when someone has changed it meanwhile, judges it again.
async fn adopt_one(
    client: &dyn ClusterClient,
    object: &ObjectRef,
    mut precondition: Precondition,
    release: &ReleaseKey,
) -> Result<(), AdoptError> {
    const ATTEMPTS: u32 = 5;
    let patch = adoption_patch(release);
    for attempt in 1..=ATTEMPTS {
        match client.merge_patch(object, &patch, &precondition).await {
            Ok(_) => return Ok(()),
            Err(ClusterError::Conflict { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(ObjectError::new(object, "adopted", error).into()),
        }
        precondition = match judge(client, object, release).await? {
            Verdict::Adopt(precondition, _) => precondition,
            Verdict::Absent | Verdict::Already => return Ok(()),
            Verdict::Refuse(holder) => {
                return Err(AdoptError::Refused { conflicts: vec![Conflict { object: object.clone(), holder }] });
            }
        };
    }
    Ok(())
}

/// Completes a reference and judges what it names.
async fn find_and_judge(
    client: &dyn ClusterClient,
    object: &ObjectRef,
    release: &ReleaseKey,
) -> Result<(ObjectRef, Verdict), ObjectError> {
    let resolved = client.resolve(object, &release.namespace).await;
    let object = resolved.map_err(|error| ObjectError::new(object, "read", error))?;
    let verdict = judge(client, &object, release).await?;
    Ok((object, verdict))
}

async fn judge(client: &dyn ClusterClient, object: &ObjectRef, release: &ReleaseKey) -> Result<Verdict, ObjectError> {
    let unreadable = |error| ObjectError::new(object, "read", error);
    let Some(live) = client.get(object).await.map_err(unreadable)? else { return Ok(Verdict::Absent) };
    let owner = helm_owner(&live);
    if owner.is(release) {
        return Ok(Verdict::Already);
    }
    if let Some(controller) = controller_reference(&live) {
        let field = |key: &str| controller.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Verdict::Refuse(Holder::Controller { kind: field("kind"), name: field("name") }));
    }
    let other = match owner {
        HelmOwner::Release(other) | HelmOwner::Partial { names: Some(other), .. } => Some(other),
        HelmOwner::Partial { names: None, .. } | HelmOwner::Nobody { .. } => None,
    };
    if let Some(other) = other.filter(|other| other != release)
        && is_recorded(client, &other).await.map_err(unreadable)?
    {
        return Ok(Verdict::Refuse(Holder::Release(other)));
    }
    Ok(Verdict::Adopt(Precondition::unchanged(&live), undo(&live, release)))
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
async fn is_recorded(client: &dyn ClusterClient, release: &ReleaseKey) -> Result<bool, ClusterError> {
    for driver in [HelmDriver::Secret, HelmDriver::ConfigMap] {
        let revisions = client.release_revisions(driver, Some(&release.namespace), Some(&release.name)).await?;
        if !revisions.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
