//! Between the program and whoever runs it: the command line and signals in, text, errors and exit codes out.
//!
//! In: arguments, signals, values to print. Out: nothing but types and functions for all other folders. It imports none of them.

pub(crate) mod args;
pub(crate) mod console;
pub(crate) mod exit;
pub(crate) mod hints;
pub(crate) mod interrupt;
pub(crate) mod printer;
pub(crate) mod text;
pub(crate) mod trace;
