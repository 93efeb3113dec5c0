//! The kubeconfig of a plane and clients made from it.

use crate::certificates::Certificates;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::Kubeconfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};

/// An address on the loopback interface.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The kubeconfig of a plane as JSON (which is YAML too): one file that needs no other.
pub(crate) fn render(name: &str, server: SocketAddr, certificates: &Certificates) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{ "name": name, "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority-data": STANDARD.encode(&certificates.authority_pem),
        }}],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name, "namespace": "default" } }],
        "users": [{ "name": name, "user": {
            "client-certificate-data": STANDARD.encode(&certificates.client_pem),
            "client-key-data": STANDARD.encode(&certificates.client_key_pem),
        }}],
    })
}

/// A client configuration for the plane, or, with another address, for the health checks of one of its components. Not by `kube`'s
/// own way there, which asks the environment for a proxy: none leads to this machine.
///
/// # Errors
/// When what the plane has made is no address, no certificate or no kubeconfig.
pub(crate) fn client_config(
    name: &str,
    server: SocketAddr,
    certificates: &Certificates,
) -> Result<kube::Config, Box<dyn std::error::Error + Send + Sync>> {
    let kubeconfig = Kubeconfig::from_yaml(&render(name, server, certificates).to_string())?;
    let mut config = kube::Config::new(format!("https://{server}").parse()?);
    config.root_cert = Some(vec![CertificateDer::from_pem_slice(certificates.authority_pem.as_bytes())?.to_vec()]);
    config.auth_info = kubeconfig.auth_infos.into_iter().find_map(|named| named.auth_info).unwrap_or_default();
    Ok(config)
}
