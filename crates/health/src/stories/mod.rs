//! The longer story of each code, for `pilothouse explain`.

mod before;
mod cluster;
mod explain;
mod helm;
mod pods;
mod story;

pub use explain::explain;
pub use story::Story;
