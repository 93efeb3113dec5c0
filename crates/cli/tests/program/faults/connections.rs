//! Connections to the API server are reset, again and again.

use super::stack::{assert_all_done, finish, in_runtime, ran, world};
use crate::support::{World, plane};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How many bytes of the server's answers come through a connection before it is reset, in turns: none at all, in the midst
/// of the first answers, later, and so many that a helm may well get through.
const BYTES: [usize; 4] = [0, 8_000, 50_000, 1_000_000];

/// Something between program and server that hands on bytes, and resets every connection after some of them, as long as it is
/// told to.
struct Resetting {
    port: u16,
    on: Arc<AtomicBool>,
    resets: Arc<AtomicUsize>,
}

impl Resetting {
    fn start(to: u16) -> Self {
        let (on, resets) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (switch, count) = (on.clone(), resets.clone());
        // It ends with the process.
        std::thread::spawn(move || {
            in_runtime(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                for connection in 0.. {
                    let (client, _) = listener.accept().await.unwrap();
                    let limit = switch.load(Ordering::Relaxed).then(|| BYTES[connection % BYTES.len()]);
                    tokio::spawn(hand_on(client, to, limit, count.clone()));
                }
            });
        });
        Self { port, on, resets }
    }
}

async fn hand_on(mut client: TcpStream, to: u16, limit: Option<usize>, resets: Arc<AtomicUsize>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let Some(mut left) = limit else {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    };
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(read) if read > 0 => if server.write_all(&from_client[..read]).await.is_err() { return },
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(read) if read > 0 && read <= left => {
                    left -= read;
                    if client.write_all(&from_server[..read]).await.is_err() { return }
                }
                Ok(read) if read > 0 => {
                    // With nothing to linger for, closing is a reset.
                    client.set_zero_linger().unwrap();
                    resets.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                _ => return,
            },
        }
    }
}

/// The plane's kubeconfig, by way of another port.
fn kubeconfig(world: &World, port: u16) -> PathBuf {
    let text = std::fs::read_to_string(plane().kubeconfig()).unwrap();
    world.write("kubeconfig", &text.replace(&plane().url(), &format!("https://127.0.0.1:{port}")))
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn connections_are_reset() {
    let between = Resetting::start(port_of(&plane().url()));
    let world = world("resets");
    let file = kubeconfig(&world, between.port);
    let program = |args: &[&str]| -> Command {
        let mut command = world.program(args);
        command.env("KUBECONFIG", &file);
        command
    };
    let first = ran(&mut program(&["apply", "--yes"]));
    between.on.store(false, Ordering::Relaxed);
    let resets = between.resets.load(Ordering::Relaxed);
    assert!(resets >= BYTES.len(), "{resets} resets\n{first:?}");
    finish(&first, || program(&["resume", "--yes"]));
    assert_all_done(&world, plane().client_config(), "resets");
}
