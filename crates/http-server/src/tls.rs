//! TLS for clients: the certificate, its renewal while the server runs, and the handshake.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::builder::{OsStringValueParser, TypedValueParser};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use settings::named;
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often the files are read to see whether they have changed. Times of modification would not
/// do: a renewed certificate of Kubernetes is a link that points elsewhere.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The name of HTTP/2 in the handshake.
pub(super) const HTTP2: &[u8] = b"h2";

/// The first byte of every TLS connection: the type of a handshake record.
const HANDSHAKE: u8 = 22;

/// The files that make a server speak TLS 1.2 and 1.3, and nothing else. They are read again when
/// they change.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct TlsFiles {
    /// File with the certificate chain of the server, in PEM. With it, clients are served over HTTPS
    /// only.
    #[arg(long, env = "TLS_CERT_FILE", requires = "tls_key_file", value_parser = path())]
    pub tls_cert_file: Option<PathBuf>,
    /// File with the private key of that certificate, in PEM.
    #[arg(long, env = "TLS_KEY_FILE", requires = "tls_cert_file", value_parser = path())]
    pub tls_key_file: Option<PathBuf>,
    /// File with the certificates of authorities, in PEM. With it, every client needs a certificate
    /// that one of them has signed.
    #[arg(long, env = "TLS_CLIENT_CA_FILE", requires = "tls_cert_file", value_parser = path())]
    pub tls_client_ca_file: Option<PathBuf>,
}

/// A path; an empty one counts as absent.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A certificate with its key, which follow their files.
pub struct Tls {
    paths: Arc<Paths>,
    /// What the files contained last, or why they could not be read.
    seen: Result<Pem, String>,
    current: Acceptor,
}

struct Paths {
    chain: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// The contents of the files.
#[derive(PartialEq)]
struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    /// The certificate in `files`; `None` if there is none.
    ///
    /// # Errors
    /// When a file cannot be read or does not contain what it should, or when the key is that of
    /// another certificate. The error names the files.
    pub fn load(files: &TlsFiles) -> anyhow::Result<Option<Self>> {
        let given = |path: &Option<PathBuf>| named(path.as_deref()).map(Path::to_owned);
        let (chain, key) = (given(&files.tls_cert_file), given(&files.tls_key_file));
        let client_ca = given(&files.tls_client_ca_file);
        let paths = match (chain, key) {
            (Some(chain), Some(key)) => Paths {
                chain,
                key,
                client_ca,
            },
            (None, None) if client_ca.is_none() => return Ok(None),
            _ => bail!("TLS needs both TLS_CERT_FILE and TLS_KEY_FILE"),
        };
        let pem = paths.read()?;
        let config = paths.server_config(&pem)?;
        Ok(Some(Self {
            paths: Arc::new(paths),
            seen: Ok(pem),
            current: Acceptor(Arc::new(RwLock::new(Arc::new(config)))),
        }))
    }

    /// Makes connections with the certificate, and with each that comes after it.
    pub(super) fn acceptor(&self) -> Acceptor {
        self.current.clone()
    }

    /// Takes over what the files contain when they change, for ever.
    pub(super) async fn follow(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let paths = Arc::clone(&self.paths);
            let Ok(found) = spawn_blocking(move || paths.read()).await else {
                return; // the process ends
            };
            self.take(found);
        }
    }

    /// Takes over what the files contain, `found`, if that has changed. If it cannot be used, the
    /// former certificate stays.
    fn take(&mut self, found: anyhow::Result<Pem>) {
        let found = found.map_err(|error| format!("{error:#}"));
        if found == self.seen {
            return;
        }
        let config = match &found {
            Ok(pem) => self.paths.server_config(pem),
            Err(error) => Err(anyhow!("{error}")),
        };
        match config {
            Ok(config) => {
                self.current.set(config);
                tracing::info!(file = %self.paths.chain.display(), "serving a new certificate");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "the former certificate stays: the new one is unusable"
                );
            }
        }
        self.seen = found;
    }
}

impl Paths {
    fn read(&self) -> anyhow::Result<Pem> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Pem {
            chain: read(&self.chain)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
        })
    }

    /// How to serve with what these files contain.
    fn server_config(&self, pem: &Pem) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&pem.chain, &self.chain)?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .with_context(|| format!("no private key in {}", self.key.display()))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match (&pem.client_ca, &self.client_ca) {
            (Some(pem), Some(path)) => {
                let mut authorities = RootCertStore::empty();
                for authority in certificates(pem, path)? {
                    let added = authorities.add(authority);
                    added.with_context(|| format!("bad authority in {}", path.display()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).with_context(|| {
            let (chain, key) = (self.chain.display(), self.key.display());
            format!("{chain} and {key} are not a certificate and its key")
        })?;
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The certificates in `pem`, at least one.
fn certificates(pem: &[u8], path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.with_context(|| format!("{} is not PEM", path.display()))?;
    ensure!(!found.is_empty(), "no certificate in {}", path.display());
    Ok(found)
}

/// Makes connections with the certificate of the moment. Clones share it.
#[derive(Clone)]
pub(super) struct Acceptor(Arc<RwLock<Arc<ServerConfig>>>);

/// A connection to a port for TLS.
pub(super) enum Accepted {
    /// After its handshake.
    Tls(Box<TlsStream<TcpStream>>),
    /// Its client does not speak TLS.
    Plain(TcpStream),
}

impl Acceptor {
    /// Makes the handshake with the client of `stream`.
    ///
    /// # Errors
    /// When the client leaves, or fails to agree with us.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<Accepted> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
            return Ok(Accepted::Plain(stream));
        }
        let accepted = TlsAcceptor::from(self.config()).accept(stream).await?;
        Ok(Accepted::Tls(Box::new(accepted)))
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, config: ServerConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_new_pair_is_taken_over_and_a_broken_one_is_not() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let [chain, key] = ["chain.pem", "key.pem"].map(|name| folder.path().join(name));
        let renew = || {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
            fs::write(&chain, made.cert.pem())?;
            anyhow::Ok(made.signing_key.serialize_pem())
        };
        fs::write(&key, renew()?)?;
        let files = TlsFiles {
            tls_cert_file: Some(chain.clone()),
            tls_key_file: Some(key.clone()),
            tls_client_ca_file: Some("".into()),
        };
        let mut tls = Tls::load(&files)?.context("a certificate")?;
        let acceptor = tls.acceptor();
        let first = acceptor.config();
        tls.take(tls.paths.read());
        assert!(Arc::ptr_eq(&first, &acceptor.config()), "nothing changed");

        // The chain is there, its key not yet.
        let second_key = renew()?;
        for broken in [None, Some(""), Some("no key")] {
            if let Some(broken) = broken {
                fs::write(&key, broken)?;
            }
            tls.take(tls.paths.read());
            assert!(Arc::ptr_eq(&first, &acceptor.config()), "{broken:?}");
            assert!(Tls::load(&files).is_err(), "{broken:?}");
        }
        fs::remove_file(&key)?;
        tls.take(tls.paths.read());
        assert!(Arc::ptr_eq(&first, &acceptor.config()), "no file");

        fs::write(&key, second_key)?;
        tls.take(tls.paths.read());
        assert!(!Arc::ptr_eq(&first, &acceptor.config()), "renewed");
        Ok(())
    }

    #[test]
    fn half_a_pair_is_refused() {
        let refused = |files| Tls::load(&files).err().map(|error| error.to_string());
        let both = Some("TLS needs both TLS_CERT_FILE and TLS_KEY_FILE".to_owned());
        for half in [
            TlsFiles {
                tls_key_file: Some("key".into()),
                ..TlsFiles::default()
            },
            TlsFiles {
                tls_client_ca_file: Some("ca".into()),
                ..TlsFiles::default()
            },
        ] {
            assert_eq!(refused(half), both);
        }
        assert_eq!(refused(TlsFiles::default()), None);
    }
}
