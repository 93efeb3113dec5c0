//! What a run would do, told without doing it: the same observation and the same decisions, and then a comparison with what
//! the server would make of each object.

use crate::context::Context;
use crate::context::EarlierRun;
use crate::context::ReleaseRun;
use crate::context::Session;
use crate::context::is_gone;
use crate::context::side_by_side;
use crate::journal::{HistoryOf, LastRun, last_run};
use crate::kept_digest::fresh_key;
use crate::observe;
use crate::phases::HelmChart;
use crate::phases::steps_of;
use crate::plan::brings::{Coming, brings};
use crate::plan::draft::deleted;
use crate::plan::held;
use crate::plan::held::Held;
use crate::plan::outlook;
use crate::plan::release_plan;
use crate::plan::taken;
use crate::render::steps_seen;
use futures::FutureExt;
use jiff::Timestamp;
use pilothouse_core::{
    GraphNode, GraphProblem, HelmAction, Holder, ObjectRef, PLAN_FORMAT, Plan, ReleaseGraph, ReleasePlan, code,
};
use std::error::Error;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

/// Where a plan reads what earlier runs of the stack have left.
#[derive(Clone)]
pub struct EarlierRuns {
    /// The stack's runs.
    pub history: HistoryOf,
    /// Who plans: whether the process of an earlier run is gone can be told on its own machine only.
    pub us: Holder,
}

/// Plans what [`run`](crate::run) would do with these releases. Changes nothing, not even the lock of the stack: that somebody
/// is at work is seen in Helm's records only. What a killed run of the stack has left under way there is planned as a run would go on
/// with it, where `earlier` tells where that is known. At most `concurrency` releases are looked at at once; 0 counts as 1.
///
/// A plan that is to be carried out, and nothing else, goes into [`RunConfig::plan`](crate::RunConfig::plan): what has moved
/// since is refused then, before anything is changed.
///
/// ```no_run
/// use pilothouse::{HelmChart, Session, plan, plan::PlannedAction};
/// use std::sync::Arc;
///
/// # async fn example(session: &Arc<Session>, charts: &[Box<dyn HelmChart>]) {
/// match plan("shop", charts, session, 4, None).await {
///     Ok(plan) => {
///         for release in &plan.releases {
///             let stays = release.does == PlannedAction::Nothing;
///             println!("{}{}: {}", if stays { "= " } else { "~ " }, release.release, release.why);
///             for effect in &release.effects {
///                 println!("    {}: {}", effect.object, effect.what);
///             }
///         }
///         println!("{} objects are to be deleted", plan.counts().delete);
///     }
///     Err(problems) => problems.iter().for_each(|problem| println!("{problem}")),
/// }
/// # }
/// ```
///
/// # Errors
/// What is wrong with the graph of releases. Everything else that cannot be told is part of the plan.
pub async fn plan(
    stack: &str,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    concurrency: usize,
    earlier: Option<&EarlierRuns>,
) -> Result<Plan, Vec<GraphProblem>> {
    session.shelf.clear();
    let graph = ReleaseGraph::new(charts.iter().map(|chart| GraphNode::from(chart.chart_info())))?;
    // What the releases say on the way is for those who watch a run.
    let (to, _nobody) = unbounded_channel();
    let (mut contexts, mut runs) = (Vec::with_capacity(charts.len()), Vec::with_capacity(charts.len()));
    let key = fresh_key();
    for chart in charts {
        let (steps, mut ctx) =
            (steps_of(chart.as_ref()), Context::new(session.clone(), chart.chart_info(), to.clone()));
        ctx.see_steps(steps_seen(&steps, chart.lifecycle_version()).await);
        contexts.push(ctx);
        runs.push(ReleaseRun { steps, ..ReleaseRun::new(key.clone()) });
    }
    let unforeseen = foresee_unlocks(&contexts, earlier).await;
    let stands_on: Vec<Vec<usize>> = (0..charts.len()).map(|node| graph.stands_on(node)).collect();
    for (run, surveyed) in runs.iter_mut().zip(observe::take_survey(session, &contexts, &stands_on).await) {
        run.settled = surveyed.map(|surveyed| surveyed.settled);
    }
    let width = concurrency;
    let brings = brings(&graph, &contexts, &runs, &stands_on, width).await;
    let unsettled = contexts.iter().zip(&runs).filter(|(ctx, run)| is_looked_at(ctx, run)).map(|(ctx, _)| ctx);
    observe::prefetch(&unsettled.collect::<Vec<_>>()).await;
    let drafts = charts.iter().zip(&contexts).zip(&mut runs).enumerate().map(|(node, ((chart, ctx), run))| {
        let earlier = stands_on[node].iter().map(|&on| &brings[on]).collect();
        let coming = Coming { earlier, all: &brings };
        async move { release_plan::draft(chart.as_ref(), ctx, run, &coming).await }.boxed()
    });
    let mut drafts = side_by_side(drafts, width).await;
    // Where nothing is deleted, nobody needs to know what the others have.
    let is_any_deleted = drafts.len() > 1 && drafts.iter().any(|draft| deleted(&draft.plan).next().is_some());
    if is_any_deleted {
        let held = side_by_side(contexts.iter().zip(&runs).map(|(ctx, run)| Held::of(ctx, run).boxed()), width).await;
        for node in graph.order() {
            let mut taken = taken::taken_by(stands_on[node].iter().map(|&on| &drafts[on].plan));
            let (chart, ctx) = (charts[node].as_ref(), &contexts[node]);
            if taken::concerns(&drafts[node], &held[node], &taken) {
                let free = |object: &&ObjectRef| held::is_free(object, node, &stands_on[node], &drafts, &held);
                let free: Vec<ObjectRef> = taken.objects.iter().filter(free).cloned().collect();
                for object in &free {
                    taken.add_free(object);
                }
                ctx.expect_taken(taken).await;
                runs[node].settled = None;
                let coming = Coming { earlier: stands_on[node].iter().map(|&on| &brings[on]).collect(), all: &brings };
                drafts[node] = release_plan::draft(chart, ctx, &mut runs[node], &coming).await;
            }
            if ctx.info().action == HelmAction::Deploy {
                let earlier = stands_on[node].iter().map(|&on| (&drafts[on], &brings[on]));
                let findings = taken::lost_to(ctx, &drafts[node], &held[node], earlier).await;
                release_plan::refuse(&mut drafts[node].plan, findings);
            }
        }
        taken::goes_with_others(&mut drafts, &held, &stands_on);
        taken::hint_at_needs(&mut drafts, &stands_on);
    }
    if let Some(why) = unforeseen {
        let is_locked = |plan: &ReleasePlan| plan.findings.iter().any(|finding| finding.code == code::RELEASE_LOCKED);
        let locked = drafts.iter_mut().filter(|draft| is_locked(&draft.plan));
        locked.for_each(|draft| draft.plan.not_checked.push(why.clone()));
    }
    outlook::add_effects(session, &contexts, &mut drafts).await;
    let mut plans: Vec<Option<_>> = drafts.into_iter().map(|draft| Some(draft.plan)).collect();
    // The order in which a run would begin them.
    let releases = graph.order().into_iter().filter_map(|node| plans[node].take()).collect();
    Ok(Plan {
        pilothouse_plan: PLAN_FORMAT,
        stack: stack.to_owned(),
        made_at: Timestamp::now(),
        made_with: session.describe(),
        cluster: session.cluster_context().cloned(),
        releases,
        key: Some(key),
    })
}

fn is_looked_at(ctx: &Context, run: &ReleaseRun) -> bool {
    run.settled.is_none() && ctx.info().action != HelmAction::Skip
}

/// Notes what a run would put in order first. Gives why that is not known, where it is not: then it is as unknown as without earlier runs.
async fn foresee_unlocks(contexts: &[Context], earlier: Option<&EarlierRuns>) -> Option<String> {
    let EarlierRuns { history, us } = earlier?;
    let not_known = |error: &(dyn Error + 'static)| {
        let why = contexts.first()?.error_text(error);
        Some(format!("whether an interrupted run has left it so is not known: {why}"))
    };
    let last = match last_run(history, |holder| is_gone(holder, us)).await {
        Ok(LastRun::None) => return None,
        Ok(LastRun::AtWork) => {
            return Some(
                "whether it was interrupted is not known: somebody has the stack's lock, and may be at work".to_owned(),
            );
        }
        Ok(LastRun::Over(last)) => last,
        Err(error) => return not_known(&error),
    };
    let foreseen = observe::foresee_unlocks(contexts, |release| EarlierRun::of(Some(&last), release, us)).await;
    foreseen.err().and_then(|error| not_known(&error))
}
