//! Settings of the observer.

use bus::KafkaConfig;
use http_server::{ServerConfig, TokenConfig};
use service::{listen::ListenConfig, telemetry::TelemetryConfig};
use store::PostgresConfig;

/// All settings of `observer`.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Judges and learns points as they come")]
pub struct Config {
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// Port to listen on.
    #[arg(long, env = "APP_PORT", default_value_t = 9000)]
    pub app_port: u16,
    /// The observer's own settings.
    #[command(flatten)]
    pub settings: Settings,
    /// Limits of the HTTP server.
    #[command(flatten)]
    pub server: ServerConfig,
    /// The token that callers need.
    #[command(flatten)]
    pub token: TokenConfig,
    /// The address of Kafka.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// The address of Postgres.
    #[command(flatten)]
    pub postgres: PostgresConfig,
    /// The form of logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// The observer's own settings.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Name of this observer, which no other one has. With one it has its partitions back at once
    /// after a restart; without, the others share them while it is away.
    #[arg(long, env = "OBSERVER_ID")]
    pub observer_id: Option<String>,
    /// Seconds after which the state of a stream that has changed is stored.
    #[arg(long, env = "CHECKPOINT_SECONDS", default_value_t = 60)]
    pub checkpoint_seconds: u64,
    /// Megabytes of states that are stored a second at most.
    #[arg(long, env = "CHECKPOINT_MB_PER_SECOND", default_value_t = 16.0)]
    pub checkpoint_mb_per_second: f64,
    /// Memory for streams, in bytes; those that were used longest ago are stored and loaded again
    /// when they are needed.
    #[arg(long, env = "SESSION_CACHE_BYTES", default_value_t = 1 << 30)]
    pub session_cache_bytes: usize,
    /// Streams at most.
    #[arg(long, env = "MAX_STREAMS", default_value_t = 100_000)]
    pub max_streams: i64,
    /// Labels by whose values anomalies are grouped to incidents, separated by commas. By default
    /// each series is a group.
    #[arg(long, env = "INCIDENT_GROUP_BY", value_delimiter = ',')]
    pub incident_group_by: Vec<String>,
    /// Days for which points are kept for people to look at; 0 keeps none.
    #[arg(long, env = "KEEP_POINTS_DAYS", default_value_t = 14)]
    pub keep_points_days: u32,
    /// Megabytes that these points may take; the oldest go first.
    #[arg(long, env = "KEEP_POINTS_MB", default_value_t = 4096)]
    pub keep_points_mb: u32,
    /// The number of threads that judge; 0: one for each core.
    #[arg(long, env = "OBSERVER_THREADS", default_value_t = 0)]
    pub observer_threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            observer_id: None,
            checkpoint_seconds: 60,
            checkpoint_mb_per_second: 16.0,
            session_cache_bytes: 1 << 30,
            max_streams: 100_000,
            incident_group_by: Vec::new(),
            keep_points_days: 14,
            keep_points_mb: 4096,
            observer_threads: 0,
        }
    }
}

impl Settings {
    /// The number of threads that judge.
    pub(crate) fn workers(&self) -> usize {
        match self.observer_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
