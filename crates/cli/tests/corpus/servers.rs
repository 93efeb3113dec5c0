//! What the cases talk to: a webhook that refuses everything, and an image registry that has nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The servers' addresses. They end with the process.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    pub(crate) registry: String,
    pub(crate) webhook: String,
    pub(crate) webhook_authority: String,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self {
            registry: serve(None, registry),
            webhook: serve(Some(TlsAcceptor::from(Arc::new(config))), refuse),
            webhook_authority: STANDARD.encode(made.cert.pem()),
        }
    }
}

type Answer = fn(&Request<Incoming>, &[u8]) -> Response<Body>;

fn serve(tls: Option<TlsAcceptor>, answer: Answer) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        crate::world::in_runtime(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let tls = tls.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |mut request: Request<Incoming>| async move {
                        let body = whole(request.body_mut()).await.unwrap_or_default();
                        Ok::<_, Infallible>(answer(&request, &body))
                    });
                    // Whoever hangs up has hung up.
                    let _ = match tls {
                        None => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
    });
    address
}

async fn whole(body: &mut Incoming) -> Result<Vec<u8>, hyper::Error> {
    use hyper::body::Body as _;
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context)).await {
        bytes.extend(frame?.into_data().iter().flatten());
    }
    Ok(bytes)
}

/// Refuses every admission.
fn refuse(_: &Request<Incoming>, body: &[u8]) -> Response<Body> {
    let review: Value = serde_json::from_slice(body).unwrap_or_default();
    json_answer(
        StatusCode::OK,
        &json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {
                "uid": review["request"]["uid"],
                "allowed": false,
                "status": { "message": "the label team is missing" },
            },
        }),
    )
}

/// Wants credentials for what is private, and does not have the rest.
fn registry(request: &Request<Incoming>, _: &[u8]) -> Response<Body> {
    let path = request.uri().path();
    let error = |code: &str, message: &str| json!({ "errors": [{ "code": code, "message": message }] });
    if path.starts_with("/v2/private/") {
        let mut answer = json_answer(StatusCode::UNAUTHORIZED, &error("UNAUTHORIZED", "authentication required"));
        answer.headers_mut().insert("WWW-Authenticate", "Basic realm=\"private\"".parse().unwrap());
        answer
    } else if path == "/v2/" {
        json_answer(StatusCode::OK, &json!({}))
    } else {
        json_answer(StatusCode::NOT_FOUND, &error("MANIFEST_UNKNOWN", "manifest unknown"))
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let answer = Response::builder().status(status).header("Content-Type", "application/json");
    answer.body(Body::from(body.to_string().into_bytes())).unwrap()
}
