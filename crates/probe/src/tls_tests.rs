//! TLS with a server that has a certificate of its own.

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::http::HttpProbe;
use crate::result::ProbeResult;
use pilothouse_core::{CheckVerdict, Endpoint, FilePath, HttpCheck, HttpExpect, TlsTrust};
use rstest::rstest;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server known as `shop.example`, and its certificate in PEM. It answers each request with 204.
async fn server() -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    });
    (port, made.cert.pem())
}

async fn probed(port: u16, tls: Option<TlsTrust>) -> ProbeResult {
    let check = HttpCheck {
        endpoint: Endpoint::Address { host: "127.0.0.1".to_owned(), port },
        tls,
        path: "/".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expect: HttpExpect::default(),
    };
    let deadline = Deadline::after(Duration::from_secs(10));
    let connection = Connection::to_address("127.0.0.1", port, deadline).await.unwrap();
    HttpProbe::new(&check, deadline).await.unwrap().run(connection, deadline).await
}

/// Which certificate is trusted.
#[derive(Clone, Copy)]
enum Trusted {
    Its,
    Another,
    Any,
    Systems,
}

/// A server that is there and is not whom we trust is our set-up or theirs: nothing is known of what it would answer.
#[rstest]
#[case::its_own(Trusted::Its, Some("shop.example"), CheckVerdict::Held)]
#[case::its_own_under_another_name(Trusted::Its, Some("other.example"), CheckVerdict::Unknown)]
#[case::its_own_by_address(Trusted::Its, None, CheckVerdict::Unknown)]
#[case::another(Trusted::Another, Some("shop.example"), CheckVerdict::Unknown)]
#[case::nobodys(Trusted::Systems, Some("shop.example"), CheckVerdict::Unknown)]
#[case::any(Trusted::Any, None, CheckVerdict::Held)]
#[tokio::test]
async fn certificates(#[case] trusted: Trusted, #[case] name: Option<&str>, #[case] expected: CheckVerdict) {
    let (port, its) = server().await;
    let (_, another) = server().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let pem = if matches!(trusted, Trusted::Its) { its } else { another };
    file.write_all(pem.as_bytes()).unwrap();
    let ca_file = match trusted {
        Trusted::Its | Trusted::Another => Some(FilePath::from(file.path().to_owned())),
        Trusted::Any | Trusted::Systems => None,
    };
    let trust =
        TlsTrust { ca_file, skip_verify: matches!(trusted, Trusted::Any), server_name: name.map(str::to_owned) };
    let result = probed(port, Some(trust)).await;
    assert_eq!(result.verdict, expected, "{result:?}");
}

#[rstest]
#[case::not_there(None, "No such file or directory (os error 2)")]
#[case::no_certificate(Some("hello\n"), "there are none")]
#[tokio::test]
async fn certificates_that_cannot_be_read(#[case] content: Option<&str>, #[case] why: &str) {
    let (port, _) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    if let Some(content) = content {
        std::fs::write(&path, content).unwrap();
    }
    let trust = TlsTrust { ca_file: Some(FilePath::from(path.clone())), ..TlsTrust::default() };
    let expected = ProbeResult::unknown(format!("cannot read certificates from {}: {why}", path.display()));
    assert_eq!(probed(port, Some(trust)).await, expected);
}

/// It answers, but not TLS.
#[tokio::test]
async fn a_server_without_tls_is_not_known() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let result = probed(port, Some(TlsTrust { skip_verify: true, ..TlsTrust::default() })).await;
    assert_eq!(result.verdict, CheckVerdict::Unknown, "{result:?}");
}
