//! Text that people read: errors in full, secrets hidden, bytes in hex, the word that was probably meant.
//!
//! In: strings, bytes and errors. Out: strings. It imports nothing; every folder may import it.

mod chain;
mod hex;
mod mask;
mod nearest;
mod sensitive;

pub use chain::error_chain;
pub use hex::hex;
pub use mask::mask;
pub use nearest::nearest;
pub use sensitive::{Redactor, Sensitive};
