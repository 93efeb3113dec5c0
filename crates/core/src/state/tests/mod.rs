//! Tables over observations and states.

mod decisions;
mod flux;
mod order;
mod properties;
mod rows;
mod samples;
