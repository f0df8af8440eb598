//! Platforms behind https.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};

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
