//! Real processes: the binaries of this workspace, started and killed as an operator, or a fault, would.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, ensure};

use crate::{Client, eventually};

/// A running binary of this workspace; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `name`, which must be built, with only `env` set beside `PATH`. What it logs goes to the test's output.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn start(name: &str, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary(name)?);
        command
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGKILL: nothing in it gets to know.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When it does not end within a minute.
    pub async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        ensure!(sent.success(), "{} is gone already", self.name);
        self.ended().await
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not end within a minute.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let (name, child) = (self.name.clone(), &mut self.child);
        eventually(&format!("end of {name}"), || {
            let ended = child.try_wait();
            async move { ended?.context("still running") }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill, and that is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where the binary `name` of this workspace lies: beside the test that asks, in the folder of its profile.
///
/// # Errors
/// When it was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("a test has no folder")?;
    let binary = profile.join(name);
    ensure!(
        binary.is_file(),
        "{} is not built: cargo build --workspace --bins",
        binary.display()
    );
    Ok(binary)
}

/// A port that nothing listens on at the moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Waits until the service on `port` of this machine is ready.
///
/// # Errors
/// What `/readyz` said last.
pub async fn ready(port: u16) -> anyhow::Result<Client> {
    let client = Client::new(SocketAddr::from(([127, 0, 0, 1], port)));
    eventually("readiness", || async move {
        let reply = client.get("/readyz?verbose").await?;
        ensure!(reply.status == 200, "{}", reply.text());
        Ok(client)
    })
    .await
}
