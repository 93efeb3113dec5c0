//! The screen.

/// The columns and lines of the terminal, or 80 and 24 where there is none.
pub(crate) fn console_size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    // A terminal that does not know its size says zero.
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}
