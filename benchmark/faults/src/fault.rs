//! The faults.

use std::time::{Duration, Instant};

use anyhow::bail;
use testkit::{distributed::Service, servers::Server};

use crate::{crowd::Crowd, damage::Damage, platform::Platform, proxy::Trouble};

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
            Self::Service(Service::Observer) => "observer",
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
    /// A network that is in trouble for that long.
    Network(Link, Trouble, Duration),
    /// A disk that is full for that long. Servers are started anew then, as they would be by their
    /// operator; Redis and standalone have to go on by themselves.
    FullDisk(Target, Duration),
    /// Every process is ended by SIGTERM and started again, one after the other.
    RollingRestart,
    /// Clients that want more than their share, for that long.
    Crowd(Crowd, Duration),
    /// The wall clock steps by an offset in the words of libfaketime, and back after that long.
    ClockStep(&'static str, Duration),
    /// SIGKILL, and a new start without the log of events. Everything in it was applied before.
    LostLog,
    /// Messages in every topic that are no events.
    Poison,
    /// A file of standalone is damaged while it does not run. Each run has a folder of its own, and
    /// only has to tell nothing wrong.
    Damage(Damage, &'static str),
}

/// What no consumer can use.
const POISON: [&str; 8] = [
    "",
    "no JSON",
    "null",
    "[[[[",
    r#"{"type":"inference","latency_ms":-1}"#,
    r#"{"type":"unheard of"}"#,
    r#"{"series_id":"held","version":"v0","data":[]}"#,
    r#"{"series_id":"held","version":"v1","data":[],"part":5,"parts":2}"#,
];

/// A connection of the distributed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// From the gateway to the first trainer.
    Trainer,
    /// From the gateway to the first predictor.
    Predictor,
    /// From every service to Postgres.
    Postgres,
    /// From every service to Redis.
    Redis,
}

impl Fault {
    /// Lets the fault come and go. The time at which it was over.
    ///
    /// # Errors
    /// When it cannot be injected.
    pub(crate) async fn inject(self, platform: &mut Platform<'_>) -> anyhow::Result<Instant> {
        match self {
            Self::Kill(target) => kill(platform, target).await,
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
            Self::Network(_, trouble, time) => {
                let proxy = platform.proxy()?;
                proxy.set(Some(trouble));
                tokio::time::sleep(time).await;
                proxy.set(None);
                Ok(Instant::now())
            }
            Self::FullDisk(target, time) => fill_disk(platform, target, time).await,
            Self::RollingRestart => {
                platform.restart_all().await?;
                Ok(Instant::now())
            }
            Self::Crowd(crowd, time) => {
                crowd.comes(platform.client(), time).await?;
                Ok(Instant::now())
            }
            Self::ClockStep(offset, time) => {
                platform.clock()?.set(offset)?;
                tokio::time::sleep(time).await;
                platform.clock()?.set("+0")?;
                Ok(Instant::now())
            }
            Self::Poison => {
                platform.publish(&POISON).await?;
                Ok(Instant::now())
            }
            Self::Damage(..) => bail!("a folder of its own is damaged"),
            Self::LostLog => {
                platform.kill(Target::Standalone).await?;
                platform.remove_log()?;
                let over = Instant::now();
                platform.start(Target::Standalone).await?;
                Ok(over)
            }
        }
    }

    /// Whether clients have to be at rest, and everything they sent applied, when it comes.
    pub(crate) fn needs_rest(self) -> bool {
        self == Self::LostLog
    }

    /// How long before its beginning predictions may have been answered that are not counted: a
    /// killed predictor takes with it what it has not published, one that reaches no Kafka drops
    /// events after 15 s, and standalone drops them while it has no space for its log.
    pub(crate) fn loses_counts_of(self) -> Option<Duration> {
        const UNPUBLISHED: Duration = Duration::from_secs(1);
        const DROPPED_AFTER: Duration = Duration::from_secs(15);
        match self {
            Self::Kill(Target::Standalone | Target::Service(Service::Predictor))
            | Self::FullDisk(Target::Standalone, _) => Some(UNPUBLISHED),
            Self::Kill(Target::AllKafka) | Self::Freeze(Target::AllKafka, _) => Some(DROPPED_AFTER),
            _ => None,
        }
    }

    /// Whether points that were judged are lost with the log: those since their streams were stored.
    pub(crate) fn loses_points(self) -> bool {
        matches!(self, Self::LostLog)
    }

    /// Whether what predictors published may be in Kafka twice. The client library gives the rest of
    /// its messages new numbers once one of them was given up after 15 s, and so sends those again
    /// of which it does not know whether they arrived (librdkafka issue 4953).
    pub(crate) fn has_events_repeated(self) -> bool {
        matches!(
            self,
            Self::Kill(Target::AllKafka) | Self::Freeze(Target::AllKafka, _)
        )
    }

    /// Whether the gateway may ask a second predictor what the first has judged already.
    pub(crate) fn has_predictions_repeated(self) -> bool {
        match self {
            Self::Kill(target) | Self::Restart(target) | Self::Freeze(target, _) => {
                target == Target::Service(Service::Predictor)
            }
            Self::Network(link, ..) => link == Link::Predictor,
            Self::RollingRestart => true,
            _ => false,
        }
    }
}

/// Kills `target` and starts it again. The time at which that was over.
async fn kill(platform: &mut Platform<'_>, target: Target) -> anyhow::Result<Instant> {
    platform.kill(target).await?;
    let killed = Instant::now();
    platform.start(target).await?;
    // A server is started with some patience, and answers by then.
    let is_server = matches!(target, Target::Server(_) | Target::AllKafka);
    Ok(if is_server { Instant::now() } else { killed })
}

/// Fills the disk of `target` for `time`. The time at which that was over.
async fn fill_disk(
    platform: &mut Platform<'_>,
    target: Target,
    time: Duration,
) -> anyhow::Result<Instant> {
    platform.disk()?.fill()?;
    tokio::time::sleep(time).await;
    platform.disk()?.empty()?;
    if matches!(target, Target::Server(Server::Postgres | Server::Kafka2)) {
        platform.kill(target).await?;
        platform.start(target).await?;
    }
    Ok(Instant::now())
}
