//! The faults.

use std::time::{Duration, Instant};

use testkit::{distributed::Service, servers::Server};

use crate::platform::Platform;

/// A part of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The whole platform in one process.
    Standalone,
    /// The first process of a service.
    Service(Service),
    /// One server.
    Server(Server),
    /// Every node of Kafka.
    AllKafka,
}

impl Target {
    /// Its name in scenarios.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Service(Service::Gateway) => "gateway",
            Self::Service(Service::Trainer) => "trainer",
            Self::Service(Service::Predictor) => "predictor",
            Self::Service(Service::MetricsConsumer) => "metrics-consumer",
            Self::Service(Service::TrainingDataConsumer) => "training-data-consumer",
            Self::Server(Server::Kafka | Server::Kafka2 | Server::Kafka3) => "kafka-node",
            Self::Server(Server::Postgres) => "postgres",
            Self::Server(Server::Redis) => "redis",
            Self::AllKafka => "kafka",
        }
    }
}

/// What happens to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a new start at once.
    Kill(Target),
    /// SIGTERM, and a new start.
    Restart(Target),
    /// SIGSTOP, and SIGCONT after that long.
    Freeze(Target, Duration),
}

impl Fault {
    /// Lets the fault come and go. The time at which it was over.
    ///
    /// # Errors
    /// When it cannot be injected.
    pub(crate) async fn inject(self, platform: &mut Platform<'_>) -> anyhow::Result<Instant> {
        match self {
            Self::Kill(target) => {
                platform.kill(target).await?;
                let over = Instant::now();
                platform.start(target).await?;
                Ok(over)
            }
            Self::Restart(target) => {
                platform.stop(target).await?;
                let over = Instant::now();
                platform.start(target).await?;
                Ok(over)
            }
            Self::Freeze(target, time) => {
                platform.freeze(target).await?;
                tokio::time::sleep(time).await;
                platform.thaw(target).await?;
                Ok(Instant::now())
            }
        }
    }

    /// How long before its beginning predictions may have been answered that are not counted: a
    /// killed predictor takes with it what it has not published, and one that reaches no Kafka
    /// drops events after 15 s.
    pub(crate) fn loses_counts_of(self) -> Option<Duration> {
        const UNPUBLISHED: Duration = Duration::from_secs(1);
        const DROPPED_AFTER: Duration = Duration::from_secs(15);
        match self {
            Self::Kill(Target::Standalone | Target::Service(Service::Predictor)) => {
                Some(UNPUBLISHED)
            }
            Self::Freeze(Target::AllKafka, _) => Some(DROPPED_AFTER),
            Self::Kill(_) | Self::Restart(_) | Self::Freeze(..) => None,
        }
    }

    /// Whether the gateway may ask a second predictor what the first has judged already.
    pub(crate) fn has_predictions_repeated(self) -> bool {
        let (Self::Kill(target) | Self::Restart(target) | Self::Freeze(target, _)) = self;
        target == Target::Service(Service::Predictor)
    }
}
