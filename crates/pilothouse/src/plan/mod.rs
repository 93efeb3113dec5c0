//! What a run would do, told before it. Beside `lifecycle`: it changes nothing.

pub(crate) mod brings;
pub(crate) mod draft;
pub(crate) mod objects;
pub(crate) mod outlook;
pub(crate) mod ownership;
pub(crate) mod release_plan;
pub(crate) mod stack_plan;
pub(crate) mod verify;
