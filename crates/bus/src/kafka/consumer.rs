//! A thread for each subscription that never stops polling Kafka, so that the group keeps its
//! member.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use tokio::sync::{oneshot, watch};

use super::{
    assignment::{Assignment, Mode, StartOffsets},
    callbacks::{self, Context, Rebalanced},
    prefetch::{Prefetch, Pushed},
    statistics,
};
use crate::{Assigned, BusError, RawBatch, SubscribeOptions, message::RawMessage};

/// How long a poll waits for a message, and so how long anything else may wait for the poll.
const TICK: Duration = Duration::from_millis(100);
/// The same while the answer to where reading begins is on its way.
const SHORT_TICK: Duration = Duration::from_millis(5);
/// How long a full queue may stay full before the partitions are paused. Pausing drops what was
/// fetched and not read, and it takes about a second until more arrives. Before that, not to poll
/// is enough.
const PAUSE_AFTER: Duration = Duration::from_secs(1);
/// How often offsets are committed to Kafka.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// How long [`KafkaSubscription::close`] waits for the consumer to leave. After that the thread
/// leaves in the background.
const LEAVE: Duration = Duration::from_secs(5);

/// The side of a consumer that messages are taken from.
pub(crate) struct KafkaSubscription {
    prefetch: Arc<Prefetch>,
    /// Whether it reads as a member of a group.
    is_member: bool,
    ended: oneshot::Receiver<()>,
}

impl KafkaSubscription {
    pub(crate) async fn next_batch(
        &self,
        max: usize,
        max_wait: Duration,
    ) -> Result<RawBatch, BusError> {
        self.prefetch.next_batch(max, max_wait).await
    }

    pub(crate) fn commit(&self, partition: i32, next: i64) {
        self.prefetch.commit(partition, next);
    }

    pub(crate) fn lag(&self) -> i64 {
        self.prefetch.lag()
    }

    pub(crate) fn assignment(&self) -> watch::Receiver<Assigned> {
        self.prefetch.assignment()
    }

    pub(crate) fn reread(&self) {
        if self.is_member {
            self.prefetch.reread();
        }
    }

    pub(crate) async fn close(mut self) {
        self.prefetch.abandon();
        if tokio::time::timeout(LEAVE, &mut self.ended).await.is_err() {
            tracing::warn!("kafka did not let a consumer go in time");
        }
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.prefetch.abandon();
    }
}

/// The side of a consumer that polls.
pub(super) struct Reader {
    consumer: BaseConsumer<Context>,
    config: ClientConfig,
    prefetch: Arc<Prefetch>,
    topic: Arc<str>,
    group: String,
    instance: Option<String>,
    /// The name by which offsets of the topic are kept.
    log: Arc<str>,
    /// The id of the cluster that is read, where it is known.
    cluster: Option<String>,
    assignment: Assignment,
    paused: bool,
    committed: Instant,
    /// Dropped when the consumer has left, which tells the other side.
    _ended: oneshot::Sender<()>,
}

impl Reader {
    /// Starts reading `topic`.
    ///
    /// # Errors
    /// When the configuration is refused or no thread can be started.
    pub(super) fn start(
        mut config: ClientConfig,
        topic: &str,
        mode: Mode,
        options: SubscribeOptions,
    ) -> Result<KafkaSubscription, BusError> {
        let (ends, ended) = oneshot::channel();
        let is_member = matches!(mode, Mode::Group { .. });
        set(&mut config);
        let reader = Self::new(config, topic, mode, options, ends)?;
        let prefetch = reader.prefetch.clone();
        std::thread::Builder::new()
            .name("kafka-consumer".to_owned())
            .spawn(move || reader.run())
            .map_err(|error| BusError::Unusable(error.to_string()))?;
        Ok(KafkaSubscription {
            prefetch,
            is_member,
            ended,
        })
    }

    fn new(
        config: ClientConfig,
        topic: &str,
        mode: Mode,
        options: SubscribeOptions,
        ends: oneshot::Sender<()>,
    ) -> Result<Self, BusError> {
        let prefetch = Arc::new(Prefetch::new(options.read_ahead_bytes));
        let consumer = callbacks::connect(&config, topic, &prefetch)?;
        if matches!(mode, Mode::Group { .. }) {
            consumer.subscribe(&[topic])?;
        }
        Ok(Self {
            consumer,
            group: config.get("group.id").unwrap_or_default().to_owned(),
            config,
            prefetch,
            topic: topic.into(),
            instance: options.instance,
            log: topic.into(),
            cluster: None,
            assignment: Assignment::new(mode),
            paused: false,
            committed: Instant::now(),
            _ended: ends,
        })
    }

    fn run(mut self) {
        while !self.prefetch.is_abandoned() {
            if let Err(error) = self.turn() {
                self.prefetch.end(Some(error));
                break;
            }
        }
        self.commit(CommitMode::Sync);
        // Dropped, the consumer leaves its group.
    }

    /// Does what is due, and polls once.
    ///
    /// # Errors
    /// When the client has given up.
    fn turn(&mut self) -> Result<(), BusError> {
        if self.consumer.context().brokers.are_lost() {
            self.reconnect()?;
        }
        self.follow_rebalance();
        self.throttle();
        if self.committed.elapsed() >= COMMIT_EVERY {
            self.commit(CommitMode::Async);
            self.watch_cluster();
        }
        let tick = if self.assignment.is_pending() {
            SHORT_TICK
        } else {
            TICK
        };
        match self.consumer.poll(tick) {
            Some(Ok(message)) => {
                self.consumer.context().connectivity.works();
                let message = taken(&self.topic, &self.log, &message);
                if self.prefetch.push(message) == Pushed::WentBack {
                    self.went_back();
                }
                Ok(())
            }
            // The context was told of it, and the client library recovers by itself from all else.
            Some(Err(_)) => self.fatal().map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// Reads on with a new client: as a new member of the group, or from where reading stood.
    fn reconnect(&mut self) -> Result<(), BusError> {
        tracing::warn!(
            topic = &*self.topic,
            "kafka consumer lost all brokers: it is replaced"
        );
        let stood = self.prefetch.positions();
        let fresh = callbacks::connect(&self.config, &self.topic, &self.prefetch)?;
        // Dropped, it gives up its partitions.
        drop(std::mem::replace(&mut self.consumer, fresh));
        self.paused = false;
        if self.assignment.is_shared() {
            self.prefetch.revoke();
            self.assignment.revoked();
            return Ok(self.consumer.subscribe(&[&self.topic])?);
        }
        self.read_from(&stood);
        Ok(())
    }

    /// Why the client has given up, if it has.
    fn fatal(&self) -> Option<BusError> {
        let (code, _) = self.consumer.client().fatal_error()?;
        match (code, &self.instance) {
            (RDKafkaErrorCode::FencedInstanceId, Some(instance)) => Some(BusError::Fenced {
                group: self.group.clone(),
                instance: instance.clone(),
            }),
            _ => Some(KafkaError::MessageConsumptionFatal(code).into()),
        }
    }

    /// Takes part in a rebalance, and starts reading once it is known where it begins.
    fn follow_rebalance(&mut self) {
        match self.consumer.context().take_rebalance() {
            Some(Rebalanced::Assigned(partitions)) => {
                self.assignment.assigned(partitions);
                self.paused = false;
            }
            Some(Rebalanced::Revoked) => {
                self.assignment.revoked();
                self.paused = false;
            }
            None => {}
        }
        if self.prefetch.take_reread() {
            self.reread();
        }
        let Some((log, starts)) = self.assignment.poll(&self.consumer, &self.topic) else {
            return;
        };
        self.log = log.key().into();
        self.cluster = log.id;
        self.prefetch.assign(
            starts
                .iter()
                .map(|(partition, start)| (*partition, known(*start))),
        );
        self.read_from(&starts);
    }

    fn read_from(&self, starts: &StartOffsets) {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (partition, offset) in starts {
            // Fails only for an offset that Kafka cannot have.
            if let Err(error) = list.add_partition_offset(&self.topic, *partition, *offset) {
                tracing::error!(%error, partition, ?offset, "database names an impossible offset");
            }
        }
        match self.consumer.assign(&list) {
            Ok(()) => tracing::info!(topic = &*self.topic, ?starts, "reading"),
            Err(error) => tracing::error!(topic = &*self.topic, %error, "cannot read"),
        }
    }

    /// Asks again where to continue if Kafka is another cluster than the one that is read. Its log may
    /// be shorter than where reading stands, and then no message would ever tell.
    fn watch_cluster(&mut self) {
        // What the client last heard; it asks every few seconds.
        let now = self.consumer.client().fetch_cluster_id(Duration::ZERO);
        if self.cluster.is_none() || now.is_none() || self.cluster == now {
            return;
        }
        self.cluster = None;
        self.went_back();
    }

    /// Offsets of the topic began anew while it was read: asks again where to continue.
    fn went_back(&mut self) {
        tracing::error!(
            topic = &*self.topic,
            "the log is another one, or was cut: it is asked again where to continue"
        );
        self.prefetch.revoke();
        self.reread();
    }

    /// Stops reading, and asks again where to continue. The membership is kept.
    fn reread(&mut self) {
        let reading = match self.consumer.assignment() {
            Ok(list) => list.elements().iter().map(|e| e.partition()).collect(),
            Err(error) => {
                tracing::warn!(%error, "kafka consumer does not know what it reads");
                return;
            }
        };
        if let Err(error) = self.consumer.assign(&TopicPartitionList::new()) {
            tracing::warn!(%error, "kafka consumer cannot stop reading");
        }
        self.paused = false;
        self.assignment.ask_again(reading);
    }

    /// Waits while the queue is full. If it stays full, the partitions are paused: polling
    /// continues, and with it the membership.
    fn throttle(&mut self) {
        let full = !self.paused && !self.prefetch.wait_for_room(PAUSE_AFTER);
        let changed = match self.paused {
            false if full => self.each_partition(|consumer, list| consumer.pause(list)),
            true if self.prefetch.has_room() => {
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

    /// Commits offsets to Kafka. Only tools that show lag depend on it.
    fn commit(&mut self, mode: CommitMode) {
        self.committed = Instant::now();
        let commits = self.prefetch.take_commits();
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
    /// However the thread ends, the side that waits for messages learns of it.
    fn drop(&mut self) {
        self.prefetch.end(None);
    }
}

/// Settings of all consumers: little memory, and only our own commits.
fn set(config: &mut ClientConfig) {
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
        // For lag, too.
        .set("statistics.interval.ms", statistics::EVERY_MS);
}

fn known(offset: Offset) -> Option<i64> {
    match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn taken(topic: &Arc<str>, log: &Arc<str>, message: &BorrowedMessage<'_>) -> RawMessage {
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
    RawMessage {
        topic: Arc::clone(topic),
        log: Arc::clone(log),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}
