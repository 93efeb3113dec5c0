//! What one attempt of a check has told.

use pilothouse_core::CheckVerdict;

/// One attempt. Nothing of it is redacted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Whether it held.
    pub verdict: CheckVerdict,
    /// It did not hold because nobody was there to answer: no ready pod.
    pub nobody_there: bool,
    /// Why.
    pub why: String,
    /// What was asked.
    pub asked: Vec<String>,
    /// What came back.
    pub got: Vec<String>,
    /// What must not be shown of all that.
    pub secrets: Vec<String>,
}

impl ProbeResult {
    fn new(verdict: CheckVerdict, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { verdict, nobody_there: false, why, asked: Vec::new(), got: Vec::new(), secrets: Vec::new() }
    }

    /// It is as it is expected.
    pub fn held(why: impl Into<String>) -> Self {
        Self::new(CheckVerdict::Held, why)
    }

    /// It is not as it is expected.
    pub fn not_held(why: impl Into<String>) -> Self {
        Self::new(CheckVerdict::NotHeld, why)
    }

    /// It could not be asked.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::new(CheckVerdict::Unknown, why)
    }

    /// Nobody is there to answer.
    pub fn nobody(why: impl Into<String>) -> Self {
        Self { nobody_there: true, ..Self::not_held(why) }
    }

    /// Whatever it has told, nothing is known of what was asked about.
    #[must_use]
    pub fn into_unknown(self) -> Self {
        Self { verdict: CheckVerdict::Unknown, ..self }
    }

    /// What was asked.
    #[must_use]
    pub fn asked(mut self, asked: Vec<String>) -> Self {
        self.asked = asked;
        self
    }

    /// What came back.
    #[must_use]
    pub fn got(mut self, got: Vec<String>) -> Self {
        self.got = got;
        self
    }

    /// What must not be shown, beside what the run knows.
    #[must_use]
    pub fn secrets(mut self, secrets: Vec<String>) -> Self {
        self.secrets = secrets;
        self
    }
}
