//! A stream of the messages of one topic, from either backend.

use std::{marker::PhantomData, time::Duration};

use contract::Event;
use tokio::sync::watch;

use crate::{
    Assigned, BusError, Message, RawBatch, RawMessage, kafka::KafkaSubscription,
    sqlite::LogSubscription,
};

/// A stream of the messages of one topic.
pub struct Subscription<E> {
    source: Source,
    _of: PhantomData<fn() -> E>,
}

enum Source {
    Kafka(KafkaSubscription),
    Sqlite(Box<LogSubscription>),
}

impl<E: Event> Subscription<E> {
    pub(crate) fn kafka(source: KafkaSubscription) -> Self {
        Self::new(Source::Kafka(source))
    }

    pub(crate) fn sqlite(source: LogSubscription) -> Self {
        Self::new(Source::Sqlite(Box::new(source)))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            _of: PhantomData,
        }
    }

    /// Waits for a message, then takes all that arrive within `max_wait`, up to `max` messages or
    /// about 4 MB. With no `max_wait` it takes what is there. Cancel safe: nothing is lost when the
    /// future is dropped.
    ///
    /// # Errors
    /// When the subscription can never continue, for instance because it was shut out of its group
    /// ([`BusError::Fenced`]).
    pub async fn next_batch(
        &mut self,
        max: usize,
        max_wait: Duration,
    ) -> Result<Vec<Message<E>>, BusError> {
        let batch = self.next_raw(max, max_wait).await?;
        Ok(batch.messages.into_iter().map(RawMessage::read).collect())
    }

    /// As [`Self::next_batch`], without parsing the messages. A batch is of one generation of the
    /// [`assignment`](Self::assignment).
    ///
    /// # Errors
    /// As [`Self::next_batch`].
    pub async fn next_raw(&mut self, max: usize, max_wait: Duration) -> Result<RawBatch, BusError> {
        match &mut self.source {
            Source::Kafka(source) => source.next_batch(max, max_wait).await,
            Source::Sqlite(source) => source.next_batch(max, max_wait).await,
        }
    }

    /// Tells the bus, in the background, that the group has applied `batch`. Only retention and
    /// tools that show lag depend on it: the offsets that count lie in the database, beside the
    /// effects.
    pub fn commit(&self, batch: &[Message<E>]) {
        for message in batch {
            self.commit_offset(message.partition, message.offset + 1);
        }
    }

    /// As [`Self::commit`]: the group has applied all messages of `partition` below `next_offset`.
    pub fn commit_offset(&self, partition: i32, next_offset: i64) {
        match &self.source {
            Source::Kafka(source) => source.commit(partition, next_offset),
            Source::Sqlite(source) => source.commit(partition, next_offset),
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

    /// Leaves the group, unless it has an instance id ([`SubscribeOptions::instance`]): then the
    /// group keeps its partitions for it for the session timeout. Takes a few seconds at most.
    ///
    /// [`SubscribeOptions::instance`]: crate::SubscribeOptions::instance
    pub async fn close(self) {
        match self.source {
            Source::Kafka(source) => source.close().await,
            Source::Sqlite(source) => drop(source),
        }
    }
}
