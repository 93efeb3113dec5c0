//! What every part is handed: the clients, what the release is to be, its events, the memory of its run, and the types of what
//! is known of it.
//!
//! In: a session's clients and one release. Out: [`Context`], which computes nothing, and plain data with the pure functions over it. Imported by every room below.

mod at_work;
mod attempts;
mod cache;
mod capacity;
mod compared;
mod deploy_preview;
mod earlier_run;
mod events;
mod foresight;
mod inputs;
mod ledger;
mod observed;
mod planned;
mod release_context;
mod release_run;
mod rendering;
mod reported_causes;
mod session;
mod settled;
mod shared_reads;
mod side_by_side;
mod step;
mod steps_seen;
mod taken;
mod wanted;

pub(crate) use at_work::AtWork;
pub(crate) use attempts::Attempts;
pub(crate) use cache::RenderedAgain;
pub(crate) use capacity::{Capacity, Free};
pub use compared::{ByHook, Compared, Outcome};
pub(crate) use deploy_preview::{DeployPreview, HookPreview};
pub(crate) use earlier_run::{EarlierHelm, EarlierRun, Gone, UnderLock, is_gone};
pub(crate) use events::{Emitter, Message, millis};
pub use foresight::Foresight;
pub(crate) use inputs::PlainInputs;
pub use ledger::StepAnswer;
pub(crate) use ledger::{Ledger, StepVerdict};
pub(crate) use observed::{NamespaceState, Observed};
pub(crate) use planned::Planned;
pub use release_context::Context;
pub(crate) use release_context::redactor_of;
pub(crate) use release_run::DeployedBefore;
pub use release_run::ReleaseRun;
pub(crate) use release_run::{ObjectsRead, Recorded, Remembered};
pub(crate) use rendering::Rendering;
pub(crate) use reported_causes::ReportedCauses;
pub use session::{Session, SessionConfig, Target};
pub(crate) use settled::Settled;
pub(crate) use shared_reads::Prefetched;
pub(crate) use side_by_side::side_by_side;
pub(crate) use step::Steps;
pub use step::{Step, StepDescription};
pub(crate) use steps_seen::StepsSeen;
pub(crate) use taken::{Taken, is_or_holds};
pub(crate) use wanted::{RenderedAs, Wanted, is_of_rendering};
