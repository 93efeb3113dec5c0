//! The live view of a run on the terminal's standard error.

use crate::report::echo::NoControlEcho;
use crate::report::table::table;
use crate::report::view::View;
use crate::terminal::console::console_size;
use crate::terminal::printer;
use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the view is drawn anew, so that its clocks go on while nothing else happens.
const TICK: Duration = Duration::from_millis(100);

/// Draws a run; draws nothing where there is no terminal. One bar carries all lines, so that they change together.
pub(crate) struct Live {
    bar: ProgressBar,
    echo: Mutex<Option<NoControlEcho>>,
}

impl Live {
    pub(crate) fn new(visible: bool, view: Arc<Mutex<View>>) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let coloured = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
        let block = move |_: &ProgressState, to: &mut dyn std::fmt::Write| {
            let (width, height) = console_size();
            let view = view.lock().unwrap_or_else(PoisonError::into_inner);
            let text = table(&view, Timestamp::now(), width, height).join("\n");
            let _ = if coloured { to.write_str(&text) } else { write!(to, "{}", anstream::adapter::strip_str(&text)) };
        };
        let style = ProgressStyle::with_template("{block}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style.with_key("block", block));
        if visible {
            bar.enable_steady_tick(TICK);
            printer::drawn(Some(bar.clone()));
        }
        let echo = Mutex::new(if visible { NoControlEcho::set() } else { None });
        Self { bar, echo }
    }

    /// Prints above the view.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(crate) fn clear(&self) {
        printer::drawn(None);
        self.bar.finish_and_clear();
        *self.echo.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}
