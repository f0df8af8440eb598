//! A stream of the messages of one topic, from either backend.

use std::{marker::PhantomData, time::Duration};

use contract::Event;

use crate::{BusError, Message, kafka::KafkaSubscription, sqlite::LogSubscription};

/// A stream of the messages of one topic.
pub struct Subscription<E> {
    topic: String,
    source: Source,
    _of: PhantomData<fn() -> E>,
}

enum Source {
    Kafka(KafkaSubscription),
    Log(LogSubscription),
}

impl<E: Event> Subscription<E> {
    pub(crate) fn kafka(topic: &str, source: KafkaSubscription) -> Self {
        Self::new(topic, Source::Kafka(source))
    }

    pub(crate) fn log(topic: &str, source: LogSubscription) -> Self {
        Self::new(topic, Source::Log(source))
    }

    fn new(topic: &str, source: Source) -> Self {
        Self {
            topic: topic.to_owned(),
            source,
            _of: PhantomData,
        }
    }

    /// Waits for at least one message, then takes what comes within `max_wait`, up to `max` messages or about 4 MB.
    /// Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the subscription can never go on.
    pub async fn next_batch(
        &mut self,
        max: usize,
        max_wait: Duration,
    ) -> Result<Vec<Message<E>>, BusError> {
        let batch = match &mut self.source {
            Source::Kafka(source) => source.next_batch(max, max_wait).await?,
            Source::Log(source) => source.next_batch(max, max_wait).await?,
        };
        let topic = &self.topic;
        Ok(batch
            .into_iter()
            .map(|message| message.read(topic))
            .collect())
    }

    /// Tells the bus how far the group got, for tools that show lag and for retention. Effects and their offsets are the
    /// database's. Happens in the background.
    ///
    /// # Errors
    /// Never in a way that matters: log it.
    pub fn commit(&self, batch: &[Message<E>]) -> Result<(), BusError> {
        for message in batch {
            let next = message.offset + 1;
            match &self.source {
                Source::Kafka(source) => source.commit(message.partition, next),
                Source::Log(source) => source.commit(message.partition, next),
            }
        }
        Ok(())
    }

    /// How many messages of the assigned partitions were published and not yet handed out, as far as is known.
    pub fn lag(&self) -> i64 {
        match &self.source {
            Source::Kafka(source) => source.lag(),
            Source::Log(source) => source.lag(),
        }
    }

    /// Leaves the group; takes a few seconds at most.
    pub async fn close(self) {
        match self.source {
            Source::Kafka(source) => source.close().await,
            Source::Log(source) => drop(source),
        }
    }
}
