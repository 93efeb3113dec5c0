//! Finding processes by what they were started with.

use std::io;

/// The ids of the processes that run and have each of these among their arguments, as far as this process can see them:
/// those of its own process namespace and, where `/proc` hides those of other users, of its own user.
///
/// # Errors
/// When the processes cannot be listed.
pub fn with_arguments(all: &[&str]) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has ended since has no arguments, and neither has a zombie.
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let has = |argument: &&str| line.split(|byte| *byte == 0).any(|known| known == argument.as_bytes());
        if all.iter().all(has) {
            found.push(pid);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_found_until_it_has_ended() {
        let mark = format!("a mark of {}", std::process::id());
        // Both words are the shell's own: a program it started would have these arguments too until it is executed.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "echo; read line", "name", &mark])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // For a moment of its execution a program has no arguments yet; one that speaks has them.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(with_arguments(&[&mark]).unwrap(), [child.id()]);
        assert_eq!(with_arguments(&["name", &mark, "-c"]).unwrap(), [child.id()]);
        assert_eq!(with_arguments(&[&mark, "another"]).unwrap(), Vec::<u32>::new());
        assert_eq!(with_arguments(&[&mark[1..]]).unwrap(), Vec::<u32>::new());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(with_arguments(&[&mark]).unwrap(), Vec::<u32>::new());
    }
}
