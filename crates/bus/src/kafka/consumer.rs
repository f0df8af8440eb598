//! A thread for each subscription, which polls Kafka whatever happens, so that the group keeps its member.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    message::{BorrowedMessage, Headers},
    types::RDKafkaRespErr,
};
use tokio::sync::oneshot;

use super::{
    assignment::{Mode, Placing},
    connectivity::{self, Link},
    prefetch::Inbox,
    statistics,
};
use crate::{BusError, message::Incoming};

/// How long a poll waits for a message, and so how long everything else may wait for the poll.
const TICK: Duration = Duration::from_millis(100);
/// The same while the answer to where to begin is on its way.
const SHORT_TICK: Duration = Duration::from_millis(5);
/// How long nobody may take what is there before the partitions are paused. That drops what was fetched and not read, and about a second
/// goes by before more comes; until then, not to poll will do.
const PAUSE_AFTER: Duration = Duration::from_secs(1);
/// How often the bus is told how far the group got.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// How long leaving may take: the thread goes on leaving after that, but nobody waits.
const LEAVE: Duration = Duration::from_secs(5);

/// The end that messages are taken from.
pub(crate) struct KafkaSubscription {
    inbox: Arc<Inbox>,
    ended: oneshot::Receiver<()>,
}

impl KafkaSubscription {
    pub(crate) async fn next_batch(
        &self,
        max: usize,
        max_wait: Duration,
    ) -> Result<Vec<Incoming>, BusError> {
        self.inbox.next_batch(max, max_wait).await
    }

    pub(crate) fn commit(&self, partition: i32, next: i64) {
        self.inbox.commit(partition, next);
    }

    pub(crate) fn lag(&self) -> i64 {
        self.inbox.lag()
    }

    pub(crate) async fn close(mut self) {
        self.inbox.abandon();
        if tokio::time::timeout(LEAVE, &mut self.ended).await.is_err() {
            tracing::warn!("kafka did not let a consumer go in time");
        }
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}

/// The end that polls.
pub(super) struct Reader {
    consumer: BaseConsumer<Context>,
    inbox: Arc<Inbox>,
    topic: String,
    placing: Placing,
    paused: bool,
    committed: Instant,
    /// Told, by being dropped, that the consumer has left.
    _ended: oneshot::Sender<()>,
}

impl Reader {
    /// Starts reading `topic`.
    ///
    /// # Errors
    /// When the configuration is refused, or there are no more threads.
    pub(super) fn start(
        mut config: ClientConfig,
        topic: &str,
        mode: Mode,
    ) -> Result<KafkaSubscription, BusError> {
        let inbox = Arc::new(Inbox::default());
        let context = Context {
            inbox: inbox.clone(),
            topic: topic.to_owned(),
            link: Link::default(),
            rebalanced: Mutex::new(None),
        };
        let consumer = BaseConsumer::from_config_and_context(settings(&mut config), context)?;
        if let Mode::Group { .. } = mode {
            consumer.subscribe(&[topic])?;
        }
        let (ends, ended) = oneshot::channel();
        let reader = Self {
            consumer,
            inbox: inbox.clone(),
            topic: topic.to_owned(),
            placing: Placing::new(mode),
            paused: false,
            committed: Instant::now(),
            _ended: ends,
        };
        std::thread::Builder::new()
            .name("kafka-consumer".to_owned())
            .spawn(move || reader.run())
            .map_err(|error| BusError::Unusable(error.to_string()))?;
        Ok(KafkaSubscription { inbox, ended })
    }

    fn run(mut self) {
        while !self.inbox.is_abandoned() {
            self.place();
            self.throttle();
            if self.committed.elapsed() >= COMMIT_EVERY {
                self.commit(CommitMode::Async);
            }
            let tick = if self.placing.is_asking() {
                SHORT_TICK
            } else {
                TICK
            };
            match self.consumer.poll(tick) {
                Some(Ok(message)) => {
                    self.consumer.context().link.works();
                    self.inbox.push(incoming(&message));
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    let error = KafkaError::MessageConsumptionFatal(code);
                    self.inbox.end(Some(error.into()));
                    break;
                }
                // The context was told of it, and the client library goes on by itself.
                Some(Err(_)) | None => {}
            }
        }
        self.commit(CommitMode::Sync);
        // Dropping the consumer makes it leave its group.
    }

    /// Takes part in a rebalance, and starts reading once it is known where.
    fn place(&mut self) {
        match self.consumer.context().take_rebalance() {
            Some(Rebalanced::Assigned(partitions)) => {
                self.placing.assigned(partitions);
                self.paused = false;
            }
            Some(Rebalanced::Revoked) => {
                self.placing.forget();
                self.paused = false;
            }
            None => {}
        }
        let Some(places) = self.placing.poll(&self.consumer, &self.topic) else {
            return;
        };
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (partition, offset) in &places {
            // Fails for offsets that cannot be, only.
            if let Err(error) = list.add_partition_offset(&self.topic, *partition, *offset) {
                tracing::error!(%error, partition, ?offset, "database names an impossible offset");
            }
        }
        self.inbox.assign(
            places
                .iter()
                .map(|(partition, at)| (*partition, known(*at))),
        );
        match self.consumer.assign(&list) {
            Ok(()) => tracing::info!(topic = self.topic, ?places, "reading"),
            Err(error) => tracing::error!(topic = self.topic, %error, "cannot read"),
        }
    }

    /// Waits while there is no room for more. Where nobody takes what is there for long, it pauses: polling goes on, and so does
    /// membership.
    fn throttle(&mut self) {
        let full = !self.paused && !self.inbox.wait_for_room(PAUSE_AFTER);
        let changed = match self.paused {
            false if full => self.each_partition(|consumer, list| consumer.pause(list)),
            true if self.inbox.has_room() => {
                self.each_partition(|consumer, list| consumer.resume(list))
            }
            _ => return,
        };
        match changed {
            Ok(()) => self.paused = !self.paused,
            Err(error) => tracing::warn!(%error, "kafka consumer cannot be paused or resumed"),
        }
    }

    fn each_partition(
        &self,
        change: impl Fn(&BaseConsumer<Context>, &TopicPartitionList) -> KafkaResult<()>,
    ) -> KafkaResult<()> {
        change(&self.consumer, &self.consumer.assignment()?)
    }

    /// Tells Kafka how far the group got. Nothing depends on it.
    fn commit(&mut self, mode: CommitMode) {
        self.committed = Instant::now();
        let commits = self.inbox.take_commits();
        if commits.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        let added: KafkaResult<()> = commits.into_iter().try_for_each(|(p, next)| {
            list.add_partition_offset(&self.topic, p, Offset::Offset(next))
        });
        if let Err(error) = added.and_then(|()| self.consumer.commit(&list, mode)) {
            tracing::debug!(%error, "kafka was not told how far the group got");
        }
    }
}

impl Drop for Reader {
    /// However the thread ends, whoever waits for messages learns of it.
    fn drop(&mut self) {
        self.inbox.end(None);
    }
}

/// Settings of all consumers: little memory, and nothing committed but by us.
fn settings(config: &mut ClientConfig) -> &ClientConfig {
    if config.get("auto.offset.reset").is_none() {
        config.set("auto.offset.reset", "earliest");
    }
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("check.crcs", "true")
        .set("queued.min.messages", "1000")
        .set("queued.max.messages.kbytes", "4096")
        .set("fetch.queue.backoff.ms", "50")
        // For lag.
        .set("statistics.interval.ms", "5000")
}

fn known(offset: Offset) -> Option<i64> {
    match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn incoming(message: &BorrowedMessage<'_>) -> Incoming {
    let headers = message.headers().map(|headers| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = headers.iter();
        pairs
            .map(|header| {
                (
                    header.key.to_owned(),
                    header.value.map_or_else(String::new, text),
                )
            })
            .collect()
    });
    Incoming {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}

/// What the client library calls, on the thread that polls.
pub(super) struct Context {
    inbox: Arc<Inbox>,
    topic: String,
    link: Link,
    rebalanced: Mutex<Option<Rebalanced>>,
}

enum Rebalanced {
    Assigned(Vec<i32>),
    Revoked,
}

impl Context {
    fn take_rebalance(&self) -> Option<Rebalanced> {
        let mut rebalanced = self
            .rebalanced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rebalanced.take()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        connectivity::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.link.failed(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        for (partition, progress) in statistics::read(statistics, &self.topic) {
            self.inbox
                .note_high(partition, progress.hi_offset, progress.next_offset);
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let (done, rebalanced) = if assigned {
            // Joins with nothing to read: where to begin is asked outside of here, while polling, and with that
            // membership, goes on.
            let partitions = partitions
                .elements()
                .iter()
                .map(|p| p.partition())
                .collect();
            let nothing = TopicPartitionList::new();
            (consumer.assign(&nothing), Rebalanced::Assigned(partitions))
        } else {
            self.inbox.revoke();
            // A partition that comes back later must not come back paused.
            let resumed = consumer
                .assignment()
                .and_then(|list| consumer.resume(&list));
            (resumed.and(consumer.unassign()), Rebalanced::Revoked)
        };
        if let Err(error) = done {
            tracing::warn!(%error, "kafka rebalance failed");
        }
        *self
            .rebalanced
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(rebalanced);
    }
}
