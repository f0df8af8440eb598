//! A stream of the messages of one topic, from either backend.

use std::{marker::PhantomData, time::Duration};

use contract::Event;
use tokio::sync::watch;

use crate::{Assigned, BusError, Message, kafka::KafkaSubscription, sqlite::LogSubscription};

/// A stream of the messages of one topic.
pub struct Subscription<E> {
    topic: String,
    source: Source,
    _of: PhantomData<fn() -> E>,
}

enum Source {
    Kafka(KafkaSubscription),
    Sqlite(LogSubscription),
}

impl<E: Event> Subscription<E> {
    pub(crate) fn kafka(topic: &str, source: KafkaSubscription) -> Self {
        Self::new(topic, Source::Kafka(source))
    }

    pub(crate) fn sqlite(topic: &str, source: LogSubscription) -> Self {
        Self::new(topic, Source::Sqlite(source))
    }

    fn new(topic: &str, source: Source) -> Self {
        Self {
            topic: topic.to_owned(),
            source,
            _of: PhantomData,
        }
    }

    /// Waits for a message, then takes all that arrive within `max_wait`, up to `max` messages or
    /// about 4 MB. Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the subscription can never continue.
    pub async fn next_batch(
        &mut self,
        max: usize,
        max_wait: Duration,
    ) -> Result<Vec<Message<E>>, BusError> {
        let batch = match &mut self.source {
            Source::Kafka(source) => source.next_batch(max, max_wait).await?,
            Source::Sqlite(source) => source.next_batch(max, max_wait).await?,
        };
        let topic = &self.topic;
        Ok(batch
            .into_iter()
            .map(|message| message.read(topic))
            .collect())
    }

    /// Tells the bus, in the background, that the group has applied `batch`. Only retention and
    /// tools that show lag depend on it: the offsets that count lie in the database, beside the
    /// effects.
    pub fn commit(&self, batch: &[Message<E>]) {
        for message in batch {
            let next = message.offset + 1;
            match &self.source {
                Source::Kafka(source) => source.commit(message.partition, next),
                Source::Sqlite(source) => source.commit(message.partition, next),
            }
        }
    }

    /// The number of messages of the assigned partitions that were published and not yet handed
    /// out, as far as is known.
    pub fn lag(&self) -> i64 {
        match &self.source {
            Source::Kafka(source) => source.lag(),
            Source::Sqlite(source) => source.lag(),
        }
    }

    /// The partitions that this subscription reads right now, as they change. They are taken away
    /// before another member of the group can read them, and given once it is known where reading
    /// begins. Over SQLite the latter happens while [`Self::next_batch`] waits.
    pub fn assignment(&self) -> watch::Receiver<Assigned> {
        match &self.source {
            Source::Kafka(source) => source.assignment(),
            Source::Sqlite(source) => source.assignment(),
        }
    }

    /// Asks the [`OffsetSource`] again where to continue in all assigned partitions, and continues
    /// there. Messages that were read ahead are dropped; the membership is kept. A tail has no
    /// source to ask, and reads on.
    ///
    /// [`OffsetSource`]: crate::OffsetSource
    pub fn reread(&mut self) {
        match &mut self.source {
            Source::Kafka(source) => source.reread(),
            Source::Sqlite(source) => source.reread(),
        }
    }

    /// Leaves the group. Takes a few seconds at most.
    pub async fn close(self) {
        match self.source {
            Source::Kafka(source) => source.close().await,
            Source::Sqlite(source) => drop(source),
        }
    }
}
