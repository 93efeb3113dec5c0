//! The server, and what happens beside it.

use crate::http::{self, Request};
use crate::options::Options;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an answer depends on.
struct State {
    begun: Instant,
    ready_after: Option<Duration>,
    healthy_for: Option<Duration>,
    /// What was said over HTTP last; it wins over the times.
    ready: AtomicBool,
    told: AtomicBool,
    exit: Sender<u8>,
}

/// Does everything the options say, until it is time to end.
pub(crate) fn serve(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let (exit, exits) = channel();
    if let Some((code, after)) = options.exit {
        let exit = exit.clone();
        spawn(move || {
            sleep(after);
            let _ = exit.send(code);
        });
    }
    if let Some((mebibytes, after)) = options.allocate {
        spawn(move || {
            sleep(after);
            hold(mebibytes);
        });
    }
    if let Some(every) = options.log_every {
        spawn(move || {
            for tick in 1_u64.. {
                sleep(every);
                println!("tick {tick}");
            }
        });
    }
    let state = State {
        begun,
        ready_after: options.ready_after,
        healthy_for: options.healthy_for,
        ready: AtomicBool::new(false),
        told: AtomicBool::new(false),
        exit,
    };
    let (port, start_after) = (options.port, options.start_after);
    spawn(move || {
        sleep(start_after);
        listen(port, state);
    });
    // The threads hold senders as long as they live, and the server lives for ever unless it cannot listen.
    exits.recv().map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Allocates memory and touches every page of it, and never gives it back.
fn hold(mebibytes: usize) {
    let mut held = Vec::new();
    for _ in 0..mebibytes {
        held.push(vec![1_u8; 1024 * 1024]);
    }
    println!("holding {} MiB", held.len());
    loop {
        sleep(Duration::from_secs(3600));
        // Used, so that it is kept.
        println!("still holding {} MiB", held.len());
    }
}

fn listen(port: u16, state: State) {
    if port == 0 {
        loop {
            sleep(Duration::from_secs(3600));
        }
    }
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            let _ = state.exit.send(1);
            return;
        }
    };
    println!("listening on port {port}");
    let state = std::sync::Arc::new(state);
    for stream in listener.incoming().flatten() {
        let state = state.clone();
        spawn(move || converse(&stream, &state));
    }
}

fn converse(stream: &TcpStream, state: &State) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let Ok(request) = http::read(stream) else { return };
    let (status, body) = state.answer(&request);
    let _ = http::answer(stream, status, &body);
}

impl State {
    /// `/healthz`, `/readyz`, `/echo`, `/status/CODE`, `/exit/CODE`, `/allocate/MIB`, `/sleep/SECONDS`, `/log/LINE`,
    /// `/ready/on`, `/ready/off`; everything else is 200.
    fn answer(&self, request: &Request) -> (u16, Vec<u8>) {
        let path = request.path.split('?').next().unwrap_or_default();
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let text = |status, text: &str| (status, format!("{text}\n").into_bytes());
        match words.as_slice() {
            ["healthz" | "livez"] if self.healthy() => text(200, "ok"),
            ["healthz" | "livez"] => text(500, "not healthy any more"),
            ["readyz"] if self.ready() => text(200, "ready"),
            ["readyz"] => text(503, "not ready"),
            ["ready", word @ ("on" | "off")] => {
                self.ready.store(*word == "on", Ordering::Relaxed);
                self.told.store(true, Ordering::Release);
                text(200, word)
            }
            ["echo", ..] => (200, [request.head.as_bytes(), b"\r\n\r\n", &request.body].concat()),
            ["status", code] => code
                .parse()
                .ok()
                .filter(|code| (200..600).contains(code))
                .map_or_else(|| text(400, "not a status"), |code| text(code, &format!("status {code}"))),
            ["exit", code] => code.parse().map_or_else(
                |_| text(400, "not an exit code"),
                |code| {
                    let _ = self.exit.send(code);
                    text(200, "exiting")
                },
            ),
            ["allocate", size] => size.parse().map_or_else(
                |_| text(400, "not a number of MiB"),
                |size| {
                    spawn(move || hold(size));
                    text(200, "allocating")
                },
            ),
            ["sleep", time] => match time.parse().ok().and_then(|time| Duration::try_from_secs_f64(time).ok()) {
                Some(time) => {
                    sleep(time);
                    text(200, "slept")
                }
                None => text(400, "not a number of seconds"),
            },
            ["log", line] => {
                println!("{line}");
                text(200, "logged")
            }
            _ => text(200, &format!("{} {}", request.method, request.path)),
        }
    }

    fn healthy(&self) -> bool {
        self.healthy_for.is_none_or(|time| self.begun.elapsed() < time)
    }

    fn ready(&self) -> bool {
        if self.told.load(Ordering::Acquire) {
            return self.ready.load(Ordering::Relaxed);
        }
        self.ready_after.is_some_and(|time| self.begun.elapsed() >= time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(options: &Options) -> State {
        State {
            begun: Instant::now(),
            ready_after: options.ready_after,
            healthy_for: options.healthy_for,
            ready: AtomicBool::new(false),
            told: AtomicBool::new(false),
            exit: channel().0,
        }
    }

    fn ask(state: &State, path: &str) -> (u16, String) {
        let request =
            Request { method: "GET".into(), path: path.into(), head: format!("GET {path}"), body: b"x".into() };
        let (status, body) = state.answer(&request);
        (status, String::from_utf8(body).unwrap())
    }

    #[test]
    fn answers_on_demand() {
        let state = state(&Options::default());
        for (path, status, body) in [
            ("/healthz", 200, "ok\n"),
            ("/readyz", 200, "ready\n"),
            ("/status/503", 503, "status 503\n"),
            ("/status/9", 400, "not a status\n"),
            ("/echo/a", 200, "GET /echo/a\r\n\r\nx"),
            ("/anything?a=b", 200, "GET /anything?a=b\n"),
        ] {
            assert_eq!(ask(&state, path), (status, body.to_owned()), "{path}");
        }
    }

    #[test]
    fn readiness_by_time_until_it_is_told() {
        let state = state(&Options { ready_after: None, healthy_for: Some(Duration::ZERO), ..Options::default() });
        assert_eq!((ask(&state, "/readyz").0, ask(&state, "/healthz").0), (503, 500));
        ask(&state, "/ready/on");
        assert_eq!(ask(&state, "/readyz").0, 200);
        ask(&state, "/ready/off");
        assert_eq!(ask(&state, "/readyz").0, 503);
    }
}
