//! Handles one batch of messages.

use bus::{Bus, Message};
use contract::{Delivery, MAX_POINTS_PER_PART, TrainingData};
use service::{health::Worked, retry::retry_forever, telemetry::with_sources};
use store::{Store, StoreError};

use crate::metrics;

/// The consumer group, on the bus and in the store.
pub(crate) const GROUP: &str = "training-data-consumer";

/// The most parts of a model. More than fit into any body that we accept, and far from an overflow
/// of positions.
const MAX_PARTS: u32 = 1_000_000;

/// Stores training points, exactly once each, and keeps messages that cannot be used as dead
/// letters.
pub(crate) struct Handler {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    /// About how many points are stored in one transaction.
    pub(crate) batch_points: usize,
    /// Whether points came from the bus and were stored.
    pub(crate) stored: Worked,
}

/// A message of the batch, and its event or why it cannot be used.
struct Checked<'m> {
    message: &'m Message<TrainingData>,
    usable: Result<&'m TrainingData, String>,
}

impl Handler {
    /// See [`crate::TrainingDataConsumer::handle`].
    pub(crate) async fn handle(&self, batch: &[Message<TrainingData>]) {
        let checked: Vec<Checked<'_>> = batch.iter().map(check).collect();
        for chunk in self.chunks(&checked) {
            for Checked { message, usable } in chunk {
                if let Err(reason) = usable {
                    self.dead_letter(message, reason).await;
                }
            }
            self.store(chunk).await;
        }
        metrics::BATCHES.inc();
    }

    /// Cuts `messages` into chunks whose points fit into one transaction.
    fn chunks<'j, 'm>(&self, messages: &'j [Checked<'m>]) -> Vec<&'j [Checked<'m>]> {
        let mut chunks = Vec::new();
        let (mut start, mut points) = (0, 0);
        for (i, checked) in messages.iter().enumerate() {
            let more = checked.usable.as_ref().map_or(0, |event| event.data.len());
            if points > 0 && points + more > self.batch_points {
                chunks.push(&messages[start..i]);
                (start, points) = (i, 0);
            }
            points += more;
        }
        chunks.push(&messages[start..]);
        chunks
    }

    async fn store(&self, chunk: &[Checked<'_>]) {
        let Some(first) = chunk.first() else { return };
        let log = &first.message.log;
        let deliveries: Vec<Delivery<'_, TrainingData>> =
            chunk.iter().map(Checked::delivery).collect();
        if self.apply(log, &deliveries).await.is_ok() {
            return;
        }
        // The store refuses one of them. It is found by giving each a separate transaction.
        for (checked, mut delivery) in chunk.iter().zip(deliveries) {
            let applied = self.apply(log, std::slice::from_ref(&delivery)).await;
            if let Err(refusal) = applied {
                self.dead_letter(checked.message, &refusal.to_string())
                    .await;
                delivery.event = None;
                self.skip(log, &delivery).await;
            }
        }
    }

    /// Stores `deliveries`, and waits for a store that is down.
    ///
    /// # Errors
    /// When the store refuses the data. Then nothing was stored, or only some of the first
    /// deliveries with their offsets.
    async fn apply(
        &self,
        log: &str,
        deliveries: &[Delivery<'_, TrainingData>],
    ) -> Result<(), StoreError> {
        let apply = || async {
            let applied = self.store.apply_training_data(GROUP, log, deliveries);
            match applied.await {
                Err(error) if error.is_transient() => {
                    metrics::RETRIES.inc();
                    Err(error)
                }
                applied => Ok(applied),
            }
        };
        let rows = retry_forever("storing training points", apply).await?;
        metrics::ROWS_STORED.inc_by(rows);
        self.stored.note();
        Ok(())
    }

    /// Moves the offset past a message without points. The store has no reason to refuse that for
    /// good.
    async fn skip(&self, log: &str, delivery: &Delivery<'_, TrainingData>) {
        let only = std::slice::from_ref(delivery);
        retry_forever("moving an offset", || self.apply(log, only)).await;
    }

    /// Keeps `message` as a dead letter, and waits for a bus that is down.
    async fn dead_letter(&self, message: &Message<TrainingData>, reason: &str) {
        let Message {
            topic,
            partition,
            offset,
            ..
        } = message;
        tracing::warn!(%topic, partition, offset, reason, "message cannot be used");
        let kept = retry_forever("keeping a dead letter", || async {
            match self.bus.dead_letter(message, reason).await {
                Err(error) if error.is_permanent() => Ok(Err(error)),
                kept => kept.map(Ok),
            }
        });
        match kept.await {
            Ok(()) => metrics::DEAD_LETTERS.inc(),
            // Nothing is gained by standing still: it stays where it is until Kafka deletes it.
            Err(error) => {
                metrics::DEAD_LETTERS_LOST.inc();
                tracing::error!(
                    error = with_sources(&error),
                    %topic,
                    partition,
                    offset,
                    "message cannot be kept as a dead letter either, and is passed over"
                );
            }
        }
    }
}

impl<'m> Checked<'m> {
    fn delivery(&self) -> Delivery<'m, TrainingData> {
        self.message.delivery(self.usable.as_ref().ok().copied())
    }
}

fn check(message: &Message<TrainingData>) -> Checked<'_> {
    let usable = match &message.event {
        Ok(event) => fault(event).map_or(Ok(event), |fault| Err(fault.to_owned())),
        Err(fault) => Err(fault.clone()),
    };
    Checked { message, usable }
}

/// Why the points of `event` have no positions in the training set.
fn fault(event: &TrainingData) -> Option<&'static str> {
    let points = event.data.len();
    match (event.part, event.parts) {
        _ if points == 0 => Some("it has no points"),
        (None, None) => None,
        (Some(part), Some(parts)) if part >= parts => Some("part is not less than parts"),
        (Some(_), Some(MAX_PARTS..)) => Some("it has too many parts"),
        (Some(_), Some(_)) if points > MAX_POINTS_PER_PART => Some("the part has too many points"),
        (Some(part), Some(parts)) if part + 1 < parts && points < MAX_POINTS_PER_PART => {
            Some("a part before the last is not full")
        }
        (Some(_), Some(_)) => None,
        (Some(_), None) | (None, Some(_)) => Some("part and parts do not come together"),
    }
}
