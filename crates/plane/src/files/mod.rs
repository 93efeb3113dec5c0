//! The files a plane keeps: only their owner may read them, and some are locked. Everything else stands above.

mod locked;
mod private;

pub(crate) use locked::LockedFile;
pub(crate) use private::{log_file, private_folder, tail, write_private};
