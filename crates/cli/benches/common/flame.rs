//! A trace as a flame graph: spans with equal stacks together, each as wide as the time that was spent in it. What goes on side by
//! side is counted side by side.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: f64 = 1200.0;
const ROW: usize = 18;
/// What is narrower is left out.
const NARROWEST: f64 = 0.5;
/// How wide a letter is.
const LETTER: f64 = 6.7;

/// A span with its parts.
struct Span {
    kind: String,
    name: String,
    begun: u64,
    ended: u64,
    parts: Vec<Span>,
}

/// All spans with the same stack.
#[derive(Default)]
pub(crate) struct Frame {
    kind: String,
    spans: usize,
    /// Time in none of the frames above it, in microseconds.
    own: u64,
    above: BTreeMap<String, Frame>,
}

/// Puts the spans of a trace together.
pub(crate) fn fold(trace: &[Value]) -> Frame {
    let mut all = Frame::default();
    // A span is written when it has ended, and so after its parts.
    let mut parts: BTreeMap<u64, Vec<Span>> = BTreeMap::new();
    for event in trace.iter().filter(|event| event["ph"] == "X") {
        let number = |key: &str| event[key].as_u64().unwrap();
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let (kind, begun) = (text("cat"), number("ts"));
        let parts_of_it = parts.remove(&event["args"]["id"].as_u64().unwrap()).unwrap_or_default();
        let name = without_names(&kind, &text("name"));
        let span = Span { kind, name, begun, ended: begun + number("dur"), parts: parts_of_it };
        match event["args"]["parent"].as_u64() {
            Some(parent) => parts.entry(parent).or_default().push(span),
            None => all.add(span),
        }
    }
    all
}

/// `get Secret web/podinfo` is one of many.
fn without_names(kind: &str, name: &str) -> String {
    match kind {
        "release" => "release".to_owned(),
        "helm" => format!("helm {name}"),
        "request" => {
            let dry = if name.ends_with("(dry run)") { " (dry run)" } else { "" };
            name.split(' ').take(2).collect::<Vec<_>>().join(" ") + dry
        }
        _ => name.to_owned(),
    }
}

impl Frame {
    fn add(&mut self, span: Span) {
        let frame = self.above.entry(span.name).or_default();
        frame.kind = span.kind;
        frame.spans += 1;
        let mut parts: Vec<(u64, u64)> = span.parts.iter().map(|part| (part.begun, part.ended)).collect();
        parts.sort_unstable();
        let (mut covered, mut until) = (0, span.begun);
        for (begun, ended) in parts {
            covered += ended.max(until) - begun.max(until);
            until = until.max(ended);
        }
        frame.own += (span.ended - span.begun).saturating_sub(covered);
        span.parts.into_iter().for_each(|part| frame.add(part));
    }

    fn total(&self) -> u64 {
        self.own + self.above.values().map(Frame::total).sum::<u64>()
    }

    fn height(&self) -> usize {
        self.above.values().map(|frame| 1 + frame.height()).max().unwrap_or(0)
    }

    /// A picture, from the whole at the top down to its parts.
    pub(crate) fn drawn(&self, title: &str) -> String {
        let height = (self.height() + 2) * ROW;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"11\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"4\" y=\"13\">{}</text>\n",
            escaped(title)
        );
        #[expect(clippy::cast_precision_loss, reason = "a picture")]
        let per_micro = WIDTH / self.total().max(1) as f64;
        self.draw(0.0, ROW, per_micro, &mut svg);
        svg + "</svg>\n"
    }

    #[expect(clippy::cast_precision_loss, reason = "a picture")]
    fn draw(&self, mut left: f64, top: usize, per_micro: f64, svg: &mut String) {
        for (name, frame) in &self.above {
            let total = frame.total();
            let width = total as f64 * per_micro;
            if width >= NARROWEST {
                let (colour, name) = (colour(&frame.kind), escaped(name));
                let seconds = total as f64 / 1e6;
                let fits = |(letters, _): &(u32, char)| f64::from(*letters) * LETTER <= width;
                let shown: String = (1..).zip(name.chars()).take_while(fits).map(|(_, letter)| letter).collect();
                writeln!(
                    svg,
                    "<g><title>{name}: {seconds:.3} s, {} times</title><rect x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\" \
                     fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{}\">{shown}</text></g>",
                    frame.spans,
                    width - 0.3,
                    ROW - 1,
                    left + 2.0,
                    top + ROW - 5,
                )
                .unwrap();
                frame.draw(left, top + ROW, per_micro, svg);
            }
            left += width;
        }
    }

    /// What takes most by itself, with the time in seconds and how often it was.
    pub(crate) fn most(&self) -> Vec<(f64, usize, String)> {
        let mut all = Vec::new();
        self.collect("", &mut all);
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    fn collect(&self, below: &str, all: &mut Vec<(f64, usize, String)>) {
        for (name, frame) in &self.above {
            let stack = if below.is_empty() { name.clone() } else { format!("{below} > {name}") };
            all.push((frame.own as f64 / 1e6, frame.spans, stack.clone()));
            frame.collect(&stack, all);
        }
    }
}

fn colour(kind: &str) -> &'static str {
    match kind {
        "helm" => "#8fb8de",
        "request" => "#f2b880",
        "phase" => "#d8e2a4",
        "release" => "#cfe0cf",
        _ => "#e4e0d8",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
