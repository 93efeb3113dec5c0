//! In which namespace the state of a stack is: its lock and the journal's copy in the cluster.
//!
//! A stack whose file says nothing has its state in `pilothouse`, unless its record is in `default`, where it was kept formerly: then it
//! stays there until `state move` moves it. One stack must not have two locks, so:
//!
//! 1. Other places are looked at before a lock is taken, to know where ([`look_at_place`], [`decide_place`]).
//! 2. They are looked at again when it is taken. Whoever finds that the state is somewhere else by now gives the lock back and
//!    begins anew; whoever finds the other lock held waits until it is not, with its own in its hand, and looks again.
//! 3. A run works in `default` only if the record is there, read under the lock of `default`.
//!
//! So of two runs that start at the same time, one that works in `pilothouse` has seen, after it had that lock, that there is no record in
//! `default` and nobody holds the lock there; one that works in `default` has found a record under its lock. Nobody but a program that does
//! not know of this makes a record there in between, so both cannot be. A move holds both locks, and closes the one it leaves for
//! good before it copies the record: from then on nobody works there, also no program that does not know of moves, and where the copy
//! is not made yet nobody works at all until it is.

use crate::journal::place_error::{FindError, PlaceError};
use crate::journal::{ClusterJournal, state_name};
use pilothouse_kube::{ClusterClient, ClusterError, LeaseLock, LockSeen};

/// Where state is kept when the stack file does not say.
pub(crate) const USUAL_PLACE: &str = "pilothouse";
/// Where it was kept formerly.
const FORMER: &str = "default";

/// What there is of a stack in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaceSeen {
    pub(crate) namespace: String,
    pub(crate) lock: LockSeen,
    /// Whether there is a record of runs.
    pub(crate) record: bool,
}

/// A namespace that was looked at, or why it may not be read.
pub(crate) type Looked = Result<PlaceSeen, (String, ClusterError)>;

/// The namespace where the state is when it is nowhere else.
pub(crate) fn wanted_place(configured: Option<&str>) -> &str {
    configured.unwrap_or(USUAL_PLACE)
}

/// The namespaces where it may be all the same.
pub(crate) fn other_places(configured: Option<&str>) -> impl Iterator<Item = &'static str> {
    let wanted = wanted_place(configured).to_owned();
    [FORMER, USUAL_PLACE].into_iter().filter(move |place| *place != wanted)
}

/// Looks at one namespace, side by side at lock and record.
///
/// # Errors
/// As for any request. What may not be read is no error yet: whether that matters is decided later.
pub(crate) async fn look_at_place(
    cluster: &dyn ClusterClient,
    namespace: &str,
    stack: &str,
) -> Result<Looked, ClusterError> {
    let name = state_name(stack);
    let record = ClusterJournal::object_of(namespace, stack);
    let (lock, record) = tokio::join!(LeaseLock::look(cluster, namespace, &name), cluster.get(&record));
    match (lock, record) {
        (Ok(lock), Ok(record)) => Ok(Ok(PlaceSeen { namespace: namespace.to_owned(), lock, record: record.is_some() })),
        (Err(error @ ClusterError::Forbidden { .. }), _) | (_, Err(error @ ClusterError::Forbidden { .. })) => {
            Ok(Err((namespace.to_owned(), error)))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Where the state of a stack is, looking at all places that matter.
///
/// # Errors
/// [`FindError::Place`] when it cannot be told or is not where it should be.
pub(crate) async fn find_place(
    cluster: &dyn ClusterClient,
    configured: Option<&str>,
    stack: &str,
) -> Result<String, FindError> {
    let own = look_at_place(cluster, wanted_place(configured), stack);
    let (own, others) = tokio::join!(own, look_at_other_places(cluster, configured, stack));
    Ok(decide_place(configured, own?, others?)?)
}

/// The same for a run, which will find out by taking the lock when the state was moved away from there: without a look at the
/// place where the state is wanted, if there is nothing in the others.
///
/// # Errors
/// As [`find_place`].
pub(crate) async fn find_place_for_lock(
    cluster: &dyn ClusterClient,
    configured: Option<&str>,
    stack: &str,
) -> Result<String, FindError> {
    let others = look_at_other_places(cluster, configured, stack).await?;
    if others.iter().all(|other| matches!(other, Ok(seen) if !seen.record && !seen.is_moved())) {
        return Ok(wanted_place(configured).to_owned());
    }
    let own = look_at_place(cluster, wanted_place(configured), stack).await?;
    Ok(decide_place(configured, own, others)?)
}

/// The other places, side by side.
///
/// # Errors
/// As for any request.
pub(crate) async fn look_at_other_places(
    cluster: &dyn ClusterClient,
    configured: Option<&str>,
    stack: &str,
) -> Result<Vec<Looked>, ClusterError> {
    let looks = other_places(configured).map(|namespace| look_at_place(cluster, namespace, stack));
    futures::future::join_all(looks).await.into_iter().collect()
}

impl PlaceSeen {
    fn is_moved(&self) -> bool {
        matches!(self.lock, LockSeen::Moved { .. })
    }
}

/// Where the state of a stack is, from what was seen in the namespace where it is wanted and in the others.
///
/// # Errors
/// When it is not where the run would look for it.
pub(crate) fn decide_place(configured: Option<&str>, own: Looked, others: Vec<Looked>) -> Result<String, PlaceError> {
    let wanted = wanted_place(configured).to_owned();
    if let Ok(PlaceSeen { namespace, lock: LockSeen::Moved { to }, .. }) = own {
        return Err(PlaceError::Moved { from: namespace, to });
    }
    if own.is_err() && configured.is_some() {
        // Taking the lock there tells best what is missing.
        return Ok(wanted);
    }
    let has_record = own.is_ok_and(|own| own.record);
    for other in others {
        let other = match other {
            Ok(other) => other,
            // The file says where the state is; a look elsewhere only guards against an oversight.
            Err(_) if configured.is_some() => continue,
            Err((namespace, source)) => return Err(PlaceError::Unreadable { namespace, source }),
        };
        match (other.lock, other.record) {
            (LockSeen::Moved { .. }, _) if has_record => {}
            (LockSeen::Moved { to }, true) => return Err(PlaceError::Unfinished { from: other.namespace, to }),
            (LockSeen::Moved { to }, false) if to == wanted => {}
            (LockSeen::Moved { to }, false) => return Err(PlaceError::Moved { from: other.namespace, to }),
            // What was left behind by those who have written another place into the file.
            (_, true) if has_record && configured.is_some() => {}
            (_, true) if has_record => return Err(PlaceError::Two { former: other.namespace, usual: wanted }),
            (_, true) if configured.is_some() => {
                return Err(PlaceError::Elsewhere { found: other.namespace, wanted });
            }
            (_, true) => return Ok(other.namespace),
            (LockSeen::Free | LockSeen::Held, false) => {}
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// `-` nothing, `l` a lock that is free, `h` held, `>x` moved to x; then `r` where there is a record; `!` may not be read.
    fn seen(namespace: &str, text: &str) -> Looked {
        if text == "!" {
            let (verb, what) = ("get".to_owned(), "leases".to_owned());
            return Err((namespace.to_owned(), ClusterError::Forbidden { verb, what, message: String::new() }));
        }
        let (text, record) = text.strip_suffix('r').map_or((text, false), |text| (text, true));
        let lock = match text.split_at_checked(1) {
            Some(("h", _)) => LockSeen::Held,
            Some((">", to)) => LockSeen::Moved { to: to.to_owned() },
            _ => LockSeen::Free,
        };
        Ok(PlaceSeen { namespace: namespace.to_owned(), lock, record })
    }

    /// What the file says; what is there; in `default` and `pilothouse`; where the state is.
    #[rstest]
    #[case::a_new_stack(None, "-", "-", "pilothouse")]
    #[case::one_of_these_days(None, "-", "lr", "pilothouse")]
    #[case::one_of_former_days(None, "lr", "-", "default")]
    #[case::a_record_whose_lock_was_deleted(None, "-r", "-", "default")]
    #[case::a_run_of_former_days(None, "hr", "-", "default")]
    #[case::a_first_run_of_a_former_program(None, "h", "-", "pilothouse")]
    #[case::a_lock_that_nothing_came_of(None, "l", "-", "pilothouse")]
    #[case::somebody_has_just_begun(None, "hr", "h", "default")]
    #[case::moved(None, ">pilothouse", "lr", "pilothouse")]
    #[case::moved_and_the_leftover_is_still_there(None, ">pilothouser", "lr", "pilothouse")]
    #[case::moved_and_deleted(None, ">pilothouse", "-", "pilothouse")]
    #[case::on_its_way(None, ">pilothouser", "h", "on its way from default to pilothouse")]
    #[case::moved_elsewhere(None, ">ops", "-", "moved from default to ops")]
    #[case::on_its_way_elsewhere(None, ">opsr", "-", "on its way from default to ops")]
    #[case::moved_on(None, ">pilothouse", ">ops", "moved from pilothouse to ops")]
    #[case::two(None, "lr", "lr", "two: default and pilothouse")]
    #[case::former_place_unreadable(None, "!", "-", "unreadable: default")]
    #[case::former_place_unreadable_all_the_same(None, "!", "lr", "unreadable: default")]
    #[case::only_the_former_place_is_readable(None, "lr", "!", "default")]
    #[case::said(Some("default"), "lr", "-", "default")]
    #[case::said_and_new(Some("default"), "-", "-", "default")]
    #[case::said_and_elsewhere(Some("default"), "-", "lr", "elsewhere: pilothouse, not default")]
    #[case::said_the_usual_and_former(Some("pilothouse"), "lr", "-", "elsewhere: default, not pilothouse")]
    #[case::said_the_usual_and_two(Some("pilothouse"), "lr", "lr", "pilothouse")]
    #[case::said_and_others_unreadable(Some("pilothouse"), "!", "-", "pilothouse")]
    #[case::said_and_moved_away(Some("default"), ">pilothouse", "lr", "moved from default to pilothouse")]
    fn where_state_is(
        #[case] configured: Option<&str>,
        #[case] default: &str,
        #[case] pilothouse: &str,
        #[case] expected: &str,
    ) {
        let (default, pilothouse) = (seen("default", default), seen("pilothouse", pilothouse));
        let (own, other) =
            if wanted_place(configured) == "default" { (default, pilothouse) } else { (pilothouse, default) };
        assert_eq!(told(decide_place(configured, own, vec![other])), expected);
    }

    #[rstest]
    #[case::nowhere("-", "-", "-", "ops")]
    #[case::there("lr", "-", "-", "ops")]
    #[case::moved_there("lr", ">ops", "-", "ops")]
    #[case::moved_there_in_two_steps("lr", ">pilothouse", ">ops", "ops")]
    #[case::written_into_the_file_afterwards("-", "-", "lr", "elsewhere: pilothouse, not ops")]
    #[case::of_former_days("-", "lr", "-", "elsewhere: default, not ops")]
    #[case::left_behind("lr", "lr", "-", "ops")]
    #[case::on_its_way("h", ">opsr", "-", "on its way from default to ops")]
    #[case::moved_to_another_one("-", ">dev", "-", "moved from default to dev")]
    #[case::others_unreadable("-", "!", "!", "ops")]
    #[case::unreadable("!", "-", "-", "ops")]
    fn where_state_is_of_a_stack_that_says_ops(
        #[case] ops: &str,
        #[case] default: &str,
        #[case] pilothouse: &str,
        #[case] expected: &str,
    ) {
        let others = vec![seen("default", default), seen("pilothouse", pilothouse)];
        assert_eq!(told(decide_place(Some("ops"), seen("ops", ops), others)), expected);
    }

    fn told(decided: Result<String, PlaceError>) -> String {
        match decided {
            Ok(place) => place,
            Err(PlaceError::Elsewhere { found, wanted }) => format!("elsewhere: {found}, not {wanted}"),
            Err(PlaceError::Two { former, usual }) => format!("two: {former} and {usual}"),
            Err(PlaceError::Moved { from, to }) => format!("moved from {from} to {to}"),
            Err(PlaceError::Unfinished { from, to }) => format!("on its way from {from} to {to}"),
            Err(PlaceError::Unreadable { namespace, .. }) => format!("unreadable: {namespace}"),
            Err(PlaceError::Restless) => "restless".to_owned(),
        }
    }

    #[test]
    fn both_places_are_looked_at() {
        let others = |configured| other_places(configured).collect::<Vec<_>>();
        assert_eq!(others(None), ["default"]);
        assert_eq!(others(Some("default")), ["pilothouse"]);
        assert_eq!(others(Some("ops")), ["default", "pilothouse"]);
    }
}
