//! The certificates and keys of one plane: made for it, valid only for it, gone with it.

use crate::error::CertificateError;
use crate::files::write_private;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Where the certificates and keys lie, and what a client needs of them.
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) serving: PathBuf,
    pub(crate) serving_key: PathBuf,
    pub(crate) client: PathBuf,
    pub(crate) client_key: PathBuf,
    pub(crate) accounts: PathBuf,
    pub(crate) accounts_key: PathBuf,
    pub(crate) authority_pem: String,
    pub(crate) client_pem: String,
    pub(crate) client_key_pem: String,
}

impl Certificates {
    /// Makes a certificate authority, a serving and an administrator's certificate, and the key pair that signs
    /// service account tokens (all P-256), and writes them into `folder` with mode 0600. A kubelet serves at the address of
    /// its `node`.
    pub(crate) fn write(folder: &Path, node: Option<Ipv4Addr>) -> Result<Self, CertificateError> {
        let authority = authority()?;
        let (serving, serving_key) = serving(&authority, node)?;
        let (client, client_key) = administrator(&authority)?;
        let accounts = KeyPair::generate()?;
        let write = |name: &str, pem: &str| {
            let path = folder.join(name);
            write_private(&path, pem.as_bytes())
                .map_err(|source| CertificateError::Write { path: path.clone(), source })?;
            Ok::<_, CertificateError>(path)
        };
        Ok(Self {
            authority: write("ca.crt", &authority.pem())?,
            serving: write("serving.crt", &serving)?,
            serving_key: write("serving.key", &serving_key)?,
            client: write("admin.crt", &client)?,
            client_key: write("admin.key", &client_key)?,
            accounts: write("sa.pub", &accounts.public_key_pem())?,
            accounts_key: write("sa.key", &accounts.serialize_pem())?,
            authority_pem: authority.pem(),
            client_pem: client,
            client_key_pem: client_key,
        })
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = named("pilothouse-plane-authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn serving(
    authority: &CertifiedIssuer<'static, KeyPair>,
    node: Option<Ipv4Addr>,
) -> Result<(String, String), rcgen::Error> {
    let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1"];
    let names = names.into_iter().map(str::to_owned).chain(node.map(|address| address.to_string()));
    let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
    name(&mut params, "pilothouse-plane");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf(params, authority)
}

/// `system:masters` is the group that Kubernetes never refuses anything.
fn administrator(authority: &CertifiedIssuer<'static, KeyPair>) -> Result<(String, String), rcgen::Error> {
    let mut params = named("pilothouse-admin");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf(params, authority)
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    name(&mut params, common_name);
    params
}

/// Names the subject and limits the time: an hour back, for clocks that disagree, and a year ahead.
fn name(params: &mut CertificateParams, common_name: &str) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + time::Duration::days(365);
}

fn leaf(
    mut params: CertificateParams,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    params.use_authority_key_identifier_extension = true;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}
