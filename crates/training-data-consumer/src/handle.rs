//! What is done with one batch of messages.

use bus::{Bus, Message};
use contract::{MAX_POINTS_PER_PART, TrainingData};
use service::retry::until_it_works;
use store::{Delivery, Store, StoreError};

use crate::metrics;

/// The consumer group, on the bus and in the store.
pub(crate) const GROUP: &str = "training-data-consumer";

/// Parts that a model can have: more than fit into a body of any size we take, and positions stay far from overflow.
const MAX_PARTS: u32 = 1_000_000;

/// Stores training points, exactly once each, and buries what is none.
pub(crate) struct Handler {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    /// Points stored in one transaction, about.
    pub(crate) batch_points: usize,
}

/// A message of the batch, and what keeps it from being used.
struct Judged<'m> {
    message: &'m Message<TrainingData>,
    usable: Result<&'m TrainingData, String>,
}

impl Handler {
    /// As [`crate::TrainingDataConsumer::handle`] says.
    pub(crate) async fn handle(&self, batch: &[Message<TrainingData>]) {
        let judged: Vec<Judged<'_>> = batch.iter().map(judge).collect();
        for chunk in self.chunks(&judged) {
            for Judged { message, usable } in chunk {
                if let Err(reason) = usable {
                    self.bury(message, reason).await;
                }
            }
            self.store(chunk).await;
        }
        metrics::BATCHES.inc();
    }

    /// Cuts `messages` where their points get more than one transaction should have.
    fn chunks<'j, 'm>(&self, messages: &'j [Judged<'m>]) -> Vec<&'j [Judged<'m>]> {
        let mut chunks = Vec::new();
        let (mut start, mut points) = (0, 0);
        for (i, judged) in messages.iter().enumerate() {
            let more = judged.usable.as_ref().map_or(0, |event| event.data.len());
            if points > 0 && points + more > self.batch_points {
                chunks.push(&messages[start..i]);
                (start, points) = (i, 0);
            }
            points += more;
        }
        chunks.push(&messages[start..]);
        chunks
    }

    async fn store(&self, chunk: &[Judged<'_>]) {
        let Some(first) = chunk.first() else { return };
        let topic = &first.message.topic;
        let deliveries: Vec<Delivery<'_>> = chunk.iter().map(Judged::delivery).collect();
        if self.apply(topic, &deliveries).await.is_ok() {
            return;
        }
        // One of them is refused. Which one shows when each has a transaction of its own.
        for (judged, mut delivery) in chunk.iter().zip(deliveries) {
            let applied = self.apply(topic, std::slice::from_ref(&delivery)).await;
            if let Err(refusal) = applied {
                self.bury(judged.message, &refusal.to_string()).await;
                delivery.event = None;
                self.skip(topic, &delivery).await;
            }
        }
    }

    /// Stores `deliveries`, waiting for the store if it is away.
    ///
    /// # Errors
    /// When the store refuses the data: then nothing of it was stored, or some of a prefix with its offsets.
    async fn apply(&self, topic: &str, deliveries: &[Delivery<'_>]) -> Result<(), StoreError> {
        let apply = || async {
            let applied = self.store.apply_training_data(GROUP, topic, deliveries);
            match applied.await {
                Err(error) if error.is_transient() => {
                    metrics::RETRIES.inc();
                    Err(error)
                }
                applied => Ok(applied),
            }
        };
        let rows = until_it_works("storing training points", apply).await?;
        metrics::ROWS_STORED.inc_by(rows);
        Ok(())
    }

    /// Moves the offset past a message without points: nothing in that can be refused for good.
    async fn skip(&self, topic: &str, delivery: &Delivery<'_>) {
        let only = std::slice::from_ref(delivery);
        until_it_works("moving an offset", || self.apply(topic, only)).await;
    }

    /// Keeps `message` as a dead letter, waiting for the bus if it is away.
    async fn bury(&self, message: &Message<TrainingData>, reason: &str) {
        let Message {
            topic,
            partition,
            offset,
            ..
        } = message;
        tracing::warn!(%topic, partition, offset, reason, "message cannot be used");
        until_it_works("burying a message", || self.bus.bury(message, reason)).await;
        metrics::BURIED.inc();
    }
}

impl<'m> Judged<'m> {
    fn delivery(&self) -> Delivery<'m> {
        Delivery {
            partition: self.message.partition,
            offset: self.message.offset,
            event: self.usable.as_ref().ok().copied(),
        }
    }
}

fn judge(message: &Message<TrainingData>) -> Judged<'_> {
    let usable = match &message.event {
        Ok(event) => fault(event).map_or(Ok(event), |fault| Err(fault.to_owned())),
        Err(fault) => Err(fault.clone()),
    };
    Judged { message, usable }
}

/// What keeps the points of `event` from having places in the training set.
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
