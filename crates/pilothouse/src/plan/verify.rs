//! Whether a plan still holds when it is carried out.

use crate::context::Context;
use crate::context::Outcome;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::kept_digest::closed;
use crate::observe;
use crate::observe::seen_object;
use crate::plan::release_plan::input_of;
use crate::preflight;
use crate::preflight::{in_words, other_revision};
use crate::render;
use jiff::Timestamp;
use pilothouse_core::{
    Class, Decision, Finding, ObjectChange, ObjectRef, Plan, PlannedAction, PlannedObject, ReleaseKey, ReleasePlan,
    SeenObject, code,
};
use pilothouse_kube::{ClusterError, Detail, ObjectError, read_all};
use serde_json::Value;

/// Why the plan does not hold for this release any more: what was given is another thing, something else would be done, or an
/// object that it changes is not as it was, or one that it was to leave as it is would change too. What it does not touch may have
/// changed as it likes. `earlier` are the releases that it waits for, directly or not.
pub(crate) async fn outdated_findings(
    ctx: &Context,
    run: &ReleaseRun,
    plan: &Plan,
    earlier: &[ReleaseKey],
) -> Vec<Finding> {
    let release = ctx.release();
    let finding = |subject: String, message: String| Finding::new(Class::Unsafe, code::PLAN_OUTDATED, subject, message);
    let Some(planned) = plan.releases.iter().find(|planned| planned.release == release) else {
        return vec![finding(release.to_string(), "the plan does not know it".to_owned())];
    };
    let now = match &run.settled {
        Some(_) => PlannedAction::Nothing,
        None => PlannedAction::from(&observe::decision(ctx).await),
    };
    if let Some(message) = does_otherwise(planned.does, now) {
        let why = if planned.does == PlannedAction::Refuse { planned.findings.as_slice() } else { &[] };
        return std::iter::once(finding(release.to_string(), message)).chain(why.iter().cloned()).collect();
    }
    if planned.has_changes()
        && let Some(message) =
            other_revision(planned.revision, observe::observed(ctx).await.known_history().newest_revision())
    {
        return vec![finding(release.to_string(), message)];
    }
    let mut findings = Vec::new();
    // In its first form, a plan was under no key.
    let key = plan.key.as_ref().unwrap_or(&run.digest_key);
    if let Some(input) = &planned.input
        && !input_of(ctx, &*observe::observed(ctx).await, planned.does, key)
            .await
            .is_some_and(|given| given.is(&closed(input, key)))
    {
        let message = "chart, values, steps or what the cluster serves are not those of the plan";
        findings.push(finding(release.to_string(), message.to_owned()));
    }
    for object in touched(planned, plan, earlier) {
        let live = match ctx.cluster().get(&object.object).await {
            Err(ClusterError::NotServed { .. }) => None,
            Ok(live) => live,
            Err(error) => {
                let message = ctx.error_text(&error);
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &object.object, message));
                continue;
            }
        };
        let how = moved(&object.object, object.seen.as_ref(), live.as_ref(), plan);
        findings.extend(how.map(|how| finding(object.object.to_string(), how)));
        if let Some(live) = live.filter(|_| object.change == ObjectChange::Delete) {
            match preflight::goes_with(ctx, &object.object, &live).await {
                Ok(now) => {
                    let now = now.unwrap_or_default();
                    let how = goes_too(object.takes.as_deref(), &now);
                    findings.extend(how.map(|how| finding(object.object.to_string(), how)));
                }
                Err(error) => {
                    let message = ctx.error_text(&error);
                    findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &object.object, message));
                }
            }
        }
    }
    match changed_too(ctx, planned, plan).await {
        Ok(changed) => findings.extend(changed.into_iter().map(|(object, how)| finding(object.to_string(), how))),
        Err(error) => {
            findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &release, ctx.error_text(&error)));
        }
    }
    findings
}

/// What goes with an object that the plan did not have: whoever has consented to the deletion has not seen it. A plan of an earlier
/// version, and one that could not read it, does not tell.
fn goes_too(planned: Option<&[ObjectRef]>, now: &[ObjectRef]) -> Option<String> {
    let known = planned.unwrap_or_default();
    let mut new = now.iter().filter(|one| !known.iter().any(|known| known.same_object(one)));
    let first = new.next()?;
    let more = match new.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Some(match planned {
        Some(_) => format!("{first}{more} would go with it, which was not there when the plan was made"),
        None => format!(
            "{first}{more} would go with it, and whether that was so when the plan was made it does not say: make the plan anew"
        ),
    })
}

/// The objects that were to stay as they are and would not any more, since somebody has written or deleted them: helm touches these
/// too. What others have written that helm leaves is nothing to the plan.
///
/// # Errors
/// When that cannot be told.
async fn changed_too(
    ctx: &Context,
    planned: &ReleasePlan,
    plan: &Plan,
) -> Result<Vec<(ObjectRef, String)>, PhaseError> {
    let objects: Vec<ObjectRef> = planned.same.iter().map(|same| same.object.clone()).collect();
    let mut changed = Vec::new();
    for (same, live) in planned.same.iter().zip(read_all(ctx.cluster(), &objects, Detail::Whole).await) {
        let live = match live {
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => None,
            live => live.map_err(|source| ObjectError { object: same.object.clone(), doing: "read", source })?,
        };
        let how = moved(&same.object, Some(&same.seen), live.as_ref(), plan);
        changed.extend(how.map(|how| (same.object.clone(), how)));
    }
    // An uninstall has nothing that it leaves as it is but the volumes under its claims.
    if changed.is_empty() || planned.does == PlannedAction::Uninstall {
        return Ok(changed);
    }
    let observed = observe::observed(ctx).await;
    let Decision::Change(change) = &observed.decision else { return Ok(changed) };
    let wanted = render::wanted(ctx).await;
    let compared = observe::preview_deploy(ctx, &wanted, change, observed.known_history(), &[], &[]).await?.compared;
    let same = Outcome::Change(ObjectChange::Same);
    let stays = |object: &ObjectRef| compared.iter().any(|one| one.object.same_object(object) && one.outcome == same);
    changed.retain(|(object, _)| !stays(object));
    Ok(changed)
}

/// How what would be done is not what the plan says. A plan that refuses a release is no plan of what is to be done, whatever has been
/// put right since: nobody has seen what would become of that release.
fn does_otherwise(planned: PlannedAction, now: PlannedAction) -> Option<String> {
    match planned {
        PlannedAction::Refuse => Some("the plan refuses it: put that right and make the plan anew".to_owned()),
        same if same == now => None,
        planned => Some(format!("the plan says that {}, and now {}", in_words(planned), in_words(now))),
    }
}

/// The objects that carrying it out changes or leaves behind.
fn touched<'p>(
    planned: &'p ReleasePlan,
    plan: &'p Plan,
    earlier: &'p [ReleaseKey],
) -> impl Iterator<Item = &'p PlannedObject> {
    planned.objects.iter().filter(move |object| match object.change {
        ObjectChange::Create
        | ObjectChange::Update
        | ObjectChange::Replace { .. }
        | ObjectChange::Delete
        | ObjectChange::Keep
        | ObjectChange::Adopt => !is_created_anew(planned, plan, earlier, object),
        ObjectChange::After { .. } | ObjectChange::Refused { .. } | ObjectChange::Same => false,
    })
}

/// Whether it is deleted first, by its release or by one that this waits for: what was seen of it stands there. Of what only lies in a
/// namespace that goes, nothing stands there.
fn is_created_anew(planned: &ReleasePlan, plan: &Plan, earlier: &[ReleaseKey], object: &PlannedObject) -> bool {
    let is_deleted = |one: &PlannedObject| {
        one.change == ObjectChange::Delete
            && std::iter::once(&one.object)
                .chain(one.takes.iter().flatten())
                .any(|gone| gone.same_object(&object.object))
    };
    let before = plan.releases.iter().filter(|one| one.release == planned.release || earlier.contains(&one.release));
    object.change == ObjectChange::Create && before.flat_map(|one| &one.objects).any(is_deleted)
}

/// How an object is another one, or in another state, than the plan has seen.
fn moved(object: &ObjectRef, seen_then: Option<&SeenObject>, live: Option<&Value>, plan: &Plan) -> Option<String> {
    match (seen_then, live) {
        (None, None) => None,
        (None, Some(live)) => Some(format!("it did not exist when the plan was made, and does now{}", by(live, plan))),
        (Some(_), None) => Some("it is gone since the plan was made".to_owned()),
        (Some(before), Some(live)) => match seen_object(&object.kind, live) {
            Some(now) if now.uid != before.uid => Some(format!("it was created anew since the plan{}", by(live, plan))),
            Some(now) if now.resource_version == before.resource_version => None,
            // A status, or what the server keeps for itself. Of a Secret there is no digest.
            Some(now) if !before.digest.is_empty() && now.digest == before.digest => None,
            Some(_) | None => Some(format!("it was changed since the plan{}", by(live, plan))),
        },
    }
}

/// Who has written it since the plan was made, as far as its managed fields tell. Times are in whole seconds: who wrote in the
/// very second of the plan may have done so before it, and is named only when nobody wrote later.
fn by(live: &Value, plan: &Plan) -> String {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let writers: Vec<(Timestamp, &str)> = entries
        .filter(|entry| entry.get("subresource").and_then(Value::as_str) != Some("status"))
        .filter_map(|entry| {
            let at: Timestamp = entry.get("time")?.as_str()?.parse().ok()?;
            Some((at, entry.get("manager").and_then(Value::as_str).unwrap_or("somebody")))
        })
        .collect();
    let made = plan.made_at.as_second();
    let from = if writers.iter().any(|(at, _)| at.as_second() > made) { made + 1 } else { made };
    let since = writers.iter().filter(|(at, _)| at.as_second() >= from);
    let since: Vec<String> = since.map(|(at, manager)| format!("{manager} at {at}")).collect();
    if since.is_empty() { String::new() } else { format!(", by {}", since.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::release_plan::empty;
    use pilothouse_core::{ChartInfo, PLAN_FORMAT};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(PlannedAction::Upgrade, PlannedAction::Upgrade, None)]
    #[case(
        PlannedAction::Upgrade,
        PlannedAction::Install,
        Some("the plan says that it is upgraded, and now it is installed")
    )]
    #[case::refused(
        PlannedAction::Refuse,
        PlannedAction::Install,
        Some("the plan refuses it: put that right and make the plan anew")
    )]
    #[case::refused_still(
        PlannedAction::Refuse,
        PlannedAction::Refuse,
        Some("the plan refuses it: put that right and make the plan anew")
    )]
    fn what_is_done_otherwise(
        #[case] planned: PlannedAction,
        #[case] now: PlannedAction,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(does_otherwise(planned, now).as_deref(), expected);
    }

    #[rstest]
    #[case::nothing(true, &[], &[], None)]
    #[case::as_planned(true, &["a"], &["a"], None)]
    #[case::less(true, &["a", "b"], &["b"], None)]
    #[case::new(true, &["a"], &["b", "a", "c"], Some(
        "ConfigMap b and 1 more would go with it, which was not there when the plan was made"
    ))]
    #[case::not_known(false, &[], &["a"], Some(
        "ConfigMap a would go with it, and whether that was so when the plan was made it does not say: make the plan anew"
    ))]
    #[case::not_known_and_nothing(false, &[], &[], None)]
    fn what_goes_with_an_object(
        #[case] is_known: bool,
        #[case] planned: &[&str],
        #[case] now: &[&str],
        #[case] expected: Option<&str>,
    ) {
        let objects = |names: &[&str]| -> Vec<ObjectRef> {
            names.iter().map(|name| ObjectRef::parse(&format!("ConfigMap/{name}")).unwrap()).collect()
        };
        let planned = objects(planned);
        assert_eq!(goes_too(is_known.then_some(&*planned), &objects(now)).as_deref(), expected);
    }

    /// Release 0 takes, 1 is looked at, 2 comes at any time.
    #[rstest]
    #[case::nobody(9, "ConfigMap/other", &[], false)]
    #[case::by_itself(1, "ConfigMap/x", &[], true)]
    #[case::by_an_earlier_one(0, "ConfigMap/x", &[], true)]
    #[case::by_one_that_it_does_not_wait_for(2, "ConfigMap/x", &[], false)]
    #[case::with_another_of_an_earlier_one(0, "ConfigMap/other", &["ConfigMap/x"], true)]
    #[case::with_another_of_one_that_it_does_not_wait_for(2, "ConfigMap/other", &["ConfigMap/x"], false)]
    #[case::in_a_namespace_that_an_earlier_one_deletes(0, "Namespace/default", &[], false)]
    #[case::in_a_namespace_that_it_deletes(1, "Namespace/default", &[], false)]
    fn what_is_created_anew(#[case] by: usize, #[case] gone: &str, #[case] takes: &[&str], #[case] expected: bool) {
        let named = |text: &str| {
            let object = ObjectRef::parse(text).unwrap();
            let namespace = (object.kind != "Namespace").then(|| "default".to_owned());
            ObjectRef { namespace, ..object }
        };
        let line = |object: ObjectRef, change: ObjectChange| {
            let line = json!({"object": object, "change": "create"});
            PlannedObject { change, ..serde_json::from_value(line).unwrap() }
        };
        let release = |place: usize| {
            let info = ChartInfo { name: format!("r{place}"), ..ChartInfo::default() };
            let takes = Some(takes.iter().map(|one| named(one)).collect());
            let gone = PlannedObject { takes, ..line(named(gone), ObjectChange::Delete) };
            ReleasePlan { objects: if place == by { vec![gone] } else { Vec::new() }, ..empty(&info) }
        };
        let releases: Vec<ReleasePlan> = (0..3).map(release).collect();
        let plan = Plan {
            pilothouse_plan: PLAN_FORMAT,
            stack: String::new(),
            made_at: Timestamp::UNIX_EPOCH,
            made_with: String::new(),
            cluster: None,
            releases: releases.clone(),
            key: None,
        };
        let earlier = [releases[0].release.clone()];
        let object = line(named("ConfigMap/x"), ObjectChange::Create);
        assert_eq!(is_created_anew(&releases[1], &plan, &earlier, &object), expected);
        let kept = line(named("ConfigMap/x"), ObjectChange::Keep);
        assert!(!is_created_anew(&releases[1], &plan, &earlier, &kept));
    }

    #[rstest]
    #[case(&[("helm", 9)], "")]
    #[case(&[("helm", 10)], ", by helm at 1970-01-01T00:00:10Z")]
    #[case(&[("helm", 10), ("kubectl", 11)], ", by kubectl at 1970-01-01T00:00:11Z")]
    #[case(&[("a", 12), ("b", 11)], ", by a at 1970-01-01T00:00:12Z and b at 1970-01-01T00:00:11Z")]
    fn writers_since_the_plan(#[case] writers: &[(&str, i64)], #[case] expected: &str) {
        let plan = Plan {
            pilothouse_plan: PLAN_FORMAT,
            stack: String::new(),
            made_at: Timestamp::from_millisecond(10_500).unwrap(),
            made_with: String::new(),
            cluster: None,
            releases: Vec::new(),
            key: None,
        };
        let entry =
            |(manager, at): &(&str, i64)| json!({"manager": manager, "time": Timestamp::from_second(*at).unwrap()});
        let status = json!({"manager": "controller", "subresource": "status", "time": "1970-01-01T00:00:13Z"});
        let entries: Vec<Value> = writers.iter().map(entry).chain([status]).collect();
        assert_eq!(by(&json!({"metadata": {"managedFields": entries}}), &plan), expected);
    }
}
