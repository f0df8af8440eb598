//! Counts what services measured into the running figures.
//!
//! Each message counts exactly once: figures and offsets move together in [`Stats::apply`], and on joining the consumer goes on at
//! the offsets that are stored with the figures. So nothing here needs to end well: a batch that is cut off anywhere, by a signal or
//! by a kill, is delivered again and counts as it should. A message that makes no sense goes to the dead letters first; in
//! the worst case it lies there twice.

mod config;
mod metrics;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use anyhow::Context;
use bus::{Bus, Message, Position, Positions, Subscription};
use contract::{Event, MetricsEvent};
use service::{
    admin::Admin,
    health::{Health, Need},
    retry::until_it_works,
};
use stats::{Delivery, Stats, StatsError};
use tokio_util::sync::CancellationToken;

pub use config::{Config, Settings};

use crate::metrics::{APPLIED, BURIED, LAG, STATS_ERRORS};

/// The group that the consumers share the topic in.
pub const GROUP: &str = "metrics-consumer";

/// How long a batch may wait for more messages: figures are at most so much older for it.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// How often the lag is looked at while a batch waits for Redis.
const LAG_EVERY: Duration = Duration::from_secs(1);

/// How long a dependency may take to show that it is there.
const REACH_TIMEOUT: Duration = Duration::from_secs(1);

/// What the consumer works on. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Events come in, dead letters go out.
    pub bus: Bus,
    /// Where it counts.
    pub stats: Stats,
}

/// The service that counts.
pub struct MetricsConsumer {
    settings: Settings,
    backends: Backends,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// All of it is counted or buried.
    Applied,
    /// The figures went back to an older state, and nothing was counted: what they have lost has to be read again first.
    WentBack,
}

/// Why a subscription is given up.
enum Ended {
    /// To join again, at the offsets that are stored now.
    Rejoin,
    /// For good.
    Shutdown,
}

/// Counts over Kafka and Redis until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration makes no sense, the admin port cannot be bound, or consuming can never go on. Not when a backend is away.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        stats: Stats::redis(&config.redis)?,
    };
    let addr = config.admin_addr();
    let consumer = MetricsConsumer::new(config.settings, backends);
    let admin = Admin::bind(addr, consumer.health(&shutdown)).await?;
    tracing::info!(admin = %admin.addr(), "listening");
    tokio::try_join!(consumer.serve(shutdown.clone()), admin.serve(shutdown))?;
    Ok(())
}

impl MetricsConsumer {
    /// A consumer that does nothing yet.
    pub fn new(settings: Settings, backends: Backends) -> Self {
        metrics::register();
        Self { settings, backends }
    }

    /// Ready while Kafka and Redis answer.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        let Backends { bus, stats } = self.backends.clone();
        Health::new(shutdown.clone())
            .with(bus.name(), Need::Required, REACH_TIMEOUT, move || {
                let bus = bus.clone();
                async move { bus.ping(REACH_TIMEOUT).await }
            })
            .with(stats.name(), Need::Required, REACH_TIMEOUT, move || {
                let stats = stats.clone();
                async move { stats.ping().await }
            })
    }

    /// Counts until `shutdown` is cancelled, then leaves the group. Kafka or Redis being away does not hold it up.
    ///
    /// # Errors
    /// When the subscription can never go on.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        loop {
            let positions = positions(self.backends.stats.clone());
            let mut events = self.backends.bus.subscribe(GROUP, positions)?;
            let ended = tokio::select! {
                () = shutdown.cancelled() => Ok(Ended::Shutdown),
                ended = self.consume(&mut events) => ended,
            };
            events.close().await;
            match ended? {
                Ended::Rejoin => tracing::warn!("reading again what the figures have lost"),
                Ended::Shutdown => return Ok(()),
            }
        }
    }

    /// The loop: next, handle, commit.
    async fn consume(&self, events: &mut Subscription<MetricsEvent>) -> anyhow::Result<Ended> {
        let max = self.settings.metrics_batch_messages.get();
        loop {
            let batch = events
                .next_batch(max, MAX_WAIT)
                .await
                .context("no more metrics")?;
            match with_lag(events, batch.len(), self.handle(&batch)).await {
                Handled::WentBack => return Ok(Ended::Rejoin),
                Handled::Applied => {
                    // For tools that show lag. What counts is the offset beside the figures.
                    if let Err(error) = events.commit(&batch) {
                        tracing::warn!(%error, "the bus was not told how far we are");
                    }
                }
            }
        }
    }

    /// Buries what of `batch` makes no sense, and counts the rest; tries until both is done. Dropping it half way is safe.
    pub async fn handle(&self, batch: &[Message<MetricsEvent>]) -> Handled {
        let mut deliveries = Vec::with_capacity(batch.len());
        for message in batch {
            let event = match usable(message) {
                Ok(event) => Some(event),
                Err(reason) => {
                    self.bury(message, &reason).await;
                    None
                }
            };
            deliveries.push(Delivery {
                partition: message.partition,
                offset: message.offset,
                timestamp_ms: message.timestamp_ms,
                event,
            });
        }
        self.apply(&deliveries).await
    }

    async fn bury(&self, message: &Message<MetricsEvent>, reason: &str) {
        let bus = &self.backends.bus;
        until_it_works("burying a message", || bus.bury(message, reason)).await;
        BURIED.inc();
        tracing::warn!(
            partition = message.partition,
            offset = message.offset,
            reason,
            "a message makes no sense and lies in the dead letters"
        );
    }

    async fn apply(&self, deliveries: &[Delivery<'_>]) -> Handled {
        let Backends { bus, stats } = &self.backends;
        let topic = bus.name_of(MetricsEvent::TOPIC);
        let handled = until_it_works("counting metrics", || async {
            match stats.apply(GROUP, topic, deliveries).await {
                Ok(()) => Ok(Handled::Applied),
                Err(StatsError::WentBack) => Ok(Handled::WentBack),
                Err(error) => {
                    STATS_ERRORS.inc();
                    Err(error)
                }
            }
        });
        let handled = handled.await;
        if handled == Handled::Applied {
            let events = deliveries
                .iter()
                .filter(|delivery| delivery.event.is_some());
            APPLIED.inc_by(events.count() as u64);
        }
        handled
    }
}

/// The event of `message`, or why it cannot be counted.
fn usable(message: &Message<MetricsEvent>) -> Result<&MetricsEvent, String> {
    let event = message.event.as_ref().map_err(String::clone)?;
    stats::check(event).map_err(|unusable| unusable.to_string())?;
    Ok(event)
}

/// Where the group goes on: where the figures say.
fn positions(stats: Stats) -> Positions {
    Arc::new(move |topic| {
        let (stats, topic) = (stats.clone(), topic.to_owned());
        Box::pin(async move {
            let offsets = stats.offsets(GROUP, &topic).await?;
            let positions = offsets.into_iter().map(|offset| Position {
                partition: offset.partition,
                next_offset: offset.next_offset,
            });
            Ok(positions.collect())
        })
    })
}

/// Shows how far the group is behind while `work` on `in_hand` messages goes on, and after it.
async fn with_lag<T>(
    events: &Subscription<MetricsEvent>,
    in_hand: usize,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let in_hand = i64::try_from(in_hand).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            done = &mut work => {
                LAG.set(events.lag());
                return done;
            }
            () = tokio::time::sleep(LAG_EVERY) => LAG.set(events.lag().saturating_add(in_hand)),
        }
    }
}
