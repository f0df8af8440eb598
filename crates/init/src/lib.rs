//! Creates the topics, runs the migrations and makes the roles of the services before they start.
//! Running it again changes nothing.

use std::time::Duration;

use anyhow::Context;
use bus::{Bus, KafkaConfig};
use clap::Parser;
use service::telemetry::TelemetryConfig;
use store::{PostgresConfig, RolesConfig, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Creates the Kafka topics and runs the Postgres migrations; idempotent.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Config {
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Postgres.
    #[command(flatten)]
    pub postgres: PostgresConfig,
    /// Roles for the services.
    #[command(flatten)]
    pub roles: RolesConfig,
    /// Seconds to wait for Kafka and Postgres to answer.
    #[arg(long, env = "INIT_TIMEOUT_SECONDS", default_value_t = 60)]
    pub init_timeout_seconds: u64,
}

/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Creates the topics and runs the migrations, and retries until the configured time has passed.
///
/// # Errors
/// The last failure, when the time has passed.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let bus = Bus::kafka_without_topics(&config.kafka)?;
    let store = Store::postgres(&config.postgres)?;
    let deadline = Instant::now() + Duration::from_secs(config.init_timeout_seconds);
    let prepare = prepare(&bus, &store, &config.roles, deadline);
    let outcome = shutdown.run_until_cancelled(prepare).await;
    store.close().await;
    outcome.unwrap_or_else(|| Err(anyhow::anyhow!("stopped before it was done")))
}

async fn prepare(
    bus: &Bus,
    store: &Store,
    roles: &RolesConfig,
    deadline: Instant,
) -> anyhow::Result<()> {
    retry_until(deadline, || bus.create_topics())
        .await
        .context("creating the topics")?;
    tracing::info!("topics are there");
    retry_until(deadline, || store.migrate())
        .await
        .context("running the migrations")?;
    tracing::info!("database is migrated");
    store.grant(roles).await.context("making the roles")?;
    Ok(())
}

/// Tries `attempt` until it succeeds or `deadline` has passed.
async fn retry_until<F, Fut, E>(deadline: Instant, mut attempt: F) -> Result<(), E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    loop {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() + PAUSE >= deadline => return Err(error),
            Err(error) => tracing::debug!(%error, "not yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
