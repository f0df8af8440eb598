//! Counts what services measured into the running figures.
//!
//! Each message counts exactly once: figures and offsets move together in [`Stats::apply`], and a
//! consumer that joins continues at the offsets beside the figures. So a batch may be cut off
//! anywhere, by a signal or a kill: it is delivered again and counts once. A message that cannot be
//! counted is kept as a dead letter first, in the worst case twice.

mod config;
mod metrics;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use anyhow::Context;
use bus::{Bus, Message, OffsetSource, Subscription};
use contract::{Delivery, MetricsEvent};
use service::{
    admin::Admin,
    health::{Health, LATEST, Need, chain},
    retry::retry_forever,
    telemetry::with_sources,
};
use stats::{Stats, StatsError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use config::{Config, Settings};

use crate::metrics::{APPLIED, CUT_LOGS, DEAD_LETTERS, DEAD_LETTERS_LOST, LAG, RETRIES};

/// The group that the consumers share the topic in.
pub const GROUP: &str = "metrics-consumer";

/// How long a batch may wait for more messages. The figures are older by at most this.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// How often the lag is updated while a batch waits for Redis.
const LAG_EVERY: Duration = Duration::from_secs(1);

/// How long a dependency may take to answer a health check.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The backends of the consumer. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Delivers events and takes dead letters.
    pub bus: Bus,
    /// Keeps the figures.
    pub stats: Stats,
}

/// The service that counts metrics.
pub struct MetricsConsumer {
    settings: Settings,
    backends: Backends,
}

/// The outcome of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Every message is counted or kept as a dead letter.
    Applied,
    /// The figures went back to an older state. Nothing was counted: the messages that they have
    /// lost have to be read again first.
    WentBack,
}

/// Why a subscription ends.
enum Ended {
    /// The consumer joins again at the offsets that are stored now.
    Rejoin,
    /// The service stops.
    Shutdown,
}

/// Counts over Kafka and Redis until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration is not valid, the admin port cannot be bound, or consuming can never
/// continue. Not when a backend is down.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        stats: Stats::redis(&config.redis)?,
    };
    let addr = config.listen.admin_addr();
    let consumer = MetricsConsumer::new(config.settings, backends);
    let admin = Admin::bind(addr, consumer.health(&shutdown)).await?;
    tracing::info!(admin = %admin.addr(), "listening");
    admin.serve_beside(consumer.serve(shutdown)).await?;
    Ok(())
}

impl MetricsConsumer {
    /// A consumer that does not consume yet.
    pub fn new(settings: Settings, backends: Backends) -> Self {
        metrics::register();
        Self { settings, backends }
    }

    /// Ready while Kafka and Redis answer.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        let Backends { bus, stats } = self.backends.clone();
        Health::new(shutdown.clone())
            .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
                let bus = bus.clone();
                async move { bus.ping(LATEST).await.map_err(chain) }
            })
            .with(stats.name(), Need::Required, ANSWER_WITHIN, move || {
                let stats = stats.clone();
                async move { stats.ping().await.map_err(chain) }
            })
    }

    /// Counts until `shutdown` is cancelled, then leaves the group. It stops at once even if Kafka
    /// or Redis is down.
    ///
    /// # Errors
    /// When the subscription can never continue.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        loop {
            let offsets = stored_offsets(self.backends.stats.clone());
            let mut events = self.backends.bus.subscribe(GROUP, offsets)?;
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
            let next = timeout(LAG_EVERY, events.next_batch(max, MAX_WAIT)).await;
            CUT_LOGS.set(i64::try_from(self.backends.bus.cut_logs()).unwrap_or(i64::MAX));
            let Ok(batch) = next else { continue };
            let batch = batch.context("no more metrics")?;
            let _spans = Message::spans(&batch);
            match with_lag(events, batch.len(), self.handle(&batch)).await {
                Handled::WentBack => return Ok(Ended::Rejoin),
                // For tools that show lag. What counts is the offset beside the figures.
                Handled::Applied => events.commit(&batch),
            }
        }
    }

    /// Keeps the messages of `batch` that cannot be counted as dead letters, and counts the others.
    /// Retries until both is done. Dropping the future half way is safe.
    pub async fn handle(&self, batch: &[Message<MetricsEvent>]) -> Handled {
        let mut deliveries = Vec::with_capacity(batch.len());
        for message in batch {
            let event = match usable(message) {
                Ok(event) => Some(event),
                Err(reason) => {
                    self.dead_letter(message, &reason).await;
                    None
                }
            };
            deliveries.push(message.delivery(event));
        }
        match batch.first() {
            Some(first) => self.apply(&first.log, &deliveries).await,
            None => Handled::Applied,
        }
    }

    async fn dead_letter(&self, message: &Message<MetricsEvent>, reason: &str) {
        let bus = &self.backends.bus;
        let kept = retry_forever("keeping a dead letter", || async {
            match bus.dead_letter(message, reason).await {
                Err(error) if error.is_permanent() => Ok(Err(error)),
                kept => kept.map(Ok),
            }
        });
        if let Err(error) = kept.await {
            // Nothing is gained by standing still: it stays where it is until Kafka deletes it.
            DEAD_LETTERS_LOST.inc();
            tracing::error!(
                error = with_sources(&error),
                topic = message.topic,
                partition = message.partition,
                offset = message.offset,
                reason,
                "a message cannot be counted, nor kept as a dead letter, and is passed over"
            );
            return;
        }
        DEAD_LETTERS.inc();
        tracing::warn!(
            partition = message.partition,
            offset = message.offset,
            reason,
            "a message cannot be counted and lies in the dead letters"
        );
    }

    /// Counts `deliveries` of `log`.
    async fn apply(&self, log: &str, deliveries: &[Delivery<'_, MetricsEvent>]) -> Handled {
        let stats = &self.backends.stats;
        let handled = retry_forever("counting metrics", || async {
            match stats.apply(GROUP, log, deliveries).await {
                Ok(()) => Ok(Handled::Applied),
                Err(StatsError::WentBack) => Ok(Handled::WentBack),
                Err(error) => {
                    RETRIES.inc();
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

/// The group goes on at the offsets beside the figures.
fn stored_offsets(stats: Stats) -> OffsetSource {
    Arc::new(move |log| {
        let (stats, log) = (stats.clone(), log.clone());
        Box::pin(async move { Ok(stats.start_offsets(GROUP, &log).await?) })
    })
}

/// Updates the lag while `work` on `in_hand` messages is in progress, and after it.
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
