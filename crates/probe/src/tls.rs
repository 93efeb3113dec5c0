//! TLS over any connection. Where the system keeps its certificates is told by `rustls-native-certs`, which also reads
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`, as every TLS client does.

use crate::connection::ByteStream;
use crate::result::ProbeResult;
use pilothouse_core::TlsTrust;
use pilothouse_process::{MAX_DOCUMENT, read_file};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::pin::Pin;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Speaks TLS on a connection with `host`.
///
/// # Errors
/// What went wrong, as what the attempt has told.
pub(crate) async fn wrap(
    stream: Pin<Box<dyn ByteStream>>,
    trust: &TlsTrust,
    host: &str,
) -> Result<Pin<Box<dyn ByteStream>>, ProbeResult> {
    let config = config(trust).await.map_err(ProbeResult::unknown)?;
    let name = trust.server_name.as_deref().unwrap_or(host).to_owned();
    let name =
        ServerName::try_from(name.clone()).map_err(|_| ProbeResult::unknown(format!("`{name}` is no server name")))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::pin(stream)),
        // The other side was there, and was not whom we trust: that is our set-up, or theirs.
        Err(error) if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>) => {
            Err(ProbeResult::unknown(format!("no TLS with {host}: {error}")))
        }
        Err(error) => Err(ProbeResult::not_held(format!("no TLS with {host}: {error}"))),
    }
}

async fn config(trust: &TlsTrust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if trust.skip_verify {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    if let Some(file) = &trust.ca_file {
        let unreadable = |why: String| format!("cannot read certificates from {}: {why}", file.display());
        let pem = read_file(file, MAX_DOCUMENT).await.map_err(|error| unreadable(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unreadable("there are none".to_owned()));
        }
    } else {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        roots.add_parsable_certificates(found.map_err(|error| error.to_string())?.certs);
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate, but only from whoever has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
