//! Advisory locks on files.

use std::fs::File;

/// A file with an advisory lock on it, which the operating system gives back however its holder ends.
#[derive(Debug)]
pub(crate) struct LockedFile(pub(crate) File);

impl Drop for LockedFile {
    /// Gives the lock back by name: a process that another thread is just starting has the open file too until it becomes its
    /// program, and would hold the lock for that moment after it is closed here.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::log_file;

    #[test]
    fn a_lock_is_given_back_although_a_child_has_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = log_file(&path).unwrap();
        let in_a_child = file.try_clone().unwrap();
        file.try_lock().unwrap();
        let lock = LockedFile(file);
        assert!(log_file(&path).unwrap().try_lock().is_err());
        drop(lock);
        log_file(&path).unwrap().try_lock().unwrap();
        drop(in_a_child);
    }
}
