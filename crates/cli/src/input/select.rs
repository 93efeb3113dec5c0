//! Which releases of a stack a command is about.

use crate::terminal::args;
use crate::terminal::exit::CommandError;
use pilothouse_core::{
    ChartInfo, GraphNode, LabelTerm, Need, ReleaseGraph, ReleasePattern, Selection, SelectionError, Stack,
};

/// Leaves only the selected releases in the stack. What they need of others counts as met: it is taken out, so that
/// nothing behind this has to know of the selection.
pub(crate) fn select(stack: &mut Stack, args: &args::Select) -> Result<(), CommandError> {
    let graph = graph(stack)?;
    let infos: Vec<&ChartInfo> = stack.releases.iter().map(|release| &release.info).collect();
    let chosen = selection(args)
        .and_then(|selection| selection.apply(&graph, &infos))
        .map_err(|error| explained(&error, &infos))?;
    keep(stack, &graph, &chosen);
    Ok(())
}

/// Leaves only some of the releases in the stack; what they need of others counts as met. `kept` has one entry per
/// release of the stack, whose graph this is.
pub(crate) fn keep(stack: &mut Stack, graph: &ReleaseGraph, kept: &[bool]) {
    if kept.iter().all(|kept| *kept) {
        return;
    }
    let left = graph.subset(kept);
    let mut kept = kept.iter();
    stack.releases.retain(|_| kept.next().is_some_and(|kept| *kept));
    for (node, release) in stack.releases.iter_mut().enumerate() {
        let needs = left.needs(node).iter();
        release.info.needs =
            needs.map(|need| Need { release: left.key(need.on).to_string(), until: need.until }).collect();
    }
}

/// The graph of a stack's releases.
pub(crate) fn graph(stack: &Stack) -> Result<ReleaseGraph, CommandError> {
    ReleaseGraph::new(stack.releases.iter().map(|release| GraphNode::from(&release.info))).map_err(|problems| {
        let mut error = CommandError::input("the releases cannot be brought into an order");
        error.lines.extend(problems.iter().map(ToString::to_string));
        error
    })
}

fn selection(args: &args::Select) -> Result<Selection, SelectionError> {
    let only: Result<_, _> = args.only.iter().map(|text| ReleasePattern::parse(text)).collect();
    let labels: Result<Vec<Vec<LabelTerm>>, _> = args.selector.iter().map(|text| LabelTerm::parse_all(text)).collect();
    Ok(Selection {
        only: only?,
        labels: labels?.concat(),
        with_needs: args.with_needs,
        with_dependants: args.with_dependants,
    })
}

fn explained(error: &SelectionError, infos: &[&ChartInfo]) -> CommandError {
    let line = CommandError::input(error.to_string());
    match error {
        SelectionError::NoRelease { nearest: Some(name), .. } => line.hint(format!("did you mean `{name}`?")),
        SelectionError::NoRelease { nearest: None, .. } => {
            let names: Vec<String> = infos.iter().map(|info| info.key().to_string()).collect();
            line.hint(format!("the stack has: {}", names.join(", ")))
        }
        SelectionError::NoLabels { .. } => line.hint("`labels` of a release say how it can be selected"),
        SelectionError::Pattern { .. } | SelectionError::Selector { .. } => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{Namespace, OnReleaseFailure, ReleaseSpec, SetPolicy, Until};
    use rstest::rstest;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    /// shop/web needs data/db (deployed) and shop/cache; shop/cache needs data/db.
    fn stack() -> Stack {
        let release = |namespace: &str, name: &str, needs: &[Need]| ReleaseSpec {
            info: ChartInfo {
                name: name.to_owned(),
                namespace: Namespace::from(namespace),
                needs: needs.to_vec(),
                ..ChartInfo::default()
            },
            steps: BTreeMap::new(),
        };
        let releases = vec![
            release("shop", "web", &[Need::new("db").deployed(), Need::new("cache")]),
            release("shop", "cache", &[Need::new("data/db")]),
            release("data", "db", &[]),
        ];
        Stack {
            name: "s".to_owned(),
            folder: PathBuf::new(),
            failure_policy: SetPolicy::default(),
            on_release_failure: OnReleaseFailure::default(),
            cluster: pilothouse_core::ClusterPin::default(),
            state_namespace: None,
            readiness: Vec::new(),
            releases,
        }
    }

    fn only(name: &str) -> args::Select {
        args::Select { only: vec![name.to_owned()], ..args::Select::default() }
    }

    #[test]
    fn what_was_not_selected_is_not_needed() {
        let mut selected = stack();
        select(&mut selected, &args::Select { only: vec!["web".to_owned(), "db".to_owned()], ..only("web") }).unwrap();
        let releases: Vec<(&str, &[Need])> =
            selected.releases.iter().map(|r| (r.info.name.as_str(), r.info.needs.as_slice())).collect();
        let need = Need { release: "data/db".to_owned(), until: Until::Deployed };
        assert_eq!(releases, [("web", &[need][..]), ("db", &[][..])]);
    }

    #[test]
    fn a_stack_of_which_all_is_selected_stays_as_it_is() {
        let mut selected = stack();
        select(&mut selected, &args::Select { with_needs: true, ..only("web") }).unwrap();
        assert_eq!(selected, stack());
    }

    #[rstest]
    #[case("cach", "did you mean `cache`?")]
    #[case("zzz", "the stack has: shop/web, shop/cache, data/db")]
    fn a_name_that_is_not_there(#[case] name: &str, #[case] hint: &str) {
        let error = select(&mut stack(), &only(name)).unwrap_err();
        assert_eq!(error.lines, [format!("no release of the stack fits `{name}`")]);
        assert_eq!(error.hint.as_deref(), Some(hint));
    }
}
