//! Downloading a file and checking it.

use super::archive::LARGEST;
use super::catalogue::{Digest, Download};
use super::digest;
use super::error::chain;
use futures::StreamExt;
use reqwest::{Client, Response, StatusCode, header};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// How often a connection that broke is tried again, from where it broke.
const ATTEMPTS: u32 = 4;

/// The pause before another attempt, times its number.
const PAUSE: Duration = Duration::from_millis(300);

/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);

/// The most a checksum file may have, in bytes.
const CHECKSUMS: usize = 64 * 1024;

/// Why a download failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) why: String,
    /// No connection came about: there is no use in asking the same host for something else.
    pub(crate) unreachable: bool,
    /// Another attempt may succeed, and goes on where this one ended.
    again: bool,
}

impl Failed {
    fn final_(why: impl Into<String>) -> Self {
        Self { why: why.into(), unreachable: false, again: false }
    }

    fn io(path: &Path, error: &io::Error) -> Self {
        Self::final_(format!("{}: {error}", path.display()))
    }

    fn http(error: &reqwest::Error) -> Self {
        let unreachable = error.is_connect();
        let again = !unreachable && !error.is_redirect() && !error.is_builder();
        let why = if unreachable { innermost(error) } else { chain(error) };
        Self { why, unreachable, again }
    }
}

/// What a failed connection is about: the layers above it only repeat the address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Told with the bytes so far and the bytes in all.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Downloads into `part`, going on with what is there, and checks it. Gives its SHA-256.
///
/// Afterwards `part` is the whole right file, or, when the connection broke, what came through, or gone.
pub(crate) async fn fetch(
    client: &Client,
    download: &Download,
    part: &Path,
    progress: Progress<'_>,
) -> Result<String, Failed> {
    let wanted = match &download.digest {
        Digest::Pinned(hex) => hex.clone(),
        Digest::Published(url) => {
            let text = retried(|| small(client, url)).await?;
            let name = download.url.rsplit('/').next().unwrap_or_default();
            digest::published(&text, name).ok_or_else(|| Failed::final_(format!("{url} has no SHA-256 for {name}")))?
        }
    };
    let mut resumed = retried(|| transfer(client, &download.url, part, progress)).await?;
    loop {
        let found = digest::of_file(part).await.map_err(|error| Failed::io(part, &error))?;
        if found == wanted {
            return Ok(found);
        }
        tokio::fs::remove_file(part).await.map_err(|error| Failed::io(part, &error))?;
        if !resumed {
            let of = if matches!(download.digest, Digest::Pinned(_)) { "pinned" } else { "published" };
            return Err(Failed::final_(format!("{}: its SHA-256 is {found}, and {wanted} is {of}", download.url)));
        }
        // The beginning may have been that of another file: once more, in one go.
        resumed = false;
        retried(|| transfer(client, &download.url, part, progress)).await?;
    }
}

async fn retried<T, F: Future<Output = Result<T, Failed>>>(mut attempt: impl FnMut() -> F) -> Result<T, Failed> {
    let mut attempts = 1;
    loop {
        match attempt().await {
            Err(failed) if failed.again && attempts < ATTEMPTS => {
                tokio::time::sleep(PAUSE * attempts).await;
                attempts += 1;
            }
            other => return other,
        }
    }
}

/// Fetches a small text.
async fn small(client: &Client, url: &str) -> Result<String, Failed> {
    let response = client.get(url).send().await.map_err(|error| Failed::http(&error))?;
    let mut stream = status(response, url)?.bytes_stream();
    let mut text = Vec::new();
    while let Some(chunk) = stream.next().await {
        text.extend_from_slice(&chunk.map_err(|error| Failed::http(&error))?);
        if text.len() > CHECKSUMS {
            return Err(Failed::final_(format!("{url} is too large for a checksum file")));
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Transfers the rest of a file. Gives whether there was a beginning that it was added to.
async fn transfer(client: &Client, url: &str, part: &Path, progress: Progress<'_>) -> Result<bool, Failed> {
    let failed = |error: io::Error| Failed::io(part, &error);
    let mut done = match tokio::fs::metadata(part).await {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(error)),
    };
    let mut request = client.get(url);
    if done > 0 {
        request = request.header(header::RANGE, format!("bytes={done}-"));
    }
    let response = request.send().await.map_err(|error| Failed::http(&error))?;
    if done > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // All of it is there, or it belongs to another file: the digest tells.
        return Ok(true);
    }
    let response = status(response, url)?;
    let resumed = done > 0 && response.status() == StatusCode::PARTIAL_CONTENT && begins_at(&response, done);
    if !resumed {
        done = 0;
    }
    let total = response.content_length().map(|rest| done + rest);
    if total.is_some_and(|total| total > LARGEST) {
        return Err(Failed::final_(format!("{url} is larger than {LARGEST} bytes")));
    }
    let mut file = open(part, resumed).await.map_err(failed)?;
    let copied = copy(response, &mut file, done, total, progress).await;
    // What has come is kept, also when the rest did not.
    let flushed = file.flush().await;
    let done = copied.map_err(|error| match error {
        Copy::Http(error) => Failed::http(&error),
        Copy::Write(error) => Failed::io(part, &error),
        Copy::TooLarge => Failed::final_(format!("{url} is larger than {LARGEST} bytes")),
    })?;
    flushed.map_err(failed)?;
    progress(done, Some(done));
    Ok(resumed)
}

enum Copy {
    Http(reqwest::Error),
    Write(io::Error),
    TooLarge,
}

async fn copy(
    response: Response,
    file: &mut File,
    mut done: u64,
    total: Option<u64>,
    progress: Progress<'_>,
) -> Result<u64, Copy> {
    progress(done, total);
    let (mut stream, mut told) = (response.bytes_stream(), Instant::now());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(Copy::Http)?;
        file.write_all(&chunk).await.map_err(Copy::Write)?;
        done += chunk.len() as u64;
        if done > LARGEST {
            return Err(Copy::TooLarge);
        }
        if told.elapsed() > TELL {
            progress(done, total);
            told = Instant::now();
        }
    }
    Ok(done)
}

async fn open(part: &Path, append: bool) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(!append).append(append).mode(0o600).open(part).await
}

/// A server's answer, if it is the file. Errors of the server's own (5xx) are worth another attempt.
fn status(response: Response, url: &str) -> Result<Response, Failed> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(Failed {
        why: format!("{url}: the server answers {status}"),
        unreachable: false,
        again: status.is_server_error(),
    })
}

/// Whether a partial answer begins where it was asked to (RFC 9110, 14.4).
fn begins_at(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}
