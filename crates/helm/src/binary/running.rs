//! Helm processes that go on when whoever has started them is gone.

use super::argv;
use pilothouse_core::ReleaseKey;
use pilothouse_process::with_arguments;
use std::io;

/// The processes of `helm upgrade` that work on this release and give its revision this label, of whomever they are, on
/// this machine. Helm is asked to end when the process that has started it ends, and still writes for a while then.
///
/// # Errors
/// When the processes cannot be listed.
pub fn running_upgrades(release: &ReleaseKey, label: (&str, &str)) -> io::Result<Vec<u32>> {
    let marks = argv::marks_of_upgrade(release, label);
    with_arguments(&marks.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use crate::binary::argv;
    use crate::client::UpgradeRequest;
    use crate::values::Values;
    use pilothouse_core::ReleaseKey;
    use std::time::Duration;

    #[test]
    fn every_upgrade_has_the_marks() {
        let release = ReleaseKey::new("web", "podinfo");
        let request = UpgradeRequest {
            labels: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into(),
            ..UpgradeRequest::new(release.clone(), "chart", Values::default(), Duration::from_secs(1))
        };
        for major in [3, 4] {
            let args = argv::upgrade(&request, &[], major).into_args();
            for mark in argv::marks_of_upgrade(&release, ("b", "2")) {
                assert!(args.contains(&mark.clone().into()), "{mark} in {args:?}");
            }
        }
    }
}
