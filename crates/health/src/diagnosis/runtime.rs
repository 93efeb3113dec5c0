//! What the container runtime says of a container that it cannot start. It says the same while the container waits and when it has
//! ended, so one reader serves both.

use super::containers::Container;
use super::line::{Line, RESTARTS};
use super::read::{between, one_line};

/// What is wrong, by the words of runc and crun.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wrong {
    /// There is nothing that could be run.
    Program,
    /// Something is mounted at this path where it cannot be.
    Mount(String),
    /// The working folder.
    Folder,
    /// Anything else, in its words.
    Other,
}

fn read(message: &str) -> Wrong {
    let cannot = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
    if message.contains("error mounting") || message.contains("mount `") {
        // A volume that is not there yet is said otherwise, before anything is mounted.
        let path = between(message, "to rootfs at \"", "\"").or_else(|| between(message, "` to `", "`"));
        let shape = ["not a directory", "is a directory", "read-only file system", "Not a directory", "Is a directory"];
        return match path.filter(|_| cannot(&shape)) {
            Some(path) => Wrong::Mount(path.to_owned()),
            None => Wrong::Other,
        };
    }
    if message.contains("chdir to cwd") {
        return Wrong::Folder;
    }
    let program = cannot(&["executable file not found", "exec format error"])
        || message.contains("executable file `") && message.contains("not found")
        || message.contains("exec: \"") && cannot(&["no such file or directory", "permission denied"]);
    if program { Wrong::Program } else { Wrong::Other }
}

/// Line and words of a container that the runtime cannot start, and what to do.
pub(super) fn start_error(container: Container<'_>, message: &str) -> (Line, String, String) {
    let label = container.label();
    let message = one_line(message);
    let end = message.find("exec: ").map_or(message.as_str(), |at| &message[at..]).trim_end_matches(": unknown");
    let correct = || "correct command, args or image in the values".to_owned();
    match read(&message) {
        Wrong::Program => (Line::CannotStart, format!("{label} cannot be started: {end}"), correct()),
        Wrong::Mount(path) => {
            let shape = if message.to_lowercase().contains("read-only file system") {
                "the file system there is read-only"
            } else {
                "one of the two is a file and the other a folder"
            };
            (
                Line::ContainerRefused,
                format!("{label}: what is mounted at {path} cannot be mounted there: {shape}"),
                format!("correct the volumeMount at {path} in the values: a single file is mounted with subPath"),
            )
        }
        Wrong::Folder => (
            Line::ContainerRefused,
            format!("{label}: its workingDir is no folder that it may enter: {end}"),
            "correct workingDir or securityContext in the values".to_owned(),
        ),
        Wrong::Other => {
            let line = if container.restarts() >= RESTARTS { Line::ContainerRefused } else { Line::ContainerNotMade };
            (line, format!("{label} cannot be started: {end}"), "kubectl describe the pod".to_owned())
        }
    }
}

/// Whether the runtime says that there is nothing it could run.
pub(super) fn is_about_program(message: &str) -> bool {
    read(message) == Wrong::Program
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown",
        Wrong::Program
    )]
    #[case("runc create failed: unable to start container process: error during container init: error mounting \"/var/lib/kubelet/pods/a/volumes/kubernetes.io~configmap/c\" to rootfs at \"/app/run.sh\": mount src=/x, dst=/app/run.sh: not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)?", Wrong::Mount("/app/run.sh".to_owned()))]
    #[case("crun: mount `/var/lib/x` to `etc/nginx/nginx.conf`: Not a directory: OCI runtime error", Wrong::Mount("etc/nginx/nginx.conf".to_owned()))]
    #[case("runc create failed: error mounting \"/x\" to rootfs at \"/y\": no such file or directory", Wrong::Other)]
    #[case(
        "runc create failed: unable to start container process: exec: \"/run.sh\": permission denied: unknown",
        Wrong::Program
    )]
    #[case("crun: executable file `nope` not found: No such file or directory", Wrong::Program)]
    #[case(
        "unable to start container process: error during container init: chdir to cwd (\"/nope\") set in config.json failed: no such file or directory",
        Wrong::Folder
    )]
    #[case("", Wrong::Other)]
    fn words(#[case] message: &str, #[case] expected: Wrong) {
        assert_eq!(read(message), expected);
    }
}
