//! A whole platform inside the test's process: standalone on a temporary folder and a free port.

use std::{net::SocketAddr, path::Path};

use anyhow::Context;
use clap::Parser;
use standalone::{Config, Standalone};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Client;

/// A running platform. It ends at once when dropped; [`Self::stop`] ends it as SIGTERM would.
pub struct Platform {
    client: Client,
    shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
    folder: tempfile::TempDir,
}

impl Platform {
    /// Starts a platform with default settings on an empty folder.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a platform with `flags` of the command line on an empty folder.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_with(flags: &[&str]) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir()?, flags).await
    }

    async fn start_in(folder: tempfile::TempDir, flags: &[&str]) -> anyhow::Result<Self> {
        let config = Config::try_parse_from([&["standalone"], flags].concat())?;
        let shutdown = CancellationToken::new();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let platform =
            Standalone::bind(address, config.server, config.settings, folder.path()).await?;
        let client = Client::new(platform.addr());
        #[expect(clippy::disallowed_methods, reason = "stop() looks at how it ended")]
        let serving = tokio::spawn(platform.serve(shutdown.clone()));
        Ok(Self {
            client,
            shutdown,
            serving,
            folder,
        })
    }

    /// A client of the platform.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it as SIGTERM would, and starts it again on the same folder.
    ///
    /// # Errors
    /// When it does not stop cleanly or does not start.
    pub async fn restart(self) -> anyhow::Result<Self> {
        let folder = self.stop().await?;
        Self::start_in(folder, &[]).await
    }

    /// Stops it as SIGTERM would, and returns its folder.
    ///
    /// # Errors
    /// When it does not end cleanly.
    pub async fn stop(self) -> anyhow::Result<tempfile::TempDir> {
        self.shutdown.cancel();
        self.serving.await.context("the platform panicked")??;
        Ok(self.folder)
    }
}
