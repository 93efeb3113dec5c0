//! What a list of conditions says together.

use super::fields::{self, Condition};
use super::names;
use super::opinion::Opinion;
use super::words::{self, Sense, complains, is_patient, sense};
use serde_json::Value;

/// Conditions that sum up all others.
const SUMMARY: [&str; 8] =
    ["available", "complete", "completed", "healthy", "ready", "ready to use", "succeeded", "successful"];
/// Conditions that hold when all is well and whose names do not end in a word for it.
const GOOD: [&str; 6] = ["resolved refs", "names accepted", "initialized", "updated", "enforced", "reconcile success"];
/// Words at the end of conditions that are a controller's decision about the spec: not held, it is refused.
const DECISIONS: [&str; 8] =
    ["accepted", "admitted", "valid", "validated", "resolved refs", "authorized", "succeeded", "successful"];

/// A condition and the words of its name.
struct Named<'a> {
    condition: Condition<'a>,
    name: String,
    stale: bool,
}

impl Named<'_> {
    fn last_word(&self) -> &str {
        self.name.rsplit(' ').next().unwrap_or_default()
    }

    /// Whether it says, when it holds, that something is wrong.
    fn is_bad_name(&self) -> bool {
        // Warnings are common in objects that work.
        !self.name.contains("warning")
            && (self.name == "not ready" || words::sense_of_plain(&self.name) == Some(Sense::Bad))
    }

    /// Whether its bad name is about the object itself, not about a part of it.
    fn is_about_the_whole(&self) -> bool {
        self.name.split(' ').all(|word| word.starts_with("reconcil") || words::sense_of_plain(word) == Some(Sense::Bad))
    }

    fn is_summary(&self) -> bool {
        SUMMARY.binary_search(&self.name.as_str()).is_ok()
    }

    fn is_moving_name(&self) -> bool {
        self.name == "pending" || self.name == "rolling update" || words::is_doing(self.last_word())
    }

    /// Whether it should hold.
    fn is_good_name(&self) -> bool {
        let last = self.last_word();
        let said = words::sense_of_plain(&self.name);
        GOOD.contains(&self.name.as_str())
            || (words::is_done(last) && said == Some(Sense::Good))
            || (said.is_none() && words::is_achieved(last))
    }

    /// What it says when it should hold and does not: wrong, or not yet.
    fn unmet(&self) -> Sense {
        let condition = &self.condition;
        let reason = sense(condition.reason);
        if reason == Some(Sense::Paused) {
            return Sense::Paused;
        }
        if self.stale || condition.status != "False" {
            return Sense::Moving;
        }
        match reason {
            Some(Sense::Bad | Sense::Missing) => Sense::Bad,
            _ if complains(condition.message) => Sense::Bad,
            Some(Sense::Moving) => Sense::Moving,
            _ if is_patient(condition.message) => Sense::Moving,
            _ if DECISIONS.iter().any(|decision| self.name.ends_with(decision)) => Sense::Bad,
            _ => Sense::Moving,
        }
    }
}

/// Judges `conditions` of an object of this generation; `None` when none of them says how the object stands.
pub(super) fn of_conditions(conditions: Vec<Condition<'_>>, generation: Option<i64>) -> Option<Opinion> {
    if conditions.is_empty() {
        return None;
    }
    let all = named(conditions, generation);
    wrong(&all).or_else(|| paused(&all)).or_else(|| on_its_way(&all)).or_else(|| well(&all))
}

fn named(conditions: Vec<Condition<'_>>, generation: Option<i64>) -> Vec<Named<'_>> {
    conditions
        .into_iter()
        .map(|condition| Named {
            // `platform.example.com/app-ready` and `ACK.Terminal` have their names behind a domain or a product.
            name: words::plain(condition.kind.rsplit(['/', '.']).next().unwrap_or_default()),
            stale: condition.is_before(generation),
            condition,
        })
        .collect()
}

/// Whether a condition that sums up holds for the present version of the spec.
pub(super) fn is_well(conditions: Vec<Condition<'_>>, generation: Option<i64>) -> bool {
    named(conditions, generation).iter().any(|one| one.is_summary() && one.condition.is_true() && !one.stale)
}

/// The condition that says best why an object is not as it should be: one that should hold and does not, or for trouble and
/// holds; a complaint before what is merely not yet. One without words says nothing.
pub(crate) fn unmet(object: &Value) -> Option<Condition<'_>> {
    let listed = object.pointer("/status/conditions").map(fields::conditions_of).unwrap_or_default();
    let all = named(listed, fields::number(object, "/metadata/generation"));
    let is_bad = |one: &Named<'_>| one.is_bad_name() || one.unmet() == Sense::Bad;
    let is_unmet = |one: &&Named<'_>| {
        let counts = match one.condition.status {
            "True" => one.is_bad_name(),
            "False" => !one.is_bad_name() && (one.is_summary() || one.is_good_name() || is_bad(one)),
            _ => false,
        };
        counts && !one.stale && !one.condition.message.is_empty()
    };
    let bad = all.iter().filter(is_unmet).find(|one| is_bad(one));
    bad.or_else(|| all.iter().find(is_unmet)).map(|one| one.condition)
}

/// What is wrong in any case: a condition for trouble holds, or one that should hold does not and says why.
fn wrong(all: &[Named<'_>]) -> Option<Opinion> {
    let ready = all.iter().any(|one| one.name == "ready" && one.condition.is_true() && !one.stale);
    let is_wrong = |one: &&Named<'_>| {
        if one.stale {
            return false;
        }
        if one.is_bad_name() {
            // What is ready may well tell of parts that are in trouble.
            return one.condition.is_true() && (!ready || one.is_about_the_whole());
        }
        // What is ready may have parts that are not; only the reason is a clear word.
        let by_message =
            !ready && complains(one.condition.message) && sense(one.condition.reason) != Some(Sense::Moving);
        one.condition.is_false() && (sense(one.condition.reason) == Some(Sense::Bad) || by_message)
    };
    all.iter().find(is_wrong).map(|one| Opinion::of(Sense::Bad, &one.condition))
}

fn paused(all: &[Named<'_>]) -> Option<Opinion> {
    let is_paused = |one: &&Named<'_>| {
        let by_name = one.condition.is_true() && words::sense_of_plain(&one.name) == Some(Sense::Paused);
        by_name || (!one.condition.is_true() && !one.stale && sense(one.condition.reason) == Some(Sense::Paused))
    };
    all.iter().find(is_paused).map(|one| Opinion::of(Sense::Paused, &one.condition))
}

fn on_its_way(all: &[Named<'_>]) -> Option<Opinion> {
    let moving = |one: &&Named<'_>| {
        if !one.is_moving_name() {
            return false;
        }
        match one.condition.status {
            // A Deployment's `Progressing` goes on to hold when its rollout is done, and says so in its reason.
            "True" => sense(one.condition.reason) != Some(Sense::Good),
            "Unknown" => true,
            _ => false,
        }
    };
    let unmet = |one: &&Named<'_>| one.is_summary() && !one.condition.is_true();
    // A summary that does not hold says more than that something goes on.
    if let Some(one) = all.iter().find(unmet) {
        return Some(Opinion::of(one.unmet(), &one.condition));
    }
    if let Some(old) = all.iter().find(|one| one.stale && (one.is_summary() || one.is_good_name())) {
        let message = format!("{} is about an earlier version of its spec", old.condition.kind);
        return Some(Opinion::new(Sense::Moving, names::CONDITIONS, message));
    }
    if let Some(one) = all.iter().find(moving) {
        return Some(Opinion::of(Sense::Moving, &one.condition));
    }
    if all.iter().any(Named::is_summary) {
        return None;
    }
    let one = all.iter().find(|one| one.is_good_name() && !one.condition.is_true())?;
    Some(Opinion::of(one.unmet(), &one.condition))
}

fn well(all: &[Named<'_>]) -> Option<Opinion> {
    let holds = |one: &&Named<'_>| one.condition.is_true();
    let good = all.iter().filter(|one| one.is_summary()).find(holds);
    let good = good.or_else(|| all.iter().filter(|one| one.is_good_name()).find(holds));
    // Only conditions for trouble, and none holds.
    let good = good.or_else(|| {
        let harmless = |one: &Named<'_>| one.is_bad_name() && one.condition.is_false();
        all.first().filter(|_| all.iter().all(harmless))
    });
    good.map(|one| Opinion::of(Sense::Good, &one.condition))
}
