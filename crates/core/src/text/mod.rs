//! Text that people read: errors in full, secrets hidden, the key of digests, bytes in hex, the word that was probably meant.
//!
//! In: strings, bytes and errors. Out: strings. It imports nothing; every folder may import it.

mod chain;
mod digest_key;
mod hex;
mod mask;
mod nearest;
mod sensitive;

pub use chain::error_chain;
pub use digest_key::DigestKey;
pub use hex::hex;
pub use mask::mask;
pub use nearest::nearest;
pub use sensitive::{Redactor, Sensitive};
