//! The compact copy of a stack's runs: what it holds, and how it is made to fit.

use crate::journal::{FORMAT, JournalError, PROGRAM, RunSummary};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use pilothouse_core::{DigestKey, RunProgress};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// How many runs are remembered.
const RUNS: usize = 50;
/// How many of them when there is too little room.
const RUNS_WHEN_FULL: usize = 10;
/// How many bytes a record may have once it is inflated: many times what fits, but no end of memory.
const INFLATED: u64 = 256 << 20;

/// What the cluster keeps of the runs of one stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StackRecord {
    /// The format of all else.
    pub(crate) format: u32,
    /// The version of the program that wrote it.
    pub(crate) program: String,
    /// The key of the digests in it; `None` where they are under none, up to format 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<DigestKey>,
    /// How far the newest run has come.
    pub(crate) last: RunProgress,
    /// The newest runs, this one first.
    pub(crate) history: Vec<RunSummary>,
}

impl StackRecord {
    /// The record of a run, and of those before it, newest first.
    pub(crate) fn new(key: &DigestKey, progress: &RunProgress, earlier: &[RunSummary]) -> Self {
        let earlier = earlier.iter().filter(|summary| summary.run != progress.run).cloned();
        let history = std::iter::once(RunSummary::of(progress)).chain(earlier).take(RUNS).collect();
        let key = Some(key.clone());
        Self { format: FORMAT, program: PROGRAM.to_owned(), key, last: progress.clone(), history }
    }

    /// The record as the Secret's value, of `limit` bytes at most (without Kubernetes' own base64). What does not fit
    /// is left out, the least needed first.
    ///
    /// # Errors
    /// When it is too large even so.
    pub(crate) fn encode(mut self, limit: usize, object: &str) -> Result<String, JournalError> {
        let mut bytes = self.compressed(object)?;
        for leave_out in [Self::old_runs, Self::texts_of_ends, Self::outputs] {
            if bytes.len() <= limit {
                break;
            }
            leave_out(&mut self);
            bytes = self.compressed(object)?;
        }
        if bytes.len() > limit {
            return Err(JournalError::TooLarge { object: object.to_owned(), bytes: bytes.len(), limit });
        }
        Ok(STANDARD.encode(bytes))
    }

    fn compressed(&self, object: &str) -> Result<Vec<u8>, JournalError> {
        // Writing into memory does not fail; writing as JSON might.
        let failed =
            |source: io::Error| JournalError::File { what: "cannot write as JSON", path: object.to_owned(), source };
        let mut compressor = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(io::BufWriter::new(&mut compressor), self).map_err(|error| failed(error.into()))?;
        compressor.flush().and_then(|()| compressor.finish()).map_err(failed)
    }

    fn old_runs(&mut self) {
        self.history.truncate(RUNS_WHEN_FULL);
    }

    fn texts_of_ends(&mut self) {
        for ending in self.last.releases.iter_mut().filter_map(|release| release.ending.as_mut()) {
            ending.summary.clear();
        }
    }

    fn outputs(&mut self) {
        let phases = self.last.releases.iter_mut().flat_map(|release| &mut release.phases);
        for step in phases.flat_map(|phase| &mut phase.steps).filter(|step| !step.output.is_empty()) {
            step.output.clear();
            step.output_kept = false;
        }
    }

    /// Reads what [`encode`](Self::encode) has made. Whatever cannot be understood is an error.
    ///
    /// # Errors
    /// When it is of a newer format, or no record.
    pub(crate) fn decode(value: &str, object: &str) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let unreadable = |why: String| JournalError::Unreadable { object: object.to_owned(), why };
        let bytes = STANDARD.decode(value).map_err(|error| unreadable(error.to_string()))?;
        let mut json = Vec::new();
        let inflated = GzDecoder::new(bytes.as_slice()).take(INFLATED).read_to_end(&mut json);
        inflated.map_err(|error| unreadable(error.to_string()))?;
        let Format { format } = serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))?;
        if format > FORMAT {
            return Err(JournalError::Newer { place: object.to_owned(), found: format, known: FORMAT });
        }
        serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;
    use rstest::rstest;
    use serde_json::json;

    const OBJECT: &str = "Secret default/pilothouse.stack.shop";

    fn compress(json: &serde_json::Value) -> String {
        let mut compressor = GzEncoder::new(Vec::new(), Compression::default());
        compressor.write_all(json.to_string().as_bytes()).unwrap();
        STANDARD.encode(compressor.finish().unwrap())
    }

    fn history(runs: std::ops::Range<u128>) -> Vec<RunSummary> {
        runs.rev().map(|run| RunSummary::of(&samples::progress(run))).collect()
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        let record = StackRecord::new(&samples::key_of_digests(), &samples::progress(7), &history(1..7));
        let read = StackRecord::decode(&record.clone().encode(900_000, OBJECT).unwrap(), OBJECT).unwrap();
        assert_eq!(read, record);
    }

    #[test]
    fn the_history_holds_each_run_once_and_the_newest_fifty() {
        let runs = |record: &StackRecord| record.history.iter().map(|run| run.run.0.as_u128()).collect::<Vec<_>>();
        let record = StackRecord::new(&samples::key_of_digests(), &samples::progress(3), &history(1..4));
        assert_eq!(runs(&record), [3, 2, 1]);
        let record = StackRecord::new(&samples::key_of_digests(), &samples::progress(99), &history(1..99));
        assert_eq!(runs(&record), (50..100).rev().collect::<Vec<_>>());
    }

    /// What is still there at each limit: runs, whether ends have texts, whether steps have outputs.
    #[test]
    fn what_is_needed_least_is_left_out_first() {
        // Text that cannot be compressed much.
        let noise = |seed: u64| {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'a' + u8::try_from(state >> 60).unwrap())
            };
            (0..4000).map(|_| next()).collect::<String>()
        };
        let mut kinds = vec![samples::run_started(99, &["a"])];
        let outcome = pilothouse_core::ReleaseOutcome::Done { summary: noise(1) };
        kinds.extend(samples::release("a", outcome, json!(noise(2))));
        let progress = samples::fold(&samples::numbered(kinds));
        let mut earlier = history(1..60);
        for (seed, run) in (100..).zip(&mut earlier) {
            run.changed = vec![noise(seed)];
        }
        let full = StackRecord::new(&samples::key_of_digests(), &progress, &earlier);
        let left = |limit: usize| {
            let encoded = full.clone().encode(limit, OBJECT)?;
            let bytes = STANDARD.decode(&encoded).unwrap().len();
            assert!(bytes <= limit, "{bytes} bytes where {limit} are allowed");
            let record = StackRecord::decode(&encoded, OBJECT)?;
            let release = &record.last.releases[0];
            let text = !release.ending.as_ref().unwrap().summary.is_empty();
            let step = release.phases[0].steps[0].clone();
            assert_eq!(step.output_kept, !step.output.is_empty());
            assert_eq!(step.output.is_empty(), release.payload().is_empty());
            Ok::<_, JournalError>((record.history.len(), text, step.output_kept))
        };
        let mut smaller = full.clone();
        let mut size_without = |leave_out: fn(&mut StackRecord)| {
            leave_out(&mut smaller);
            smaller.compressed(OBJECT).unwrap().len()
        };
        let everything = size_without(|_| ());
        let old_runs = size_without(StackRecord::old_runs);
        let texts = size_without(StackRecord::texts_of_ends);
        let outputs = size_without(StackRecord::outputs);
        assert_eq!(left(everything).unwrap(), (50, true, true));
        assert_eq!(left(everything - 1).unwrap(), (10, true, true));
        assert_eq!(left(old_runs - 1).unwrap(), (10, false, true));
        assert_eq!(left(texts - 1).unwrap(), (10, false, false));
        assert_eq!(left(outputs).unwrap(), (10, false, false));
        let error = left(outputs - 1).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "the record of this run has {outputs} bytes even without its details, and {OBJECT} can hold {}: split \
                 the stack into several",
                outputs - 1
            )
        );
    }

    #[rstest]
    #[case::not_base64("%%%".to_owned(), "Invalid symbol 37, offset 0.")]
    #[case::not_compressed(STANDARD.encode("{\"format\": 1, \"program\": \"0.1.0\"}"), "invalid gzip header")]
    #[case::empty(String::new(), "unexpected end of file")]
    #[case::another_document(compress(&json!({"a": 1})), "missing field `format` at line 1 column 7")]
    #[case::no_run(compress(&json!({"format": 1})), "missing field `program` at line 1 column 12")]
    fn what_cannot_be_read_is_an_error(#[case] value: String, #[case] why: &str) {
        let error = StackRecord::decode(&value, OBJECT).unwrap_err().to_string();
        let expected = format!("the record of runs in {OBJECT} cannot be read: {why}; delete it to go on without it");
        assert_eq!(error, expected);
    }

    #[test]
    fn a_newer_format_is_told_whatever_else_is_there() {
        let error = StackRecord::decode(&compress(&json!({"format": 7, "new": {}})), OBJECT).unwrap_err();
        assert!(matches!(error, JournalError::Newer { found: 7, known: 6, .. }), "{error}");
    }
}
