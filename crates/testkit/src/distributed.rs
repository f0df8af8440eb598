//! The distributed platform: the real programs as processes, over real Kafka, Postgres and Redis.
//!
//! Each platform has its own database, topics and keys, so that several can share the servers.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, resume_unwind},
};

use anyhow::{Context, ensure};
use bus::{Bus, KafkaConfig};
use clap::Parser;
use futures_util::FutureExt;
use sqlx::{Connection, PgConnection};
use store::{PostgresConfig, Store};
use tempfile::NamedTempFile;

use crate::{
    Client,
    process::{self, Process, free_port},
    servers::Servers,
};

/// A program of the platform. The order is that in which they are stopped: as work flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Takes all requests.
    Gateway,
    /// Fits and plots.
    Trainer,
    /// Predicts.
    Predictor,
    /// Observes.
    Observer,
    /// Counts metrics.
    MetricsConsumer,
    /// Stores training points.
    TrainingDataConsumer,
}

impl Service {
    fn program(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Trainer => "trainer",
            Self::Predictor => "predictor",
            Self::Observer => "observer",
            Self::MetricsConsumer => "metrics-consumer",
            Self::TrainingDataConsumer => "training-data-consumer",
        }
    }
}

/// The number of processes of each service.
pub type Shape = [(Service, usize); 6];

/// One process of each service, but two metrics consumers.
pub const SMALL: Shape = shape(1);

/// Two processes of each service.
pub const DOUBLE: Shape = shape(2);

const fn shape(n: usize) -> Shape {
    [
        (Service::Gateway, n),
        (Service::Trainer, n),
        (Service::Predictor, n),
        (Service::Observer, n),
        (Service::MetricsConsumer, 2),
        (Service::TrainingDataConsumer, n),
    ]
}

/// A running platform.
pub struct Distributed {
    servers: Servers,
    /// The name of its database, and the prefix of its topics and keys.
    name: String,
    env: Vec<(&'static str, String)>,
    /// The password of the roles of its services.
    password: NamedTempFile,
    instances: Vec<Instance>,
}

/// A process, or the slot of one that was stopped.
struct Instance {
    service: Service,
    /// The port for clients. Consumers leave it unused.
    port: u16,
    admin_port: u16,
    process: Option<Process>,
}

/// Starts a platform of `shape` on `servers`, runs `test` on it, and demands a clean stop of every
/// process that is left. Removes the database of the platform however the test ended.
///
/// # Errors
/// When it does not start, the test fails, or a process does not stop with exit code 0.
pub async fn run(
    servers: Servers,
    shape: Shape,
    test: impl AsyncFnOnce(&mut Distributed) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut platform = Distributed::prepare(servers, shape).await?;
    let flow = async {
        platform.start_all().await?;
        test(&mut platform).await?;
        platform.stop_all().await
    };
    let outcome = AssertUnwindSafe(flow).catch_unwind().await;
    platform.instances.clear();
    let removed = platform.remove_database().await;
    let outcome = outcome.unwrap_or_else(|panic| resume_unwind(panic));
    outcome.and(removed)
}

impl Distributed {
    /// Creates the database and looks for ports. No process runs yet.
    async fn prepare(servers: Servers, shape: Shape) -> anyhow::Result<Self> {
        let nonce: String = std::iter::repeat_with(|| fastrand::digit(36))
            .take(10)
            .collect();
        let mut platform = Self {
            servers,
            name: format!("platform_{nonce}"),
            env: Vec::new(),
            password: NamedTempFile::new()?,
            instances: Vec::new(),
        };
        for (service, number) in shape {
            for _ in 0..number {
                platform.instances.push(Instance {
                    service,
                    port: free_port()?,
                    admin_port: free_port()?,
                    process: None,
                });
            }
        }
        platform.env = platform.environment()?;
        std::fs::write(platform.password.path(), &platform.name)?;
        let create = format!("CREATE DATABASE {}", platform.name);
        platform.on_server(&create).await?;
        Ok(platform)
    }

    /// The variables of all programs.
    fn environment(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("KAFKA_BROKERS", self.servers.kafka_brokers.clone()),
            ("KAFKA_TOPIC_PREFIX", format!("{}.", self.name)),
            ("KAFKA_REPLICATION", self.kafka_nodes().to_string()),
            // Tests look at all versions.
            ("KEEP_VERSIONS", "0".to_owned()),
            ("KAFKA_SESSION_TIMEOUT_MS", "6000".to_owned()),
            ("DATABASE_URL", self.database_url()?),
            ("POSTGRES_MAX_CONNECTIONS", "5".to_owned()),
            ("REDIS_URL", self.servers.redis_url.clone()),
            ("REDIS_KEY_PREFIX", format!("{}:", self.name)),
            ("TRAINER_URL", self.origins(Service::Trainer)),
            ("PREDICTOR_URL", self.origins(Service::Predictor)),
            ("OBSERVER_URL", self.origins(Service::Observer)),
        ])
    }

    fn kafka_nodes(&self) -> usize {
        self.servers.kafka_brokers.split(',').count()
    }

    /// The address of its database for the owner of the tables.
    ///
    /// # Errors
    /// When the address of the server names no database.
    pub fn database_url(&self) -> anyhow::Result<String> {
        let (server, _) = self
            .servers
            .database_url
            .rsplit_once('/')
            .context("no database")?;
        Ok(format!("{server}/{}", self.name))
    }

    /// The address of its database for `role`.
    fn database(&self, role: &str) -> anyhow::Result<String> {
        let (_, server) = self
            .servers
            .database_url
            .split_once('@')
            .context("no user")?;
        let (server, _) = server.rsplit_once('/').context("no database")?;
        Ok(format!("postgres://{role}@{server}/{}", self.name))
    }

    /// The variables of `service`: each has the role of its own, with no more rights than it needs.
    fn environment_of(&self, service: Service) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut env = self.env.clone();
        let role = match service {
            Service::Trainer | Service::TrainingDataConsumer => "writer",
            Service::Predictor => "reader",
            Service::Observer => "observer",
            Service::Gateway | Service::MetricsConsumer => "nobody",
        };
        env.push((
            "DATABASE_URL",
            self.database(&format!("{}_{role}", self.name))?,
        ));
        Ok(env)
    }

    fn origins(&self, service: Service) -> String {
        let of_service = self.instances.iter().filter(|i| i.service == service);
        let origins: Vec<_> = of_service
            .map(|instance| format!("http://127.0.0.1:{}", instance.port))
            .collect();
        origins.join(",")
    }

    async fn start_all(&mut self) -> anyhow::Result<()> {
        self.init().await?;
        for n in 0..self.instances.len() {
            let env = self.environment_of(self.instances[n].service)?;
            self.instances[n].start(&env)?;
        }
        // The gateway, which is the first, is ready when the others are.
        for instance in self.instances.iter().rev() {
            instance.ready().await?;
        }
        Ok(())
    }

    /// Runs `init`, which creates topics and tables.
    ///
    /// # Errors
    /// When it does not end with exit code 0.
    pub async fn init(&self) -> anyhow::Result<()> {
        let role = |of| format!("{}_{of}", self.name);
        let (writer, reader, observer) = (role("writer"), role("reader"), role("observer"));
        let password = self.password.path().to_str().context("an odd name")?;
        let mut env: Vec<_> = self
            .env
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        env.extend([
            ("POSTGRES_WRITER_USER", &*writer),
            ("POSTGRES_WRITER_PASSWORD_FILE", password),
            ("POSTGRES_READER_USER", &*reader),
            ("POSTGRES_READER_PASSWORD_FILE", password),
            ("POSTGRES_OBSERVER_USER", &*observer),
            ("POSTGRES_OBSERVER_PASSWORD_FILE", password),
        ]);
        let mut init = Process::start("init", &env)?;
        let ended = init.ended().await?;
        ensure!(ended.success(), "init: {ended}");
        Ok(())
    }

    /// Sets the variable `name` for every process that is started from now on.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.env.push((name, value.to_owned()));
    }

    /// The log of the `n`th process of `service` since it was started.
    ///
    /// # Errors
    /// When the process does not run.
    pub fn log(&mut self, service: Service, n: usize) -> anyhow::Result<String> {
        let process = self.instance(service, n)?.process.as_ref();
        process
            .with_context(|| format!("{service:?} does not run"))?
            .log()
    }

    /// Starts the `n`th process of `service` again, on its old port, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start(&mut self, service: Service, n: usize) -> anyhow::Result<()> {
        let env = self.environment_of(service)?;
        let instance = self.instance(service, n)?;
        instance.start(&env)?;
        instance.ready().await
    }

    /// Ends the `n`th process of `service` by SIGKILL.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn kill(&mut self, service: Service, n: usize) -> anyhow::Result<()> {
        self.instance(service, n)?.take()?.kill()
    }

    /// Ends the `n`th process of `service` by SIGTERM.
    ///
    /// # Errors
    /// When it does not end with exit code 0.
    pub async fn stop(&mut self, service: Service, n: usize) -> anyhow::Result<()> {
        stop(self.instance(service, n)?.take()?, service).await
    }

    /// Makes the `n`th process of `service` keep its connections and say nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self, service: Service, n: usize) -> anyhow::Result<()> {
        self.instance(service, n)?.running()?.freeze()
    }

    /// Lets the frozen `n`th process of `service` continue.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&mut self, service: Service, n: usize) -> anyhow::Result<()> {
        self.instance(service, n)?.running()?.thaw()
    }

    /// Ends all running processes by SIGTERM, as work flows: the gateway first, the consumers last.
    ///
    /// # Errors
    /// When one does not end with exit code 0.
    pub async fn stop_all(&mut self) -> anyhow::Result<()> {
        for instance in &mut self.instances {
            if let Some(process) = instance.process.take() {
                stop(process, instance.service).await?;
            }
        }
        Ok(())
    }

    /// A client of the first gateway.
    pub fn client(&self) -> Client {
        self.gateway(0)
    }

    /// A client of the `n`th gateway.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn gateway(&self, n: usize) -> Client {
        let mut gateways = self
            .instances
            .iter()
            .filter(|i| i.service == Service::Gateway);
        local(gateways.nth(n).expect("the shape has it").port)
    }

    /// The address for requests of the `n`th process of `service`, which is no consumer.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn addr(&self, service: Service, n: usize) -> SocketAddr {
        let mut of_service = self.instances.iter().filter(|i| i.service == service);
        local(of_service.nth(n).expect("the shape has it").port).addr()
    }

    /// A client of the port for operators of the `n`th process of `service`.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn admin(&self, service: Service, n: usize) -> Client {
        let mut of_service = self.instances.iter().filter(|i| i.service == service);
        local(of_service.nth(n).expect("the shape has it").admin_port)
    }

    /// The platform's own name of `topic`.
    pub fn topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.name)
    }

    /// The bus that the platform uses, for this process.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub fn bus(&self) -> anyhow::Result<Bus> {
        Ok(Bus::kafka(&self.config()?.kafka)?)
    }

    /// The store that the platform uses, for this process.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::postgres(&self.config()?.postgres)?)
    }

    /// The configuration by which this process finds the servers. Its flags have the names of the
    /// programs' variables.
    fn config(&self) -> anyhow::Result<Config> {
        let flags = self.env.iter().filter_map(|(name, value)| {
            let ours = name.starts_with("KAFKA") || name.contains("DATABASE");
            ours.then(|| format!("--{}={value}", name.to_lowercase().replace('_', "-")))
        });
        let program = std::iter::once("test".to_owned());
        Ok(Config::try_parse_from(program.chain(flags))?)
    }

    async fn remove_database(&self) -> anyhow::Result<()> {
        // Not as one text: a database is not dropped within a transaction.
        for remove in [
            format!("DROP DATABASE {} WITH (FORCE)", self.name),
            format!(
                "DROP ROLE IF EXISTS {0}_writer, {0}_reader, {0}_observer",
                self.name
            ),
        ] {
            self.on_server(&remove).await?;
        }
        Ok(())
    }

    async fn on_server(&self, sql: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.servers.database_url).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    fn instance(&mut self, service: Service, n: usize) -> anyhow::Result<&mut Instance> {
        let mut of_service = self.instances.iter_mut().filter(|i| i.service == service);
        of_service
            .nth(n)
            .with_context(|| format!("no {service:?} {n}"))
    }
}

impl Instance {
    fn start(&mut self, env: &[(&str, String)]) -> anyhow::Result<()> {
        let (port, admin_port) = (self.port.to_string(), self.admin_port.to_string());
        let mut all: Vec<_> = env.iter().map(|(name, value)| (*name, &**value)).collect();
        all.extend([("APP_PORT", &*port), ("ADMIN_PORT", &*admin_port)]);
        self.process = Some(Process::start(self.service.program(), &all)?);
        Ok(())
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let ready = process::ready(self.admin_port).await;
        ready
            .map(drop)
            .with_context(|| format!("{:?}", self.service))
    }

    fn running(&mut self) -> anyhow::Result<&mut Process> {
        let name = self.service;
        let process = self.process.as_mut();
        process.with_context(|| format!("{name:?} does not run"))
    }

    fn take(&mut self) -> anyhow::Result<Process> {
        let name = self.service;
        self.process
            .take()
            .with_context(|| format!("{name:?} does not run"))
    }
}

async fn stop(process: Process, service: Service) -> anyhow::Result<()> {
    let ended = process.terminate().await?;
    ensure!(ended.success(), "{service:?}: {ended}");
    Ok(())
}

fn local(port: u16) -> Client {
    Client::new(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// The variables that name the servers.
#[derive(Parser)]
struct Config {
    #[command(flatten)]
    kafka: KafkaConfig,
    #[command(flatten)]
    postgres: PostgresConfig,
}
