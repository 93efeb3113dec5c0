//! What becomes of a run that is killed, stopped or in the way of another one, and how the next one goes on: the real
//! program with real helm on a real control plane.

mod interrupted;
mod killed;
mod killed_in_helm;
mod left;
mod running;
mod slow_branch;
mod two_applies;
