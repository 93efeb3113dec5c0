//! The kubeconfig of a plane and clients made from it.

use crate::certificates::Certificates;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
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

/// A client configuration for the plane, or, with another address, for the health checks of one of its components.
pub(crate) async fn client_config(
    name: &str,
    server: SocketAddr,
    certificates: &Certificates,
) -> Result<kube::Config, KubeconfigError> {
    let text = render(name, server, certificates).to_string();
    let kubeconfig = Kubeconfig::from_yaml(&text)?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // The way to an address of this machine never leads through a proxy.
    config.proxy_url = None;
    Ok(config)
}
