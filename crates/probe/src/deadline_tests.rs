//! Servers that say nothing.

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::http::HttpProbe;
use crate::prometheus::PrometheusProbe;
use crate::result::ProbeResult;
use crate::tcp::tcp;
use pilothouse_core::{Endpoint, Header, HeaderValue, HttpCheck, HttpExpect, PrometheusCheck, Sensitive};
use std::time::Duration;
use tokio::io::DuplexStream;

/// A forwarded connection, and its other end.
fn forwarded() -> (Connection, DuplexStream) {
    let (here, there) = tokio::io::duplex(1024);
    let never = Box::pin(std::future::pending());
    (Connection::forwarded(here, never, Box::new(()), "pod a/web-0 port 80".to_owned(), "web.a.svc".to_owned()), there)
}

fn refused() -> (Connection, DuplexStream) {
    let (here, there) = tokio::io::duplex(1024);
    let why = Box::pin(std::future::ready("nothing listens there".to_owned()));
    (Connection::forwarded(here, why, Box::new(()), "pod a/web-0 port 80".to_owned(), "web.a.svc".to_owned()), there)
}

fn endpoint() -> Endpoint {
    Endpoint::Address { host: "web".to_owned(), port: 80 }
}

fn headers() -> Vec<Header> {
    vec![Header { name: "X-Key".to_owned(), value: HeaderValue::Sensitive(Sensitive::new("a key".to_owned())) }]
}

fn http_check() -> HttpCheck {
    HttpCheck {
        endpoint: endpoint(),
        tls: None,
        path: "/".to_owned(),
        method: "GET".to_owned(),
        headers: headers(),
        body: None,
        expect: HttpExpect::default(),
    }
}

fn secrets() -> Vec<String> {
    vec!["key".to_owned(), "a key".to_owned()]
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_answers_ends_at_its_deadline() {
    let check = http_check();
    let deadline = Deadline::after(Duration::from_secs(7));
    let (connection, _there) = forwarded();
    let result = HttpProbe::new(&check, deadline).await.unwrap().run(connection, deadline).await;
    assert_eq!(result, ProbeResult::not_held("no answer within 7 s").secrets(secrets()));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_nobody_answers_is_not_known() {
    let check = PrometheusCheck {
        endpoint: endpoint(),
        tls: None,
        path_prefix: String::new(),
        headers: headers(),
        query: "up".to_owned(),
        expect: "> 0".to_owned(),
    };
    let deadline = Deadline::after(Duration::from_secs(7));
    let (connection, _there) = forwarded();
    let result = PrometheusProbe::new(&check, deadline).await.unwrap().run(connection, deadline).await;
    assert_eq!(result, ProbeResult::unknown("no answer within 7 s").secrets(secrets()));
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_connection_is_given_time_to_be_refused() {
    let via = vec!["pod a/web-0 port 80".to_owned()];
    let (connection, _there) = forwarded();
    let result = tcp(connection, Deadline::after(Duration::from_secs(1))).await;
    assert_eq!(result, ProbeResult::held("connected").got(via.clone()));
    let (connection, _there) = refused();
    let result = tcp(connection, Deadline::after(Duration::from_secs(1))).await;
    let why = "pod a/web-0 port 80 does not take the connection: nothing listens there";
    assert_eq!(result, ProbeResult::not_held(why).got(via.clone()));
    let (connection, there) = forwarded();
    drop(there);
    let result = tcp(connection, Deadline::after(Duration::from_secs(1))).await;
    assert_eq!(result, ProbeResult::not_held("pod a/web-0 port 80 closes the connection at once").got(via.clone()));
    let (connection, _there) = forwarded();
    let result = tcp(connection, Deadline::after(Duration::from_millis(500))).await;
    assert_eq!(result, ProbeResult::not_held("no connection within 0 s").got(via));
}
