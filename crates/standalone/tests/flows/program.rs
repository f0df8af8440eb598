//! The real program, on ports of its own.

use std::path::Path;

use anyhow::Context;
use testkit::{
    Client,
    process::{self, Process, free_port},
};

/// `standalone`, running and ready.
pub(crate) struct Program {
    pub(crate) process: Process,
    pub(crate) client: Client,
    /// Calls the port for operators.
    pub(crate) admin: Client,
    pub(crate) port: u16,
}

impl Program {
    /// Starts it on `folder`.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, &[]).await
    }

    /// Starts it on `folder` with `env` besides.
    pub(crate) async fn start_with(folder: &Path, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (port, admin_port) = (free_port()?, free_port()?);
        let told = admin_port.to_string();
        let process = spawn(folder, port, &[&[("ADMIN_PORT", &*told)], env].concat())?;
        let client = process::ready(port).await.with_context(|| {
            let log = process.log().unwrap_or_default();
            format!("standalone does not start: {log}")
        })?;
        Ok(Self {
            process,
            client,
            admin: Client::new(([127, 0, 0, 1], admin_port).into()),
            port,
        })
    }
}

/// Starts it on `folder` and `port`, and does not wait.
pub(crate) fn spawn(folder: &Path, port: u16, env: &[(&str, &str)]) -> anyhow::Result<Process> {
    let (port, admin_port) = (port.to_string(), free_port()?.to_string());
    let folder = folder.to_str().context("a folder with an odd name")?;
    let own = [
        ("DATA_DIR", folder),
        ("APP_PORT", &port),
        ("ADMIN_PORT", &admin_port),
        // Tests look at all versions.
        ("KEEP_VERSIONS", "0"),
    ];
    Process::start("standalone", &[&own[..], env].concat())
}
