//! Real processes: the binaries of this workspace, started and ended as by an operator or a fault.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

use crate::{Client, eventually};

/// A running binary of this workspace. It is killed when dropped, and its log becomes part of the
/// test's output.
pub struct Process {
    name: String,
    child: Child,
    log: NamedTempFile,
}

impl Process {
    /// Starts `name`, which must be built, with nothing but `env` in its environment.
    ///
    /// # Errors
    /// When the binary does not exist.
    pub fn start(name: &str, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_with(name, &[], env)
    }

    /// The same with arguments.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(name: &str, args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let log = NamedTempFile::new()?;
        let child = Command::new(binary(name)?)
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log.path())?)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Its log so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        // Libraries in C pass on bytes of damaged files.
        Ok(String::from_utf8_lossy(&std::fs::read(self.log.path())?).into_owned())
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGKILL, which it does not notice.
    ///
    /// # Errors
    /// When it has ended already, or cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended by itself: {ended:?}", self.name);
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn ask_to_stop(&mut self) -> anyhow::Result<()> {
        self.signal("-TERM")
    }

    /// Sends SIGSTOP: it keeps its connections and says nothing until [`Self::thaw`].
    ///
    /// # Errors
    /// When it has ended already.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Sends SIGCONT.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&mut self, signal: &str) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended by itself: {ended:?}", self.name);
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status()?;
        ensure!(sent.success(), "{} takes no signal", self.name);
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When it does not end within a minute.
    pub async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.ask_to_stop()?;
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
        // It may have ended by itself. Then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
        println!(
            "-- log of {}:\n{}",
            self.name,
            self.log().unwrap_or_default()
        );
    }
}

/// The path of the binary `name` of this workspace: in the folder of the profile of the running
/// test or program.
///
/// # Errors
/// When it was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let mut folders = running.ancestors().skip(1);
    // Tests lie one folder deeper than programs.
    let profile = folders.find(|folder| !folder.ends_with("deps"));
    let binary = profile.context("no folder")?.join(name);
    ensure!(
        binary.is_file(),
        "{} is not built: cargo build --workspace --bins",
        binary.display()
    );
    Ok(binary)
}

/// The ports that [`free_port`] chooses from. They lie below those of outgoing connections, which
/// could take one at any time.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port on which nothing listens at the moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    free_ports(1)
}

/// The first of `number` ports in a row on which nothing listens at the moment.
///
/// # Errors
/// When there are none.
pub fn free_ports(number: u16) -> anyhow::Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let tries = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(100);
    let mut free = tries.filter(|first| (*first..first + number).all(is_free));
    free.next().context("no port is free")
}

/// Waits until the service on `port` of this machine is ready.
///
/// # Errors
/// The last reply of `/readyz`.
pub async fn ready(port: u16) -> anyhow::Result<Client> {
    let client = Client::new(SocketAddr::from(([127, 0, 0, 1], port)));
    eventually("readiness", || async move {
        let reply = client.get("/readyz?verbose").await?;
        ensure!(reply.status == 200, "{}", reply.text());
        Ok(client)
    })
    .await
}
