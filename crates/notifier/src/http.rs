//! POST requests to addresses outside of the platform. Redirects are not followed, and no failure
//! shows the address, which may hold a token.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{client::conn::http1, rt};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// How long a request may take, from connecting to the reply.
const WITHIN: Duration = Duration::from_secs(15);
/// The part of a reply that is read before the connection is closed, in bytes.
const MAX_REPLY_BYTES: usize = 64 << 10;

/// An address that is called. It shows its host only.
#[derive(Clone)]
pub(crate) struct Target {
    uri: Uri,
    host: String,
    is_https: bool,
}

/// An address that cannot be called.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an address such as https://host/path, without user and password")]
pub(crate) struct InvalidTarget;

/// A reply.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// The header `retry-after`.
    pub(crate) retry_after: Option<String>,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// It took too long.
    #[error("no reply within {} s", WITHIN.as_secs())]
    Late,
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The host's name cannot be that of a certificate.
    #[error("the host has no name that a certificate could have")]
    Name,
    /// The request cannot be written.
    #[error("the request is not valid")]
    Request,
    /// The connection broke, or what came is not HTTP.
    #[error("no valid reply: {0}")]
    Broken(hyper::Error),
}

impl Target {
    /// Reads an address, and adds `path` to its own.
    pub(crate) fn parse(text: &str, path: &str) -> Result<Self, InvalidTarget> {
        let text = format!("{}{path}", text.trim().trim_end_matches('/'));
        let uri: Uri = text.parse().map_err(|_| InvalidTarget)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(InvalidTarget),
        };
        let authority = uri.authority().ok_or(InvalidTarget)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(InvalidTarget);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            uri,
            host,
            is_https,
        })
    }

    fn port(&self) -> u16 {
        let usual = if self.is_https { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(usual)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Sends requests, each over a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
}

impl Client {
    /// A client that trusts the authorities of the system, or of `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        // What cannot be read cannot be trusted; then no server is.
        Self::trusting(rustls_native_certs::load_native_certs().certs)
    }

    /// A client that trusts these authorities.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn trusting(
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(certificates);
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { tls })
    }

    /// Sends JSON to `target`.
    pub(crate) async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, Unreachable> {
        let request = request(target, headers, body.into())?;
        let exchange = async {
            let address = (target.host.as_str(), target.port());
            let tcp = TcpStream::connect(address).await;
            let tcp = tcp.map_err(Unreachable::Connect)?;
            if !target.is_https {
                return exchange(tcp, request).await;
            }
            let name = ServerName::try_from(target.host.clone());
            let name = name.map_err(|_| Unreachable::Name)?;
            let tls = self.tls.connect(name, tcp).await;
            exchange(tls.map_err(Unreachable::Connect)?, request).await
        };
        let ended = timeout(WITHIN, exchange).await;
        ended.unwrap_or(Err(Unreachable::Late))
    }
}

fn request(
    target: &Target,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Unreachable> {
    let uri = &target.uri;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let agent = concat!("anomaly/", env!("CARGO_PKG_VERSION"));
    let mut request = Request::post(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, agent)
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(body));
    request.map_err(|_| Unreachable::Request)
}

/// Sends a request over a connection and reads the reply.
async fn exchange<S>(connection: S, request: Request<Full<Bytes>>) -> Result<Reply, Unreachable>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    TokioIo<S>: rt::Read + rt::Write,
{
    let handshake = http1::handshake(TokioIo::new(connection)).await;
    let (mut sender, connection) = handshake.map_err(Unreachable::Broken)?;
    let reply = async {
        let reply = sender.send_request(request).await;
        let reply = reply.map_err(Unreachable::Broken)?;
        let (head, body) = reply.into_parts();
        // Servers do not like connections that are closed while they write. What is in the body
        // changes nothing.
        let _ = Limited::new(body, MAX_REPLY_BYTES).collect().await;
        let retry_after = head.headers.get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        Ok(Reply {
            status: head.status,
            retry_after: retry_after.map(str::to_owned),
        })
    };
    tokio::pin!(reply);
    tokio::select! {
        // The reply tells whether the connection broke.
        biased;
        reply = &mut reply => reply,
        _ = connection => reply.await,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Answers one request over TLS, if the client goes on after it has seen the certificate.
    async fn serve(listener: &TcpListener, own: &CertifiedKey<KeyPair>) {
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await else {
            return;
        };
        let _ = tls.read(&mut [0; 1024]).await;
        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let _ = tls.write_all(reply).await;
        let _ = tls.read(&mut [0; 1024]).await;
    }

    #[tokio::test]
    async fn only_a_server_with_a_certificate_of_its_name_is_told() {
        let [own, other] = ["localhost", "elsewhere"]
            .map(|name| generate_simple_self_signed([name.to_owned()]).unwrap());
        let trusts = |own: &CertifiedKey<KeyPair>| vec![own.cert.der().clone()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target::parse(&format!("https://localhost:{port}/"), "").unwrap();
        for (shown, trusted, is_told) in [
            (&own, trusts(&own), true),
            (&own, trusts(&other), false),
            (&other, trusts(&other), false),
        ] {
            let client = Client::trusting(trusted).unwrap();
            let told = client.post(&target, &[], "{}");
            let (told, ()) = tokio::join!(told, serve(&listener, shown));
            assert_eq!(told.is_ok_and(|reply| reply.status == 200), is_told);
        }
    }

    #[test]
    fn an_address_shows_its_host_only() {
        let target = Target::parse("https://hooks.example/T0/secret?token=1", "").unwrap();
        assert_eq!(
            format!("{target} {target:?}"),
            "hooks.example hooks.example"
        );
        assert_eq!((target.port(), target.is_https), (443, true));
        let target = Target::parse("http://[::1]:9093/am/", "/api/v2/alerts").unwrap();
        assert_eq!((&*target.host, target.port()), ("::1", 9093));
        assert_eq!(target.uri.path(), "/am/api/v2/alerts");
        for text in [
            "",
            "hooks.example",
            "ftp://a/b",
            "https://u:p@a/b",
            "https:///b",
        ] {
            assert_eq!(
                Target::parse(text, "").unwrap_err(),
                InvalidTarget,
                "{text}"
            );
        }
    }
}
