//! One context of a kubeconfig, resolved once, as `kubectl config view --minify --flatten` shows it.

use super::connect::ConnectError;
use crate::client::ClusterAccess;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{
    AuthInfo, Context, ExecAuthCluster, Kubeconfig, KubeconfigError, NamedAuthInfo, NamedCluster, NamedContext,
};
use pilothouse_core::{ClusterContext, Redactor, Sensitive};
use pilothouse_process::{Named, read_input, read_text};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What a kubeconfig or a certificate may hold, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// The name of everything in the kubeconfig of a pod's service account, which has no names.
const IN_CLUSTER: &str = "in-cluster";

/// The access through the only context of a kubeconfig.
pub(super) fn access(kubeconfig: &Kubeconfig) -> Result<ClusterAccess, String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let text = serde_saphyr::to_string_with_options(kubeconfig, options).map_err(|error| error.to_string())?;
    let cluster = kubeconfig.clusters.first().and_then(|named| named.cluster.as_ref());
    let context = ClusterContext {
        context: kubeconfig.current_context.clone(),
        server: Redactor::default().redact(cluster.and_then(|cluster| cluster.server.as_deref()).unwrap_or_default()),
        user: kubeconfig.auth_infos.first().map(|named| named.name.clone()),
    };
    Ok(ClusterAccess::new(context, Sensitive::new(text)))
}

/// The access of a pod's service account. Token and certificate are files, since the kubelet replaces them.
pub(super) fn in_cluster(
    server: &str,
    namespace: &str,
    token: &str,
    certificate: &str,
) -> Result<ClusterAccess, String> {
    let cluster = kube::config::Cluster {
        server: Some(server.to_owned()),
        certificate_authority: Some(certificate.to_owned()),
        ..kube::config::Cluster::default()
    };
    let user = AuthInfo { token_file: Some(token.to_owned()), ..AuthInfo::default() };
    let context = Context {
        cluster: IN_CLUSTER.to_owned(),
        user: Some(IN_CLUSTER.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..Context::default()
    };
    let (name, other) = (IN_CLUSTER.to_owned(), std::collections::BTreeMap::default());
    let access = access(&Kubeconfig {
        clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), other: other.clone() }],
        auth_infos: vec![NamedAuthInfo { name: name.clone(), auth_info: Some(user), other: other.clone() }],
        contexts: vec![NamedContext { name: name.clone(), context: Some(context), other }],
        current_context: Some(name),
        ..config()
    })?;
    let context = ClusterContext { context: None, user: None, ..access.context().clone() };
    Ok(ClusterAccess::new(context, access.kubeconfig().clone()))
}

/// An empty kubeconfig with its type.
fn config() -> Kubeconfig {
    Kubeconfig { kind: Some("Config".to_owned()), api_version: Some("v1".to_owned()), ..Kubeconfig::default() }
}

/// The files as messages name them.
pub(crate) fn named(files: &[PathBuf]) -> PathBuf {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(":").into()
}

/// Reads kubeconfig files and merges them as kubectl does: the first that says something wins, and of several a missing one is
/// passed over. Paths in them are absolute afterwards.
pub(crate) fn read(files: &[PathBuf]) -> Result<Kubeconfig, ConnectError> {
    let mut merged = Kubeconfig::default();
    let mut missing = None;
    let mut found = false;
    for file in files {
        match read_one(file) {
            Ok(next) => {
                found = true;
                merged = merged
                    .merge(next)
                    .map_err(|error| ConnectError::NotKubeconfig { path: file.clone(), why: error.to_string() })?;
            }
            Err(ConnectError::Read { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                missing = missing.or(Some(ConnectError::Read { path, source }));
            }
            Err(error) => return Err(error),
        }
    }
    match missing.filter(|_| !found) {
        Some(error) => Err(error),
        None if merged.clusters.is_empty() && merged.contexts.is_empty() => Err(ConnectError::NotKubeconfig {
            path: named(files),
            why: "it has neither clusters nor contexts".to_owned(),
        }),
        None => Ok(merged),
    }
}

fn read_one(path: &Path) -> Result<Kubeconfig, ConnectError> {
    let not_kubeconfig = |why: String| ConnectError::NotKubeconfig { path: path.to_owned(), why };
    let absolute = std::path::absolute(path).map_err(|source| ConnectError::Read { path: path.to_owned(), source })?;
    let read = |source| ConnectError::Read { path: path.to_owned(), source };
    let text = read_text(&absolute, Named::FileOrPipe, MOST).map_err(read)?;
    let is_pipe = std::fs::metadata(&absolute).is_ok_and(|seen| seen.file_type().is_fifo());
    // Of a file it is read again, with what is relative to its folder; a pipe is empty by now, and in no folder.
    let parsed = if is_pipe { Kubeconfig::from_yaml(&text) } else { Kubeconfig::read_from(absolute) };
    let mut kubeconfig = parsed.map_err(|error| match error {
        KubeconfigError::ReadConfig(source, _) => ConnectError::Read { path: path.to_owned(), source },
        // The parser's own text shows lines of the file, in which there are credentials.
        KubeconfigError::Parse(error) => not_kubeconfig(match error.location() {
            Some(at) => format!("it cannot be parsed at line {}, column {}", at.line(), at.column()),
            None => "it cannot be parsed".to_owned(),
        }),
        other => not_kubeconfig(other.to_string()),
    })?;
    // `kubectl config unset current-context` leaves it empty, and an empty one says nothing.
    kubeconfig.current_context = kubeconfig.current_context.filter(|name| !name.is_empty());
    Ok(kubeconfig)
}

/// Leaves one context with its cluster and its user, and puts certificates and keys into it.
///
/// # Errors
/// When the context names something that is not there, or a file cannot be read.
pub(crate) fn minified(kubeconfig: Kubeconfig, name: &str) -> Result<Kubeconfig, String> {
    let Kubeconfig { clusters, auth_infos, contexts, .. } = kubeconfig;
    let named = contexts.into_iter().find(|context| context.name == name);
    let mut named = named.ok_or_else(|| format!("failed to load the context: {name}"))?;
    let context = named.context.as_mut().ok_or_else(|| format!("failed to load the context: {name}"))?;
    let cluster = clusters.into_iter().find(|cluster| cluster.name == context.cluster);
    let mut cluster = cluster.ok_or_else(|| format!("failed to load the cluster of context: {}", context.cluster))?;
    if let Some(cluster) = &mut cluster.cluster {
        inline(&mut cluster.certificate_authority, &mut cluster.certificate_authority_data)?;
    }
    context.user = context.user.take().filter(|user| !user.is_empty());
    let user = match &context.user {
        None => None,
        Some(user) => {
            let found = auth_infos.into_iter().find(|known| known.name == *user);
            let mut found = found.ok_or_else(|| format!("failed to load the user of context: {user}"))?;
            if let Some(user) = &mut found.auth_info {
                inline(&mut user.client_certificate, &mut user.client_certificate_data)?;
                inline(&mut user.client_key, &mut user.client_key_data)?;
            }
            Some(found)
        }
    };
    Ok(Kubeconfig {
        clusters: vec![cluster],
        auth_infos: user.into_iter().collect(),
        contexts: vec![named],
        current_context: Some(name.to_owned()),
        ..config()
    })
}

/// What a client for the only context is made of. `kube`'s own way there reads proxies from the environment, looks whether
/// `NO_PROXY` names the *proxy*, and fails at a comma too many in it.
///
/// # Errors
/// A sentence about an address or a certificate that is none.
pub(crate) fn client_config(kubeconfig: &Kubeconfig) -> Result<Config, String> {
    let cluster = kubeconfig.clusters.first().and_then(|named| named.cluster.clone()).unwrap_or_default();
    let server = cluster.server.as_deref().ok_or("the cluster has no `server`")?;
    let server = server.parse().map_err(|error| format!("failed to parse cluster url: {error}"))?;
    let seen_by_plugins = ExecAuthCluster::try_from(&cluster).map_err(|error| error.to_string())?;
    let mut config = Config::new(server);
    if let Some(pem) = &seen_by_plugins.certificate_authority_data {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|error| format!("failed to parse certificates: {error}"))?;
        config.root_cert = Some(certificates.into_iter().map(|certificate| certificate.to_vec()).collect());
    }
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.disable_compression = cluster.disable_compression.unwrap_or_default();
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    if let Some(namespace) = kubeconfig.contexts.first().and_then(|named| named.context.as_ref()?.namespace.clone()) {
        config.default_namespace = namespace;
    }
    config.auth_info = kubeconfig.auth_infos.first().and_then(|named| named.auth_info.clone()).unwrap_or_default();
    if let Some(plugin) = config.auth_info.exec.as_mut().filter(|plugin| plugin.provide_cluster_info) {
        plugin.cluster = Some(seen_by_plugins);
    }
    Ok(config)
}

/// What the data of a certificate or key are kept as.
trait Data: From<String> {
    fn is_given(&self) -> bool;
}

impl Data for String {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }
}

impl Data for secrecy::SecretString {
    fn is_given(&self) -> bool {
        !secrecy::ExposeSecret::expose_secret(self).is_empty()
    }
}

/// Puts the content of a file into the kubeconfig, unless it is there: then the file is not looked at, as by every client.
fn inline<T: Data>(file: &mut Option<String>, data: &mut Option<T>) -> Result<(), String> {
    let path = file.take().filter(|path| !path.is_empty());
    if data.as_ref().is_some_and(T::is_given) {
        return Ok(());
    }
    *data = match path {
        None => None,
        Some(path) => {
            let content = read_input(Path::new(&path), Named::File, MOST)
                .map_err(|error| format!("{path} cannot be read: {error}"))?;
            Some(T::from(STANDARD.encode(content)))
        }
    };
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
