//! Child processes that have a deadline and never outlive their parent.
//!
//! Everything Pilothouse starts (helm, the programs of a plane, a user's command) goes through [`Spawn`]. A child
//!
//! * leads a process group of its own, so that a Ctrl-C on the terminal reaches it only when we decide so;
//! * gets exactly the environment it was given, nothing is inherited;
//! * dies with its parent, also when the parent is killed with SIGKILL (`PR_SET_PDEATHSIG`, Linux);
//! * is always reaped, and what is left of its group when it ends is killed.
//!
//! [`Aftercare`] clears away what no kernel takes back, also after a SIGKILL of this process.
//!
//! [`Scratch`] is a private folder for the files a child is given.
//!
//! [`read_input`] reads what a person has named, within bounds.
//!
//! [`ProcessIdentity`] tells a process from every other, so that it can be proven gone.
//!
//! ```
//! use pilothouse_process::{run, Ended, Limits, Spawn};
//! use std::time::Duration;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = Limits { timeout: Duration::from_secs(5), grace: Duration::from_secs(1) };
//! let done = run(Spawn::new("/bin/sh").args(["-c", "echo hello"]), limits, &CancellationToken::new()).await?;
//! assert_eq!(done.ended, Ended::Exited);
//! assert_eq!(done.stdout.text(), "hello\n");
//! # Ok(())
//! # }
//! ```

mod aftercare;
mod child;
mod guard;
mod identity;
mod input;
mod kill_self;
mod own_folder;
mod run;
mod scratch;
mod spawn;
mod with_arguments;

pub use aftercare::Aftercare;
pub use child::Child;
pub use identity::{InvalidIdentity, ProcessIdentity};
pub use input::{MAX_DOCUMENT, Named, read_file, read_file_text, read_input, read_text};
pub use kill_self::kill_self;
pub use own_folder::check_folder;
pub use run::{Captured, Ended, Finished, Limits, run};
pub use rustix::process::Signal;
pub use scratch::{Scratch, private_folder};
pub use spawn::{Sink, Spawn, SpawnError};
pub use with_arguments::with_arguments;
