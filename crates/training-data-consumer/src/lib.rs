//! Stores the points that models were fitted on.
//!
//! Each point is stored exactly once, however often it is delivered and whichever process dies in
//! between: the offsets move in the same transactions as the points, and a consumer that joins
//! continues at them. A message that cannot be used is passed over once it is acknowledged as a
//! dead letter.

mod config;
mod handle;
mod metrics;

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bus::{Bus, Message, OffsetSource, Subscription};
pub use config::{Config, Settings};
use contract::TrainingData;
use service::{
    admin::Admin,
    health::{Health, LATEST, Need, Worked, chain},
};
use store::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::handle::{GROUP, Handler};

/// The most messages that are handled together.
const MAX_MESSAGES: usize = 64;

/// How long a first message waits for others. Plots of the series wait as long.
const MAX_WAIT: Duration = Duration::from_millis(5);

/// How often the lag is updated while no message comes or a batch waits.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// How long the batch in progress may take when the service stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// How long a dependency may take to answer a health check.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The backends of the consumer. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Delivers training points and takes dead letters.
    pub bus: Bus,
    /// Keeps training points.
    pub store: Store,
}

/// The service that stores training points.
pub struct TrainingDataConsumer(Handler);

/// Runs the consumer over Kafka and Postgres until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration is not valid, the port cannot be bound, or consuming can never continue.
/// Not when a backend is down.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        store: Store::postgres(&config.postgres)?,
    };
    let store = backends.store.clone();
    let consumer = TrainingDataConsumer::new(config.settings, backends);
    let addr = config.listen.admin_addr();
    let admin = Admin::bind(addr, consumer.health(&shutdown)).await?;
    tracing::info!(admin = %admin.addr(), "listening");

    let served = admin.serve_beside(consumer.serve(shutdown)).await;
    store.close().await;
    served
}

impl TrainingDataConsumer {
    /// A consumer that does not consume yet.
    pub fn new(settings: Settings, backends: Backends) -> Self {
        metrics::register();
        Self(Handler {
            bus: backends.bus,
            store: backends.store,
            batch_points: settings.training_data_batch_points.get(),
            stored: Worked::default(),
        })
    }

    /// Ready while bus and store answer, until `shutdown` is cancelled.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        let (bus, store) = (self.0.bus.clone(), self.0.store.clone());
        let names = [store.name(), "tables"];
        Health::new(shutdown.clone())
            .proven_by(&self.0.stored)
            .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
                let bus = bus.clone();
                async move { bus.ping(LATEST).await.map_err(chain) }
            })
            .with_contents(
                names,
                ANSWER_WITHIN,
                move || {
                    let store = store.clone();
                    async move { store.ping().await }
                },
                StoreError::is_about_tables,
            )
    }

    /// Stores the points of `batch`, messages in the order of their topic, and keeps those that
    /// cannot be used as dead letters. Returns when points, dead letters and offsets are durable,
    /// and waits for a bus or store that is down. The future can be dropped at any time: the
    /// offsets tell how much was done.
    pub async fn handle(&self, batch: &[Message<TrainingData>]) {
        self.0.handle(batch).await;
    }

    /// Consumes until `shutdown` is cancelled. Then it ends the batch in progress and leaves the
    /// group.
    ///
    /// # Errors
    /// When the subscription can never continue.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let offsets = stored_offsets(self.0.store.clone());
        let mut events = self.0.bus.subscribe(GROUP, offsets)?;
        let consumed = self.consume(&mut events, &shutdown).await;
        events.close().await;
        consumed
    }

    /// The loop: next, handle, commit.
    async fn consume(
        &self,
        events: &mut Subscription<TrainingData>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut long_stopped = pin!(long_after(shutdown));
        loop {
            let next = timeout(LAG_EVERY, events.next_batch(MAX_MESSAGES, MAX_WAIT));
            let Some(next) = shutdown.run_until_cancelled(next).await else {
                return Ok(());
            };
            metrics::LAG.set(events.lag());
            metrics::CUT_LOGS.set(i64::try_from(self.0.bus.cut_logs()).unwrap_or(i64::MAX));
            let Ok(batch) = next else { continue };
            let batch = batch?;
            let spans = Message::spans(&batch);
            tokio::select! {
                () = self.handle(&batch) => {}
                never = show_lag(events, batch.len()) => match never {},
                () = &mut long_stopped => return Ok(()),
            }
            drop(spans);
            metrics::LAG.set(events.lag());
            // For tools that show lag. What counts is the offset beside the points.
            events.commit(&batch);
        }
    }
}

/// Updates the lag for as long as `in_hand` messages are being handled. It grows in an outage.
async fn show_lag(events: &Subscription<TrainingData>, in_hand: usize) -> Infallible {
    let in_hand = i64::try_from(in_hand).unwrap_or(i64::MAX);
    loop {
        metrics::LAG.set(events.lag().saturating_add(in_hand));
        sleep(LAG_EVERY).await;
    }
}

async fn long_after(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    sleep(FINISH_WITHIN).await;
}

/// The group goes on at the offsets beside the points.
fn stored_offsets(store: Store) -> OffsetSource {
    Arc::new(move |log| {
        let (store, log) = (store.clone(), log.clone());
        Box::pin(async move { Ok(store.start_offsets(GROUP, &log).await?) })
    })
}
