//! The words and marks of a plan, the same in text and Markdown.

use crate::terminal::hints::consent_to;
use crate::terminal::printer::{BAD, FAINT, GOOD, WARN};
use anstyle::Style;
use pilothouse_core::{
    Class, Effect, EffectKind, Finding, NotAdopted, ObjectChange, Ownership, OwnershipCounts, Plan, PlannedAction,
    PlannedObject, ReleasePlan, code,
};

/// What happens to a release or an object, as a sign before its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Refused,
    Replace,
    Remove,
    Change,
    Add,
    Later,
    Same,
}

impl Mark {
    pub(super) fn of_release(does: PlannedAction) -> Self {
        match does {
            PlannedAction::Nothing | PlannedAction::Validate => Self::Same,
            PlannedAction::Steps | PlannedAction::Upgrade => Self::Change,
            PlannedAction::Install => Self::Add,
            PlannedAction::Reinstall => Self::Replace,
            PlannedAction::Uninstall => Self::Remove,
            PlannedAction::Refuse => Self::Refused,
        }
    }

    pub(super) fn of_object(object: &PlannedObject) -> Self {
        if object.not_adopted.is_some() {
            return Self::Refused;
        }
        match &object.change {
            ObjectChange::Create => Self::Add,
            ObjectChange::Update | ObjectChange::Adopt => Self::Change,
            ObjectChange::Replace { .. } => Self::Replace,
            ObjectChange::Delete => Self::Remove,
            ObjectChange::Keep | ObjectChange::Same => Self::Same,
            ObjectChange::After { .. } => Self::Later,
            ObjectChange::Refused { .. } => Self::Refused,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Refused => "!",
            Self::Replace => "-/+",
            Self::Remove => "-",
            Self::Change => "~",
            Self::Add => "+",
            Self::Later => "?",
            Self::Same => "=",
        }
    }

    /// What the sign means.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Replace => "removed and made anew",
            Self::Remove => "removed",
            Self::Change => "changed in place",
            Self::Add => "new",
            Self::Later => "known later",
            Self::Same => "stays",
        }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Self::Refused | Self::Replace | Self::Remove => BAD,
            Self::Change => WARN,
            Self::Add => GOOD,
            Self::Later | Self::Same => FAINT,
        }
    }
}

/// The objects of a release about which something is to be told, the worst first.
pub(super) fn by_severity(release: &ReleasePlan) -> Vec<&PlannedObject> {
    let mut objects: Vec<&PlannedObject> =
        release.objects.iter().filter(|object| object.change != ObjectChange::Same || object.again).collect();
    // Stable: what is equally bad stays in Helm's order.
    objects.sort_by_key(|object| Mark::of_object(object));
    objects
}

/// What is going to be done with a release.
pub(super) fn does(action: PlannedAction) -> &'static str {
    match action {
        PlannedAction::Nothing => "nothing",
        PlannedAction::Validate => "validate only",
        PlannedAction::Steps => "steps only",
        PlannedAction::Install => "install",
        PlannedAction::Upgrade => "upgrade",
        PlannedAction::Reinstall => "uninstall and install",
        PlannedAction::Uninstall => "uninstall",
        PlannedAction::Refuse => "refused",
    }
}

/// What is going to happen to an object, in a word.
pub(super) fn happens(object: &PlannedObject) -> &'static str {
    if object.not_adopted.is_some() {
        return "refused";
    }
    match &object.change {
        ObjectChange::Create => "create",
        ObjectChange::Update => "update",
        ObjectChange::Replace { .. } => "replace",
        ObjectChange::Delete => "delete",
        ObjectChange::Keep => "keep",
        ObjectChange::Adopt => "adopt",
        ObjectChange::After { .. } => "known later",
        ObjectChange::Refused { .. } => "refused",
        ObjectChange::Same => "the same",
    }
}

/// What the sign before an object does not say.
pub(super) fn remark(object: &PlannedObject) -> Option<String> {
    if let (Some(whose), Some(why)) = (&object.ownership, object.not_adopted) {
        return Some(format!("{}: {}", told(whose), remedy(why)));
    }
    match &object.change {
        ObjectChange::Update | ObjectChange::Same if object.again => {
            Some("is kept, and becomes part of the release again".to_owned())
        }
        ObjectChange::Create | ObjectChange::Update | ObjectChange::Delete | ObjectChange::Same => None,
        ObjectChange::Replace { because } => Some(format!("cannot be changed in place: {because}")),
        ObjectChange::Keep => Some("not part of the release any more".to_owned()),
        ObjectChange::Adopt => {
            let whose = object.ownership.as_ref().map(|whose| format!(", {}", told(whose))).unwrap_or_default();
            Some(format!("is there{whose}, becomes part of the release"))
        }
        ObjectChange::After { release, needs } => Some(format!("known once {release} has brought {needs}")),
        ObjectChange::Refused { why } => Some(format!("the server refuses it: {why}")),
    }
}

/// Whose an object is, with who has written what is nobody's.
fn told(whose: &Ownership) -> String {
    match whose {
        Ownership::Unowned { written_by, .. } if !written_by.is_empty() => {
            format!("belongs to nobody (written by {})", written_by.join(", "))
        }
        Ownership::Unowned { .. } => "belongs to nobody".to_owned(),
        Ownership::Free
        | Ownership::Own
        | Ownership::OtherRelease { .. }
        | Ownership::OtherTool { .. }
        | Ownership::ControllerOwned { .. } => whose.to_string(),
    }
}

/// What to do about an object that is not adopted.
fn remedy(why: NotAdopted) -> &'static str {
    match why {
        NotAdopted::NoStep => "an `adopt` step in pre_exec would take it over",
        NotAdopted::NotNamed => {
            "make it let go, then name the object in `objects` of an `adopt` step in pre_exec, or by --consent beside `unowned: true`"
        }
        NotAdopted::Never => {
            "it is not taken away from that: rename it in one of the two, or leave it out of the chart"
        }
    }
}

/// Whose the objects are that a release wants, in one line; `None` where nothing is anybody else's.
pub(super) fn ownership(release: &ReleasePlan) -> Option<String> {
    let counts = release.ownership.filter(|counts| counts.someone_elses() > 0)?;
    let OwnershipCounts { free, own, unowned, other_release, other_tool, controller_owned } = counts;
    Some(listed(&[
        (free, "free"),
        (own, "its own"),
        (unowned, "unowned"),
        (other_release, "of another release"),
        (other_tool, "of another tool"),
        (controller_owned, "controller-owned"),
    ]))
}

/// How an object is now, where that is worth telling.
pub(super) fn unhealthy(object: &PlannedObject) -> Option<&str> {
    object.health.as_deref().filter(|health| *health != "Current")
}

/// The chart as it is and as it is going to be: `podinfo 6.9.0 -> 6.9.1`.
pub(super) fn chart(release: &ReleasePlan) -> Option<String> {
    match (&release.chart_now, &release.chart_then) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (Some(now), Some(then)) if now == then => Some(now.clone()),
        (Some(now), Some(then)) => Some(match (now.rsplit_once(' '), then.rsplit_once(' ')) {
            (Some((name, _)), Some((same, version))) if name == same => format!("{now} -> {version}"),
            _ => format!("{now} -> {then}"),
        }),
    }
}

/// The effects, the worst first.
pub(super) fn worst_first(effects: &[Effect]) -> Vec<&Effect> {
    let mut effects: Vec<&Effect> = effects.iter().collect();
    effects.sort_by_key(|effect| std::cmp::Reverse(effect.kind));
    effects
}

/// An effect in a word.
pub(super) fn effect(kind: EffectKind) -> (Style, &'static str) {
    match kind {
        EffectKind::DataLost => (BAD, "data lost"),
        EffectKind::Unavailable => (BAD, "unavailable"),
        EffectKind::Restarts => (WARN, "restarts"),
        EffectKind::Rolls => (WARN, "rolls"),
        EffectKind::UsedBy => (FAINT, "used by"),
    }
}

/// The arguments that consent to what a finding warns of. Its subject is written as an object is: `Kind namespace/name`.
pub(super) fn consent(finding: &Finding) -> Option<String> {
    let about_data = [code::DATA_ATTACHED, code::CRD_IN_USE].contains(&finding.code.as_str());
    let object = consent_to(&finding.subject).filter(|_| about_data && finding.class == Class::Unsafe)?;
    Some(format!("--consent {object}"))
}

/// Whether all there is to tell of a release is that it stays as it is.
pub(super) fn is_quiet(release: &ReleasePlan) -> bool {
    release.does == PlannedAction::Nothing
        && release.objects.is_empty()
        && release.effects.is_empty()
        && release.findings.is_empty()
        && release.drifts.is_empty()
        && release.steps.is_empty()
        && release.warnings.is_empty()
        && release.not_checked.is_empty()
}

/// The last line: how many releases and objects change how.
pub(super) fn totals(plan: &Plan) -> String {
    let count = |does: PlannedAction| plan.releases.iter().filter(|release| release.does == does).count();
    let unchanged = count(PlannedAction::Nothing);
    let changing = plan.releases.iter().filter(|release| release.has_changes()).count();
    let mut left = Vec::new();
    for (count, word) in [(count(PlannedAction::Refuse), "refused"), (count(PlannedAction::Validate), "to validate")] {
        if count > 0 {
            left.push(format!("{count} {word}"));
        }
    }
    if changing == 0 && left.is_empty() {
        return match unchanged {
            0 => "Nothing to do: the plan has no releases.".to_owned(),
            _ => format!("Nothing to do: {} unchanged.", releases(unchanged)),
        };
    }
    if unchanged > 0 {
        left.push(format!("{unchanged} unchanged"));
    }
    if changing == 0 {
        return format!("Plan: no release changes, {}.", left.join(", "));
    }
    let ways = [
        (count(PlannedAction::Install), "to install"),
        (count(PlannedAction::Upgrade), "to upgrade"),
        (count(PlannedAction::Reinstall), "to uninstall and install"),
        (count(PlannedAction::Uninstall), "to uninstall"),
        (count(PlannedAction::Steps), "with steps only"),
    ];
    let verb = if changing == 1 { "changes" } else { "change" };
    let mut first = vec![format!("{} {verb} ({})", releases(changing), listed(&ways))];
    first.append(&mut left);
    let counts = plan.counts();
    let objects = listed(&[
        (counts.create, "to create"),
        (counts.update, "to update"),
        (counts.replace, "to replace"),
        (counts.delete, "to delete"),
        (counts.adopt, "to adopt"),
        (counts.after, "known later"),
        (counts.refused, "refused"),
    ]);
    let objects = if objects.is_empty() { "no object changes".to_owned() } else { format!("objects: {objects}") };
    format!("Plan: {}; {objects}.", first.join(", "))
}

fn releases(count: usize) -> String {
    if count == 1 { "1 release".to_owned() } else { format!("{count} releases") }
}

/// Those of the counts that are not zero.
fn listed(counts: &[(usize, &str)]) -> String {
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{every_way, object, plan, release, unchanged};
    use pilothouse_core::{Phase, PlannedStep};
    use rstest::rstest;

    #[rstest]
    #[case(plan(vec![]), "Nothing to do: the plan has no releases.")]
    #[case(unchanged(1), "Nothing to do: 1 release unchanged.")]
    #[case(unchanged(50), "Nothing to do: 50 releases unchanged.")]
    #[case(
        plan(vec![release("web/a", PlannedAction::Validate), release("web/b", PlannedAction::Nothing)]),
        "Plan: no release changes, 1 to validate, 1 unchanged."
    )]
    #[case(
        plan(vec![release("web/a", PlannedAction::Steps), release("web/b", PlannedAction::Refuse)]),
        "Plan: 1 release changes (1 with steps only), 1 refused; no object changes."
    )]
    #[case(
        every_way(),
        "Plan: 5 releases change (1 to install, 1 to upgrade, 1 to uninstall and install, 1 to uninstall, 1 with steps only), \
         1 refused, 1 to validate, 3 unchanged; \
         objects: 2 to create, 2 to update, 1 to replace, 3 to delete, 1 to adopt, 1 known later, 4 refused."
    )]
    fn the_last_line(#[case] plan: Plan, #[case] expected: &str) {
        assert_eq!(totals(&plan), expected);
    }

    #[rstest]
    #[case(None, None, None)]
    #[case(None, Some("podinfo 6.9.1"), Some("podinfo 6.9.1"))]
    #[case(Some("podinfo 6.9.0"), None, Some("podinfo 6.9.0"))]
    #[case(Some("podinfo 6.9.0"), Some("podinfo 6.9.0"), Some("podinfo 6.9.0"))]
    #[case(Some("podinfo 6.9.0"), Some("podinfo 6.9.1"), Some("podinfo 6.9.0 -> 6.9.1"))]
    #[case(Some("podinfo 6.9.0"), Some("web 1.0.0"), Some("podinfo 6.9.0 -> web 1.0.0"))]
    #[case(Some("podinfo"), Some("web"), Some("podinfo -> web"))]
    fn charts(#[case] now: Option<&str>, #[case] then: Option<&str>, #[case] expected: Option<&str>) {
        let release = ReleasePlan {
            chart_now: now.map(str::to_owned),
            chart_then: then.map(str::to_owned),
            ..release("web/podinfo", PlannedAction::Upgrade)
        };
        assert_eq!(chart(&release).as_deref(), expected);
    }

    /// Steps of every run are told, also of a release with which nothing else is done.
    #[test]
    fn a_release_with_steps_is_not_quiet() {
        let quiet = release("web/a", PlannedAction::Nothing);
        let step = PlannedStep { phase: Phase::PostExec, text: "sync users".to_owned() };
        let with_step = ReleasePlan { steps: vec![step], ..quiet.clone() };
        assert_eq!((is_quiet(&quiet), is_quiet(&with_step)), (true, false));
    }

    #[rstest]
    #[case(
        Class::Unsafe,
        code::DATA_ATTACHED,
        "PersistentVolumeClaim data/db-0",
        Some("--consent PersistentVolumeClaim/data/db-0")
    )]
    #[case(
        Class::Unsafe,
        code::CRD_IN_USE,
        "CustomResourceDefinition a.example.com",
        Some("--consent CustomResourceDefinition/a.example.com")
    )]
    #[case(Class::Unsafe, code::DATA_ATTACHED, "PersistentVolumeClaim data/db; rm", None)]
    #[case(Class::Unsafe, code::OWNERSHIP_CONFLICT, "ConfigMap web/a", None)]
    #[case(Class::Blocked, code::DATA_ATTACHED, "PersistentVolumeClaim data/db-0", None)]
    #[case(Class::Unsafe, code::DATA_ATTACHED, "db-0", None)]
    fn consents(#[case] class: Class, #[case] code: &str, #[case] subject: &str, #[case] expected: Option<&str>) {
        assert_eq!(consent(&Finding::new(class, code, subject, "it holds data")).as_deref(), expected);
    }

    #[test]
    fn what_an_uninstall_leaves_is_told_though_it_stays() {
        let kept = |again, change| PlannedObject { again, ..object("ConfigMap/web/a", change, Vec::new()) };
        assert_eq!(remark(&kept(false, ObjectChange::Same)), None);
        for change in [ObjectChange::Same, ObjectChange::Update] {
            assert_eq!(remark(&kept(true, change)).as_deref(), Some("is kept, and becomes part of the release again"));
        }
        let objects = vec![kept(true, ObjectChange::Same), kept(false, ObjectChange::Same)];
        let release = ReleasePlan { objects, ..release("web/a", PlannedAction::Reinstall) };
        assert_eq!(by_severity(&release), [&kept(true, ObjectChange::Same)]);
    }
}
