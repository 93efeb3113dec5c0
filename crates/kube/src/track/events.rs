//! The events about objects that are followed, and about what they own.

use crate::client::event_time;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Events kept of one object, at most: the newest.
const PER_OBJECT: usize = 20;
/// Events about objects that are not wanted yet, at most: an event may come before the object it is about, and that before
/// its owner.
const STRAYS: usize = 500;

#[derive(Default)]
pub(super) struct Events {
    by_uid: HashMap<String, Vec<Kept>>,
    strays: VecDeque<(String, Arc<Value>)>,
}

struct Kept {
    name: String,
    time: String,
    event: Arc<Value>,
}

/// The UID of what an event is about.
pub(super) fn subject(event: &Value) -> &str {
    event.pointer("/involvedObject/uid").and_then(Value::as_str).unwrap_or_default()
}

fn name(event: &Value) -> &str {
    event.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

impl Events {
    /// Keeps an event about something that is wanted, in place of an older state of the same event.
    pub(super) fn keep(&mut self, event: Arc<Value>) {
        let kept = self.by_uid.entry(subject(&event).to_owned()).or_default();
        kept.retain(|other| other.name != name(&event));
        let time = event_time(&event);
        let place = kept.partition_point(|other| other.time <= time);
        kept.insert(place, Kept { name: name(&event).to_owned(), time, event });
        if kept.len() > PER_OBJECT {
            kept.remove(0);
        }
    }

    /// Keeps an event about something that nobody wants yet for a while.
    pub(super) fn keep_stray(&mut self, event: Arc<Value>) {
        if self.strays.len() >= STRAYS {
            self.strays.pop_front();
        }
        self.strays.push_back((subject(&event).to_owned(), event));
    }

    /// What strays are about has become wanted: they are kept.
    pub(super) fn settle(&mut self, uid: &str) {
        if !self.strays.iter().any(|(about, _)| about == uid) {
            return;
        }
        let (settled, strays) = std::mem::take(&mut self.strays).into_iter().partition(|(about, _)| about == uid);
        self.strays = strays;
        let settled: VecDeque<(String, Arc<Value>)> = settled;
        for (_, event) in settled {
            self.keep(event);
        }
    }

    /// Drops the events about an object.
    pub(super) fn forget(&mut self, uid: &str) {
        self.by_uid.remove(uid);
    }

    pub(super) fn forget_strays(&mut self) {
        self.strays.clear();
    }

    /// Drops the events about all objects but these.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.by_uid.retain(|uid, _| wanted(uid));
    }

    /// The events about an object with their times, oldest first.
    pub(super) fn about(&self, uid: &str) -> impl Iterator<Item = (&str, &Arc<Value>)> {
        self.by_uid.get(uid).into_iter().flatten().map(|kept| (kept.time.as_str(), &kept.event))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_uid.values().map(Vec::len).sum::<usize>() + self.strays.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(uid: &str, name: &str, second: usize) -> Arc<Value> {
        Arc::new(json!({
            "metadata": {"name": name}, "involvedObject": {"uid": uid},
            "lastTimestamp": format!("2026-11-21T08:00:{second:02}Z"),
        }))
    }

    fn told(events: &Events, uid: &str) -> Vec<String> {
        events.about(uid).map(|(_, event)| name(event).to_owned()).collect()
    }

    #[test]
    fn an_event_that_comes_again_is_one_and_the_newest() {
        let mut events = Events::default();
        for (name, second) in [("b", 2), ("a", 1), ("a", 3)] {
            events.keep(event("pod", name, second));
        }
        assert_eq!(told(&events, "pod"), ["b", "a"]);
    }

    #[test]
    fn the_oldest_are_dropped() {
        let mut events = Events::default();
        for second in 0..PER_OBJECT + 5 {
            events.keep(event("pod", &second.to_string(), second));
        }
        let expected: Vec<String> = (5..PER_OBJECT + 5).map(|second| second.to_string()).collect();
        assert_eq!(told(&events, "pod"), expected);
    }

    #[test]
    fn an_event_may_come_before_what_it_is_about() {
        let mut events = Events::default();
        for uid in ["mine", "nobody's"] {
            events.keep_stray(event(uid, uid, 1));
        }
        events.settle("mine");
        assert_eq!((told(&events, "mine"), events.len()), (vec!["mine".to_owned()], 2));
        for index in 0..2 * STRAYS {
            events.keep_stray(event("nobody's", &index.to_string(), 1));
        }
        assert_eq!(events.len(), STRAYS + 1);
    }
}
