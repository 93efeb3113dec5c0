//! The kubeconfig of a plane and clients made from it.

use crate::certificates::Certificates;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde_json::json;

/// The kubeconfig of a plane as JSON (which is YAML too): one file that needs no other.
pub(crate) fn render(name: &str, port: u16, certificates: &Certificates) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{ "name": name, "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority-data": STANDARD.encode(&certificates.authority_pem),
        }}],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name, "namespace": "default" } }],
        "users": [{ "name": name, "user": {
            "client-certificate-data": STANDARD.encode(&certificates.client_pem),
            "client-key-data": STANDARD.encode(&certificates.client_key_pem),
        }}],
    })
}

/// A client configuration for the plane, or, with another port, for the health checks of one of its components.
pub(crate) async fn client_config(
    name: &str,
    port: u16,
    certificates: &Certificates,
) -> Result<kube::Config, KubeconfigError> {
    let text = render(name, port, certificates).to_string();
    let kubeconfig = Kubeconfig::from_yaml(&text)?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // The way to 127.0.0.1 never leads through a proxy.
    config.proxy_url = None;
    Ok(config)
}
