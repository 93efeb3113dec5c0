//! Cycles between folders and between files.

use super::modules::Crate;
use super::resolve::Edge;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// What imports each other, and the imports that make it so.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) of: Vec<String>,
    pub(super) edges: Vec<Edge>,
}

/// The cycles between the folders of a crate. A folder and one inside it are two.
pub(super) fn between_folders(all: &Crate, edges: &BTreeSet<Edge>) -> Vec<Cycle> {
    cycles(edges, |file| all.files[file].folder())
}

/// The cycles of files, the largest first.
pub(super) fn of_files(all: &Crate, edges: &BTreeSet<Edge>) -> Vec<Cycle> {
    cycles(edges, |file| &all.files[file].path)
}

fn cycles<'a>(edges: &BTreeSet<Edge>, node: impl Fn(usize) -> &'a str) -> Vec<Cycle> {
    let mut graph: DiGraph<&str, ()> = DiGraph::new();
    let mut known: BTreeMap<&str, NodeIndex> = BTreeMap::new();
    for edge in edges {
        let mut index = |name| *known.entry(name).or_insert_with(|| graph.add_node(name));
        let (from, to) = (index(node(edge.from)), index(node(edge.to)));
        graph.update_edge(from, to, ());
    }
    let mut cycles: Vec<Cycle> = tarjan_scc(&graph)
        .into_iter()
        .filter(|of| of.len() > 1)
        .map(|of| {
            let mut of: Vec<&str> = of.into_iter().map(|index| graph[index]).collect();
            of.sort_unstable();
            let within = |edge: &&Edge| {
                let (from, to) = (node(edge.from), node(edge.to));
                from != to && of.contains(&from) && of.contains(&to)
            };
            let edges = edges.iter().filter(within).cloned().collect();
            Cycle { of: of.into_iter().map(str::to_owned).collect(), edges }
        })
        .collect();
    cycles.sort_by(|a, b| b.of.len().cmp(&a.of.len()).then_with(|| a.of.cmp(&b.of)));
    cycles
}
