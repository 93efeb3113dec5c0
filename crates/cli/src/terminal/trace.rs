//! What a command spends its time on: a file in Chrome's trace format, which <https://ui.perfetto.dev> and `chrome://tracing` show.
//!
//! Only spans of [`SPANS`] are written, which hold names and verbs, never contents. Each is written when it ends, so that a
//! command that is killed leaves what had ended until then; the format does not ask for the bracket at the end.

use crate::terminal::exit::CommandError;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The target of the spans that are written.
const SPANS: &str = "pilothouse::spans";

/// The field that says which one of its kind a span is.
const OF: &str = "of";

/// Whether something is written at all.
pub(crate) fn is_written(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == SPANS
}

/// The file, as those write it whose spans end, and as it is ended.
#[derive(Clone)]
pub(crate) struct Trace {
    begun: Instant,
    out: Arc<Mutex<Out>>,
}

struct Out {
    /// Not buffered: what stands in a buffer when the program is killed is lost.
    file: File,
    /// Whether each lane has an open span. A lane is a row of the picture: what stands in it follows one another, or is part of
    /// what is above it.
    lanes: Vec<bool>,
    /// Why nothing more is written.
    failed: Option<io::Error>,
}

/// A span that has not ended.
struct Open {
    begun: Duration,
    of: Option<String>,
    parent: Option<u64>,
    lane: usize,
    /// Whether a part of it stands in its lane.
    has_part: bool,
    /// Whether it stands in the lane of its parent.
    is_part: bool,
}

impl Trace {
    /// Makes the file, which only the user can read. Nothing is written over.
    pub(crate) fn create(path: &Path) -> Result<Self, CommandError> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            let failed = CommandError::input(format!("cannot write the trace to {}: {error}", path.display()));
            match error.kind() {
                io::ErrorKind::AlreadyExists => failed.hint("it is not written over: name another file with --trace"),
                _ => failed,
            }
        })?;
        let failed = file.write_all(b"[").err();
        let out = Out { file, lanes: Vec::new(), failed };
        Ok(Self { begun: Instant::now(), out: Arc::new(Mutex::new(out)) })
    }

    /// Writes what is left to be written.
    ///
    /// # Errors
    /// When not all could be written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = out.failed.take() {
            return Err(failed);
        }
        // The program itself, so that what was written is never an empty list that ends with a comma.
        let name = json!({"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "pilothouse"}});
        out.file.write_all(format!("\n{name}\n]\n").as_bytes())
    }
}

impl Out {
    /// The first lane that is free.
    fn take_lane(&mut self) -> usize {
        let lane = self.lanes.iter().position(|busy| !busy).unwrap_or(self.lanes.len());
        if lane == self.lanes.len() {
            self.lanes.push(true);
        } else {
            self.lanes[lane] = true;
        }
        lane
    }

    fn write(&mut self, event: &Value) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(format!("\n{event},").as_bytes()).err();
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Trace {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut of = Of(None);
        attributes.record(&mut of);
        let parent = span.parent();
        // The first part of a span stands in its lane, and what goes on beside that in another one.
        let in_lane_of_parent = parent.as_ref().and_then(|parent| {
            let mut extensions = parent.extensions_mut();
            let open = extensions.get_mut::<Open>().filter(|open| !open.has_part)?;
            open.has_part = true;
            Some(open.lane)
        });
        let lane = match in_lane_of_parent {
            Some(lane) => lane,
            None => self.out.lock().unwrap_or_else(PoisonError::into_inner).take_lane(),
        };
        span.extensions_mut().insert(Open {
            begun: self.begun.elapsed(),
            of: of.0,
            parent: parent.map(|parent| parent.id().into_u64()),
            lane,
            has_part: false,
            is_part: in_lane_of_parent.is_some(),
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let kind = span.name();
        let event = json!({
            "ph": "X",
            "name": open.of.as_deref().unwrap_or(kind),
            "cat": kind,
            "ts": micros(open.begun),
            "dur": micros(self.begun.elapsed().saturating_sub(open.begun)),
            "pid": 1,
            "tid": open.lane,
            "args": {"id": id.into_u64(), "parent": open.parent},
        });
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write(&event);
        if !open.is_part {
            out.lanes[open.lane] = false;
        } else if let Some(parent) = span.parent()
            && let Some(parent) = parent.extensions_mut().get_mut::<Open>()
        {
            parent.has_part = false;
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Reads the field that says which one a span is.
struct Of(Option<String>);

impl Visit for Of {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == OF {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == OF {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tracing::{trace_span, warn};
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;

    /// The events of a trace of what `work` does.
    fn written(work: impl FnOnce()) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let trace = Trace::create(&path).unwrap();
        let layer = trace.clone().with_filter(filter_fn(is_written));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        trace.finish().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Trace::create(&path).is_err(), "written over");
        let mut events: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(events.pop().unwrap()["ph"], "M");
        events
    }

    #[test]
    fn what_is_part_of_something_stands_in_its_lane_and_what_is_beside_it_does_not() {
        let events = written(|| {
            let outer = trace_span!(target: SPANS, "release", of = %"web/a");
            let first = trace_span!(target: SPANS, parent: &outer, "request", of = "get Pod web/a");
            let beside = trace_span!(target: SPANS, parent: &outer, "request", of = "get Pod web/b");
            drop(first);
            let then = trace_span!(target: SPANS, parent: &outer, "helm", of = "upgrade");
            drop((then, beside, outer));
            drop(trace_span!(target: SPANS, "release", of = "web/b"));
        });
        let seen: Vec<_> =
            events.iter().map(|event| (event["name"].as_str().unwrap(), event["tid"].as_u64())).collect();
        let expected = [("get Pod web/a", 0), ("upgrade", 0), ("get Pod web/b", 1), ("web/a", 0), ("web/b", 0)]
            .map(|(of, lane)| (of, Some(lane)));
        assert_eq!(seen, expected);
        assert_eq!((&events[0]["args"]["parent"], &events[0]["cat"]), (&events[3]["args"]["id"], &json!("request")));
        let end = |event: &Value| event["ts"].as_u64().unwrap() + event["dur"].as_u64().unwrap();
        assert!(end(&events[0]) <= end(&events[3]) && events[0]["ts"].as_u64() >= events[3]["ts"].as_u64());
    }

    /// Of a program that is killed, all is there that had ended.
    #[test]
    fn what_has_ended_is_in_the_file_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let layer = Trace::create(&path).unwrap().with_filter(filter_fn(is_written));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _open = trace_span!(target: SPANS, "command");
            drop(trace_span!(target: SPANS, "request", of = "get Pod web/a"));
            let text = std::fs::read_to_string(&path).unwrap();
            let events: Vec<Value> = serde_json::from_str(&format!("{}]", text.trim_end_matches(','))).unwrap();
            assert_eq!(events.iter().map(|event| &event["name"]).collect::<Vec<_>>(), ["get Pod web/a"]);
        });
    }

    #[test]
    fn nothing_else_is_written() {
        let events = written(|| {
            let _span = trace_span!("request", of = "hunter2").entered();
            warn!(of = "hunter2", "hunter2");
            drop(trace_span!(target: SPANS, "request", of = "a", body = "hunter2"));
        });
        assert_eq!(events.len(), 1);
        assert!(!events[0].to_string().contains("hunter2"), "{events:?}");
    }
}
