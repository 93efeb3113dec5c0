//! Files that a person has named: regular ones whose size is looked at first, and pipes (`<(sops -d values.yaml)`) that have to
//! end in time.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open, stat};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long whoever writes into a pipe may take to end: a program that decrypts may have to ask somebody.
const PIPE: Duration = Duration::from_secs(30);

/// What a file of values, manifests or settings may hold, in bytes; one that is larger is none.
pub const MAX_DOCUMENT: u64 = 16 * 1024 * 1024;

/// What may stand where a file is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A regular file: it is read again and again, or by others too.
    File,
    /// A regular file, or a pipe, which can be read but once.
    FileOrPipe,
}

/// Reads a file of at most `most` bytes. Devices, sockets and folders are refused without being opened, and of what is too large
/// nothing is read.
///
/// Blocks: a pipe for up to 30 seconds.
///
/// # Errors
/// The operating system's, or a sentence about what it is instead.
pub fn read_input(path: &Path, named: Named, most: u64) -> io::Result<Vec<u8>> {
    let wrong = |why: String| io::Error::new(ErrorKind::InvalidInput, why);
    let kind = |mode| match (FileType::from_raw_mode(mode), named) {
        (FileType::RegularFile, _) => Ok(FileType::RegularFile),
        (FileType::Fifo, Named::FileOrPipe) => Ok(FileType::Fifo),
        (FileType::Fifo, Named::File) => Err(wrong("it is a pipe, not a file".to_owned())),
        (FileType::Directory, _) => Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder, not a file")),
        (FileType::Socket, _) => Err(wrong("it is a socket, not a file".to_owned())),
        _ => Err(wrong("it is a device, not a file".to_owned())),
    };
    // Opening a device may do something.
    kind(stat(path)?.st_mode)?;
    let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let seen = fstat(&file)?;
    let kind = kind(seen.st_mode)?;
    let too_large = || io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {}", size(most)));
    if u64::try_from(seen.st_size).is_ok_and(|size| size > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let file = File::from(file);
    match kind {
        FileType::Fifo => read_pipe(&file, most, &mut bytes)?,
        // Some files of the kernel tell no size.
        _ => {
            (&file).take(most + 1).read_to_end(&mut bytes)?;
        }
    }
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// As [`read_input`], of text.
///
/// # Errors
/// As [`read_input`]; also of what is not UTF-8.
pub fn read_text(path: &Path, named: Named, most: u64) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8");
    String::from_utf8(read_input(path, named, most)?).map_err(not_text)
}

/// As [`read_input`], of a file alone, on a thread on which waiting harms nobody.
///
/// # Errors
/// As [`read_input`].
pub async fn read_file(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    let reading = tokio::task::spawn_blocking(move || read_input(&path, Named::File, most));
    reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// As [`read_text`], of a file alone, on a thread on which waiting harms nobody.
///
/// # Errors
/// As [`read_text`].
pub async fn read_file_text(path: impl AsRef<Path>, most: u64) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    let reading = tokio::task::spawn_blocking(move || read_text(&path, Named::File, most));
    reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Reads a pipe until whoever writes into it has ended, or `most` bytes and one.
fn read_pipe(file: &File, most: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let deadline = Instant::now() + PIPE;
    let mut part = vec![0; 64 * 1024];
    while bytes.len() as u64 <= most {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let why = format!("it is a pipe, and whoever writes into it did not end within {} s", PIPE.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, why));
        }
        let wait = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(1), tv_nsec: left.subsec_nanos().into() };
        let mut polled = [PollFd::new(file, PollFlags::IN)];
        match poll(&mut polled, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match (&mut &*file).read(&mut part) {
            // Nobody writes any more; that nobody does yet is not told by the poll.
            Ok(0) => return Ok(()),
            Ok(read) => bytes.extend_from_slice(&part[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB && bytes.is_multiple_of(MIB) { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::io::Write;
    use std::path::PathBuf;
    use std::process::Command;

    fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    fn told(path: &Path, named: Named, most: u64) -> String {
        read_input(path, named, most).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_and_one_that_is_too_large_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, Named::File, 4).unwrap(), "four");
        assert_eq!(told(&path, Named::File, 3), "it is larger than 3 bytes");
        // Reading three terabytes would not end here.
        File::options().write(true).open(&path).unwrap().set_len(3 << 40).unwrap();
        assert_eq!(told(&path, Named::FileOrPipe, 4 << 20), "it is larger than 4 MiB");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read_text(&path, Named::File, 4).unwrap_err().to_string(), "it is not UTF-8");
        assert!(read_text(Path::new("/proc/self/status"), Named::File, 1 << 20).unwrap().lines().count() > 5);
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("link")).unwrap();
        for named in [Named::File, Named::FileOrPipe] {
            for device in [Path::new("/dev/zero"), Path::new("/dev/null"), &folder.path().join("link")] {
                assert_eq!(told(device, named, 4), "it is a device, not a file");
            }
            assert_eq!(told(&folder.path().join("socket"), named, 4), "it is a socket, not a file");
            assert_eq!(told(folder.path(), named, 4), "it is a folder, not a file");
            assert_eq!(read_input(&folder.path().join("none"), named, 4).unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert_eq!(told(&fifo(folder.path()), Named::File, 4), "it is a pipe, not a file");
    }

    #[test]
    fn a_pipe_is_read_to_its_end_also_when_its_writer_comes_late() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                std::thread::sleep(Duration::from_millis(100));
                let mut pipe = File::options().write(true).open(path).unwrap();
                for _ in 0..3 {
                    pipe.write_all(b"part ").unwrap();
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        });
        assert_eq!(read_text(&path, Named::FileOrPipe, 1 << 20).unwrap(), "part part part ");
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_without_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let mut child = Command::new("sh").arg("-c").arg(format!("yes >{}", path.display())).spawn().unwrap();
        assert_eq!(told(&path, Named::FileOrPipe, 1 << 20), "it is larger than 1 MiB");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
