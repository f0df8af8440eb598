//! Where reading begins in the partitions that Kafka assigned: the database says, however long it
//! takes to answer.

use std::{
    sync::{
        Arc,
        mpsc::{self, TryRecvError},
    },
    time::{Duration, Instant},
};

use contract::{TopicLog, TopicOffset};
use rdkafka::{
    Offset,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
};
use tokio::runtime::Handle;

use crate::{
    OffsetSource,
    cuts::{Cut, Cuts},
};

/// How long the database, or Kafka, may take to answer once.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The first and the longest pause before it is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Partitions, and where reading begins in each.
pub(super) type StartOffsets = Vec<(i32, Offset)>;

/// How a topic is read.
pub(super) enum Mode {
    /// As a member of a group, which shares the partitions; `offsets` runs on `runtime`.
    Group {
        name: String,
        offsets: OffsetSource,
        runtime: Handle,
        cuts: Arc<Cuts>,
    },
    /// From now on, all partitions of it.
    Tail,
}

/// The partitions that were assigned last, until it is known where reading begins in them. Never
/// blocks for long.
pub(super) struct Assignment {
    mode: Mode,
    state: State,
    retry: Duration,
    /// Whether a failure was logged and its end was not.
    failing: bool,
}

enum State {
    /// There is nothing to find out.
    Settled,
    /// The offsets of these partitions are to be asked for, not before this time.
    Due(Vec<i32>, Instant),
    /// The offsets of these partitions of the log were asked for.
    Asked(Vec<i32>, TopicLog, Answer),
}

/// The answer of the database, once it is there.
type Answer = mpsc::Receiver<Result<Vec<TopicOffset>, String>>;

impl Assignment {
    pub(super) fn new(mode: Mode) -> Self {
        let state = match mode {
            Mode::Group { .. } => State::Settled,
            Mode::Tail => State::Due(Vec::new(), Instant::now()),
        };
        Self {
            mode,
            state,
            retry: RETRY.0,
            failing: false,
        }
    }

    /// Whether a group shares the partitions.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.mode, Mode::Group { .. })
    }

    /// Kafka assigned these partitions.
    pub(super) fn assigned(&mut self, partitions: Vec<i32>) {
        self.state = match partitions.is_empty() {
            true => State::Settled,
            false => State::Due(partitions, Instant::now()),
        };
    }

    /// The offsets are to be asked for again: of the partitions that are being `read`, or of those
    /// that are to be, if their offsets are not known yet.
    pub(super) fn ask_again(&mut self, read: Vec<i32>) {
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Settled => self.assigned(read),
            State::Asked(partitions, ..) => self.assigned(partitions),
            due @ State::Due(..) => self.state = due,
        }
    }

    /// Kafka took the partitions away.
    pub(super) fn revoked(&mut self) {
        self.state = State::Settled;
    }

    /// Whether an answer is on its way.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, State::Asked(..))
    }

    /// Where reading begins, and in which log: given once, when it has become known.
    pub(super) fn poll<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        topic: &str,
    ) -> Option<(TopicLog, StartOffsets)> {
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Settled => None,
            State::Due(partitions, at) if at > Instant::now() => {
                self.state = State::Due(partitions, at);
                None
            }
            State::Due(partitions, _) => match &self.mode {
                Mode::Group {
                    offsets, runtime, ..
                } => match identify(consumer, topic) {
                    Ok(log) => {
                        let answer = ask(offsets, runtime, &log);
                        self.state = State::Asked(partitions, log, answer);
                        None
                    }
                    Err(error) => self.settle(partitions, Err(error)),
                },
                Mode::Tail => {
                    let log = TopicLog {
                        topic: topic.to_owned(),
                        id: None,
                        is_cut: false,
                    };
                    let ends = end_offsets(consumer, topic);
                    self.settle(Vec::new(), ends.map(|ends| (log, ends)))
                }
            },
            State::Asked(partitions, log, answer) => match answer.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.state = State::Asked(partitions, log, answer);
                    None
                }
                Ok(Ok(stored)) => self.answered(consumer, partitions, log, &stored),
                Ok(Err(error)) => self.settle(partitions, Err(error)),
                // The task panicked, or its runtime is gone.
                Err(TryRecvError::Disconnected) => {
                    self.settle(partitions, Err("the question was dropped".to_owned()))
                }
            },
        }
    }

    /// Begins at the `stored` offsets, unless they lie beyond the end of the log. If that lasts, the
    /// group starts over.
    fn answered<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        partitions: Vec<i32>,
        mut log: TopicLog,
        stored: &[TopicOffset],
    ) -> Option<(TopicLog, StartOffsets)> {
        let Mode::Group {
            name,
            offsets,
            runtime,
            cuts,
        } = &self.mode
        else {
            return None;
        };
        let starts = start_offsets(&partitions, stored);
        match beyond_end(consumer, &log.topic, &starts) {
            Err(error) => self.settle(partitions, Err(error)),
            Ok(None) => {
                cuts.clear(&log.topic, name);
                self.settle(partitions, Ok((log, starts)))
            }
            Ok(Some((partition, offset, end))) => {
                let cut = Cut {
                    group: name,
                    topic: &log.topic,
                    partition,
                    offset,
                    end,
                };
                if cuts.note(&cut) {
                    log.is_cut = true;
                    let answer = ask(offsets, runtime, &log);
                    self.state = State::Asked(partitions, log, answer);
                    return None;
                }
                self.settle(partitions, Err("the log is shorter than it was".to_owned()))
            }
        }
    }

    fn settle<T>(&mut self, partitions: Vec<i32>, starts: Result<T, String>) -> Option<T> {
        match starts {
            Ok(starts) => {
                self.failing = false;
                self.retry = RETRY.0;
                Some(starts)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(error, "not known where to begin; asking again until it is");
                }
                self.state = State::Due(partitions, Instant::now() + self.retry);
                self.retry = RETRY.1.min(self.retry * 2);
                None
            }
        }
    }
}

fn ask(offsets: &OffsetSource, runtime: &Handle, log: &TopicLog) -> Answer {
    let (answers, answer) = mpsc::channel();
    let question = {
        // What it makes before its first await may need the runtime, too.
        let _entered = runtime.enter();
        offsets(log)
    };
    runtime.spawn(async move {
        let stored = match tokio::time::timeout(ANSWER_WITHIN, question).await {
            Ok(stored) => stored.map_err(|error| error.to_string()),
            Err(late) => Err(late.to_string()),
        };
        // Nobody listens after the next rebalance.
        let _ = answers.send(stored);
    });
    answer
}

fn start_offsets(partitions: &[i32], stored: &[TopicOffset]) -> StartOffsets {
    let start = |&partition: &i32| {
        let known = stored.iter().find(|o| o.partition == partition);
        let start = known.map_or(Offset::Beginning, |o| Offset::Offset(o.next_offset));
        (partition, start)
    };
    partitions.iter().map(start).collect()
}

/// The log that holds `topic` now. Asks Kafka, which may have been replaced.
fn identify<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
) -> Result<TopicLog, String> {
    consumer
        .fetch_metadata(Some(topic), ANSWER_WITHIN)
        .map_err(|error| error.to_string())?;
    Ok(TopicLog {
        topic: topic.to_owned(),
        id: consumer.client().fetch_cluster_id(ANSWER_WITHIN),
        is_cut: false,
    })
}

/// The first of `starts` that lies beyond the end of its partition: the partition, the offset and
/// the end.
fn beyond_end<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    starts: &StartOffsets,
) -> Result<Option<(i32, i64, i64)>, String> {
    for (partition, start) in starts {
        let Offset::Offset(offset) = *start else {
            continue;
        };
        let (_, end) = consumer
            .fetch_watermarks(topic, *partition, ANSWER_WITHIN)
            .map_err(|error| error.to_string())?;
        if offset > end {
            return Ok(Some((*partition, offset, end)));
        }
    }
    Ok(None)
}

/// The ends of all partitions of `topic`.
fn end_offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
) -> Result<StartOffsets, String> {
    let metadata = consumer
        .fetch_metadata(Some(topic), ANSWER_WITHIN)
        .map_err(|error| error.to_string())?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    let ends: StartOffsets = partitions.map(|p| (p.id(), Offset::End)).collect();
    match ends.is_empty() {
        true => Err(format!("topic {topic} does not exist")),
        false => Ok(ends),
    }
}
