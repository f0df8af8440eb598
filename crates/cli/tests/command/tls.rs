//! Platforms behind https.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use axum::{Router, routing::get};
use http_server::{Listener, Tls, TlsFiles};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};
use tokio_util::sync::CancellationToken;

use crate::{Folder, anomaly, stderr};

/// Says that it is ready, over TLS.
fn start(certificate: &CertifiedKey<KeyPair>) -> anyhow::Result<String> {
    let key = certificate.signing_key.serialize_der();
    let key = key.try_into().map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that does not trust us ends the handshake.
            let _ = answer(stream, Arc::clone(&config));
        }
    });
    Ok(url)
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> anyhow::Result<()> {
    let stream = StreamOwned::new(ServerConnection::new(config)?, stream);
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        anyhow::ensure!(stream.read_line(&mut line)? > 0, "gone");
    }
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready";
    Ok(stream.get_mut().write_all(reply)?)
}

#[test]
fn https_needs_a_certificate_of_a_trusted_authority() -> anyhow::Result<()> {
    let made = || generate_simple_self_signed(["localhost".to_owned()]);
    let (own, foreign) = (made()?, made()?);
    let folder = Folder::new()?;
    let [trusted, other, none] = ["own.pem", "foreign.pem", "none.pem"].map(|n| folder.path(n));
    fs::write(&trusted, own.cert.pem())?;
    fs::write(&other, foreign.cert.pem())?;
    fs::write(&none, "")?;
    let url = start(&own)?;

    let by_flag = |file: &Path| {
        let mut command = anomaly(&url, &["ready", "--ca-file"]);
        command.arg(file).output()
    };
    assert_eq!(by_flag(&trusted)?.status.code(), Some(0));
    let refused = by_flag(&other)?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("certificate"),
        "{}",
        stderr(&refused)
    );
    for unusable in [none, folder.path("missing.pem")] {
        let refused = by_flag(&unusable)?;
        assert_eq!(refused.status.code(), Some(2));
        let name = unusable.to_string_lossy();
        assert!(stderr(&refused).contains(&*name), "{}", stderr(&refused));
    }

    let by_variable = |file| {
        anomaly(&url, &["ready"])
            .env("SSL_CERT_FILE", file)
            .output()
    };
    assert_eq!(by_variable(&trusted)?.status.code(), Some(0));
    assert_eq!(by_variable(&other)?.status.code(), Some(1));
    Ok(())
}

/// Says that it is ready, to whoever shows a certificate of the authority in `client_ca`: the server
/// of the gateway.
async fn start_mutual(folder: &Folder, client_ca: PathBuf) -> anyhow::Result<String> {
    let made = generate_simple_self_signed(["localhost".to_owned()])?;
    let [chain, key] = ["server.pem", "server.key"].map(|name| folder.path(name));
    fs::write(&chain, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let tls = Tls::load(&TlsFiles {
        tls_cert_file: Some(chain),
        tls_key_file: Some(key),
        tls_client_ca_file: Some(client_ca),
    })?;
    let listener = Listener::bind(([127, 0, 0, 1], 0).into())?.with_tls(tls);
    let url = format!("https://localhost:{}", listener.addr().port());
    let config = http_server::ServerConfig {
        worker_threads: 1,
        max_connections: 10,
        header_timeout_seconds: 10,
        keep_alive_seconds: 75,
        shutdown_delay_seconds: 0,
    };
    let app = Router::new().route("/readyz", get(async || "ready"));
    #[expect(clippy::disallowed_methods, reason = "it runs as long as the test")]
    tokio::spawn(http_server::serve(
        listener,
        app,
        config,
        CancellationToken::new(),
    ));
    Ok(url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_a_certificate_is_shown_ours() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = |name: &str| folder.path(name);
    for name in ["own", "foreign"] {
        let made = generate_simple_self_signed(["anomaly".to_owned()])?;
        fs::write(file(&format!("{name}.pem")), made.cert.pem())?;
        fs::write(
            file(&format!("{name}.key")),
            made.signing_key.serialize_pem(),
        )?;
    }
    let url = start_mutual(&folder, file("own.pem")).await?;
    let ready = |certificate: &str, key: &str| {
        let mut command = anomaly(&url, &["ready", "--ca-file"]);
        command.arg(file("server.pem"));
        let files = [("CERT", certificate), ("KEY", key)];
        for (what, name) in files.iter().filter(|(_, name)| !name.is_empty()) {
            command.env(format!("ANOMALY_CLIENT_{what}_FILE"), file(name));
        }
        command.output()
    };
    assert_eq!(ready("own.pem", "own.key")?.status.code(), Some(0));
    for (certificate, key) in [("", ""), ("foreign.pem", "foreign.key")] {
        let refused = ready(certificate, key)?;
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    }
    for (certificate, key, said) in [
        ("own.pem", "foreign.key", "foreign.key"),
        ("own.key", "own.key", "cannot use the certificates"),
        ("own.pem", "own.pem", "cannot use the private key"),
        ("own.pem", "", "--client-key-file"),
    ] {
        let refused = ready(certificate, key)?;
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
    }
    Ok(())
}
