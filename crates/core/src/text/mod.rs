//! Text that people read: errors in full, secrets hidden, the key of digests, bytes in hex, the word that was probably meant.
//!
//! In: strings, bytes and errors. Out: strings. It imports nothing; every folder may import it.

mod arguments;
mod chain;
mod control;
mod digest_key;
mod finder;
mod hex;
mod mask;
mod nearest;
mod pieces;
mod redactor;
mod sensitive;
mod spelling;

pub use arguments::{hide_arguments, is_telling, secret_arguments, secrets_given, secrets_in_arguments};
pub use chain::error_chain;
pub use control::only_colours;
pub use digest_key::DigestKey;
pub use hex::hex;
pub use mask::{is_secret_name, secret_parts};
pub use nearest::nearest;
pub use redactor::{CleanText, Redactor};
pub use sensitive::Sensitive;
