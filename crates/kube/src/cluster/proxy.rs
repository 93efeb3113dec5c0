//! Which proxy leads to an API server, as Go decides it (`golang.org/x/net/http/httpproxy`), so that kubectl, helm and this
//! client take the same way.

use http::Uri;
use ipnet::IpNet;
use pilothouse_core::{Redactor, Sensitive};
use std::net::IpAddr;

/// The proxies that variables of the environment name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Named>,
    http: Option<Named>,
    except: String,
}

/// The address of a proxy, which may have a password in it, and the variable that has it.
type Named = (String, Sensitive<String>);

/// The proxy that a connection is made through.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: Uri,
    /// Where it was named, for messages.
    named_by: String,
}

/// Where a proxy is named in a kubeconfig.
const PROXY_URL: &str = "`proxy-url` of the kubeconfig";

impl Proxies {
    /// The proxies of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or of the same in lower case, by a function that tells the value of
    /// a variable.
    pub fn of_variables(value: impl Fn(&str) -> Option<String>) -> Self {
        let first = |name: &str| {
            let lower = name.to_ascii_lowercase();
            let given = |name: &str| Some((name.to_owned(), value(name).filter(|value| !value.is_empty())?));
            given(name).or_else(|| given(&lower))
        };
        let proxy = |name: &str| first(name).map(|(name, value)| (name, Sensitive::new(value)));
        let except = first("NO_PROXY").map(|(_, value)| value).unwrap_or_default();
        Self { https: proxy("HTTPS_PROXY"), http: proxy("HTTP_PROXY"), except }
    }

    /// The proxy to a server: that of its kubeconfig, which counts for any address, or that of the environment, which does not
    /// count for this machine itself and for what `NO_PROXY` names.
    ///
    /// # Errors
    /// A sentence about an address that is none. It may have a password in it, so it is not shown.
    pub(crate) fn proxy_to(&self, server: &Uri, proxy_url: Option<&str>) -> Result<Option<Proxy>, String> {
        if let Some(address) = proxy_url.filter(|address| !address.is_empty()) {
            return Proxy::new(address, PROXY_URL).map(Some);
        }
        let named = if server.scheme_str() == Some("http") { &self.http } else { &self.https };
        match named {
            Some((name, address)) if !self.is_excepted(server) => Proxy::new(address.expose(), name).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn is_excepted(&self, server: &Uri) -> bool {
        let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
        let address: Option<IpAddr> = host.parse().ok();
        host == "localhost"
            || address.is_some_and(|address| address.to_canonical().is_loopback())
            || self.except.split(',').any(|entry| excepts(entry.trim(), &host, address, port))
    }
}

/// Whether an entry of `NO_PROXY` names a host: `*`, an address, a range of them, a name (which stands for all below it too), or
/// one that begins with a dot (which stands for those below it alone), each but the first two with a port or without.
fn excepts(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(range) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| range.contains(&address.to_canonical()));
    }
    let (name, only_port) = match entry.rsplit_once(':') {
        // An IPv6 address without a port has colons of its own.
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => (name, Some(digits)),
        _ => (entry, None),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if only_port.is_some_and(|digits| digits.parse() != Ok(port)) {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return address.is_some_and(|address| address.to_canonical() == named.to_canonical());
    }
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(&name);
    match name.strip_prefix('.') {
        _ if name.is_empty() => false,
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

impl Proxy {
    /// An address without a scheme is one of HTTP, as for Go.
    fn new(address: &str, named_by: &str) -> Result<Self, String> {
        let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        // The client knows one kind of SOCKS 5, which leaves names to the proxy as `socks5h` asks for.
        let with_scheme = with_scheme.replacen("socks5h://", "socks5://", 1);
        let address: Uri = with_scheme.parse().map_err(|_| format!("{named_by} is not an address of a proxy"))?;
        if address.host().is_none_or(str::is_empty) {
            return Err(format!("{named_by} is not an address of a proxy"));
        }
        Ok(Self { address, named_by: named_by.to_owned() })
    }

    /// The proxy in words, without a password.
    pub(crate) fn named(&self) -> String {
        format!("{} ({})", Redactor::default().redact(&self.address.to_string()), self.named_by)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use rstest::rstest;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Proxies::of_variables(|name| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    fn way(proxies: &Proxies, server: &str, proxy_url: Option<&str>) -> String {
        match proxies.proxy_to(&server.parse().unwrap(), proxy_url) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(proxy)) => proxy.named(),
            Err(why) => why,
        }
    }

    /// This machine is reached directly, whatever is said.
    #[rstest]
    #[case("https://127.0.0.1:6443")]
    #[case("https://127.8.9.1")]
    #[case("https://localhost:6443")]
    #[case("https://LOCALHOST:6443")]
    #[case("https://[::1]:6443")]
    #[case("https://[::ffff:127.0.0.1]:6443")]
    #[case("http://127.0.0.1:8080")]
    fn loopback(#[case] server: &str) {
        let variables = [("HTTPS_PROXY", "http://proxy:3128"), ("HTTP_PROXY", "http://proxy:3128")];
        assert_eq!(way(&proxies(&variables), server, None), "direct");
    }

    /// As the tests of `golang.org/x/net/http/httpproxy` have it.
    #[rstest]
    #[case("", "api.example.com", false)]
    #[case("*", "api.example.com", true)]
    #[case("example.com", "api.example.com", true)]
    #[case("example.com", "example.com", true)]
    #[case("EXAMPLE.com", "Api.Example.COM", true)]
    #[case("example.com", "notexample.com", false)]
    #[case(".example.com", "example.com", false)]
    #[case(".example.com", "api.example.com", true)]
    #[case("*.example.com", "api.example.com", true)]
    #[case("*.example.com", "example.com", false)]
    #[case("api.example.com:6443", "api.example.com:6443", true)]
    #[case("api.example.com:443", "api.example.com", true)]
    #[case("api.example.com:443", "api.example.com:6443", false)]
    #[case(".example.com:6443", "api.example.com:6443", true)]
    #[case("10.0.0.1", "10.0.0.1", true)]
    #[case("10.0.0.1:6443", "10.0.0.1:6443", true)]
    #[case("10.0.0.1:6443", "10.0.0.1:443", false)]
    #[case("10.0.0.0/8", "10.1.2.3:6443", true)]
    #[case("10.0.0.0/8", "11.1.2.3:6443", false)]
    #[case("10.0.0.0/8", "api.example.com", false)]
    #[case("fd00::1", "[fd00::1]:6443", true)]
    #[case("[fd00::1]:6443", "[fd00::1]:6443", true)]
    #[case("[fd00::1]:443", "[fd00::1]:6443", false)]
    #[case("fd00::/8", "[fd00::1]:6443", true)]
    #[case(" a.example.com , b.example.com,", "b.example.com", true)]
    #[case(",,", "b.example.com", false)]
    #[case(":6443", "b.example.com:6443", false)]
    #[case("no such thing, ://, [", "b.example.com", false)]
    #[case(".", "b.example.com", false)]
    fn exceptions(#[case] except: &str, #[case] server: &str, #[case] direct: bool) {
        let proxies = proxies(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", except)]);
        assert_eq!(way(&proxies, &format!("https://{server}"), None) == "direct", direct);
    }

    #[rstest]
    #[case(&[], "https://a.example.com", None, "direct")]
    #[case(&[("HTTPS_PROXY", "proxy:3128")], "https://a.example.com", None, "http://proxy:3128/ (HTTPS_PROXY)")]
    #[case(&[("https_proxy", "socks5h://proxy:1080")], "https://a.example.com", None, "socks5://proxy:1080/ (https_proxy)")]
    #[case(&[("HTTPS_PROXY", ""), ("https_proxy", "http://b:1")], "https://a.example.com", None, "http://b:1/ (https_proxy)")]
    #[case(&[("HTTPS_PROXY", "http://b:1")], "http://a.example.com", None, "direct")]
    #[case(&[("HTTP_PROXY", "http://b:1")], "http://a.example.com", None, "http://b:1/ (HTTP_PROXY)")]
    #[case(&[("HTTPS_PROXY", "http://me:hush-hush@b:1")], "https://a.example.com", None, "http://***@b:1/ (HTTPS_PROXY)")]
    #[case(&[("HTTPS_PROXY", "http://")], "https://a.example.com", None, "HTTPS_PROXY is not an address of a proxy")]
    #[case(
        &[("HTTPS_PROXY", "http://b:1"), ("NO_PROXY", "*")], "https://127.0.0.1:1", Some("socks5://c:2"),
        "socks5://c:2/ (`proxy-url` of the kubeconfig)"
    )]
    fn which_proxy_and_who_named_it(
        #[case] variables: &[(&str, &str)],
        #[case] server: &str,
        #[case] proxy_url: Option<&str>,
        #[case] expected: &str,
    ) {
        assert_eq!(way(&proxies(variables), server, proxy_url), expected);
    }
}
