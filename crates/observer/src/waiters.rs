//! Requests that wait for their own record to be judged.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use contract::StreamReply;
use stream::Observed;
use tokio::sync::oneshot;

/// The most requests that wait.
const MAX_WAITING: usize = 10_000;

/// What became of a record.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Its points, in the order in which they were sent.
    Observed(Vec<Observed>),
    /// The stream after a command, and whether the command has begun it; `None`: there is none.
    Controlled(Option<(Box<StreamReply>, bool)>),
    /// There are as many streams as there may be.
    TooMany,
    /// It is covered by a state that was stored: its verdicts are not known here.
    Covered,
}

/// The requests that wait, by the numbers in the headers of their records.
pub(crate) struct Waiters {
    /// The id of this process, in the headers too.
    pub(crate) process: String,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    last: u64,
    by_number: HashMap<u64, (i32, oneshot::Sender<Answer>)>,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self {
            process: format!("{:032x}", fastrand::u128(..)),
            waiting: Mutex::default(),
        }
    }

    /// Registers a request whose record goes to `partition`. `None` if too many wait. The answer is
    /// an error if the partition is lost.
    pub(crate) fn register(&self, partition: i32) -> Option<(u64, oneshot::Receiver<Answer>)> {
        let mut waiting = self.lock();
        if waiting.by_number.len() >= MAX_WAITING {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.last += 1;
        let number = waiting.last;
        waiting.by_number.insert(number, (partition, sender));
        Some((number, receiver))
    }

    /// Forgets a request that waits no longer.
    pub(crate) fn forget(&self, number: u64) {
        self.lock().by_number.remove(&number);
    }

    /// The number of the request that a record with these headers answers, if it is one of ours.
    pub(crate) fn number(&self, process: Option<&str>, number: Option<&str>) -> Option<u64> {
        (process? == self.process)
            .then(|| number?.parse().ok())
            .flatten()
    }

    /// Answers a request.
    pub(crate) fn answer(&self, number: u64, answer: Answer) {
        if let Some((_, sender)) = self.lock().by_number.remove(&number) {
            // The client may be gone.
            let _ = sender.send(answer);
        }
    }

    /// Lets go of all requests but those whose partitions are still `owned`.
    pub(crate) fn keep(&self, owned: &[i32]) {
        let mut waiting = self.lock();
        waiting
            .by_number
            .retain(|_, (partition, _)| owned.binary_search(partition).is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
