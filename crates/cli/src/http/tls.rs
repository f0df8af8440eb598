//! The authorities whose certificates are trusted.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::BaseUrl;

/// A file of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the certificates in {file}: {reason}")]
pub struct InvalidAuthorities {
    /// The file.
    file: PathBuf,
    /// Why not.
    reason: String,
}

/// How to speak to `url`: trusts the authorities in `ca_file` and nobody else, or else those of the
/// system, or of `SSL_CERT_FILE`.
pub(super) fn config(
    url: &BaseUrl,
    ca_file: Option<&Path>,
) -> Result<TlsConfig, InvalidAuthorities> {
    let authorities = match ca_file {
        _ if !url.is_https() => Vec::new(),
        Some(file) => read(file).map_err(|reason| InvalidAuthorities {
            file: file.to_owned(),
            reason,
        })?,
        // What cannot be read cannot be trusted; then no server is.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let authorities = authorities.iter();
    let authorities = authorities.map(|der| Certificate::from_der(der).to_owned());
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(authorities.collect())))
        .build())
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match found {
        Ok(found) if Vec::is_empty(&found) => Err("there are none".to_owned()),
        found => found.map_err(|error| error.to_string()),
    }
}
