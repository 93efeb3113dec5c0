//! A server as it is far away: a TCP proxy on loopback that delays what goes each way.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, sleep_until};

/// Begins to listen; gives the port. Whatever is sent comes out `one_way` later, and so does the beginning of a connection.
pub(crate) async fn delayed(to: SocketAddr, one_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                sleep(one_way).await;
                // Whoever is not there cannot be reached through this either.
                let Ok(far) = TcpStream::connect(to).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::join!(pump(from_near, to_far, one_way), pump(from_far, to_near, one_way));
            });
        }
    });
    port
}

async fn pump(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, one_way: Duration) {
    let (sent, mut under_way) = unbounded_channel::<(Instant, Vec<u8>)>();
    let arrive = async {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    let leave = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if sent.send((Instant::now() + one_way, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    };
    tokio::join!(arrive, leave);
}
