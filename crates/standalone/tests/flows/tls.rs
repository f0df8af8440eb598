//! HTTPS by settings alone.

use std::fs;

use anyhow::ensure;
use testkit::{
    Client, eventually,
    process::{Process, free_port},
};

use crate::program::spawn;

/// Starts it with a certificate whose key is `key`, or its own.
fn start(key: Option<&str>) -> anyhow::Result<(tempfile::TempDir, u16, Process)> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let [chain, key_file] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&chain, made.cert.pem())?;
    let own = made.signing_key.serialize_pem();
    fs::write(&key_file, key.unwrap_or(&own))?;
    let port = free_port()?;
    let env = [
        ("TLS_CERT_FILE", &*chain.to_string_lossy()),
        ("TLS_KEY_FILE", &*key_file.to_string_lossy()),
    ];
    let process = spawn(&folder.path().join("data"), port, &env)?;
    Ok((folder, port, process))
}

#[tokio::test]
async fn with_a_certificate_the_port_speaks_https_only() -> anyhow::Result<()> {
    let (_folder, port, process) = start(None)?;
    let plain = Client::new(([127, 0, 0, 1], port).into());
    let reply = eventually("an answer", || async { plain.get("/readyz").await }).await?;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("https://"), "{}", reply.text());
    ensure!(process.terminate().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_ends_the_start() -> anyhow::Result<()> {
    let (_folder, _, mut process) = start(Some("no key"))?;
    ensure!(!process.ended().await?.success());
    let log = process.log()?;
    assert!(log.contains("key.pem"), "{log}");
    Ok(())
}
