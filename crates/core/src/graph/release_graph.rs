//! Which release needs which: names resolved, mistakes told, and the order of a run.

use super::graph_problem::{GraphProblem, NeedPlace};
use super::schedule::Wait;
use crate::ids::ReleaseKey;
use crate::release::{ChartInfo, HelmAction, Need, Until};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, VecDeque};

/// What the graph has to know of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphNode<'a> {
    /// The release.
    pub key: ReleaseKey,
    /// What is to be done with it.
    pub action: HelmAction,
    /// What it needs.
    pub needs: &'a [Need],
}

impl<'a> From<&'a ChartInfo> for GraphNode<'a> {
    fn from(info: &'a ChartInfo) -> Self {
        Self { key: info.key(), action: info.action, needs: &info.needs }
    }
}

/// The releases of a stack and what each needs. They are named by their place in the stack, from 0; every need is
/// known, and there is no cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseGraph {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    key: ReleaseKey,
    action: HelmAction,
    /// Each need once, in the order in which they were given.
    needs: Vec<Wait>,
}

impl ReleaseGraph {
    /// Makes the graph of releases given in the order of the stack. A need is `name` or `namespace/name`; the name alone
    /// is enough where only one release has it.
    ///
    /// # Errors
    /// Everything that is wrong: duplicate releases first, then needs in the order of the stack, then cycles: one of
    /// each set of releases that all need each other.
    pub fn new<'a>(nodes: impl IntoIterator<Item = GraphNode<'a>>) -> Result<Self, Vec<GraphProblem>> {
        let given: Vec<GraphNode<'a>> = nodes.into_iter().collect();
        let names = Names::new(&given);
        let mut problems = duplicates(&given, &names);
        let mut edges = Vec::new();
        for (node, release) in given.iter().enumerate() {
            for (need, wanted) in release.needs.iter().enumerate() {
                let at = NeedPlace { node, need };
                match resolve(at, wanted, &given, &names) {
                    Ok(on) => {
                        problems.extend(destroyed(at, on, &given));
                        edges.push(Edge { at, on });
                    }
                    Err(problem) => problems.push(problem),
                }
            }
        }
        problems.extend(cycles(&given, &edges));
        if problems.is_empty() { Ok(Self { nodes: built(given, &edges) }) } else { Err(problems) }
    }

    /// How many releases there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The release at a place.
    pub fn key(&self, node: usize) -> &ReleaseKey {
        &self.nodes[node].key
    }

    /// What is to be done with the release at a place.
    pub fn action(&self, node: usize) -> HelmAction {
        self.nodes[node].action
    }

    /// What the release at a place needs, whatever is to be done with it. Each release appears once; asked for twice, it
    /// counts as asked for until validated if it was once.
    pub fn needs(&self, node: usize) -> &[Wait] {
        &self.nodes[node].needs
    }

    /// What each release waits for in this run: one that is deployed or skipped waits for what it needs, and one that is
    /// destroyed goes before what it needs. There is never a cycle.
    pub fn waits(&self) -> Vec<Vec<Wait>> {
        let mut waits = vec![Vec::new(); self.nodes.len()];
        for (node, release) in self.nodes.iter().enumerate() {
            match release.action {
                HelmAction::Deploy | HelmAction::Skip => waits[node].extend(release.needs.iter().copied()),
                HelmAction::Destroy => {
                    for need in &release.needs {
                        waits[need.on].push(Wait { on: node, until: Until::Validated });
                    }
                }
            }
        }
        for waits in &mut waits {
            waits.sort_by_key(|wait| wait.on);
        }
        waits
    }

    /// All releases so that each comes after those it waits for, and otherwise in the order of the stack.
    pub fn order(&self) -> Vec<usize> {
        let waits = self.waits();
        let mut placed = vec![false; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(next) =
            (0..placed.len()).find(|&node| !placed[node] && waits[node].iter().all(|wait| placed[wait.on]))
        {
            placed[next] = true;
            order.push(next);
        }
        order
    }

    /// The releases that one needs, directly or through others.
    pub fn stands_on(&self, node: usize) -> Vec<usize> {
        let only: Vec<bool> = (0..self.len()).map(|other| other == node).collect();
        let reached = self.with_needs(&only);
        (0..self.len()).filter(|&other| other != node && reached[other]).collect()
    }

    /// These releases and all they need, directly or through others. `of` has one entry per release.
    #[must_use]
    pub fn with_needs(&self, of: &[bool]) -> Vec<bool> {
        let needs: Vec<Vec<usize>> =
            self.nodes.iter().map(|node| node.needs.iter().map(|need| need.on).collect()).collect();
        reached(of, &needs)
    }

    /// These releases and all that need them, directly or through others. `of` has one entry per release.
    #[must_use]
    pub fn with_dependants(&self, of: &[bool]) -> Vec<bool> {
        let mut dependants = vec![Vec::new(); self.nodes.len()];
        for (node, release) in self.nodes.iter().enumerate() {
            for need in &release.needs {
                dependants[need.on].push(node);
            }
        }
        reached(of, &dependants)
    }

    /// The graph of some of the releases, in the same order; a need for one of the others counts as met. `keep` has one
    /// entry per release.
    #[must_use]
    pub fn subset(&self, keep: &[bool]) -> Self {
        let kept: Vec<usize> = (0..self.nodes.len()).filter(|&node| keep[node]).collect();
        let place = |node: usize| kept.binary_search(&node).ok();
        let nodes = kept.iter().map(|&node| {
            let node = &self.nodes[node];
            let needs = node.needs.iter().filter_map(|need| place(need.on).map(|on| Wait { on, ..*need }));
            Node { key: node.key.clone(), action: node.action, needs: needs.collect() }
        });
        Self { nodes: nodes.collect() }
    }
}

/// A need that was resolved.
#[derive(Debug, Clone, Copy)]
struct Edge {
    at: NeedPlace,
    on: usize,
}

/// The places of releases by what they may be called. Of those with the same key only the first is known.
struct Names<'g> {
    by_key: BTreeMap<(&'g str, &'g str), usize>,
    by_name: BTreeMap<&'g str, Vec<usize>>,
}

impl<'g> Names<'g> {
    fn new(given: &'g [GraphNode<'_>]) -> Self {
        let (mut by_key, mut by_name) = (BTreeMap::new(), BTreeMap::<_, Vec<usize>>::new());
        for (node, GraphNode { key, .. }) in given.iter().enumerate() {
            by_key.entry((key.namespace.as_str(), key.name.as_str())).or_insert_with(|| {
                by_name.entry(key.name.as_str()).or_default().push(node);
                node
            });
        }
        Self { by_key, by_name }
    }

    fn first(&self, key: &ReleaseKey) -> Option<usize> {
        self.by_key.get(&(key.namespace.as_str(), key.name.as_str())).copied()
    }

    fn named(&self, need: &str) -> Vec<usize> {
        match need.split_once('/') {
            Some(key) => self.by_key.get(&key).copied().into_iter().collect(),
            None => self.by_name.get(need).cloned().unwrap_or_default(),
        }
    }
}

fn duplicates(given: &[GraphNode<'_>], names: &Names<'_>) -> Vec<GraphProblem> {
    let duplicate = |(node, release): (usize, &GraphNode<'_>)| {
        let first = names.first(&release.key).filter(|first| *first != node)?;
        Some(GraphProblem::DuplicateRelease { node, first, release: release.key.clone() })
    };
    given.iter().enumerate().filter_map(duplicate).collect()
}

fn resolve(at: NeedPlace, need: &Need, given: &[GraphNode<'_>], names: &Names<'_>) -> Result<usize, GraphProblem> {
    let release = &given[at.node];
    let key = || release.key.clone();
    let on = match names.named(&need.release)[..] {
        [] => return Err(GraphProblem::UnknownNeed { at, release: key(), need: need.release.clone() }),
        [on] => on,
        ref several => {
            let candidates = several.iter().map(|&node| given[node].key.clone()).collect();
            return Err(GraphProblem::AmbiguousNeed { at, release: key(), need: need.release.clone(), candidates });
        }
    };
    if given[on].key == release.key {
        return Err(GraphProblem::SelfNeed { at, release: key() });
    }
    Ok(on)
}

/// A release that is to be deployed cannot stand on one that is going.
fn destroyed(at: NeedPlace, on: usize, given: &[GraphNode<'_>]) -> Option<GraphProblem> {
    let (release, needed) = (&given[at.node], &given[on]);
    ((release.action, needed.action) == (HelmAction::Deploy, HelmAction::Destroy))
        .then(|| GraphProblem::NeedsDestroyed { at, release: release.key.clone(), on, needed: needed.key.clone() })
}

/// One cycle of each set of releases that all need each other: a shortest one through the first of them. There may be very many.
fn cycles(given: &[GraphNode<'_>], edges: &[Edge]) -> Vec<GraphProblem> {
    let mut from = vec![Vec::new(); given.len()];
    for edge in edges {
        from[edge.at.node].push(*edge);
    }
    let mut found: Vec<Vec<Edge>> =
        components(given.len(), edges).iter().filter_map(|component| shortest_cycle(component, &from)).collect();
    found.sort_by_key(|cycle| cycle.first().map(|edge| edge.at));
    let problem = |cycle: Vec<Edge>| GraphProblem::Cycle {
        at: cycle.iter().map(|edge| edge.at).collect(),
        releases: cycle.iter().map(|edge| given[edge.at.node].key.clone()).collect(),
    };
    found.into_iter().map(problem).collect()
}

/// The sets of at least two releases that all need each other, directly or not; each sorted.
fn components(len: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), ()>::new();
    for _ in 0..len {
        graph.add_node(());
    }
    for edge in edges {
        graph.add_edge(NodeIndex::new(edge.at.node), NodeIndex::new(edge.on), ());
    }
    let several = tarjan_scc(&graph).into_iter().filter(|component| component.len() > 1);
    several
        .map(|component| {
            let mut nodes: Vec<usize> = component.into_iter().map(NodeIndex::index).collect();
            nodes.sort_unstable();
            nodes
        })
        .collect()
}

/// A shortest way from the first of these releases back to itself. `from` has the needs of each release; what is not among these
/// releases does not lead back.
fn shortest_cycle(component: &[usize], from: &[Vec<Edge>]) -> Option<Vec<Edge>> {
    let &start = component.first()?;
    let mut came_by: BTreeMap<usize, Edge> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(node) = next.pop_front() {
        for edge in from[node].iter().filter(|edge| component.binary_search(&edge.on).is_ok()) {
            if edge.on == start {
                let mut cycle = vec![*edge];
                let mut at = node;
                while at != start {
                    let before = came_by.get(&at)?;
                    cycle.push(*before);
                    at = before.at.node;
                }
                cycle.reverse();
                return Some(cycle);
            }
            came_by.entry(edge.on).or_insert_with(|| {
                next.push_back(edge.on);
                *edge
            });
        }
    }
    None
}

fn built(given: Vec<GraphNode<'_>>, edges: &[Edge]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(given.len());
    let mut edges = edges.iter().peekable();
    for (place, release) in given.into_iter().enumerate() {
        let mut needs: Vec<Wait> = Vec::new();
        while let Some(edge) = edges.next_if(|edge| edge.at.node == place) {
            let until = release.needs[edge.at.need].until;
            match needs.iter_mut().find(|known| known.on == edge.on) {
                Some(known) => known.until = known.until.max(until),
                None => needs.push(Wait { on: edge.on, until }),
            }
        }
        nodes.push(Node { key: release.key, action: release.action, needs });
    }
    nodes
}

/// What can be reached from some nodes, themselves included.
fn reached(from: &[bool], to: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = from.to_vec();
    let mut next: Vec<usize> = (0..reached.len()).filter(|&node| reached[node]).collect();
    while let Some(node) = next.pop() {
        for &other in &to[node] {
            if !reached[other] {
                reached[other] = true;
                next.push(other);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Order, Schedule};
    use HelmAction::{Deploy, Destroy, Skip};
    use proptest::prelude::*;
    use rstest::rstest;

    type Given<'a> = [(&'a str, HelmAction, Vec<Need>)];

    fn key(text: &str) -> ReleaseKey {
        let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
        ReleaseKey::new(namespace, name)
    }

    fn needs(names: &[&str]) -> Vec<Need> {
        names.iter().map(|name| Need::from(*name)).collect()
    }

    fn graph(given: &Given<'_>) -> Result<ReleaseGraph, Vec<GraphProblem>> {
        ReleaseGraph::new(given.iter().map(|(name, action, needs)| GraphNode {
            key: key(name),
            action: *action,
            needs,
        }))
    }

    fn problems(given: &Given<'_>) -> Vec<String> {
        graph(given).unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn validated(on: &[usize]) -> Vec<Wait> {
        on.iter().map(|&on| Wait { on, until: Until::Validated }).collect()
    }

    #[test]
    fn needs_are_resolved_whatever_the_order() {
        let given = [
            ("a/web", Deploy, vec![Need::new("db").deployed(), Need::new("b/web")]),
            ("b/web", Skip, needs(&["db", "x/db"])),
            ("x/db", Deploy, vec![]),
        ];
        let graph = graph(&given).unwrap();
        assert_eq!(
            graph.needs(0),
            [Wait { on: 2, until: Until::Deployed }, Wait { on: 1, until: Until::Validated }],
            "in the order in which they were given"
        );
        assert_eq!(graph.needs(1), validated(&[2]), "the same release once");
        assert_eq!(graph.order(), [2, 1, 0]);
        assert_eq!((graph.len(), graph.key(2), graph.action(1)), (3, &key("x/db"), Skip));
    }

    #[test]
    fn the_stricter_of_two_needs_for_one_release_holds() {
        let given = [("a", Deploy, vec![]), ("b", Deploy, vec![Need::new("a").deployed(), Need::new("default/a")])];
        assert_eq!(graph(&given).unwrap().needs(1), validated(&[0]));
    }

    #[test]
    fn everything_that_is_wrong_is_told_together() {
        let given = [
            ("a/web", Deploy, needs(&["wen", "web", "a/web", "old"])),
            ("b/web", Deploy, needs(&["x"])),
            ("x", Deploy, needs(&["b/web"])),
            ("old", Destroy, vec![]),
            ("b/web", Deploy, needs(&["b/web"])),
        ];
        assert_eq!(
            problems(&given),
            [
                "the release b/web is given twice",
                "release a/web needs `wen`, which is not in this stack",
                "release a/web needs `web`, which could be any of a/web, b/web",
                "release a/web needs itself",
                "release a/web is to be deployed, but needs default/old, which is to be destroyed",
                "release b/web needs itself",
                "releases need each other in a circle: b/web -> default/x -> b/web",
            ]
        );
    }

    /// Each release with what it needs; each cycle as the releases on it, with which of their needs leads on.
    #[rstest]
    #[case::one_of_two_in_one_place("a: b c; b: a; c: a", &["a0 b0"])]
    #[case::a_long_one_from_its_first_member("x: c; a: x b; b: c; c: a", &["x0 c0 a0"])]
    #[case::two_apart("a: b; b: a; c: a d; d: c", &["a0 b0", "c1 d0"])]
    #[case::three_in_a_round("a: b; b: c; c: a", &["a0 b0 c0"])]
    fn cycles_are_told_with_the_place_of_every_need(#[case] given: &str, #[case] expected: &[&str]) {
        let given: Vec<_> = given
            .split("; ")
            .filter_map(|release| release.split_once(": "))
            .map(|(name, on)| (name, Deploy, needs(&on.split(' ').collect::<Vec<_>>())))
            .collect();
        let told = graph(&given).unwrap_err().into_iter().map(|problem| {
            let GraphProblem::Cycle { at, releases } = problem else { panic!("{problem}") };
            let member = |(at, release): (&NeedPlace, &ReleaseKey)| {
                assert_eq!(&key(given[at.node].0), release);
                format!("{}{}", release.name, at.need)
            };
            at.iter().zip(&releases).map(member).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    /// Each needs the 19 after it, all in one round: there are more circles than anybody could count.
    #[test]
    fn of_very_many_cycles_one_is_told() {
        let names: Vec<String> = (0..3000).map(|node| format!("r{node}")).collect();
        let needs_of =
            |node: usize| (1..20).map(|step| Need::new(names[(node + step) % names.len()].clone())).collect();
        let given: Vec<_> =
            names.iter().enumerate().map(|(node, name)| (name.as_str(), Deploy, needs_of(node))).collect();
        let begun = std::time::Instant::now();
        let [GraphProblem::Cycle { at, .. }] = &graph(&given).unwrap_err()[..] else { panic!("not one cycle") };
        assert_eq!(at.len(), 158, "a shortest one");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    /// `web` needs `db`; what waits for what.
    #[rstest]
    #[case(Deploy, Deploy, &[0], &[])]
    #[case(Deploy, Skip, &[0], &[])]
    #[case(Skip, Deploy, &[0], &[])]
    #[case(Skip, Destroy, &[0], &[])]
    #[case(Destroy, Destroy, &[], &[1])]
    #[case(Destroy, Deploy, &[], &[1])]
    #[case(Destroy, Skip, &[], &[1])]
    fn the_dependants_action_decides_the_direction(
        #[case] web: HelmAction,
        #[case] db: HelmAction,
        #[case] web_waits: &[usize],
        #[case] db_waits: &[usize],
    ) {
        let graph = graph(&[("db", db, vec![]), ("web", web, needs(&["db"]))]).unwrap();
        assert_eq!(graph.waits(), [validated(db_waits), validated(web_waits)]);
    }

    #[test]
    fn a_destroy_waits_until_the_other_is_gone_altogether() {
        let given = [("db", Destroy, vec![]), ("web", Destroy, vec![Need::new("db").deployed()])];
        assert_eq!(graph(&given).unwrap().waits(), [validated(&[1]), validated(&[])]);
    }

    #[test]
    fn closures_and_subsets() {
        // d -> b -> a, c -> a, e
        let given = [
            ("a", Deploy, vec![]),
            ("b", Deploy, needs(&["a"])),
            ("c", Deploy, needs(&["a"])),
            ("d", Deploy, vec![Need::new("b").deployed(), Need::new("a")]),
            ("e", Deploy, vec![]),
        ];
        let graph = graph(&given).unwrap();
        let only = |node: usize| (0..5).map(|other| other == node).collect::<Vec<_>>();
        assert_eq!(graph.with_needs(&only(3)), [true, true, false, true, false]);
        assert_eq!(graph.with_dependants(&only(0)), [true, true, true, true, false]);
        assert_eq!(graph.with_dependants(&only(4)), only(4));
        let subset = graph.subset(&[false, true, false, true, true]);
        assert_eq!([subset.key(0), subset.key(1), subset.key(2)], [&key("b"), &key("d"), &key("e")]);
        assert_eq!(subset.needs(0), []);
        assert_eq!(subset.needs(1), [Wait { on: 0, until: Until::Deployed }]);
    }

    /// Needs without cycles, in any order of the stack, with any actions that may be together.
    fn stacks() -> impl Strategy<Value = Vec<(String, HelmAction, Vec<Need>)>> {
        (1..12_usize).prop_flat_map(|n| {
            let ranks = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
            let actions = prop::collection::vec(prop::sample::select(vec![Deploy, Destroy, Skip]), n);
            let edges = prop::collection::vec(prop::collection::vec(any::<bool>(), n), n);
            (ranks, actions, edges).prop_map(move |(ranks, actions, edges)| {
                let allowed = |node: usize, on: usize| (actions[node], actions[on]) != (Deploy, Destroy);
                let needs_of = |node: usize| {
                    let on = (0..n).filter(|&on| ranks[on] < ranks[node] && edges[node][on] && allowed(node, on));
                    on.map(|on| Need::new(format!("r{on}"))).collect()
                };
                (0..n).map(|node| (format!("r{node}"), actions[node], needs_of(node))).collect()
            })
        })
    }

    proptest! {
        #[test]
        fn whatever_the_actions_every_release_has_its_turn(given in stacks(), keep in any::<u16>()) {
            let given: Vec<_> = given.iter().map(|(name, action, needs)| (name.as_str(), *action, needs.clone())).collect();
            let whole = graph(&given).unwrap();
            let keep: Vec<bool> = (0..whole.len()).map(|node| keep & (1 << node) != 0).collect();
            for graph in [whole.subset(&keep), whole] {
                let mut schedule = Schedule::new(graph.waits(), graph.len());
                let mut started = 0;
                while !schedule.is_done() {
                    let orders = schedule.orders();
                    prop_assert!(!orders.is_empty(), "nothing can begin: there is a cycle");
                    for order in orders {
                        let Order::Start(node) = order else { panic!("{order:?}") };
                        schedule.ended(node, true);
                        started += 1;
                    }
                }
                prop_assert_eq!(started, graph.len());
                let order = graph.order();
                prop_assert_eq!(order.len(), graph.len());
                let place = |node: usize| order.iter().position(|other| *other == node);
                for (node, waits) in graph.waits().iter().enumerate() {
                    prop_assert!(waits.iter().all(|wait| place(wait.on) < place(node)));
                }
            }
        }

        #[test]
        fn any_needs_are_a_graph_or_told(edges in prop::collection::vec((0..8_usize, 0..8_usize), 0..30)) {
            let needs_of = |node: usize| edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| Need::new(format!("r{to}"))).collect();
            let names: Vec<String> = (0..8).map(|node| format!("r{node}")).collect();
            let given: Vec<_> = names.iter().enumerate().map(|(node, name)| (name.as_str(), Deploy, needs_of(node))).collect();
            match graph(&given) {
                Ok(graph) => prop_assert_eq!(graph.order().len(), 8),
                Err(problems) => for problem in &problems {
                    if let GraphProblem::Cycle { at, releases } = problem {
                        for (index, place) in at.iter().enumerate() {
                            prop_assert_eq!(&key(given[place.node].0), &releases[index]);
                            let next = &releases[(index + 1) % releases.len()];
                            prop_assert_eq!(&key(&given[place.node].2[place.need].release), next);
                        }
                    }
                },
            }
        }
    }
}
