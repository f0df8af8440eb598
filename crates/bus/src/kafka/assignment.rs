//! Where to begin in the partitions that were assigned: the database says, however long it takes to answer.

use std::{
    sync::mpsc::{self, TryRecvError},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
};
use tokio::runtime::Handle;

use crate::{Position, Positions};

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(5);
/// The first and the longest pause between questions.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

type Answer = Result<Vec<Position>, String>;
/// Partitions and where to begin in each.
pub(super) type Places = Vec<(i32, Offset)>;

/// Who reads.
pub(super) enum Mode {
    /// A member of a group, which shares the partitions; `positions` runs on `runtime`.
    Group {
        positions: Positions,
        runtime: Handle,
    },
    /// Somebody who wants all partitions from now on.
    Tail,
}

/// Finds out where to begin, never blocking for long.
pub(super) struct Placing {
    mode: Mode,
    state: State,
    retry: Duration,
    /// Whether a failure was logged and its end was not.
    failing: bool,
}

enum State {
    /// Nothing to find out.
    Settled,
    /// To be asked for these partitions, not before then.
    Due(Vec<i32>, Instant),
    /// Asked.
    Asked(Vec<i32>, mpsc::Receiver<Answer>),
}

impl Placing {
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

    /// These partitions were assigned.
    pub(super) fn assigned(&mut self, partitions: Vec<i32>) {
        self.state = match partitions.is_empty() {
            true => State::Settled,
            false => State::Due(partitions, Instant::now()),
        };
    }

    /// They were revoked.
    pub(super) fn forget(&mut self) {
        self.state = State::Settled;
    }

    /// Whether an answer is on its way.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.state, State::Asked(..))
    }

    /// Where to begin, once, when that has become known.
    pub(super) fn poll<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        topic: &str,
    ) -> Option<Places> {
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Settled => None,
            State::Due(partitions, at) if at > Instant::now() => {
                self.state = State::Due(partitions, at);
                None
            }
            State::Due(partitions, _) => match &self.mode {
                Mode::Group { positions, runtime } => {
                    let answer = ask(positions, runtime, topic);
                    self.state = State::Asked(partitions, answer);
                    None
                }
                Mode::Tail => self.settle(Vec::new(), ends(consumer, topic)),
            },
            State::Asked(partitions, answer) => match answer.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.state = State::Asked(partitions, answer);
                    None
                }
                Ok(Ok(positions)) => {
                    let places = places(&partitions, &positions);
                    self.settle(partitions, Ok(places))
                }
                Ok(Err(error)) => self.settle(partitions, Err(error)),
                // The task panicked, or its runtime is gone.
                Err(TryRecvError::Disconnected) => {
                    self.settle(partitions, Err("the question was dropped".to_owned()))
                }
            },
        }
    }

    fn settle(&mut self, partitions: Vec<i32>, places: Result<Places, String>) -> Option<Places> {
        match places {
            Ok(places) => {
                self.failing = false;
                self.retry = RETRY.0;
                Some(places)
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

fn ask(positions: &Positions, runtime: &Handle, topic: &str) -> mpsc::Receiver<Answer> {
    let (answers, answer) = mpsc::channel();
    let question = {
        // What it makes before its first await may need the runtime, too.
        let _entered = runtime.enter();
        positions(topic)
    };
    runtime.spawn(async move {
        let positions = match tokio::time::timeout(QUESTION, question).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(late) => Err(late.to_string()),
        };
        // Nobody listens after the next rebalance.
        let _ = answers.send(positions);
    });
    answer
}

fn places(partitions: &[i32], positions: &[Position]) -> Places {
    let place = |&partition: &i32| {
        let known = positions.iter().find(|p| p.partition == partition);
        let at = known.map_or(Offset::Beginning, |p| Offset::Offset(p.next_offset));
        (partition, at)
    };
    partitions.iter().map(place).collect()
}

/// The ends of all partitions that there are.
fn ends<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> Result<Places, String> {
    let metadata = consumer
        .fetch_metadata(Some(topic), QUESTION)
        .map_err(|error| error.to_string())?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    let ends: Places = partitions.map(|p| (p.id(), Offset::End)).collect();
    match ends.is_empty() {
        true => Err(format!("topic {topic} does not exist")),
        false => Ok(ends),
    }
}
