//! Tables over observations and states.

mod decisions;
mod document;
mod flux;
mod order;
mod properties;
mod rows;
mod samples;
