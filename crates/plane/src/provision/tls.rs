//! The http client of downloads.

use super::error::chain;
use reqwest::{Client, NoProxy, Proxy};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

/// Without a network it has to be clear soon.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a server may stay silent.
const SILENCE: Duration = Duration::from_secs(30);

/// A client with the system's root certificates, and the proxies of `env`. With `https_only` it also follows no
/// redirection to plain http.
///
/// # Errors
/// A sentence: a proxy that is not a URL, or no root certificate on this machine.
pub(crate) fn client(env: &BTreeMap<OsString, OsString>, https_only: bool) -> Result<Client, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let native = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(native.certs);
    if usable == 0 && https_only {
        let why: Vec<_> = native.errors.iter().map(ToString::to_string).collect();
        return Err(format!("this machine has no root certificates {}", why.join(", ")).trim_end().to_owned());
    }
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| chain(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(https_only)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("pilothouse/", env!("CARGO_PKG_VERSION")))
        // The process's own environment is not asked: the caller's is.
        .no_proxy();
    let except = setting(env, "NO_PROXY").and_then(NoProxy::from_string);
    for (name, secure) in [("HTTPS_PROXY", true), ("HTTP_PROXY", false)] {
        if let Some(url) = setting(env, name) {
            let proxy = if secure { Proxy::https(url) } else { Proxy::http(url) };
            // A proxy's URL can hold a password, so it is not shown.
            let proxy = proxy.map_err(|_| format!("{name} is not a URL"))?;
            builder = builder.proxy(proxy.no_proxy(except.clone()));
        }
    }
    builder.build().map_err(|error| chain(&error))
}

/// A variable in either spelling. `HTTP_PROXY` and its like are customary in lower case too.
fn setting<'a>(env: &'a BTreeMap<OsString, OsString>, name: &str) -> Option<&'a str> {
    let value = |name: &str| env.get(OsStr::new(name)).and_then(|value| value.to_str());
    value(name).or_else(|| value(&name.to_ascii_lowercase())).filter(|value| !value.is_empty())
}
