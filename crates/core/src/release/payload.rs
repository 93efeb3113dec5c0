//! Typed outputs of earlier phases, for later ones.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// The name of an entry in the [`Payload`] together with its type, so that both ends agree.
///
/// ```
/// # use pilothouse_core as pilothouse;
/// use pilothouse::{Payload, PayloadKey};
///
/// const CHECKSUM: PayloadKey<String> = PayloadKey::new("corefile-checksum");
///
/// let mut payload = Payload::default();
/// payload.put(CHECKSUM, &"abc".to_owned()).unwrap();
/// assert_eq!(payload.get(CHECKSUM).unwrap().as_deref(), Some("abc"));
/// ```
#[derive(Debug)]
pub struct PayloadKey<T> {
    name: &'static str,
    holds: PhantomData<fn() -> T>,
}

impl<T> PayloadKey<T> {
    /// The key `name`.
    pub const fn new(name: &'static str) -> Self {
        Self { name, holds: PhantomData }
    }

    /// The name of the entry.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for PayloadKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PayloadKey<T> {}

/// What travels through the phases of one release. Entries are kept as JSON, so that a run can be continued elsewhere;
/// secrets do not belong here.
#[derive(Clone, Default, PartialEq)]
pub struct Payload {
    entries: BTreeMap<String, Value>,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("entries", &self.entries.keys()).finish()
    }
}

/// An entry is not of the type it was asked for as.
#[derive(Debug, thiserror::Error)]
#[error("payload entry `{name}` does not have the expected type")]
pub struct PayloadError {
    /// The entry.
    pub name: String,
    /// What does not fit.
    #[source]
    pub source: serde_json::Error,
}

impl Payload {
    /// Sets an entry.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn put<T: Serialize>(&mut self, key: PayloadKey<T>, value: &T) -> Result<(), PayloadError> {
        let value = serde_json::to_value(value).map_err(|source| PayloadError { name: key.name.to_owned(), source })?;
        self.entries.insert(key.name.to_owned(), value);
        Ok(())
    }

    /// Reads an entry; `None` when it was never set.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: PayloadKey<T>) -> Result<Option<T>, PayloadError> {
        self.entries
            .get(key.name)
            .map(|value| T::deserialize(value).map_err(|source| PayloadError { name: key.name.to_owned(), source }))
            .transpose()
    }

    /// Sets an entry whose name is known only at run time (a step's `output_to`).
    pub fn put_value(&mut self, name: impl Into<String>, value: Value) {
        self.entries.insert(name.into(), value);
    }

    /// All entries, by name.
    pub fn entries(&self) -> &BTreeMap<String, Value> {
        &self.entries
    }

    /// Reads an entry whose name is known only at run time.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.entries.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_type_is_an_error_and_an_absent_entry_is_none() {
        let mut payload = Payload::default();
        payload.put_value("n", Value::from("text"));
        assert_eq!(payload.get(PayloadKey::<String>::new("absent")).unwrap(), None);
        let error = payload.get(PayloadKey::<u32>::new("n")).unwrap_err();
        assert_eq!(error.to_string(), "payload entry `n` does not have the expected type");
    }
}
