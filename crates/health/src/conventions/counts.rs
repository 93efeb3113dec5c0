//! Whether there are as many parts as asked for, where a status counts them.

use super::names;
use super::opinion::Opinion;
use super::words::Sense;
use serde_json::{Map, Value};

/// Beginnings of the fields that count what works already, and of those that say how many there shall be.
const REACHED: [&str; 5] = ["ready", "available", "updated", "updatedReady", "updatedAvailable"];
const WANTED: [&str; 3] = ["desired", "expected", "total"];
const PARTS: [&str; 7] = ["Replicas", "Members", "Nodes", "Instances", "Pods", "Workers", "Brokers"];

/// What the counts of `status` say, beside the replicas that the spec asks for.
pub(super) fn of_counts(object: &Value, status: &Map<String, Value>) -> Option<Opinion> {
    let spec_replicas = object.get("spec").and_then(|spec| spec.get("replicas")).and_then(Value::as_i64);
    of_replicas(status, spec_replicas).or_else(|| of_fractions(status))
}

/// What the counts of a part of a status say (`racks.a: {members: 3, readyMembers: 1}`).
pub(super) fn of_part(part: &Map<String, Value>) -> Option<Opinion> {
    of_replicas(part, None)
}

fn of_replicas(status: &Map<String, Value>, spec_replicas: Option<i64>) -> Option<Opinion> {
    let number = |field: &str| status.get(field).and_then(Value::as_i64);
    if let Some((size, ready)) = number("size").zip(number("ready")).filter(|(size, _)| *size > 0) {
        let sense = if ready < size { Sense::Moving } else { Sense::Good };
        return Some(Opinion::new(sense, names::COUNTS, format!("ready: {ready} of {size}")));
    }
    // As a DaemonSet counts.
    if let Some(wanted) = number("desiredNumberScheduled") {
        let fields = ["updatedNumberScheduled", "numberAvailable", "numberReady"];
        let counts = fields.into_iter().filter_map(|field| Some((field, number(field)?)));
        let (field, count) = counts.min_by_key(|(_, count)| *count)?;
        let sense = if count < wanted { Sense::Moving } else { Sense::Good };
        return Some(Opinion::new(sense, names::COUNTS, format!("{field}: {count} of {wanted}")));
    }
    let moving = |message: String| Opinion::new(Sense::Moving, names::COUNTS, message);
    let mut counted = PARTS.iter().filter(|part| status.keys().any(|field| field.ends_with(**part)));
    counted.find_map(|part| {
        let mut whole = part.to_lowercase();
        let exist = number(&whole);
        let of_status = WANTED.iter().find_map(|wanted| number(&format!("{wanted}{part}"))).or(exist);
        let wanted = if *part == "Replicas" { spec_replicas.or(of_status) } else { of_status }?;
        let reached = REACHED.iter().filter_map(|reached| {
            let field = format!("{reached}{part}");
            number(&field).map(|count| (field, count))
        });
        let (field, count) = reached.min_by_key(|(_, count)| *count)?;
        if count < wanted {
            return Some(moving(format!("{field}: {count} of {wanted}")));
        }
        if let Some((old, updated)) = exist.zip(number(&format!("updated{part}"))).filter(|(all, new)| all > new) {
            whole.insert(0, ' ');
            return Some(moving(format!("{updated} of {old}{whole} updated")));
        }
        Some(Opinion::new(Sense::Good, names::COUNTS, format!("{field}: {count} of {wanted}")))
    })
}

/// What is written as `ready/all` (`tasksReady: 1/3`), in the status or one level deeper.
fn of_fractions(status: &Map<String, Value>) -> Option<Opinion> {
    let inner = status.values().filter_map(Value::as_object).flatten();
    let said = status.iter().chain(inner).filter_map(|(field, value)| {
        let lower = field.to_lowercase();
        if !lower.contains("ready") && !lower.contains("replicas") {
            return None;
        }
        let (reached, wanted) = value.as_str()?.split_once('/')?;
        let (reached, wanted) = (reached.trim().parse::<i64>().ok()?, wanted.trim().parse::<i64>().ok()?);
        let sense = if reached < wanted { Sense::Moving } else { Sense::Good };
        Some(Opinion::new(sense, names::COUNTS, format!("{field}: {reached} of {wanted}")))
    });
    said.reduce(|worst, other| if other.sense > worst.sense { other } else { worst })
}
