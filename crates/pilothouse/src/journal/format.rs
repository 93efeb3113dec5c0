//! The format of what a run leaves behind, where that lies, and which of two copies counts.

use pilothouse_core::RunProgress;
use std::path::{Path, PathBuf};

/// The format of what is written here. It grows whenever a record could be misunderstood by a program that does not
/// know what is new in it: another kind of event, another meaning of a field.
pub(crate) const FORMAT: u32 = 6;

/// The version of this program, for people who look for the one that wrote a record.
pub(crate) const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// The folder for the journals of one stack in one cluster, below the folder for all journals of this machine. A cluster
/// that may not be identified has a folder that it shares with all others of that kind.
pub(crate) fn folder_of(all: &Path, cluster_id: Option<&str>, stack: &str) -> PathBuf {
    all.join(cluster_id.unwrap_or("unidentified")).join(stack)
}

/// The newer of what the cluster and the disk know. Where both know the same, it is the disk's, which has all details.
pub(crate) fn choose(cluster: Option<RunProgress>, disk: Option<RunProgress>) -> Option<RunProgress> {
    match (cluster, disk) {
        (Some(cluster), Some(disk)) if (cluster.run, cluster.seq) > (disk.run, disk.seq) => Some(cluster),
        (Some(_), Some(disk)) => Some(disk),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;
    use rstest::rstest;

    /// By run and number of the last event.
    #[rstest]
    #[case(None, None, None)]
    #[case(Some((1, 1)), None, Some("cluster"))]
    #[case(None, Some((1, 1)), Some("disk"))]
    #[case(Some((1, 5)), Some((1, 6)), Some("disk"))]
    #[case(Some((1, 6)), Some((1, 5)), Some("cluster"))]
    #[case(Some((2, 1)), Some((1, 9)), Some("cluster"))]
    #[case(Some((1, 9)), Some((2, 1)), Some("disk"))]
    #[case(Some((1, 5)), Some((1, 5)), Some("disk"))]
    fn the_newer_one(
        #[case] cluster: Option<(u128, u64)>,
        #[case] disk: Option<(u128, u64)>,
        #[case] chosen: Option<&str>,
    ) {
        let progress = |place: &str, (run, seq): (u128, u64)| RunProgress {
            stack: place.to_owned(),
            seq,
            ..samples::progress(run)
        };
        let cluster = cluster.map(|of| progress("cluster", of));
        let disk = disk.map(|of| progress("disk", of));
        assert_eq!(choose(cluster, disk).map(|progress| progress.stack).as_deref(), chosen);
    }

    #[test]
    fn folders() {
        let all = Path::new("/state/runs");
        assert_eq!(folder_of(all, Some("8f0c"), "shop"), Path::new("/state/runs/8f0c/shop"));
        assert_eq!(folder_of(all, None, "shop"), Path::new("/state/runs/unidentified/shop"));
    }
}
