//! The API server refuses bursts of requests: too many of them (429), or something is wrong with it (500).

use super::stack::{assert_all_done, finish, in_runtime, ran, world};
use crate::support::{World, plane};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// Of each hundred requests these are refused.
const TOO_MANY: std::ops::Range<usize> = 40..60;
const BROKEN: std::ops::Range<usize> = 80..90;

/// Something between program and server that speaks HTTP without TLS and refuses some requests.
struct Refusing {
    port: u16,
    refused: [Arc<AtomicUsize>; 2],
}

impl Refusing {
    fn start(config: kube::Config) -> Self {
        let seen = Arc::new(AtomicUsize::new(0));
        let refused: [Arc<AtomicUsize>; 2] = Default::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let refusals = refused.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            in_runtime(async move {
                let client = Client::try_from(config).unwrap();
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (client, seen, refusals) = (client.clone(), seen.clone(), refusals.clone());
                    let service = service_fn(move |request| {
                        answer(client.clone(), request, seen.fetch_add(1, Ordering::Relaxed), refusals.clone())
                    });
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
            });
        });
        Self { port, refused }
    }
}

async fn answer(
    client: Client,
    request: Request<Incoming>,
    number: usize,
    refusals: [Arc<AtomicUsize>; 2],
) -> Result<Response<Body>, Infallible> {
    let refuse = |status: StatusCode, reason: &str, count: &AtomicUsize| {
        count.fetch_add(1, Ordering::Relaxed);
        let text = format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"for a test","reason":"{reason}","code":{}}}"#,
            status.as_u16()
        );
        let mut response = Response::builder().status(status).header("Content-Type", "application/json");
        if status == StatusCode::TOO_MANY_REQUESTS {
            response = response.header("Retry-After", "1");
        }
        response.body(Body::from(text.into_bytes())).unwrap()
    };
    if TOO_MANY.contains(&(number % 100)) {
        return Ok(refuse(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", &refusals[0]));
    }
    if BROKEN.contains(&(number % 100)) {
        return Ok(refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &refusals[1]));
    }
    Ok(hand_on(client, request).await.unwrap_or_else(|error| {
        Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::from(error.to_string().into_bytes())).unwrap()
    }))
}

async fn hand_on(client: Client, request: Request<Incoming>) -> Result<Response<Body>, Box<dyn std::error::Error>> {
    let (mut head, body) = request.into_parts();
    for name in ["host", "connection", "accept-encoding", "content-length"] {
        head.headers.remove(name);
    }
    let body = Body::from(whole(body).await?);
    let (mut head, body) = client.send(Request::from_parts(head, body)).await?.into_parts();
    for name in ["connection", "transfer-encoding", "content-length"] {
        head.headers.remove(name);
    }
    // The connection to the program may be of another version than that to the server.
    head.version = hyper::Version::HTTP_11;
    Ok(Response::from_parts(head, Body::from(body.collect_bytes().await?)))
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    use hyper::body::Body as _;
    let mut bytes = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        match frame {
            None => return Ok(bytes),
            Some(frame) => bytes.extend(frame?.into_data().iter().flatten()),
        }
    }
}

/// A kubeconfig for what is in between. It needs no credentials: those are known there.
fn kubeconfig(world: &World, port: u16) -> PathBuf {
    world.write(
        "kubeconfig",
        &format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{ name: a, context: {{ cluster: a, user: a }} }}]\n\
             clusters: [{{ name: a, cluster: {{ server: 'http://127.0.0.1:{port}' }} }}]\nusers: [{{ name: a, user: {{}} }}]\n"
        ),
    )
}

#[ignore = "`connections_are_reset` tries retries every day"]
#[test]
fn requests_are_refused_in_bursts() {
    let between = Refusing::start(plane().client_config());
    let world = world("bursts");
    let file = kubeconfig(&world, between.port);
    let mut command = world.program(&["apply", "--yes"]);
    let first = ran(command.env("KUBECONFIG", file));
    let refused = between.refused.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(refused.iter().all(|&count| count >= 10), "{refused:?}");
    let direct = || -> Command { world.on_plane(&["resume", "--yes"]) };
    finish(&first, direct);
    assert_all_done(&world, plane().client_config(), "bursts");
}
