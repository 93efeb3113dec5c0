//! What the terminal shows of keys while a live view is drawn.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::io::{Stderr, stderr};

/// Keeps the terminal from writing `^C` into the live view, which would then be drawn a line too low. Dropping it puts the
/// terminal back.
pub(crate) struct NoControlEcho {
    before: Termios,
}

impl NoControlEcho {
    /// `None` where standard error is no terminal, or one that is not ours to change now.
    pub(crate) fn set() -> Option<Self> {
        let terminal = stderr();
        let before = tcgetattr(&terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHOCTL);
        change(&terminal, &quiet).then_some(Self { before })
    }
}

impl Drop for NoControlEcho {
    fn drop(&mut self) {
        change(&stderr(), &self.before);
    }
}

/// Changes the terminal, but only from the foreground: whoever tries it from the background is stopped.
fn change(terminal: &Stderr, modes: &Termios) -> bool {
    tcgetpgrp(terminal).is_ok_and(|foreground| foreground == rustix::process::getpgrp())
        && tcsetattr(terminal, OptionalActions::Now, modes).is_ok()
}
