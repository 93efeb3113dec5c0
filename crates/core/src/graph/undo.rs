//! Which releases of a run are taken back after one has failed, and in which order: a pure function.

/// What has become of a release, as far as it matters for taking others back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// This run has not changed it.
    Untouched,
    /// It failed and was rolled back or uninstalled, or was taken back since another one was.
    Undone,
    /// This run has changed it and it may be taken back.
    Undoable,
    /// It stays as it is: its own policy does not allow more, it is past a point of no return, or somebody has to look at it.
    Stays,
}

/// The releases to be taken back, each with the failed one it is taken back for, in the order in which that is done.
///
/// It is what failed releases that were undone need, directly or through others, as far as it may be taken back and nothing
/// that stays needs it. Each comes after all that need it. `needs` and `fates` have one entry per release; the needs must
/// form no cycle.
pub fn undo_order(needs: &[Vec<usize>], fates: &[Fate]) -> Vec<(usize, usize)> {
    let needed_by = |node: usize| (0..needs.len()).filter(move |&other| needs[other].contains(&node));
    let mut looked_at = vec![false; needs.len()];
    // For which failed release something would be taken back.
    let mut causes: Vec<Option<usize>> = vec![None; needs.len()];
    let mut planned = vec![false; needs.len()];
    let mut order = Vec::new();
    // Later releases of the stack first, as far as their needs leave the choice.
    while let Some(node) =
        (0..needs.len()).rev().find(|&node| !looked_at[node] && needed_by(node).all(|other| looked_at[other]))
    {
        looked_at[node] = true;
        causes[node] = match fates[node] {
            Fate::Undone => Some(node),
            Fate::Untouched | Fate::Undoable | Fate::Stays => needed_by(node).find_map(|other| causes[other]),
        };
        let goes = |other: usize| planned[other] || matches!(fates[other], Fate::Undone | Fate::Untouched);
        if fates[node] == Fate::Undoable
            && let Some(cause) = causes[node]
            && needed_by(node).all(goes)
        {
            planned[node] = true;
            order.push((node, cause));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fate::{Stays, Undoable, Undone, Untouched};
    use proptest::prelude::*;
    use rstest::rstest;

    /// 0 <- 1 <- 2, and 3 needs 1 too.
    #[rstest]
    #[case::all_it_needs([Undoable, Undoable, Undone, Untouched], &[(1, 2), (0, 2)])]
    #[case::another_one_has_succeeded([Undoable, Undoable, Undone, Undoable], &[])]
    #[case::another_one_is_to_be_looked_at([Undoable, Undoable, Undone, Stays], &[])]
    #[case::both_failed([Undoable, Undoable, Undone, Undone], &[(1, 2), (0, 2)])]
    #[case::what_stays_keeps_what_it_needs([Undoable, Stays, Undone, Untouched], &[])]
    #[case::through_what_was_not_changed([Undoable, Untouched, Undone, Untouched], &[(0, 2)])]
    #[case::nothing_has_failed([Undoable, Undoable, Undoable, Undoable], &[])]
    #[case::the_failed_one_was_left([Undoable, Undoable, Stays, Untouched], &[])]
    #[case::it_goes_on_where_it_was([Undoable, Undone, Undone, Untouched], &[(0, 1)])]
    fn a_small_stack(#[case] fates: [Fate; 4], #[case] expected: &[(usize, usize)]) {
        assert_eq!(undo_order(&[vec![], vec![0], vec![1], vec![1]], &fates), expected);
    }

    fn stacks() -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<Fate>)> {
        (1..10_usize).prop_flat_map(|n| {
            let ranks = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
            let edges = prop::collection::vec(prop::collection::vec(any::<bool>(), n), n);
            let fates = prop::collection::vec(prop::sample::select(vec![Untouched, Undone, Undoable, Stays]), n);
            (ranks, edges, fates).prop_map(move |(ranks, edges, fates)| {
                let of = |node: usize| (0..n).filter(|&on| ranks[on] < ranks[node] && edges[node][on]).collect();
                ((0..n).map(of).collect(), fates)
            })
        })
    }

    /// All that a release needs, directly or through others.
    fn reached(needs: &[Vec<usize>], from: usize) -> Vec<bool> {
        let mut seen = vec![false; needs.len()];
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            for &on in needs[node].iter().filter(|on| !seen[**on]).collect::<Vec<_>>() {
                seen[on] = true;
                open.push(on);
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn what_is_taken_back((needs, fates) in stacks()) {
            let order = undo_order(&needs, &fates);
            let place = |node: usize| order.iter().position(|(known, _)| *known == node);
            for (at, &(node, cause)) in order.iter().enumerate() {
                prop_assert_eq!(place(node), Some(at), "twice");
                prop_assert_eq!(fates[node], Undoable, "only what this run has changed and may take back");
                prop_assert_eq!(fates[cause], Undone);
                prop_assert!(reached(&needs, cause)[node], "it is needed by what failed");
                for other in (0..needs.len()).filter(|&other| needs[other].contains(&node)) {
                    match (place(other), fates[other]) {
                        (Some(before), _) => prop_assert!(before < at, "what needs it goes first"),
                        (None, fate) => prop_assert!(matches!(fate, Undone | Untouched), "it is still needed"),
                    }
                }
            }
        }

        /// Done one by one, with the rest decided anew each time, it is the same.
        #[test]
        fn it_can_be_decided_step_by_step((needs, mut fates) in stacks()) {
            let whole: Vec<usize> = undo_order(&needs, &fates).into_iter().map(|(node, _)| node).collect();
            let mut steps = Vec::new();
            while let Some(&(node, _)) = undo_order(&needs, &fates).first() {
                fates[node] = Undone;
                steps.push(node);
            }
            prop_assert_eq!(steps, whole);
        }
    }
}
