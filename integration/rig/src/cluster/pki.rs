//! Certificates of one cluster: made when it comes up, on its disk as long as it lasts. Everybody is a client with a
//! certificate, whose common name and organisations are user and groups (Kubernetes, "X509 client certificates").
use super::layout::{DOMAIN, Families};
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use std::fs;
use std::path::{Path, PathBuf};

/// A certificate and its private key, as PEM.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS #8.
    pub key: String,
}

/// The cluster's certificate authority.
#[derive(Debug)]
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as PEM.
    pub certificate: String,
}

/// Files that programs of the control plane read.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// Where they are.
    pub directory: PathBuf,
}

impl Files {
    /// A file of this name, as an argument.
    pub(super) fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// If no key can be made.
    pub(super) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ringfence test cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("making the authority's key")?;
        let certificate = params.self_signed(&key).context("signing the authority's certificate")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// A client that is this user, in these groups.
    ///
    /// # Errors
    /// If no key can be made.
    pub(super) fn client(&self, user: &str, groups: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params).with_context(|| format!("making the certificate of {user}"))
    }

    /// The API server, under all its names.
    ///
    /// # Errors
    /// If no key can be made.
    pub(super) fn api_server(&self, families: Families) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let loopback = ["127.0.0.1".to_owned(), "::1".to_owned()];
        for address in families.control_plane().into_iter().chain(families.api_services()).chain(loopback) {
            params.subject_alt_names.push(SanType::IpAddress(address.parse().context("reading an address")?));
        }
        let in_cluster = format!("kubernetes.default.svc.{DOMAIN}");
        for name in ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", &in_cluster] {
            params.subject_alt_names.push(SanType::DnsName(name.try_into().context("reading a name")?));
        }
        self.sign(params).context("making the API server's certificate")
    }

    fn sign(&self, params: CertificateParams) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }

    /// Writes what the control plane reads: `ca.crt`, `apiserver.*`, `kubelet-client.*`, `sa.*` (the key pair that signs
    /// tokens of service accounts).
    ///
    /// # Errors
    /// If a key cannot be made or a file not be written.
    pub(super) fn write(&self, directory: &Path, families: Families) -> Result<Files> {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let server = self.api_server(families)?;
        let kubelets = self.client("kube-apiserver-kubelet-client", &["system:masters"])?;
        let tokens = KeyPair::generate().context("making the key of service accounts")?;
        let files = [
            ("ca.crt", self.certificate.clone()),
            ("apiserver.crt", server.certificate),
            ("apiserver.key", server.key),
            ("kubelet-client.crt", kubelets.certificate),
            ("kubelet-client.key", kubelets.key),
            ("sa.pub", tokens.public_key_pem()),
            ("sa.key", tokens.serialize_pem()),
        ];
        for (name, text) in files {
            let path = directory.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(Files { directory: directory.to_owned() })
    }
}
