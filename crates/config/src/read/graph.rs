//! What releases need of each other, checked over all of them.

use super::fields::Sink;
use super::release::ReadRelease;
use crate::text::Problem;
use pilothouse_core::{ChartInfo, GraphNode, GraphProblem, NeedPlace, ReleaseGraph, nearest};

/// Reports everything that keeps the releases from being a graph. Releases without a name are reported elsewhere.
pub(crate) fn check_needs(releases: &[ReadRelease], out: &mut Sink) {
    let named: Vec<&ReadRelease> = releases.iter().filter(|release| !release.spec.info.name.is_empty()).collect();
    let Err(problems) = ReleaseGraph::new(named.iter().map(|release| GraphNode::from(&release.spec.info))) else {
        return;
    };
    for problem in &problems {
        out.push(shown(problem, &named));
    }
}

/// A problem at its places in the file.
fn shown(problem: &GraphProblem, releases: &[&ReadRelease]) -> Problem {
    let name = |node: usize| releases[node].places.name;
    let need = |at: &NeedPlace| releases[at.node].needs[at.need].1;
    let what = |at: &NeedPlace| format!("release `{}`", releases[at.node].spec.info.name);
    match problem {
        GraphProblem::DuplicateRelease { node, first, .. } => {
            Problem::error("DUPLICATE_RELEASE", name(*node), problem.to_string())
                .label("here again")
                .also(name(*first), "first here")
                .help("releases of the same name must be in different namespaces")
        }
        GraphProblem::UnknownNeed { at, need: wanted, .. } => {
            let known =
                |info: &ChartInfo| if wanted.contains('/') { info.key().to_string() } else { info.name.clone() };
            let others = releases.iter().enumerate().filter(|(node, _)| *node != at.node);
            let known: Vec<String> = others.map(|(_, release)| known(&release.spec.info)).collect();
            let meant = nearest(known.iter().map(String::as_str), wanted);
            let message = format!("{} needs `{wanted}`, which is not in this file", what(at));
            Problem::error("UNKNOWN_NEED", need(at), message)
                .label("no such release")
                .maybe_help(meant.map(|name| format!("did you mean `{name}`?")))
        }
        GraphProblem::AmbiguousNeed { at, need: wanted, candidates, .. } => {
            let message = format!("{} releases are called `{wanted}`", candidates.len());
            let example = candidates.first().map(|first| format!("write namespace/name, for example `{first}`"));
            Problem::error("AMBIGUOUS_NEED", need(at), message).label("which one?").maybe_help(example)
        }
        GraphProblem::SelfNeed { at, .. } => {
            Problem::error("SELF_NEED", need(at), format!("{} needs itself", what(at)))
                .label("this is the release itself")
        }
        GraphProblem::Cycle { at, releases } => {
            let mut steps = at.iter().zip(releases).zip(releases.iter().cycle().skip(1));
            let label = |((_, release), next): ((&NeedPlace, _), _)| format!("{release} needs {next}");
            let (first, span) = (steps.next(), at.first().map(need).unwrap_or_default());
            let problem = Problem::error("NEED_CYCLE", span, problem.to_string())
                .label(first.map(label).unwrap_or_default())
                .help("none of them could begin: take one of these needs out");
            steps.fold(problem, |problem, step| problem.also(need(step.0.0), label(step)))
        }
        GraphProblem::NeedsDestroyed { at, on, needed, .. } => {
            let message = format!("{} is to be deployed, but needs {needed}, which is to be destroyed", what(at));
            Problem::error("NEED_DESTROYED", need(at), message)
                .label("this one is going")
                .also(name(*on), "its action is `destroy`")
                .help("take the need out, or destroy both")
        }
    }
}
