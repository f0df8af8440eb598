//! The platform under test, and what can be done to its parts.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use store::Store;
use testkit::{
    Client,
    distributed::{Distributed, Service, Shape},
    process::{self, Process, free_port},
    servers::{OwnServers, Server},
};

use crate::{clock::Clock, disk::Disk, fault::Target, journal::Kind, proxy::Proxy};

/// The processes of the distributed form.
pub(crate) const SHAPE: Shape = [
    (Service::Gateway, 1),
    (Service::Trainer, 2),
    (Service::Predictor, 2),
    (Service::Observer, 2),
    (Service::MetricsConsumer, 2),
    (Service::TrainingDataConsumer, 2),
];

/// All nodes of Kafka.
const KAFKA: [Server; 3] = [Server::Kafka, Server::Kafka2, Server::Kafka3];

/// `standalone` as a process of its own, on one folder and one port.
pub(crate) struct Standalone {
    folder: PathBuf,
    port: u16,
    admin_port: u16,
    process: Option<Process>,
    disk: Option<Disk>,
    clock: Option<Clock>,
}

/// All programs, over servers that belong to them.
pub(crate) struct Cluster<'a> {
    pub(crate) services: &'a mut Distributed,
    pub(crate) servers: &'a OwnServers,
    /// Stands in the way of one of their connections.
    pub(crate) proxy: Option<&'a Proxy>,
    /// That of one of the servers.
    pub(crate) disk: Option<&'a Disk>,
}

impl Standalone {
    /// Starts it on `folder`, and waits until it is ready. The folder may have a `disk` of its own,
    /// and the process a `clock`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start(
        folder: &Path,
        disk: Option<Disk>,
        clock: Option<Clock>,
    ) -> anyhow::Result<Self> {
        let mut standalone = Self::new(folder)?;
        (standalone.disk, standalone.clock) = (disk, clock);
        standalone.spawn()?;
        process::ready(standalone.port).await?;
        Ok(standalone)
    }

    /// Starts it on `folder`, and does not wait.
    ///
    /// # Errors
    /// When the program is not built.
    pub(crate) fn spawned(folder: &Path) -> anyhow::Result<Self> {
        let mut standalone = Self::new(folder)?;
        standalone.spawn()?;
        Ok(standalone)
    }

    fn new(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            port: free_port()?,
            admin_port: free_port()?,
            process: None,
            disk: None,
            clock: None,
        })
    }

    /// A client of its public port.
    pub(crate) fn client(&self) -> Client {
        Client::new(([127, 0, 0, 1], self.port).into())
    }

    /// Stops it by SIGTERM.
    ///
    /// # Errors
    /// When it does not end cleanly.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let ended = self.take()?.terminate().await?;
        ensure!(ended.success(), "standalone: {ended}");
        Ok(())
    }

    /// Whether it ended by itself.
    ///
    /// # Errors
    /// When it was not started.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        self.running()?.has_ended()
    }

    /// Its log since it was started.
    ///
    /// # Errors
    /// When it was not started.
    pub(crate) fn log(&mut self) -> anyhow::Result<String> {
        self.running()?.log()
    }

    fn spawn(&mut self) -> anyhow::Result<()> {
        let (port, admin_port) = (self.port.to_string(), self.admin_port.to_string());
        let folder = self.folder.to_str().context("a folder with an odd name")?;
        let env = [
            ("DATA_DIR", folder),
            ("APP_PORT", &port),
            ("ADMIN_PORT", &admin_port),
            // The checker looks at all versions.
            ("KEEP_VERSIONS", "0"),
            // Nothing is to stop it before the disk does.
            ("MIN_FREE_BYTES", "0"),
            ("LOG_LEVEL", "warn"),
        ];
        let clock = self.clock.as_ref().map(Clock::env);
        let env: Vec<_> = env.into_iter().chain(clock.into_iter().flatten()).collect();
        self.process = Some(Process::start("standalone", &env)?);
        Ok(())
    }

    fn running(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("standalone does not run")
    }

    fn take(&mut self) -> anyhow::Result<Process> {
        self.process.take().context("standalone does not run")
    }
}

/// A platform of either form.
pub(crate) enum Platform<'a> {
    /// Everything in one process.
    Standalone(Standalone),
    /// All programs and servers.
    Cluster(Cluster<'a>),
}

impl Platform<'_> {
    /// A client of the public port.
    pub(crate) fn client(&self) -> Client {
        match self {
            Self::Standalone(own) => own.client(),
            Self::Cluster(cluster) => cluster.services.client(),
        }
    }

    /// What to ask for readiness: servers that are ready together, and what they are ready for.
    pub(crate) fn readiness(&self) -> Vec<(&'static [Kind], Vec<Client>)> {
        match self {
            Self::Standalone(own) => vec![(&[Kind::Fit, Kind::Predict], vec![own.client()])],
            Self::Cluster(cluster) => {
                let trainer = |n| cluster.services.admin(Service::Trainer, n);
                let trains = vec![self.client(), trainer(0), trainer(1)];
                vec![
                    (&[Kind::Fit], trains),
                    (&[Kind::Predict], vec![self.client()]),
                ]
            }
        }
    }

    /// The store, for this process.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) async fn store(&self) -> anyhow::Result<Store> {
        match self {
            Self::Standalone(own) => Ok(Store::sqlite(&own.folder.join("store.db")).await?),
            Self::Cluster(cluster) => cluster.services.store(),
        }
    }

    /// Ends `target` by SIGKILL; Postgres by SIGQUIT, which ends all of its processes at once.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) async fn kill(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => own.take()?.kill(),
            (Self::Cluster(all), Target::Service(service)) => all.services.kill(service, 0),
            (Self::Cluster(all), target) => all.servers.halt(&of(target)?).await,
            (Self::Standalone(_), _) => bail!("standalone has no {target:?}"),
        }
    }

    /// Ends `target` as an operator would.
    ///
    /// # Errors
    /// When it does not end cleanly.
    pub(crate) async fn stop(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => own.stop().await,
            (Self::Cluster(all), Target::Service(service)) => all.services.stop(service, 0).await,
            (_, _) => bail!("{target:?} is not stopped, but killed"),
        }
    }

    /// Starts `target` again.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => own.spawn(),
            (Self::Cluster(all), Target::Service(service)) => all.services.start(service, 0).await,
            (Self::Cluster(all), target) => all.servers.resume(&of(target)?).await,
            (Self::Standalone(_), _) => bail!("standalone has no {target:?}"),
        }
    }

    /// Makes `target` keep its connections and say nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) async fn freeze(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => own.running()?.freeze(),
            (Self::Cluster(all), Target::Service(service)) => all.services.freeze(service, 0),
            (Self::Cluster(all), target) => all.servers.freeze(&of(target)?).await,
            (Self::Standalone(_), _) => bail!("standalone has no {target:?}"),
        }
    }

    /// Lets a frozen `target` go on.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) async fn thaw(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => own.running()?.thaw(),
            (Self::Cluster(all), Target::Service(service)) => all.services.thaw(service, 0),
            (Self::Cluster(all), target) => all.servers.thaw(&of(target)?).await,
            (Self::Standalone(_), _) => bail!("standalone has no {target:?}"),
        }
    }
}

impl Platform<'_> {
    /// What stands in the way of the connection that is to be in trouble.
    ///
    /// # Errors
    /// When nothing does.
    pub(crate) fn proxy(&self) -> anyhow::Result<&Proxy> {
        let proxy = match self {
            Self::Standalone(_) => None,
            Self::Cluster(cluster) => cluster.proxy,
        };
        proxy.context("no connection goes through a proxy")
    }

    /// The clock that is to be set.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn clock(&self) -> anyhow::Result<&Clock> {
        let clock = match self {
            Self::Standalone(own) => own.clock.as_ref(),
            Self::Cluster(_) => None,
        };
        clock.context("no process has a clock of its own")
    }

    /// Removes the log of events of a standalone that does not run.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn remove_log(&self) -> anyhow::Result<()> {
        let Self::Standalone(own) = self else {
            bail!("only standalone keeps its log in files");
        };
        for file in ["events.db", "events.db-wal", "events.db-shm"] {
            std::fs::remove_file(own.folder.join(file))?;
        }
        Ok(())
    }

    /// Publishes `messages` to every topic that is consumed.
    ///
    /// # Errors
    /// When Kafka does not take them.
    pub(crate) async fn publish(&self, messages: &[&str]) -> anyhow::Result<()> {
        let Self::Cluster(all) = self else {
            bail!("standalone takes events from itself only");
        };
        for topic in ["metrics", "training-data", "models"] {
            let topic = all.services.topic(topic);
            all.servers.publish(&topic, messages).await?;
        }
        Ok(())
    }

    /// Stops and starts every process, one after the other.
    ///
    /// # Errors
    /// When one does not stop or start.
    pub(crate) async fn restart_all(&mut self) -> anyhow::Result<()> {
        let Self::Cluster(all) = self else {
            bail!("standalone is one process");
        };
        for (service, number) in SHAPE {
            for n in 0..number {
                all.services.stop(service, n).await?;
                all.services.start(service, n).await?;
            }
        }
        Ok(())
    }

    /// The disk that is to be full.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn disk(&self) -> anyhow::Result<&Disk> {
        let disk = match self {
            Self::Standalone(own) => own.disk.as_ref(),
            Self::Cluster(cluster) => cluster.disk,
        };
        disk.context("no part has a disk of its own")
    }
}

/// The servers of `target`.
fn of(target: Target) -> anyhow::Result<Vec<Server>> {
    match target {
        Target::Server(server) => Ok(vec![server]),
        Target::AllKafka => Ok(KAFKA.to_vec()),
        Target::Standalone | Target::Service(_) => bail!("{target:?} is no server"),
    }
}
