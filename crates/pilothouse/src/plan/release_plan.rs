//! One release of a plan.

use crate::context::Compared;
use crate::context::Context;
use crate::context::DeployPreview;
use crate::context::Foresight;
use crate::context::Observed;
use crate::context::Outcome;
use crate::context::PlainInputs;
use crate::context::ReleaseRun;
use crate::context::Steps;
use crate::context::Taken;
use crate::context::is_of_rendering;
use crate::digest;
use crate::error::PhaseError;
use crate::kept_digest::Given;
use crate::observe;
use crate::observe::Action;
use crate::observe::Left;
use crate::phases::HelmChart;
use crate::plan::brings::Coming;
use crate::plan::draft::Draft;
use crate::plan::objects;
use crate::plan::objects::Objects;
use crate::plan::ownership;
use crate::preflight;
use crate::render;
use crate::steps;
use pilothouse_core::{
    Change, ChartInfo, Class, Decision, DigestKey, Finding, HelmAction, ObjectChange, Payload, Phase, PlannedAction,
    PlannedHook, PlannedObject, PlannedStep, RecordSeen, ReleasePlan, ReleaseState, SameObject, Staying, Stays, code,
    object_ref,
};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::json;
use std::collections::BTreeSet;

/// Plans one release. What it does to what is running is added later: others of the plan have a part in that.
pub(crate) async fn draft<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    run: &mut ReleaseRun,
    coming: &Coming<'_>,
) -> Draft {
    let mut draft = drafted(chart, ctx, run, coming).await;
    redact(ctx, &mut draft.plan);
    draft
}

/// A plan may be saved and shown anywhere.
fn redact(ctx: &Context, plan: &mut ReleasePlan) {
    let told = plan.findings.iter_mut().flat_map(|finding| [&mut finding.subject, &mut finding.message]);
    let health = plan.objects.iter_mut().filter_map(|object| object.health.as_mut());
    for text in told.chain(health).chain(&mut plan.not_checked).chain(&mut plan.warnings).chain([&mut plan.why]) {
        *text = ctx.redactor().redact(text);
    }
}

async fn drafted<C: HelmChart + ?Sized>(chart: &C, ctx: &Context, run: &mut ReleaseRun, coming: &Coming<'_>) -> Draft {
    let info = chart.chart_info();
    let mut plan = empty(info);
    if info.action == HelmAction::Skip {
        "action is skip".clone_into(&mut plan.why);
        return Draft { plan, compared: Vec::new() };
    }
    if let Some(settled) = &run.settled {
        plan.why.clone_from(&settled.why);
        plan.drifts.clone_from(&settled.drifts);
        plan.unchanged = settled.objects;
        return Draft { plan, compared: Vec::new() };
    }
    let foresight = chart.look_ahead(ctx, run, &Payload::default()).await;
    let Foresight { findings, warnings, not_checked, preview } = foresight;
    (plan.findings, plan.warnings, plan.not_checked) = (findings, warnings, not_checked);
    if let Some((revision, why)) = ctx.session().foreseen_failed(&ctx.release()) {
        let line =
            format!("an interrupted run has left revision {revision} under way, which is marked failed first: {why}");
        plan.warnings.push(line);
    }
    let looks_up = info.action == HelmAction::Deploy && render::wanted(ctx).await.uses.lookup;
    if let Some(by) = coming.bringing(looks_up) {
        // The template may ask for just these kinds, or look for such an object.
        let (open, findings) = plan.findings.into_iter().partition(is_of_rendering);
        plan.findings = findings;
        let later = |finding: Finding| format!("{finding}; it is rendered again once {by} is done");
        plan.not_checked.extend(Vec::into_iter(open).map(later));
    }
    // Who plans need not be who carries it out.
    let (forbidden, findings) = plan.findings.into_iter().partition(|finding| finding.code == code::RBAC_FORBIDDEN);
    plan.findings = findings;
    let may_not = |finding: Finding| format!("{}: may not be changed: {}", finding.subject, finding.message);
    plan.not_checked.extend(Vec::into_iter(forbidden).map(may_not));
    let bad_input = plan.findings.iter().any(|finding| finding.class == Class::BadInput);
    if bad_input {
        plan.does = PlannedAction::Refuse;
        "what was given is wrong".clone_into(&mut plan.why);
        return Draft { plan, compared: Vec::new() };
    }
    let observed = observe::observed(ctx).await;
    let (decision, state) = (&observed.decision, &observed.state);
    plan.revision = observed.known_history().newest_revision();
    plan.does = PlannedAction::from(decision);
    plan.why = why(info, state, decision, &*ctx.taken().await);
    if let ReleaseState::OutOfSync { differs, .. } = state {
        plan.differs.clone_from(differs);
    }
    if let ReleaseState::Drifted { drifts, .. } = state {
        plan.drifts.clone_from(drifts);
    }
    if info.action == HelmAction::Destroy && matches!(decision, Decision::Keep { .. }) {
        tell_what_is_waited_for(ctx, &observed.seen.record, &mut plan).await;
    }
    plan.on_failure = on_failure(info, decision);
    plan.steps = steps(&run.steps, ctx, plan.does).await;
    let mut compared = Vec::new();
    let found = ReleaseSeen { observed: &observed, decision, preview };
    match fill(ctx, run, &mut plan, found, coming).await {
        Ok(found) => {
            compared = found;
            // What another release brings first is there by then.
            let later = plan.objects.iter().filter(|one| matches!(one.change, ObjectChange::After { .. }));
            let later: BTreeSet<String> = later.map(|one| one.object.to_string()).collect();
            forget_what_comes(&mut plan.findings, &later);
            // What an operator brings, or a step of that release, nobody knows: a run looks at it in the release's turn.
            if let Some(by) = coming.bringing(true) {
                let (missing, findings) = plan.findings.into_iter().partition(is_missing);
                plan.findings = findings;
                let later = |finding: Finding| format!("{finding}; that is looked at again once {by} is done");
                plan.not_checked.extend(Vec::into_iter(missing).map(later));
            }
        }
        Err(error) => {
            let message = ctx.redactor().redact(&error.chain().join(": "));
            plan.findings.push(Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), message));
        }
    }
    refuse(&mut plan, Vec::new());
    ctx.forget_reads();
    ctx.compress_renderings().await;
    Draft { plan, compared }
}

/// Adds why a release must not be begun. One of which that is told is refused.
pub(super) fn refuse(plan: &mut ReleasePlan, findings: Vec<Finding>) {
    plan.findings.extend(findings);
    if !plan.findings.is_empty() {
        plan.does = PlannedAction::Refuse;
        (plan.input, plan.rendering) = (None, None);
    }
}

/// Takes back that there is no kind or no namespace for these: another release brings it first.
fn forget_what_comes(findings: &mut Vec<Finding>, later: &BTreeSet<String>) {
    findings.retain(|finding| !(is_missing(finding) && later.contains(&finding.subject)));
}

/// Whether a kind or a namespace is not there.
fn is_missing(finding: &Finding) -> bool {
    // What takes consent stays whatever comes first, and so does what goes with the release's own uninstall.
    finding.class == Class::Blocked && [code::API_NOT_SERVED, code::NAMESPACE_MISSING].contains(&finding.code.as_str())
}

/// Tells of a release that is uninstalled what its destroy still waits for.
async fn tell_what_is_waited_for(ctx: &Context, remembered: &RecordSeen, plan: &mut ReleasePlan) {
    match observe::still_going(ctx, remembered).await {
        Ok(going) => plan.warnings.extend(going.into_iter().map(|one| {
            let waits = if one.finalizers.is_empty() {
                "is being deleted".to_owned()
            } else {
                format!("is being deleted and waits for its finalizers: {}", one.finalizers.join(", "))
            };
            format!("{} {waits}; the destroy waits until it is gone, {} s at most", one.object, ctx.timeout().as_secs())
        })),
        Err(error) => plan.not_checked.push(ctx.redactor().redact(&error.chain().join(": "))),
    }
}

/// What looking at a release has found.
struct ReleaseSeen<'a> {
    observed: &'a Observed,
    decision: &'a Decision,
    /// What the server has answered about its objects, if it was asked.
    preview: Option<Box<DeployPreview>>,
}

/// Adds charts, objects and hooks.
async fn fill(
    ctx: &Context,
    run: &ReleaseRun,
    plan: &mut ReleasePlan,
    ReleaseSeen { observed, decision, preview }: ReleaseSeen<'_>,
    coming: &Coming<'_>,
) -> Result<Vec<Compared>, PhaseError> {
    let (history, key) = (observed.known_history(), &run.digest_key);
    let record = observe::read_record_of(ctx, history.upgrade_base()).await?;
    plan.chart_now = record.as_ref().map(|record| format!("{} {}", record.chart.name, record.chart.version));
    let uninstalls = matches!(decision, Decision::Change(Change::Reinstall(_) | Change::Uninstall));
    if uninstalls && let Some(record) = observe::read_record_of(ctx, history.newest()).await? {
        plan.hooks = hooks(&observe::stored_hooks(&record), "delete");
    }
    plan.input = input_of(ctx, observed, plan.does, key).await.map(|given| given.digest().to_owned());
    let mut objects = Objects::default();
    match plan.does {
        PlannedAction::Install | PlannedAction::Upgrade | PlannedAction::Reinstall => {
            let wanted = render::wanted(ctx).await;
            let resolved = wanted.chart()?;
            plan.chart_then = Some(format!("{} {}", resolved.metadata.name, resolved.metadata.version));
            let is_upgrade = plan.does == PlannedAction::Upgrade;
            let is_known = !render::values_are_missing(ctx.info(), &Payload::default());
            // What it renders without them says nothing, as the look ahead tells.
            objects = match decision {
                Decision::Change(change) if is_known => {
                    objects::deployed(ctx, &wanted, change, history, preview, coming).await?
                }
                _ if uninstalls => objects::uninstalled(ctx, history, &observed.seen.record).await?,
                _ => Objects::default(),
            };
            objects.note_left(match (is_known, uninstalls, is_upgrade) {
                (true, true, _) => observe::left_by_reinstall(ctx, history, &observed.seen.record, &wanted).await?,
                (true, false, true) => observe::left_by_upgrade(ctx, history, &wanted).await,
                (true, false, false) | (false, _, _) => Left::default(),
            });
            let (rendering, is_open) = preflight::planned_rendering(ctx, &wanted, is_upgrade, key).await?;
            plan.rendering = Some(rendering);
            if is_open {
                let by =
                    coming.bringing(false).map_or_else(|| "its definitions are".to_owned(), |by| format!("{by} is"));
                plan.not_checked.push(format!("what it looks up: known once {by} there"));
            }
            let event = if is_upgrade { "upgrade" } else { "install" };
            plan.hooks.extend(hooks(&wanted.rendering.docs(), event));
        }
        PlannedAction::Uninstall => objects = objects::uninstalled(ctx, history, &observed.seen.record).await?,
        PlannedAction::Nothing | PlannedAction::Validate | PlannedAction::Steps | PlannedAction::Refuse => {}
    }
    plan.not_checked.extend(objects.not_checked);
    forget_what_comes(&mut plan.findings, &objects.hooks_after.into_iter().collect());
    if !objects.stays.is_empty() {
        plan.stays = left_by_steps(&run.steps, ctx, objects.stays).await?;
    }
    let same = |object: &PlannedObject| object.change == ObjectChange::Same;
    let (same, changed): (Vec<_>, Vec<_>) = objects.planned.into_iter().partition(same);
    // What becomes part of the release again is told, though it stays as it is.
    let again: Vec<_> = same.iter().filter(|object| object.again).cloned().collect();
    plan.unchanged = same.len() - again.len();
    plan.same =
        same.into_iter().filter_map(|same| Some(SameObject { object: same.object, seen: same.seen? })).collect();
    let (volumes, not_read) = volumes_of_deleted(ctx, &objects.compared).await;
    plan.same.extend(volumes);
    plan.not_checked.extend(not_read);
    plan.objects = changed;
    plan.objects.extend(again);
    plan.not_checked.extend(note_what_goes_too(ctx, &mut plan.objects, &objects.compared).await);
    ownership::tell(&run.steps, ctx, plan, &objects.wanted, objects.deployed).await?;
    Ok(objects.compared)
}

/// Notes of what is deleted what goes with it. Gives what is not known.
async fn note_what_goes_too(ctx: &Context, planned: &mut [PlannedObject], compared: &[Compared]) -> Vec<String> {
    let mut not_read = Vec::new();
    for one in planned.iter_mut().filter(|one| one.change == ObjectChange::Delete) {
        let mut found = compared.iter().filter(|found| found.object.same_object(&one.object));
        let Some(live) = found.find_map(|found| found.live.as_ref()) else { continue };
        match preflight::goes_with(ctx, &one.object, live.expose()).await {
            Ok(takes) => one.takes = takes,
            Err(error) => not_read.push(format!(
                "{}: whether more goes with it by the time that it is deleted: {}",
                one.object,
                ctx.error_text(&error)
            )),
        }
    }
    not_read
}

/// The volumes under claims that are deleted, as they are, and of which that is not known: what becomes of the data, and so what was
/// consented to, hangs on their reclaim policies.
async fn volumes_of_deleted(ctx: &Context, compared: &[Compared]) -> (Vec<SameObject>, Vec<String>) {
    let (mut volumes, mut not_read) = (Vec::new(), Vec::new());
    for one in compared {
        let is_deleted_claim =
            one.object.kind == "PersistentVolumeClaim" && one.outcome == Outcome::Change(ObjectChange::Delete);
        let Some(claim) = one.live.as_ref().filter(|_| is_deleted_claim) else { continue };
        match preflight::volume_of(ctx, claim.expose()).await {
            Ok(None) => {}
            Ok(Some(volume)) => {
                let seen = observe::seen_object("PersistentVolume", &volume);
                volumes.extend(object_ref(&volume).zip(seen).map(|(object, seen)| SameObject { object, seen }));
            }
            Err(error) => not_read.push(format!(
                "{}: whether its volume is still as it is now when it is deleted: {}",
                one.object,
                ctx.error_text(&error)
            )),
        }
    }
    (volumes, not_read)
}

/// What stays and no step deletes.
async fn left_by_steps(steps: &Steps, ctx: &Context, mut stays: Vec<Staying>) -> Result<Vec<Staying>, PhaseError> {
    for step in steps.all() {
        let description = step.describe();
        let deleted = observe::resolve(ctx, &description.deletes).await?;
        stays.retain(|staying| {
            let is_deleted = deleted.iter().any(|object| object.same_object(&staying.object));
            let goes_with_crds = description.deletes_chart_crds && staying.because == Stays::Crds;
            !is_deleted && !goes_with_crds
        });
    }
    Ok(stays)
}

/// All that was given for what is going to be done; `None` where nothing is done, and where a value comes from a step and is not
/// known yet.
pub(crate) async fn input_of(
    ctx: &Context,
    observed: &Observed,
    does: PlannedAction,
    key: &DigestKey,
) -> Option<Given> {
    match does {
        PlannedAction::Nothing | PlannedAction::Refuse => return None,
        PlannedAction::Validate
        | PlannedAction::Steps
        | PlannedAction::Install
        | PlannedAction::Upgrade
        | PlannedAction::Reinstall
        | PlannedAction::Uninstall => {}
    }
    let (info, steps) = (ctx.info(), ctx.steps().await);
    let inputs = match info.action {
        HelmAction::Deploy => {
            // For what the cluster serves now: kinds that are to come first are those of other releases.
            let served = ctx.session().target().await.ok()?;
            let mut inputs = observed.inputs.clone()?;
            let uses = &render::wanted(ctx).await.uses;
            inputs.0.capabilities = uses.capabilities.then(|| render::capabilities(uses, &served));
            Some(inputs)
        }
        // An uninstall needs no chart.
        HelmAction::Destroy | HelmAction::Skip => None,
    };
    let given = json!({
        "inputs": inputs.as_ref().map(PlainInputs::text), "steps": steps.digest, "on_failure": info.on_failure,
        "drift": info.drift, "timeout": info.timeout_in_seconds, "create_namespace": info.create_namespace,
    });
    let former = steps::former_digests_of_plan(info, &steps, inputs.as_ref());
    Some(Given::new(key, &digest::of(given.to_string()), &former))
}

pub(super) fn empty(info: &ChartInfo) -> ReleasePlan {
    ReleasePlan {
        release: info.key(),
        action: info.action,
        does: PlannedAction::Nothing,
        why: String::new(),
        differs: Vec::new(),
        drifts: Vec::new(),
        chart_now: None,
        chart_then: None,
        revision: 0,
        objects: Vec::new(),
        unchanged: 0,
        ownership: None,
        stays: Vec::new(),
        hooks: Vec::new(),
        steps: Vec::new(),
        on_failure: String::new(),
        effects: Vec::new(),
        findings: Vec::new(),
        warnings: Vec::new(),
        not_checked: Vec::new(),
        input: None,
        rendering: None,
        same: Vec::new(),
    }
}

/// Why nobody knows yet whether a release is going to be deployed.
const VALUE_OF_A_STEP: &str =
    "a value comes from a step and is known only in the run: helm is not run if nothing has changed then";

/// Why something is to be done, or nothing.
fn why(info: &ChartInfo, state: &ReleaseState, decision: &Decision, taken: &Taken) -> String {
    match decision {
        Decision::Keep { why } | Decision::Finish { why, .. } => return why.clone(),
        Decision::Change(Change::Uninstall) => return "it is to be destroyed".to_owned(),
        Decision::Refuse { state } => return preflight::why_refused(info, state).message,
        Decision::Change(Change::Install | Change::Upgrade { .. } | Change::Reinstall(_)) => {}
    }
    match state {
        ReleaseState::Unknown { .. }
        | ReleaseState::LiveUnreadable { .. }
        | ReleaseState::Foreign { .. }
        | ReleaseState::Locked { .. }
        | ReleaseState::Stale { .. } => preflight::why_refused(info, state).message,
        ReleaseState::Absent => "it is not installed".to_owned(),
        ReleaseState::HalfRemoved => "an uninstall stopped half-way".to_owned(),
        ReleaseState::HalfInstalled { hook, .. } => {
            format!("its first install failed before the hook {hook} has completed, which an upgrade would leave out")
        }
        ReleaseState::Breaking { deployed, breaking } => {
            format!("{breaking} is a breaking version, and {deployed} is deployed")
        }
        ReleaseState::FailedClean { revision, .. } => format!("revision {revision} failed before anything was applied"),
        ReleaseState::FailedDirty { revision, .. } => format!("revision {revision} failed"),
        ReleaseState::Unmanaged { why, .. } => format!("it differs from what is deployed; {why}"),
        ReleaseState::InputUnknown { .. } => VALUE_OF_A_STEP.to_owned(),
        ReleaseState::OutOfSync { differs, .. } if differs.is_empty() => "it renders to something else now".to_owned(),
        ReleaseState::OutOfSync { differs, .. } => {
            let parts: Vec<&str> = differs.iter().map(|part| part.name()).collect();
            format!("{} changed", parts.join(", "))
        }
        ReleaseState::LifecycleChanged { .. } => "its steps have changed".to_owned(),
        ReleaseState::Unfinished { reached, .. } => format!("nothing after {reached} has ended well"),
        ReleaseState::LiveUnknown { .. } => "its objects were not looked at".to_owned(),
        ReleaseState::Drifted { drifts, .. } => {
            let mut gone = drifts.iter().filter(|one| one.comes_again).map(|one| &one.object);
            let Some(one) = gone.next() else { return "others have changed its objects".to_owned() };
            match (gone.count(), taken.by(one)) {
                (0, None) => format!("{one} is gone and is made again"),
                (0, Some(by)) => format!("{one} goes with {by} and is made again"),
                (more, None) => format!("{one} and {more} more are gone and are made again"),
                (more, Some(by)) => format!("{one} and {more} more go with {by} and are made again"),
            }
        }
        ReleaseState::Unvalidated { .. } => "it was not validated".to_owned(),
        ReleaseState::InSync { .. } => "it is as it was deployed".to_owned(),
    }
}

/// What happens when the deploy fails.
fn on_failure(info: &ChartInfo, decision: &Decision) -> String {
    match decision {
        Decision::Change(Change::Install | Change::Upgrade { .. } | Change::Reinstall(_)) => {}
        Decision::Change(Change::Uninstall) => return "it is left as it is".to_owned(),
        Decision::Keep { .. } | Decision::Refuse { .. } | Decision::Finish { .. } => return String::new(),
    }
    let tries = observe::failure_policy_for(&info.on_failure, decision).tries();
    let first = if tries > 1 { format!("it is tried {tries} times, then ") } else { String::new() };
    let then = match observe::taken_back(&info.on_failure, decision) {
        Action::Rollback(revision) => format!("it is rolled back to revision {revision}"),
        Action::Uninstall => "it is uninstalled".to_owned(),
        Action::Leave(why) => format!("it is left as it is: {why}"),
        Action::Retry { .. } => "it is tried again".to_owned(),
    };
    format!("{first}{then}")
}

/// The hooks of an event, before and after, in the order in which helm runs them.
fn hooks(docs: &[RenderedDoc], event: &str) -> Vec<PlannedHook> {
    let mut all = Vec::new();
    for when in ["pre", "post"] {
        let event = format!("{when}-{event}");
        let mut of_event: Vec<(i32, PlannedHook)> = docs
            .iter()
            .filter_map(|doc| match &doc.origin {
                Origin::Hook { events, weight, .. } if events.contains(&event) => {
                    Some((*weight, PlannedHook { event: event.clone(), object: object_ref(&doc.object)? }))
                }
                Origin::Hook { .. } | Origin::Template | Origin::Crd => None,
            })
            .collect();
        of_event.sort_by(|(weight, hook), (other, than)| (weight, &hook.object.name).cmp(&(other, &than.object.name)));
        all.extend(of_event.into_iter().map(|(_, hook)| hook));
    }
    all
}

/// The steps that are going to run.
async fn steps(all: &Steps, ctx: &Context, does: PlannedAction) -> Vec<PlannedStep> {
    let has_every_run = ctx.steps().await.every_run;
    let runs = |phase: Phase, every_run: bool| match (does, phase) {
        (PlannedAction::Refuse, _) | (_, Phase::OnDeployFailure) => false,
        (PlannedAction::Nothing, _) => every_run && has_every_run,
        (PlannedAction::Validate, _) => matches!(phase, Phase::CheckPrerequisites | Phase::Validate),
        (PlannedAction::Steps, _) => matches!(phase, Phase::CheckPrerequisites | Phase::PostExec | Phase::Validate),
        (PlannedAction::Install | PlannedAction::Upgrade | PlannedAction::Reinstall | PlannedAction::Uninstall, _) => {
            true
        }
    };
    let of_phase = |phase: Phase| {
        let steps = all.of(phase).iter().map(|step| step.describe());
        let steps = steps.filter(move |step| runs(phase, step.every_run));
        steps
            .map(move |step| PlannedStep { phase, text: ctx.redactor().clean(&step.text).into_string() })
            .collect::<Vec<_>>()
    };
    Phase::ALL.into_iter().flat_map(of_phase).collect()
}
