//! Which release may begin now: a state machine without clocks, tasks or effects.

use crate::release::Until;

/// One release that another waits for, by its place in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The release waited for.
    pub on: usize,
    /// How far it must have come.
    pub until: Until,
}

/// The state of a run's releases, as far as it matters for what may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    waits: Vec<Vec<Wait>>,
    nodes: Vec<Node>,
    concurrency: usize,
    running: usize,
    stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Waiting,
    Running { deployed: bool },
    Ended { well: bool },
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Begin this release. It counts as running until [`Schedule::ended`] is called for it.
    Start(usize),
    /// This release is never going to begin, because of what it waits for.
    Blocked {
        /// The release.
        node: usize,
        /// What it waits for directly.
        by: usize,
    },
    /// This release is never going to begin, because the run was stopped.
    Cancelled(usize),
}

impl Schedule {
    /// A schedule of as many releases as there are entries, each with what it waits for; at most `concurrency` run at
    /// once (at least one does). The waits must form no cycle: releases on one would never begin.
    pub fn new(waits: Vec<Vec<Wait>>, concurrency: usize) -> Self {
        let nodes = vec![Node::Waiting; waits.len()];
        Self { waits, nodes, concurrency: concurrency.max(1), running: 0, stopped: false }
    }

    /// What is to be done now, in the order of the stack. Each release appears once in all answers together.
    pub fn orders(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        loop {
            let before = orders.len();
            for node in 0..self.nodes.len() {
                if self.nodes[node] == Node::Waiting
                    && let Some(order) = self.order(node)
                {
                    self.carry_out(order);
                    orders.push(order);
                }
            }
            // What was blocked now blocks others, which may come earlier in the stack.
            if orders.len() == before {
                return orders;
            }
        }
    }

    /// Notes that helm has deployed a running release.
    pub fn deployed(&mut self, node: usize) {
        if let Some(Node::Running { deployed }) = self.nodes.get_mut(node) {
            *deployed = true;
        }
    }

    /// Notes that a running release has ended.
    pub fn ended(&mut self, node: usize, well: bool) {
        if let Some(known @ Node::Running { .. }) = self.nodes.get_mut(node) {
            *known = Node::Ended { well };
            self.running -= 1;
        }
    }

    /// Nothing new begins from now on; what runs goes on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How many releases run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether every release has ended, or is never going to begin.
    pub fn is_done(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, Node::Ended { .. }))
    }

    fn order(&self, node: usize) -> Option<Order> {
        let blocker = self.waits[node].iter().find(|wait| self.nodes[wait.on] == (Node::Ended { well: false }));
        if let Some(wait) = blocker {
            return Some(Order::Blocked { node, by: wait.on });
        }
        if self.stopped {
            return Some(Order::Cancelled(node));
        }
        let free = self.running < self.concurrency;
        (free && self.waits[node].iter().all(|wait| self.is_met(*wait))).then_some(Order::Start(node))
    }

    fn is_met(&self, wait: Wait) -> bool {
        match (self.nodes[wait.on], wait.until) {
            (Node::Ended { well }, _) => well,
            (Node::Running { deployed }, Until::Deployed) => deployed,
            (Node::Running { .. }, Until::Validated) | (Node::Waiting, _) => false,
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Start(node) => {
                self.nodes[node] = Node::Running { deployed: false };
                self.running += 1;
            }
            Order::Blocked { node, .. } | Order::Cancelled(node) => self.nodes[node] = Node::Ended { well: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waits(on: &[usize]) -> Vec<Wait> {
        on.iter().map(|&on| Wait { on, until: Until::Validated }).collect()
    }

    #[test]
    fn a_release_begins_the_moment_its_own_needs_are_met() {
        // 0 <- 1, 2 <- 3
        let mut schedule = Schedule::new(vec![waits(&[]), waits(&[0]), waits(&[]), waits(&[2])], 9);
        assert_eq!(schedule.orders(), [Order::Start(0), Order::Start(2)]);
        schedule.ended(2, true);
        assert_eq!(schedule.orders(), [Order::Start(3)], "3 does not wait for 0");
        schedule.ended(0, true);
        assert_eq!(schedule.orders(), [Order::Start(1)]);
    }

    #[test]
    fn a_need_until_deployed_is_met_before_the_other_has_ended() {
        let until_deployed = vec![Wait { on: 0, until: Until::Deployed }];
        let mut schedule = Schedule::new(vec![waits(&[]), until_deployed, waits(&[0])], 9);
        assert_eq!(schedule.orders(), [Order::Start(0)]);
        schedule.deployed(0);
        assert_eq!(schedule.orders(), [Order::Start(1)]);
        schedule.ended(0, false);
        assert_eq!(schedule.orders(), [Order::Blocked { node: 2, by: 0 }]);
        schedule.ended(1, true);
        assert!(schedule.is_done());
    }

    #[test]
    fn what_is_blocked_blocks_in_turn_whatever_its_place() {
        // 0 waits for 1, which waits for 2.
        let mut schedule = Schedule::new(vec![waits(&[1]), waits(&[2]), waits(&[])], 9);
        assert_eq!(schedule.orders(), [Order::Start(2)]);
        schedule.ended(2, false);
        assert_eq!(schedule.orders(), [Order::Blocked { node: 1, by: 2 }, Order::Blocked { node: 0, by: 1 }]);
        assert!(schedule.is_done());
    }

    /// A graph without cycles, in any order of the stack: each node may wait for those of lower rank.
    fn graphs() -> impl Strategy<Value = Vec<Vec<Wait>>> {
        (1..12_usize).prop_flat_map(|n| {
            let ranks = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
            let edges = prop::collection::vec(prop::collection::vec(any::<(bool, bool)>(), n), n);
            (ranks, edges).prop_map(move |(ranks, edges)| {
                let waits_of = |node: usize| {
                    let lower = (0..n).filter(|&on| ranks[on] < ranks[node] && edges[node][on].0);
                    let until = |on: usize| if edges[node][on].1 { Until::Deployed } else { Until::Validated };
                    lower.map(|on| Wait { on, until: until(on) }).collect()
                };
                (0..n).map(waits_of).collect()
            })
        })
    }

    /// What happens next in a run: which of the running releases moves, how, and whether the run is stopped.
    fn fates() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 64)
    }

    proptest! {
        #[test]
        fn every_run_keeps_the_rules(graph in graphs(), concurrency in 1..5_usize, fates in fates(), stop_at in prop::option::of(0..20_usize)) {
            let n = graph.len();
            let mut schedule = Schedule::new(graph.clone(), concurrency);
            let (mut running, mut deployed, mut well) = (Vec::new(), vec![false; n], vec![None; n]);
            let mut ordered = vec![false; n];
            let mut fates = fates.into_iter().cycle();
            let mut stopped = false;
            for round in 0.. {
                if stop_at == Some(round) {
                    schedule.stop();
                    stopped = true;
                }
                for order in schedule.orders() {
                    let node = match order {
                        Order::Start(node) | Order::Blocked { node, .. } | Order::Cancelled(node) => node,
                    };
                    prop_assert!(!ordered[node], "{node} was ordered twice");
                    ordered[node] = true;
                    match order {
                        Order::Start(node) => {
                            prop_assert!(!stopped, "{node} began after the stop");
                            for wait in &graph[node] {
                                let met = match wait.until {
                                    Until::Deployed => well[wait.on] == Some(true) || (deployed[wait.on] && well[wait.on].is_none()),
                                    Until::Validated => well[wait.on] == Some(true),
                                };
                                prop_assert!(met, "{node} began before {}", wait.on);
                            }
                            running.push(node);
                        }
                        Order::Blocked { node, by } => {
                            prop_assert!(graph[node].iter().any(|wait| wait.on == by));
                            prop_assert_eq!(well[by], Some(false));
                            well[node] = Some(false);
                        }
                        Order::Cancelled(node) => {
                            prop_assert!(stopped);
                            well[node] = Some(false);
                        }
                    }
                    prop_assert!(running.len() <= concurrency);
                }
                prop_assert_eq!(schedule.running(), running.len());
                if schedule.is_done() {
                    break;
                }
                prop_assert!(!running.is_empty(), "nothing runs and nothing is done: it would never end");
                let (which, how) = fates.next().unwrap();
                let at = which.index(running.len());
                if how % 4 == 0 && !deployed[running[at]] {
                    deployed[running[at]] = true;
                    schedule.deployed(running[at]);
                } else {
                    let node = running.swap_remove(at);
                    well[node] = Some(how % 3 != 0);
                    schedule.ended(node, how % 3 != 0);
                }
            }
            prop_assert!(ordered.iter().all(|ordered| *ordered));
        }
    }
}
