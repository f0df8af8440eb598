//! Kafka, Postgres and Redis: those that tests share, and those of one test, which may stop them.

use std::{
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::process::{free_port, free_ports};

/// The addresses of the servers.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Kafka's bootstrap servers.
    pub kafka_brokers: String,
    /// Address of a Postgres server, with a database in which others can be created.
    pub database_url: String,
    /// Address of Redis.
    pub redis_url: String,
}

impl Servers {
    /// The servers that all tests share: `TEST_KAFKA_BROKERS`, `TEST_DATABASE_URL`,
    /// `TEST_REDIS_URL`. Nobody stops them.
    ///
    /// # Errors
    /// When one of the variables is not set.
    pub fn shared() -> anyhow::Result<Self> {
        Ok(Self {
            kafka_brokers: variable("TEST_KAFKA_BROKERS")?,
            database_url: variable("TEST_DATABASE_URL")?,
            redis_url: variable("TEST_REDIS_URL")?,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "says where the servers of the tests are; no program is told so"
)]
fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} does not say where a server is"))
}

/// Servers of one test, started by `.ci/servers.sh`. They and their data are removed when this is
/// dropped.
pub struct OwnServers {
    folder: TempDir,
    kafka_nodes: u16,
    /// The first of two ports for each node.
    kafka_port: u16,
    postgres_port: u16,
    redis_port: u16,
}

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Holds events: the first node.
    Kafka,
    /// The second node of Kafka.
    Kafka2,
    /// The third node of Kafka.
    Kafka3,
    /// Holds models and training points.
    Postgres,
    /// Holds figures.
    Redis,
}

impl Server {
    /// All three servers, of which Kafka is a single node.
    pub const ALL: [Self; 3] = [Self::Kafka, Self::Postgres, Self::Redis];

    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Kafka2 => "kafka2",
            Self::Kafka3 => "kafka3",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

impl OwnServers {
    /// Starts all three servers.
    ///
    /// # Errors
    /// When one does not start; `.ci/servers.sh install` fetches what is missing.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(1).await
    }

    /// Starts all three servers, with this many nodes of Kafka: 1 or 3.
    ///
    /// # Errors
    /// When one does not start; `.ci/servers.sh install` fetches what is missing.
    pub async fn start_with(kafka_nodes: u16) -> anyhow::Result<Self> {
        let servers = Self {
            folder: tempfile::tempdir()?,
            kafka_nodes,
            kafka_port: free_ports(2 * kafka_nodes)?,
            postgres_port: free_port()?,
            redis_port: free_port()?,
        };
        servers.run("start", &[]).await?;
        Ok(servers)
    }

    /// The addresses of the servers.
    pub fn addresses(&self) -> Servers {
        Servers {
            kafka_brokers: self.kafka_brokers(),
            database_url: format!(
                "postgres://postgres@127.0.0.1:{}/postgres",
                self.postgres_port
            ),
            redis_url: format!("redis://127.0.0.1:{}/", self.redis_port),
        }
    }

    fn kafka_brokers(&self) -> String {
        let ports = (0..self.kafka_nodes).map(|node| self.kafka_port + 2 * node);
        let brokers: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        brokers.join(",")
    }

    /// The port of `server`.
    pub fn port(&self, server: Server) -> u16 {
        match server {
            Server::Kafka => self.kafka_port,
            Server::Kafka2 => self.kafka_port + 2,
            Server::Kafka3 => self.kafka_port + 4,
            Server::Postgres => self.postgres_port,
            Server::Redis => self.redis_port,
        }
    }

    /// The folder in which `server` keeps its data.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn data(&self, server: Server) -> anyhow::Result<PathBuf> {
        Ok(self.folder.path().join(server.name()).canonicalize()?)
    }

    /// Ends `servers` as a crash would. Their data stays.
    ///
    /// # Errors
    /// When one does not end.
    pub async fn halt(&self, servers: &[Server]) -> anyhow::Result<()> {
        self.run("halt", servers).await
    }

    /// Starts `servers` again on their data, and waits until they answer.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn resume(&self, servers: &[Server]) -> anyhow::Result<()> {
        self.run("resume", servers).await
    }

    /// Makes `servers` keep their connections and stay silent.
    ///
    /// # Errors
    /// When one does not run.
    pub async fn freeze(&self, servers: &[Server]) -> anyhow::Result<()> {
        self.run("freeze", servers).await
    }

    /// Lets frozen `servers` continue.
    ///
    /// # Errors
    /// When one does not run.
    pub async fn thaw(&self, servers: &[Server]) -> anyhow::Result<()> {
        self.run("thaw", servers).await
    }

    /// Publishes `messages`, one a line, to `topic`.
    ///
    /// # Errors
    /// When Kafka does not take them.
    pub async fn publish(&self, topic: &str, messages: &[&str]) -> anyhow::Result<()> {
        let mut lines = tempfile::tempfile()?;
        for message in messages {
            writeln!(lines, "{message}")?;
        }
        lines.rewind()?;
        let mut script = self.script("publish", &[]);
        script.arg(topic).stdin(lines);
        let output = tokio::task::spawn_blocking(move || script.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "servers.sh publish: {said}");
        Ok(())
    }

    async fn run(&self, command: &str, servers: &[Server]) -> anyhow::Result<()> {
        let mut script = self.script(command, servers);
        let output = tokio::task::spawn_blocking(move || script.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "servers.sh {command}: {said}");
        Ok(())
    }

    fn script(&self, command: &str, servers: &[Server]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/servers.sh");
        let mut run = Command::new(script);
        run.arg(command)
            .args(servers.iter().map(|server| server.name()))
            .env("ANOMALY_SERVERS_DIR", self.folder.path())
            .env("KAFKA_TEST_PORT", self.kafka_port.to_string())
            .env("KAFKA_TEST_NODES", self.kafka_nodes.to_string())
            .env("POSTGRES_TEST_PORT", self.postgres_port.to_string())
            .env("REDIS_TEST_PORT", self.redis_port.to_string())
            .stdin(Stdio::null());
        run
    }
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        // Nothing more can be done about a server that does not end.
        drop(self.script("stop", &[]).output());
    }
}
