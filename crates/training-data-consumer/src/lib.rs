//! Stores the points that models were fitted on.
//!
//! Each point once, whatever is delivered how often and by whoever dies in between: the offsets lie in the same transactions as
//! the points, and say where to go on. What cannot be used is acknowledged as a dead letter before it is passed over.

mod config;
mod handle;
mod metrics;

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bus::{Bus, Message, Position, Positions, Subscription};
pub use config::{Config, Settings};
use contract::TrainingData;
use service::{
    admin::Admin,
    health::{Health, Need},
};
use store::Store;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::handle::{GROUP, Handler};

/// Messages handled together, at most.
const MAX_MESSAGES: usize = 64;

/// How long a first message waits for others: plots wait for it meanwhile.
const MAX_WAIT: Duration = Duration::from_millis(5);

/// How often the lag is looked at while nothing comes, or nothing goes on.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// How long a batch in hand may take to end when the service stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// How long Kafka and Postgres are waited for when someone asks whether they are there.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What the consumer works on. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Where training points come from, and dead letters go.
    pub bus: Bus,
    /// Where training points are kept.
    pub store: Store,
}

/// The service that stores training points.
pub struct TrainingDataConsumer(Handler);

/// Runs the consumer over Kafka and Postgres until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration makes no sense, the port cannot be bound, or it can never go on. Not when a backend is away.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        store: Store::postgres(&config.postgres)?,
    };
    let store = backends.store.clone();
    let consumer = TrainingDataConsumer::new(config.settings, backends);
    let addr = SocketAddr::new(config.app_host, config.admin_port);
    let admin = Admin::bind(addr, consumer.health(&shutdown)).await?;
    tracing::info!(admin = %admin.addr(), "listening");

    let served = tokio::try_join!(consumer.serve(shutdown.clone()), admin.serve(shutdown));
    store.close().await;
    served.map(|_| ())
}

impl TrainingDataConsumer {
    /// A consumer that is not consuming yet.
    pub fn new(settings: Settings, backends: Backends) -> Self {
        metrics::register();
        Self(Handler {
            bus: backends.bus,
            store: backends.store,
            batch_points: settings.training_data_batch_points.get(),
        })
    }

    /// Whether it gets on: while bus and store answer, and until `shutdown` is cancelled.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        let (bus, store) = (self.0.bus.clone(), self.0.store.clone());
        Health::new(shutdown.clone())
            .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
                let bus = bus.clone();
                async move { bus.ping(ANSWER_WITHIN).await }
            })
            .with(store.name(), Need::Required, ANSWER_WITHIN, move || {
                let store = store.clone();
                async move { store.ping().await }
            })
    }

    /// Stores the points of `batch`, messages in the order of their topic, and buries what has none; returns when that and the
    /// offsets are durable. Waits for a bus or store that is away. It can be dropped at any time: what was done is known by
    /// the offsets.
    pub async fn handle(&self, batch: &[Message<TrainingData>]) {
        self.0.handle(batch).await;
    }

    /// Consumes until `shutdown` is cancelled; then ends the batch in hand and leaves the group.
    ///
    /// # Errors
    /// When the subscription can never go on.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let positions = positions(self.0.store.clone());
        let mut events = self.0.bus.subscribe(GROUP, positions)?;
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
            let Ok(batch) = next else { continue };
            let batch = batch?;
            tokio::select! {
                () = self.handle(&batch) => {}
                never = show_lag(events, batch.len()) => match never {},
                () = &mut long_stopped => return Ok(()),
            }
            metrics::LAG.set(events.lag());
            // For tools that show lag. What was applied is known to the store.
            if let Err(error) = events.commit(&batch) {
                tracing::debug!(%error, "offsets were not committed");
            }
        }
    }
}

/// Shows how far the group is behind for as long as `in_hand` messages are being handled: in an outage, that grows.
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

/// Where the group goes on: what `store` says.
fn positions(store: Store) -> Positions {
    Arc::new(move |topic: &str| {
        let (store, topic) = (store.clone(), topic.to_owned());
        Box::pin(async move {
            let offsets = store.offsets(GROUP, &topic).await?;
            let position = |offset: store::Offset| Position {
                partition: offset.partition,
                next_offset: offset.next_offset,
            };
            Ok(offsets.into_iter().map(position).collect())
        })
    })
}
