//! One look at everything before a run, with few requests: which releases are proven to be as they should be. Whatever is
//! not proven here takes the careful way, where it is looked at by itself.

use crate::context::Context;
use crate::context::PlainInputs;
use crate::context::Session;
use crate::context::Settled;
use crate::context::{Target, side_by_side};
use crate::observe::decision::{missing, wish};
use crate::observe::deploy_records;
use crate::observe::deploy_records::Found;
use crate::observe::drift;
use crate::observe::fingerprint::Fingerprint;
use crate::observe::other_tools;
use crate::observe::release_storage;
use crate::observe::rendered_diff;
use crate::render;
use futures::FutureExt;
use futures::future::BoxFuture;
use pilothouse_core::{
    AppliedObject, Decision, DeployRecord, HelmAction, InputDigests, InputPart, LiveSeen, ObjectRef, Observation,
    Payload, RecordSeen, ReleaseHistory, ReleaseKey, ReleaseState, RevisionMeta, decide, determine,
};
use pilothouse_kube::{ClusterError, Detail, ListQuery};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many requests or charts are under way at once.
const SIDE_BY_SIDE: usize = 8;

/// What all objects of Helm's releases have, so that lists leave out everybody else's.
pub(super) const OF_HELM: &str = "app.kubernetes.io/managed-by=Helm";

/// A release that is proven to need nothing, and what may be written into its record by now.
#[derive(Debug, Clone)]
pub(crate) struct Surveyed {
    pub(crate) settled: Settled,
    /// What is remembered of its last deploy.
    pub(crate) record: DeployRecord,
    /// What is wanted, as digests.
    pub(crate) inputs: PlainInputs,
    /// The objects as they are now, where they were written since the deploy and are the same all the same.
    pub(crate) objects: Option<Vec<AppliedObject>>,
}

/// Which releases need nothing, in the order of the stack. `stands_on` gives the releases that one waits for, directly or
/// not: a chart that asks what the cluster serves is judged only when none of these is going to change that. Their drift is looked
/// for too. Charts of deployed releases are rendered as upgrades from now on.
pub(crate) async fn take_survey(
    session: &Session,
    contexts: &[Context],
    stands_on: &[Vec<usize>],
) -> Vec<Option<Surveyed>> {
    let mut settled: Vec<Option<Surveyed>> = vec![None; contexts.len()];
    let mut eligible = Vec::new();
    for (node, ctx) in contexts.iter().enumerate() {
        if is_eligible(ctx).await {
            eligible.push(node);
        }
    }
    if eligible.is_empty() {
        return settled;
    }
    let namespaces: BTreeSet<String> = eligible.iter().map(|&node| contexts[node].release().namespace).collect();
    let (target, histories, records) =
        tokio::join!(session.target(), histories(session, &namespaces), records(session, &namespaces));
    // Whoever looks at a release by itself tells what cannot be read.
    let (Ok(target), Ok(mut histories), Ok(mut records)) = (target, histories, records) else { return settled };
    for ctx in contexts {
        let deployed = histories.get(&ctx.release()).filter(|history| history.last_deployed().is_some());
        // Past a breaking version it is an install again.
        if let Some(history) = deployed
            && ctx.info().last_breaking_version_requiring_restart.is_none()
        {
            ctx.expect_revision(Some(history.newest_revision() + 1)).await;
        }
    }
    // Whoever looks at a release by itself need not read its record again.
    let keep = |ctx: &Context, record: RecordSeen| session.reads.keep_remembered(ctx.release(), record);
    let candidates = eligible.into_iter().map(|node| {
        let (ctx, target) = (&contexts[node], target.as_ref());
        // Each is held once: there may be thousands of them.
        let (history, found) = (histories.remove(&ctx.release()), records.remove(&ctx.release()));
        let look = async move {
            match (history, deploy_records::seen(found)) {
                (Some(history), RecordSeen::Some(record)) => {
                    candidate(node, ctx, history, record, target).await.map_err(|record| keep(ctx, record)).ok()
                }
                (_, record) => {
                    keep(ctx, record);
                    None
                }
            }
        };
        look.boxed()
    });
    let candidates: Vec<Candidate> = side_by_side(candidates, SIDE_BY_SIDE).await.into_iter().flatten().collect();
    let there = fingerprints(session, &candidates).await;
    let asking: Vec<usize> =
        candidates.iter().filter(|candidate| candidate.asks_cluster).map(|candidate| candidate.node).collect();
    let judged = candidates.into_iter().map(|candidate| {
        let (node, there, ctx) = (candidate.node, &there, &contexts[candidate.node]);
        let look = async move { (node, settle(candidate, ctx, there).await.map_err(|record| keep(ctx, record)).ok()) };
        look.boxed()
    });
    for (node, judged) in side_by_side(judged, SIDE_BY_SIDE).await {
        settled[node] = judged;
    }
    for (node, unsettled) in unsettle(&mut settled, &asking, stands_on) {
        keep(&contexts[node], RecordSeen::Some(Box::new(unsettled.record)));
    }
    settled
}

/// Whether it can be told of a release without helm that nothing is to be done with it.
async fn is_eligible(ctx: &Context) -> bool {
    let info = ctx.info();
    info.action == HelmAction::Deploy && !info.skip_if_already_installed && !ctx.steps().await.every_run
}

/// A release whose input is what was deployed; only its objects are still to be looked at.
struct Candidate {
    node: usize,
    inputs: PlainInputs,
    revision: RevisionMeta,
    /// Whether its templates ask what the cluster serves.
    asks_cluster: bool,
    /// With what is remembered of its last deploy.
    observation: Observation,
}

impl Candidate {
    /// The objects of its last deploy.
    fn objects(&self) -> &[AppliedObject] {
        let RecordSeen::Some(record) = &self.observation.record else { return &[] };
        record.objects.as_deref().unwrap_or_default()
    }
}

/// A release of which only the objects are still to be looked at, or else its record.
async fn candidate(
    node: usize,
    ctx: &Context,
    history: ReleaseHistory,
    record: Box<DeployRecord>,
    target: &Target,
) -> Result<Candidate, RecordSeen> {
    let Some(Input { inputs, now, revision, must_render, asks_cluster }) =
        unchanged_input(ctx, &history, &record, target).await
    else {
        return Err(RecordSeen::Some(record));
    };
    // The careful way looks whether that tool has let go of it.
    let is_free = revision.manager.as_deref().is_none_or(|manager| !other_tools::is_of_another_tool(manager));
    let differs = record.input.differs(&now);
    let made_up = record.made_up.clone();
    let mut observation = Observation {
        record: RecordSeen::Some(record),
        inputs: Some(now),
        must_render,
        ..Observation::of(Ok(history))
    };
    // Its templates may be answered something else by the cluster than when it was deployed.
    let asks_anew = observation.must_render || !differs.is_empty();
    if is_free && asks_anew && differs.iter().all(|part| *part == InputPart::Capabilities) {
        let rendered = async {
            let deployed = release_storage::read_record(ctx, &revision).await.ok()??;
            rendered_diff::rendered_as_deployed(ctx, &Payload::default(), &deployed, &made_up).await.ok()
        };
        observation.rendered = match rendered.await {
            Some(rendered) => Some(rendered),
            None => return Err(observation.record),
        };
    }
    let in_sync = matches!(determine(&observation), ReleaseState::LiveUnknown { validated: true, .. });
    if in_sync && is_free {
        Ok(Candidate { node, inputs, revision, asks_cluster, observation })
    } else {
        Err(observation.record)
    }
}

/// What is wanted of a release, of which nothing is known that would have it deployed again.
struct Input {
    inputs: PlainInputs,
    /// The same in the form of the record.
    now: InputDigests,
    revision: RevisionMeta,
    must_render: bool,
    asks_cluster: bool,
}

async fn unchanged_input(
    ctx: &Context,
    history: &ReleaseHistory,
    record: &DeployRecord,
    target: &Target,
) -> Option<Input> {
    record.objects.as_ref()?;
    let resolved = render::chart_without_helm(ctx).await?;
    let uses = render::templates_of(ctx.info(), &resolved, &Payload::default()).await;
    let steps = ctx.steps().await;
    let inputs = render::wanted_inputs(ctx, &steps, &resolved, &uses, &Payload::default(), target).await?;
    let now = inputs.as_in(record, &steps);
    if !now.proven {
        return None;
    }
    // Written since it was read: the careful way looks whether label and payload still agree.
    let revision = history.get(record.revision).filter(|meta| record.knows(meta))?.clone();
    let (must_render, asks_cluster) = (uses.must_render().is_some(), uses.capabilities);
    Some(Input { inputs, now: now.inputs, revision, must_render, asks_cluster })
}

/// Objects by API version and kind, then by namespace and name.
type There = HashMap<(String, String), HashMap<(Option<String>, String), Fingerprint>>;

/// What counts of the metadata of all objects of the kinds in use. A kind that cannot be listed has none: its releases are looked at by
/// themselves.
async fn fingerprints(session: &Session, candidates: &[Candidate]) -> There {
    let mut kinds: BTreeMap<(String, String), BTreeSet<Option<String>>> = BTreeMap::new();
    for object in candidates.iter().flat_map(Candidate::objects) {
        let kind = (object.object.api_version.clone().unwrap_or_default(), object.object.kind.clone());
        kinds.entry(kind).or_default().insert(object.object.namespace.clone());
    }
    let lists = kinds.into_iter().map(|(kind, namespaces)| list_of_kind(session, kind, namespaces).boxed());
    side_by_side(lists, SIDE_BY_SIDE).await.into_iter().collect()
}

/// What counts of the metadata of the objects of one kind, by namespace and name.
async fn list_of_kind(
    session: &Session,
    (api_version, kind): (String, String),
    namespaces: BTreeSet<Option<String>>,
) -> ((String, String), HashMap<(Option<String>, String), Fingerprint>) {
    let mut query = ListQuery::new(&api_version, &kind);
    // Definitions come from us, not from Helm.
    if kind != "CustomResourceDefinition" {
        query = query.labelled(OF_HELM);
    }
    let namespaces = namespaces.into_iter().flatten().collect();
    let listed = within(&namespaces, |namespace| {
        let query = ListQuery { namespace: namespace.map(str::to_owned), ..query.clone() };
        let list = async move {
            let mut found = Vec::new();
            let mut each = |object: Option<Value>| match object {
                Some(object) => found.extend(named(&object)),
                None => found.clear(),
            };
            session.cluster.list_each(&query, Detail::Metadata, &mut each).await?;
            Ok(found)
        };
        list.boxed()
    });
    ((api_version, kind), listed.await.unwrap_or_default().into_iter().collect())
}

/// An object by its namespace and name. One whose metadata is incomplete counts as not there, and is looked at closer.
fn named(object: &Value) -> Option<((Option<String>, String), Fingerprint)> {
    let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
    Some(((text("namespace"), text("name")?), Fingerprint::of(object)?))
}

fn find<'a>(there: &'a There, object: &ObjectRef) -> Option<&'a Fingerprint> {
    let kind = (object.api_version.clone().unwrap_or_default(), object.kind.clone());
    there.get(&kind)?.get(&(object.namespace.clone(), object.name.clone()))
}

/// Whether nothing is to be done, as its objects are; else its record.
async fn settle(candidate: Candidate, ctx: &Context, there: &There) -> Result<Surveyed, RecordSeen> {
    let known = candidate.objects();
    let is_suspect =
        |known: &&AppliedObject| find(there, &known.object).is_none_or(|now| now.suspicion(known).is_some());
    let suspects: Vec<&AppliedObject> = known.iter().filter(is_suspect).collect();
    let (live, is_left_out) = if suspects.is_empty() {
        (LiveSeen::Same, false)
    } else if missing(ctx.info(), &candidate.observation).is_none() {
        // Whatever others have changed, it is left to them.
        (LiveSeen::NotLooked, false)
    } else {
        let was_ready = drift::was_ready(ctx, &candidate.observation.record);
        drift::look_closer(ctx, &candidate.revision, &suspects, was_ready).await
    };
    // What is no drift today may be one tomorrow, when nobody leaves it out any more: it is looked at each time.
    let is_rewritten = !suspects.is_empty() && live == LiveSeen::Same && !is_left_out;
    let now = |known: &AppliedObject| find(there, &known.object).map(|now| now.applied(&known.object));
    let objects = if is_rewritten { known.iter().map(now).collect() } else { None };
    let count = known.len();
    let observation = Observation { live, ..candidate.observation };
    let state = determine(&observation);
    let Ok(Decision::Keep { .. }) = decide(&state, &wish(ctx.info())) else {
        if let LiveSeen::Drifted(_) = observation.live {
            ctx.session().reads.keep_drifted(candidate.revision, observation.live);
        }
        return Err(observation.record);
    };
    let (why, drifts) = match state {
        ReleaseState::Drifted { drifts, .. } => ("it is as it was deployed but for what others have changed", drifts),
        _ => (AS_DEPLOYED, Vec::new()),
    };
    let RecordSeen::Some(record) = observation.record else { return Err(observation.record) };
    let settled = Settled { why: why.to_owned(), drifts, objects: count };
    Ok(Surveyed { settled, record: *record, inputs: candidate.inputs, objects })
}

const AS_DEPLOYED: &str = "chart, values and steps are those that were deployed, and so are the objects";

/// A release that is not settled may change what the cluster serves, once it has been deployed. Gives those that are not settled by that.
fn unsettle(settled: &mut [Option<Surveyed>], asking: &[usize], stands_on: &[Vec<usize>]) -> Vec<(usize, Surveyed)> {
    let moves: Vec<bool> = settled.iter().map(Option::is_none).collect();
    let unsettled = asking.iter().filter(|&&node| stands_on[node].iter().any(|&on| moves[on]));
    unsettled.filter_map(|&node| Some((node, settled[node].take()?))).collect()
}

/// Helm's histories of the releases, without the revisions that a newer one has replaced.
async fn histories(
    session: &Session,
    namespaces: &BTreeSet<String>,
) -> Result<HashMap<ReleaseKey, ReleaseHistory>, ClusterError> {
    // History is long, and says nothing about whether the newest revision is the deployed one.
    let listed = within(namespaces, |namespace| session.cluster.current_revisions(session.driver, namespace));
    Ok(by_release(listed.await?))
}

/// The histories that these revisions are of.
pub(super) fn by_release(revisions: Vec<RevisionMeta>) -> HashMap<ReleaseKey, ReleaseHistory> {
    let mut by_release: HashMap<ReleaseKey, Vec<RevisionMeta>> = HashMap::new();
    for meta in revisions {
        let release = ReleaseKey::new(&meta.namespace, &meta.name);
        // Most have one, and there may be thousands.
        by_release.entry(release).or_insert_with(|| Vec::with_capacity(1)).push(meta);
    }
    by_release.into_iter().map(|(release, revisions)| (release, ReleaseHistory::new(revisions))).collect()
}

/// The names of those of the releases that are in this namespace, or of all, each once.
pub(super) fn names_in<'a>(
    namespace: Option<&str>,
    releases: impl IntoIterator<Item = &'a ReleaseKey>,
) -> Vec<&'a str> {
    let here = releases.into_iter().filter(|release| namespace.is_none_or(|namespace| release.namespace == namespace));
    here.map(|release| release.name.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Our own records in these namespaces, by release.
pub(super) async fn records(
    session: &Session,
    namespaces: &BTreeSet<String>,
) -> Result<HashMap<ReleaseKey, Found>, ClusterError> {
    let listed = within(namespaces, |namespace| {
        let list = deploy_records::list(session.cluster.as_ref(), namespace, session.state_key());
        async move { Ok(list.await?.into_iter().collect()) }.boxed()
    });
    Ok(listed.await?.into_iter().collect())
}

/// Lists in one namespace or in all at once; where that is forbidden, in each by itself.
pub(super) async fn within<'n, T: Send + 'n>(
    namespaces: &'n BTreeSet<String>,
    list: impl Fn(Option<&'n str>) -> BoxFuture<'n, Result<Vec<T>, ClusterError>>,
) -> Result<Vec<T>, ClusterError> {
    if let (Some(one), 1) = (namespaces.first(), namespaces.len()) {
        return list(Some(one.as_str())).await;
    }
    match list(None).await {
        Err(ClusterError::Forbidden { .. }) if !namespaces.is_empty() => {}
        listed => return listed,
    }
    let each = namespaces.iter().map(|namespace| list(Some(namespace.as_str())));
    let each = side_by_side(each, SIDE_BY_SIDE).await;
    Ok(each.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}
