//! The names of the general rules, as a verdict tells them.

pub(super) const CONDITIONS: &str = "general: conditions";
pub(super) const COUNTS: &str = "general: counts";
pub(super) const EXISTS: &str = "general: nothing in its status says otherwise";
pub(super) const FAILURE_TEXT: &str = "general: text in a field for failures";
pub(super) const FLAGS: &str = "general: flags";
pub(super) const GENERATION: &str = "general: the generation its controller has seen";
pub(super) const NO_STATUS: &str = "general: kinds of Kubernetes without a status";
pub(super) const PARTS: &str = "general: what the parts of its status say";
pub(super) const SUSPENDED: &str = "general: suspended by its spec or an annotation";
pub(super) const WORDS: &str = "general: phases and states";
pub(super) const YOUNG: &str = "general: too young for an empty status to count";
