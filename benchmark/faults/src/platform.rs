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

use crate::{fault::Target, journal::Kind};

/// The processes of the distributed form.
pub(crate) const SHAPE: Shape = [
    (Service::Gateway, 1),
    (Service::Trainer, 2),
    (Service::Predictor, 2),
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
}

impl Standalone {
    /// Starts it on `folder`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut standalone = Self {
            folder: folder.to_owned(),
            port: free_port()?,
            admin_port: free_port()?,
            process: None,
        };
        standalone.spawn()?;
        process::ready(standalone.port).await?;
        Ok(standalone)
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
            ("LOG_LEVEL", "warn"),
        ];
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
    /// All programs, over servers that belong to them.
    Cluster(&'a mut Distributed, &'a OwnServers),
}

impl Platform<'_> {
    /// A client of the public port.
    pub(crate) fn client(&self) -> Client {
        match self {
            Self::Standalone(own) => Client::new(([127, 0, 0, 1], own.port).into()),
            Self::Cluster(services, _) => services.client(),
        }
    }

    /// The servers that are ready if requests of `kind` work: all of them say so.
    pub(crate) fn readiness_of(&self, kind: Kind) -> Vec<Client> {
        match (self, kind) {
            (Self::Cluster(services, _), Kind::Fit) => {
                [0, 1].map(|n| services.admin(Service::Trainer, n)).to_vec()
            }
            (_, Kind::Fit | Kind::Predict) => vec![self.client()],
        }
    }

    /// The store, for this process.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) async fn store(&self) -> anyhow::Result<Store> {
        match self {
            Self::Standalone(own) => Ok(Store::sqlite(&own.folder.join("store.db")).await?),
            Self::Cluster(services, _) => services.store(),
        }
    }

    /// Ends `target` by SIGKILL; Postgres by SIGQUIT, which ends all of its processes at once.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) async fn kill(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => own.take()?.kill(),
            (Self::Cluster(services, _), Target::Service(service)) => services.kill(service, 0),
            (Self::Cluster(_, servers), target) => servers.halt(&of(target)?).await,
            (Self::Standalone(_), _) => bail!("standalone has no {target:?}"),
        }
    }

    /// Ends `target` as an operator would.
    ///
    /// # Errors
    /// When it does not end cleanly.
    pub(crate) async fn stop(&mut self, target: Target) -> anyhow::Result<()> {
        match (self, target) {
            (Self::Standalone(own), Target::Standalone) => {
                let ended = own.take()?.terminate().await?;
                ensure!(ended.success(), "standalone: {ended}");
                Ok(())
            }
            (Self::Cluster(services, _), Target::Service(service)) => {
                services.stop(service, 0).await
            }
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
            (Self::Cluster(services, _), Target::Service(service)) => {
                services.start(service, 0).await
            }
            (Self::Cluster(_, servers), target) => servers.resume(&of(target)?).await,
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
            (Self::Cluster(services, _), Target::Service(service)) => services.freeze(service, 0),
            (Self::Cluster(_, servers), target) => servers.freeze(&of(target)?).await,
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
            (Self::Cluster(services, _), Target::Service(service)) => services.thaw(service, 0),
            (Self::Cluster(_, servers), target) => servers.thaw(&of(target)?).await,
            (Self::Standalone(_), _) => bail!("standalone has no {target:?}"),
        }
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
