//! Whether what a chart renders now is what is deployed.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Wanted;
use crate::digest;
use crate::error::PhaseError;
use crate::observe::crd_changes;
use crate::observe::made_up;
use crate::observe::release_storage;
use crate::render;
use pilothouse_core::{MadeUp, Payload, Rendered};
use pilothouse_helm::{
    Origin, ReleaseRecord, RenderedDoc, Volatile, YamlError, same_result_except, volatile_fields, volatile_since,
};
use serde_json::json;
use std::sync::Arc;

/// What a deploy renders, as an install or as an upgrade, and a digest of it without order and formatting. Of a chart that makes
/// something up in each rendering it is of which objects there are, by their templates, since their names may be made up too.
///
/// # Errors
/// When it cannot be rendered.
pub(crate) async fn stable_rendering(
    ctx: &Context,
    wanted: &Wanted,
    is_upgrade: bool,
) -> Result<(Arc<Vec<RenderedDoc>>, String), PhaseError> {
    let docs = render::rendered(ctx, wanted, wanted.upgrade(is_upgrade), 0).await?;
    let text = |doc: &RenderedDoc| {
        let mut object = doc.object.clone();
        if wanted.uses.differs_each_time() {
            let part = |pointer: &str| object.pointer(pointer).cloned();
            return json!([doc.source, part("/apiVersion"), part("/kind"), part("/metadata/namespace")]).to_string();
        }
        object.sort_all_objects();
        // Of what is in a list: the list's own annotations, by which helm keeps it or takes it for a hook.
        if doc.directives.is_empty() { object.to_string() } else { json!([object, doc.directives]).to_string() }
    };
    let [own, _] = split(&docs);
    let mut texts: Vec<String> = own.iter().filter(|doc| doc.origin != Origin::Crd).map(text).collect();
    texts.sort();
    Ok((docs, digest::of(texts.join("\n"))))
}

/// Compares what the chart renders as an upgrade with the objects and hooks of a deployed revision. Its number is that revision's:
/// that it would be the next one is no difference.
///
/// Definitions in `crds/` folders are in no revision: they count by what bringing them would change.
///
/// The chart is given something else than before: that may show in nothing but the values it makes up, so that these count as
/// changed. Tests are no part of a deploy: what they make up says nothing.
///
/// # Errors
/// When it cannot be rendered, or what is deployed cannot be read.
pub(crate) async fn compare_rendering(
    ctx: &Context,
    wanted: &Wanted,
    deployed: &ReleaseRecord,
) -> Result<Rendered, PhaseError> {
    // Definitions are asked about where nothing else tells: who plans an upgrade asks again.
    let is_same = renders_the_same(ctx, wanted, deployed).await? && !crd_changes::would_change(ctx, wanted).await?;
    Ok(if is_same { Rendered::Same } else { Rendered::Differs })
}

async fn renders_the_same(ctx: &Context, wanted: &Wanted, deployed: &ReleaseRecord) -> Result<bool, PhaseError> {
    let upgrade = made_as(ctx, deployed).await?.upgrade.or(Some(1));
    let first = render::rendered(ctx, wanted, upgrade, 0).await?;
    let [own, tests] = split(&first);
    let [own_before, tests_before] = split_record(deployed);
    if !same(&own, &own_before, &Volatile::default())? {
        return Ok(false);
    }
    if same(&tests, &tests_before, &Volatile::default())? {
        return Ok(true);
    }
    if !wanted.uses.differs_each_time() && !wanted.uses.random_tests {
        return Ok(false);
    }
    let second = render::rendered(ctx, wanted, upgrade, 1).await?;
    let [_, tests_again] = split(&second);
    same(&tests, &tests_before, &volatile_fields(&tests, &tests_again))
}

/// As [`rendered_with_same_input`], of what is wanted now, rendered as that revision was.
///
/// # Errors
/// As for [`rendered_with_same_input`].
pub(crate) async fn rendered_as_deployed(
    ctx: &Context,
    payload: &Payload,
    deployed: &ReleaseRecord,
    known: &[MadeUp],
) -> Result<Rendered, PhaseError> {
    let upgrade = made_as(ctx, deployed).await?.upgrade;
    let wanted = render::make_wanted_as(ctx, payload, upgrade).await;
    rendered_with_same_input(ctx, &wanted, deployed, known).await
}

/// What the templates have made up of the revision that has just been deployed of what is wanted; nothing where that is not known
/// without another rendering.
///
/// # Errors
/// When what is deployed cannot be read.
pub(crate) async fn made_up_for(
    ctx: &Context,
    wanted: &Wanted,
    run: &ReleaseRun,
    deployed: &ReleaseRecord,
) -> Result<Vec<MadeUp>, PhaseError> {
    let MadeAs { upgrade: made_as, is_certain } = made_as(ctx, deployed).await?;
    if !is_certain || !wanted.is_rendered_as(made_as) {
        return Ok(Vec::new());
    }
    let is_told_the_same =
        !wanted.uses.capabilities || run.served.as_ref().is_some_and(|served| render::is_told_the_same(wanted, served));
    // What was rendered without a look at the cluster differs in what helm has found there too.
    let is_as_helm_was_told = is_told_the_same && !wanted.looks_up_later;
    let rendered = match &run.rendered_last {
        Some(rendered) => rendered,
        None if is_as_helm_was_told => &wanted.rendering,
        None => return Ok(Vec::new()),
    };
    let volatile = volatile_since(&rendered.docs(), deployed).map_err(|error| unreadable(deployed, &error))?;
    Ok(made_up::kept(volatile))
}

/// Compares what a chart renders that is given what it was given before with the deployed revision that came of it: what the
/// cluster answers to its templates may be something else by now.
///
/// It is rendered as that revision was, as an install or as an upgrade; one that was an install, where that does not tell, also
/// as the upgrade that would follow. What differs between two renderings is made up, and says nothing, nor does what differs between
/// two revisions. Definitions in `crds/`
/// folders are those that were brought then.
///
/// # Errors
/// When it cannot be rendered, or what is deployed cannot be read.
pub(crate) async fn rendered_with_same_input(
    ctx: &Context,
    wanted: &Wanted,
    deployed: &ReleaseRecord,
    known: &[MadeUp],
) -> Result<Rendered, PhaseError> {
    let (recorded, known) = (split_record(deployed), made_up::known(known));
    let made_as = made_as(ctx, deployed).await?;
    let modes = match (made_as.upgrade, wanted.uses.asks_for_action()) {
        (None, true) => vec![None, Some(1)],
        // What an upgrade made says nothing of an install.
        (upgrade @ Some(_), true) if made_as.is_certain => vec![upgrade],
        (upgrade @ Some(_), true) => vec![None, upgrade],
        (upgrade, false) => vec![upgrade.filter(|_| wanted.uses.revision)],
    };
    for (at, &upgrade) in modes.iter().enumerate() {
        let first = match render::rendered(ctx, wanted, upgrade, 0).await {
            Ok(first) => split(&first),
            // Helm may refuse to render it as an install of what is there.
            Err(_) if at + 1 < modes.len() => continue,
            Err(error) => return Err(error),
        };
        // Without a further rendering, where that tells.
        for known in [&Volatile::default(), &known] {
            if same_each(&first, &recorded, [known, known])? {
                return Ok(Rendered::Same);
            }
        }
        let again = match upgrade {
            Some(number) if wanted.uses.revision => Some((Some(number + 1), 0)),
            Some(_) | None => (wanted.uses.differs_each_time() || wanted.uses.random_tests).then_some((upgrade, 1)),
        };
        if let Some((upgrade, nth)) = again {
            let second = split(&render::rendered(ctx, wanted, upgrade, nth).await?);
            let [own, tests] = [0, 1].map(|part| volatile_fields(&first[part], &second[part]));
            if same_each(&first, &recorded, [&own, &tests])? {
                return Ok(Rendered::Same);
            }
        }
    }
    Ok(Rendered::Differs)
}

/// How a revision was rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MadeAs {
    /// As which upgrade; `None` for an install.
    upgrade: Option<u32>,
    /// Not so where the record that tells is gone.
    is_certain: bool,
}

/// How a revision was rendered. An install are the first one, and one that followed an uninstall that kept the history (`Install
/// complete` in Helm's `pkg/action/install.go`). A rollback has what its target has (`rollback.go` there), which may be a rollback too.
///
/// # Errors
/// When the record of a target cannot be read.
async fn made_as(ctx: &Context, deployed: &ReleaseRecord) -> Result<MadeAs, PhaseError> {
    let (mut number, mut description) = (deployed.version, deployed.info.description.clone());
    let mut is_certain = true;
    while let Some(target) = description.strip_prefix("Rollback to ").and_then(|target| target.parse().ok()) {
        // Helm goes back to earlier ones only: what says otherwise is somebody else's word.
        if target >= number {
            break;
        }
        number = target;
        if number == 1 {
            break;
        }
        let Some((_, record)) = release_storage::read_revision(ctx, number).await? else {
            is_certain = false;
            break;
        };
        description = record.info.description;
    }
    let upgrade = (number != 1 && description != "Install complete").then_some(number);
    Ok(MadeAs { upgrade, is_certain })
}

fn same_each(
    rendered: &[Vec<RenderedDoc>; 2],
    recorded: &[ReleaseRecord; 2],
    volatile: [&Volatile; 2],
) -> Result<bool, PhaseError> {
    Ok(same(&rendered[0], &recorded[0], volatile[0])? && same(&rendered[1], &recorded[1], volatile[1])?)
}

fn same(rendered: &[RenderedDoc], deployed: &ReleaseRecord, volatile: &Volatile) -> Result<bool, PhaseError> {
    let result = same_result_except(rendered, deployed, volatile).map_err(|error| unreadable(deployed, &error))?;
    Ok(result.is_same())
}

fn unreadable(deployed: &ReleaseRecord, error: &YamlError) -> PhaseError {
    let name = format!("the stored manifest of {} revision {}", deployed.name, deployed.version);
    PhaseError::Yaml { name, message: error.to_string() }
}

fn is_test(events: &[String]) -> bool {
    !events.is_empty() && events.iter().all(|event| event.starts_with("test"))
}

/// What a deploy makes, and what only `helm test` does.
fn split(docs: &[RenderedDoc]) -> [Vec<RenderedDoc>; 2] {
    let is_test = |doc: &&RenderedDoc| match &doc.origin {
        Origin::Hook { events, .. } => is_test(events),
        Origin::Template | Origin::Crd => false,
    };
    let (tests, own) = docs.iter().partition::<Vec<_>, _>(is_test);
    [own, tests].map(|docs| docs.into_iter().cloned().collect())
}

fn split_record(record: &ReleaseRecord) -> [ReleaseRecord; 2] {
    let (tests, own) = record.hooks.iter().cloned().partition(|hook| is_test(&hook.events));
    let tests = ReleaseRecord { manifest: String::new(), hooks: tests, ..record.clone() };
    [ReleaseRecord { hooks: own, ..record.clone() }, tests]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::{fake, release};
    use pilothouse_testkit::{FakeCluster, record_secret};
    use rstest::rstest;

    const UPGRADE: &str = "Upgrade complete";
    const INSTALL: &str = "Install complete";

    /// A rollback to a rollback has what the first of them went back to.
    #[rstest]
    #[case::first(&[INSTALL], Some((None, true)))]
    #[case::upgrade(&[INSTALL, UPGRADE], Some((Some(2), true)))]
    #[case::installed_over_a_history(&[INSTALL, INSTALL], Some((None, true)))]
    #[case::back(&[INSTALL, UPGRADE, UPGRADE, "Rollback to 2"], Some((Some(2), true)))]
    #[case::back_to_the_first(&[INSTALL, UPGRADE, "Rollback to 1"], Some((None, true)))]
    #[case::back_and_back(&[INSTALL, UPGRADE, UPGRADE, "Rollback to 2", UPGRADE, "Rollback to 4"], Some((Some(2), true)))]
    #[case::back_to_one_that_was_back_to_the_first(
        &[INSTALL, UPGRADE, "Rollback to 1", UPGRADE, "Rollback to 3"],
        Some((None, true))
    )]
    #[case::back_to_an_install(&[INSTALL, UPGRADE, INSTALL, UPGRADE, "Rollback to 3"], Some((None, true)))]
    #[case::back_to_what_is_gone(&[INSTALL, "", UPGRADE, "Rollback to 2"], Some((Some(2), false)))]
    #[case::back_to_what_went_back_to_what_is_gone(
        &[INSTALL, "", UPGRADE, "Rollback to 2", UPGRADE, "Rollback to 4"],
        Some((Some(2), false))
    )]
    #[case::to_itself(&[INSTALL, UPGRADE, "Rollback to 3"], Some((Some(3), true)))]
    #[case::unreadable(&[INSTALL, "unreadable", UPGRADE, "Rollback to 2"], None)]
    #[tokio::test]
    async fn how_a_revision_was_rendered(#[case] descriptions: &[&str], #[case] expected: Option<(Option<u32>, bool)>) {
        let cluster = Arc::new(FakeCluster::default());
        let world = fake(&cluster, HelmDriver::Secret);
        let release = release();
        let mut newest = 0;
        for description in descriptions {
            newest += 1;
            let record = json!({"name": release.name, "namespace": release.namespace, "version": newest,
                "info": {"status": "superseded", "description": description},
                "chart": {"metadata": {"name": "fake", "version": "1.0.0"}}, "manifest": "", "hooks": []});
            let mut secret = record_secret(&record);
            match *description {
                "" => continue,
                "unreadable" => secret["data"]["release"] = json!("JSUl"),
                _ => {}
            }
            cluster.put(secret);
        }
        let (_, deployed) = release_storage::read_revision(&world.ctx, newest).await.unwrap().unwrap();
        let found = made_as(&world.ctx, &deployed).await.ok().map(|made| (made.upgrade, made.is_certain));
        assert_eq!(found, expected);
    }
}
