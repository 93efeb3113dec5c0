//! What is told while programs are obtained, and the table at the end.

use crate::terminal::console::console_size;
use crate::terminal::printer::{self, STRONG, WARN, paint};
use crate::terminal::text::{duration, fit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pilothouse_plane::provision::{Obtained, ProvisionEvent};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Progress on standard error: one live line on a terminal, a line per change and one every ten seconds in a pipe.
pub(crate) struct ProvisionProgress {
    bar: ProgressBar,
    live: bool,
    last_line: Mutex<Option<Instant>>,
}

/// How often a long build or download says something where there is no live line.
const HEARTBEAT: Duration = Duration::from_secs(10);

impl ProvisionProgress {
    pub(crate) fn new(live: bool) -> Self {
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::default_spinner());
        if live {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, live, last_line: Mutex::new(None) }
    }

    pub(crate) fn see(&self, event: &ProvisionEvent) {
        match event {
            ProvisionEvent::Looking { .. } | ProvisionEvent::Found(_) => {}
            ProvisionEvent::Ready(installed) => self.line(&format!(
                "{} {} {}, {}",
                paint(STRONG, installed.tool.name()),
                installed.version,
                installed.source,
                size(installed.size_bytes)
            )),
            ProvisionEvent::PassedOver { tool, path, why } => {
                self.line(&format!("{}: {} is not used: {why}", tool.name(), path.display()));
            }
            ProvisionEvent::Discarded { tool, path, why } => {
                self.line(&format!(
                    "{} {}: {} is discarded: {why}",
                    paint(WARN, "warning:"),
                    tool.name(),
                    path.display()
                ));
            }
            ProvisionEvent::Waiting { tool } => {
                self.line(&format!("{}: waiting for another installation of it", tool.name()));
            }
            ProvisionEvent::FallingBack { tool, from, why } => self.line(&format!("{}: no {from}: {why}", tool.name())),
            ProvisionEvent::Downloading { tool, done, total, .. } => {
                let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
                self.going_on(&format!("{}: downloading, {}{of}", tool.name(), size(*done)));
            }
            ProvisionEvent::Building { tool, progress } => {
                let elapsed = duration(u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX));
                self.going_on(&format!(
                    "{}: building, {elapsed}, {} of at most {} packages  {}",
                    tool.name(),
                    progress.packages,
                    progress.packages_at_most,
                    progress.last
                ));
            }
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, line: &str) {
        self.bar.suspend(|| printer::err(line));
    }

    fn going_on(&self, line: &str) {
        if self.live {
            self.bar.set_message(fit(line, console_size().0.saturating_sub(2)));
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
            *last = Some(Instant::now());
            printer::err(line);
        }
    }
}

/// Bytes for people, in powers of 1000: `105 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// The programs in one table: what, which version, from where, how large, and the file.
pub(crate) fn table(obtained: &Obtained) -> Vec<String> {
    let mut rows = vec![["PROGRAM", "VERSION", "SIZE", "FROM", "FILE"].map(str::to_owned)];
    rows.extend(obtained.iter().map(|installed| {
        [
            installed.tool.name().to_owned(),
            installed.version.clone(),
            size(installed.size_bytes),
            installed.source.to_string(),
            installed.path.display().to_string(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    rows.iter()
        .map(|row| {
            let cells = widths.iter().zip(row).map(|(width, cell)| format!("{cell:<width$}  "));
            format!("{}{}", cells.collect::<String>(), row[4])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!([0, 999, 1_000, 105_394_338].map(size), ["0 B", "999 B", "1 kB", "105 MB"]);
    }
}
