//! The events about an object and what it owns, found by what they are about: there may be ten thousands.

use super::read::text;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Events, oldest first.
#[derive(Clone, Default)]
pub struct Events {
    all: Vec<Arc<Value>>,
    index: OnceLock<Index>,
}

#[derive(Clone, Default)]
struct Index {
    by_uid: HashMap<String, Vec<usize>>,
    by_name: HashMap<(String, String), Vec<usize>>,
}

impl From<Vec<Arc<Value>>> for Events {
    fn from(all: Vec<Arc<Value>>) -> Self {
        Self { all, index: OnceLock::new() }
    }
}

impl Events {
    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Value>> {
        self.all.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Arc<Value>> {
        self.index.take();
        self.all.iter_mut()
    }

    /// Those about one object: by its UID, or by kind and name where one of the two has none.
    pub(super) fn about(&self, object: &Value) -> Vec<&Value> {
        let uid = text(object, "/metadata/uid");
        let index = self.index.get_or_init(|| Index::of(&self.all));
        let name = (text(object, "/kind").to_owned(), text(object, "/metadata/name").to_owned());
        let of_name = index.by_name.get(&name).into_iter().flatten();
        let is_it = |at: &&usize| {
            let of = text(&self.all[**at], "/involvedObject/uid");
            uid.is_empty() || of.is_empty() || of == uid
        };
        let of_uid = index.by_uid.get(uid).into_iter().flatten();
        let mut found: Vec<usize> = of_name.filter(is_it).chain(of_uid).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| self.all[at].as_ref()).collect()
    }
}

impl Index {
    fn of(all: &[Arc<Value>]) -> Self {
        let mut index = Self::default();
        for (at, event) in all.iter().enumerate() {
            let uid = text(event, "/involvedObject/uid");
            if !uid.is_empty() {
                index.by_uid.entry(uid.to_owned()).or_default().push(at);
            }
            let name = ["/involvedObject/kind", "/involvedObject/name"].map(|field| text(event, field).to_owned());
            index.by_name.entry(name.into()).or_default().push(at);
        }
        index
    }
}

#[cfg(test)]
impl Events {
    pub(super) fn push(&mut self, event: Arc<Value>) {
        self.index.take();
        self.all.push(event);
    }
}
