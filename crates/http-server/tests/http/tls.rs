//! HTTPS.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    routing::{get, post},
};
use http_server::{Fast, FastPath, FastRequest, Handler, ServerConfig, Tls, TlsFiles};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{CONFIG, Client, PATIENCE, Server};

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: h\r\n\r\n";
const SAY: &str = "POST /say/x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi";
/// More than the buffers of all sockets and of TLS hold.
const MUCH: usize = 24 * 1024 * 1024;

fn app() -> Handler {
    let routes = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/say/{x}", post(async |said: String| said))
        .route("/much", get(async || vec![b'x'; MUCH]));
    let say = |request: &FastRequest<'_>, body: &mut Vec<u8>| {
        body.extend_from_slice(request.body);
        Fast::Replied
    };
    Handler::from(routes).with_fast_path(FastPath::new("/say/", say))
}

/// A server's certificate in files.
struct Files {
    folder: tempfile::TempDir,
    /// That of the moment.
    certificate: CertificateDer<'static>,
}

impl Files {
    fn new() -> anyhow::Result<Self> {
        let mut files = Self {
            folder: tempfile::tempdir()?,
            certificate: Vec::new().into(),
        };
        files.renew()?;
        Ok(files)
    }

    fn renew(&mut self) -> anyhow::Result<()> {
        let made = certificate()?;
        // The order in which a careless tool writes them: for a moment they do not fit.
        fs::write(self.path("cert.pem"), made.cert.pem())?;
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem())?;
        self.certificate = made.cert.der().clone();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self) -> TlsFiles {
        TlsFiles {
            tls_cert_file: Some(self.path("cert.pem")),
            tls_key_file: Some(self.path("key.pem")),
            tls_client_ca_file: None,
        }
    }

    fn serve(&self, config: ServerConfig) -> anyhow::Result<Server> {
        Ok(Server::start_over(Tls::load(&self.tls())?, app(), config))
    }

    /// A client that trusts only the certificate of the moment.
    async fn connect(&self, server: &Server) -> anyhow::Result<Client<TlsStream<TcpStream>>> {
        self.connect_by(server, &TLS13, None, Vec::new()).await
    }

    async fn connect_by(
        &self,
        server: &Server,
        version: &'static SupportedProtocolVersion,
        own: Option<&CertifiedKey<KeyPair>>,
        alpn: Vec<Vec<u8>>,
    ) -> anyhow::Result<Client<TlsStream<TcpStream>>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])?
            .with_root_certificates(roots);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let key = own.signing_key.serialize_der();
                let key = PrivateKeyDer::try_from(key).map_err(anyhow::Error::msg)?;
                config.with_client_auth_cert(vec![own.cert.der().clone()], key)?
            }
        };
        config.alpn_protocols = alpn;
        let stream = TcpStream::connect(server.addr).await?;
        let connector = TlsConnector::from(Arc::new(config));
        let connecting = connector.connect(ServerName::try_from("localhost")?, stream);
        let stream = timeout(PATIENCE, connecting).await.context("hangs")??;
        Ok(Client::over(stream))
    }
}

fn certificate() -> anyhow::Result<CertifiedKey<KeyPair>> {
    Ok(generate_simple_self_signed(["localhost".to_owned()])?)
}

#[tokio::test]
async fn routes_and_fast_path_answer_over_both_versions() -> anyhow::Result<()> {
    let files = Files::new()?;
    let server = files.serve(CONFIG)?;
    for version in [&TLS12, &TLS13] {
        let mut client = files.connect_by(&server, version, None, Vec::new()).await?;
        for _ in 0..2 {
            client.send([HELLO, SAY, SAY, HELLO].concat()).await?;
            for body in ["hello", "hi", "hi", "hello"] {
                let reply = client.reply().await?;
                assert_eq!((reply.status, reply.text()), (200, body));
            }
        }
    }
    server.stop().await
}

#[tokio::test]
async fn who_asks_for_http_2_gets_it() -> anyhow::Result<()> {
    let files = Files::new()?;
    let server = files.serve(CONFIG)?;
    for (asks, gets) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let alpn = asks.iter().map(|name| name.as_bytes().to_vec()).collect();
        let client = files.connect_by(&server, &TLS13, None, alpn).await?;
        let agreed = client
            .stream
            .get_ref()
            .1
            .alpn_protocol()
            .map(<[u8]>::to_vec);
        assert_eq!(agreed.as_deref(), gets);
        if gets == Some(b"h2") {
            let (mut requests, connection) = h2::client::handshake(client.stream).await?;
            let request = http::Request::get("https://localhost/hello").body(())?;
            let (reply, _) = requests.send_request(request, true)?;
            let reply = tokio::select! {
                reply = reply => reply?,
                end = connection => anyhow::bail!("ended: {end:?}"),
            };
            assert_eq!(reply.status(), 200);
        }
    }
    server.stop().await
}

#[tokio::test]
async fn a_large_reply_arrives_whole_and_the_end_is_said() -> anyhow::Result<()> {
    let files = Files::new()?;
    let server = files.serve(CONFIG)?;
    let mut client = files.connect(&server).await?;
    let request = "GET /much HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    client.send(request).await?;
    let reply = client.reply().await?;
    assert_eq!(reply.body, vec![b'x'; MUCH]);
    // Without the notice that TLS has for it, this would be an error.
    assert!(client.is_closed().await?);
    server.stop().await
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() -> anyhow::Result<()> {
    let mut files = Files::new()?;
    let server = files.serve(CONFIG)?;
    let mut old = files.connect(&server).await?;
    files.renew()?;
    let renewed = async {
        loop {
            if let Ok(mut client) = files.connect(&server).await {
                client.send(HELLO).await?;
                break client.reply().await;
            }
        }
    };
    let reply = timeout(PATIENCE, renewed)
        .await
        .context("never renewed")??;
    assert_eq!(reply.text(), "hello");
    // Connections of before go on.
    old.send(SAY).await?;
    assert_eq!(old.reply().await?.text(), "hi");
    server.stop().await
}

#[tokio::test]
async fn with_an_authority_clients_need_its_certificate() -> anyhow::Result<()> {
    let files = Files::new()?;
    let (known, foreign) = (certificate()?, certificate()?);
    fs::write(files.path("ca.pem"), known.cert.pem())?;
    let tls = TlsFiles {
        tls_client_ca_file: Some(files.path("ca.pem")),
        ..files.tls()
    };
    let server = Server::start_over(Tls::load(&tls)?, app(), CONFIG);
    for version in [&TLS12, &TLS13] {
        for (own, is_let_in) in [(Some(&known), true), (Some(&foreign), false), (None, false)] {
            // A client of TLS 1.3 believes to be connected before the server has seen it.
            let asked = async {
                let mut client = files.connect_by(&server, version, own, Vec::new()).await?;
                client.send(HELLO).await?;
                client.reply().await
            };
            assert_eq!(asked.await.is_ok(), is_let_in, "{version:?} {is_let_in}");
        }
    }
    server.stop().await
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() -> anyhow::Result<()> {
    let files = Files::new()?;
    let server = files.serve(CONFIG)?;
    let mut client = server.connect().await;
    client.send(HELLO).await?;
    let reply = client.reply().await?;
    assert_eq!(reply.status, 400);
    assert!(reply.problem()?.detail.contains("https://"), "{reply:?}");
    assert!(client.is_closed().await?);
    server.stop().await
}

#[tokio::test]
async fn clients_that_never_finish_a_handshake_keep_nobody_out() -> anyhow::Result<()> {
    let files = Files::new()?;
    let few = ServerConfig {
        max_connections: 2,
        header_timeout_seconds: 3600,
        ..CONFIG
    };
    let server = files.serve(few)?;
    let (mut silent, mut half) = (server.connect().await, server.connect().await);
    half.send([22, 3, 1]).await?;
    let mut client = files.connect(&server).await?;
    client.send(HELLO).await?;
    assert_eq!(client.reply().await?.text(), "hello");
    // One of them had to go.
    let gone = async {
        tokio::select! {
            end = silent.stream.read_u8() => end,
            end = half.stream.read_u8() => end,
        }
    };
    assert!(timeout(PATIENCE, gone).await.context("both stay")?.is_err());
    server.stop().await
}

#[tokio::test]
async fn a_handshake_has_as_much_time_as_a_head() -> anyhow::Result<()> {
    let files = Files::new()?;
    let impatient = ServerConfig {
        header_timeout_seconds: 1,
        ..CONFIG
    };
    let server = files.serve(impatient)?;
    let mut half = server.connect().await;
    half.send([22, 3, 1]).await?;
    assert!(half.is_closed().await?);
    // A stop waits for no handshake either.
    let _silent = server.connect().await;
    timeout(Duration::from_secs(10), server.stop())
        .await
        .context("waits")?
}
