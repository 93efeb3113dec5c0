//! What a release is given, as digests, and the forms in which they are kept.

use crate::context::steps_seen::StepsSeen;
use crate::kept_digest::keyed;
use pilothouse_core::{DeployRecord, DigestKey, InputDigests, InputPart};

/// What is wanted, as digests under no key: they may be of secrets, and must not leave the process so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainInputs(pub(crate) InputDigests);

impl PlainInputs {
    /// As they are kept in a record with this key.
    pub(crate) fn under(&self, key: &DigestKey) -> InputDigests {
        InputDigests { values: keyed(key, &self.0.values), lifecycle: keyed(key, &self.0.lifecycle), ..self.0.clone() }
    }

    /// As a record of the form before has them, with one of the digests its steps may have had. Not to be kept any more.
    pub(crate) fn open(&self, lifecycle: &str) -> InputDigests {
        InputDigests { lifecycle: lifecycle.to_owned(), ..self.0.clone() }
    }

    /// In the form of a record, to be compared with it. Where the record is of the form before, and its steps cannot be told
    /// from those of now, they count as the same: that a record is old is no reason to run them again.
    pub(crate) fn as_in(&self, record: &DeployRecord, steps: &StepsSeen) -> InputsInForm {
        let Some(key) = &record.key else {
            let known = steps.former.iter().find(|former| **former == record.input.lifecycle);
            let lifecycle = known.unwrap_or(&record.input.lifecycle);
            return InputsInForm { inputs: self.open(lifecycle), proven: known.is_some() };
        };
        InputsInForm { inputs: self.under(key), proven: true }
    }

    /// The parts in which two inputs differ.
    pub(crate) fn differs(&self, other: &Self) -> Vec<InputPart> {
        self.0.differs(&other.0)
    }

    /// All of it in one digest, with what else decides what is done.
    pub(crate) fn text(&self) -> String {
        let InputDigests { chart, values, options, helm_major, capabilities, lifecycle } = &self.0;
        let capabilities = capabilities.as_deref().unwrap_or("none");
        format!("{chart} {values} {options} {helm_major} {capabilities} {lifecycle}")
    }
}

/// What is wanted, in the form in which a record has what was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputsInForm {
    pub(crate) inputs: InputDigests,
    /// Whether what is equal is proven to be the same.
    pub(crate) proven: bool,
}
