//! The authorities whose certificates are trusted, and the certificate of our own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use settings::named;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::BaseUrl;
use crate::args::TlsFiles;

/// A file for TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTlsFile {
    /// There are no certificates in it, or they cannot be read.
    #[error("cannot use the certificates in {0}: {1}")]
    Certificates(PathBuf, String),
    /// There is no key in it, it cannot be read, or it is that of another certificate.
    #[error("cannot use the private key in {0}: {1}")]
    Key(PathBuf, String),
    /// Only one of both is named.
    #[error("a client certificate needs both --client-cert-file and --client-key-file")]
    Half,
}

/// How to speak to `url`: trusts the authorities in the file of `files` and nobody else, or else
/// those of the system, or of `SSL_CERT_FILE`. Shows our certificate to a server that asks for one.
pub(super) fn config(url: &BaseUrl, files: &TlsFiles) -> Result<TlsConfig, InvalidTlsFile> {
    let authorities = match named(files.ca_file.as_deref()) {
        _ if !url.is_https() => Vec::new(),
        Some(file) => certificates(file)?,
        // What cannot be read cannot be trusted; then no server is.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let own = match url.is_https() {
        true => client_cert(files)?,
        false => None,
    };
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(owned(&authorities))))
        .client_cert(own)
        .build())
}

/// Our certificate and its key, which belong together; `None` if there is none.
fn client_cert(files: &TlsFiles) -> Result<Option<ClientCert>, InvalidTlsFile> {
    let (chain, file) = match (
        named(files.client_cert_file.as_deref()),
        named(files.client_key_file.as_deref()),
    ) {
        (Some(chain), Some(key)) => (certificates(chain)?, key),
        (None, None) => return Ok(None),
        _ => return Err(InvalidTlsFile::Half),
    };
    let unusable = |reason: String| InvalidTlsFile::Key(file.to_owned(), reason);
    let pem = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable(error.to_string()))?;
    CertifiedKey::from_der(chain.clone(), key, &ring::default_provider())
        .map_err(|error| unusable(error.to_string()))?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
    Ok(Some(ClientCert::new_with_certs(&owned(&chain), key)))
}

fn owned(certificates: &[CertificateDer<'_>]) -> Vec<Certificate<'static>> {
    let certificates = certificates.iter();
    certificates
        .map(|der| Certificate::from_der(der).to_owned())
        .collect()
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidTlsFile> {
    let unusable = |reason: String| InvalidTlsFile::Certificates(file.to_owned(), reason);
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match found {
        Ok(found) if Vec::is_empty(&found) => Err(unusable("there are none".to_owned())),
        found => found.map_err(|error| unusable(error.to_string())),
    }
}
