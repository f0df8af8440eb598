//! The queue between the thread that polls Kafka and the task that handles messages, and how far
//! both are.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use rdkafka::Offset;

use super::assignment::StartOffsets;
use crate::{
    Assigned, BusError, RawBatch, assigned::Announcer, limits::BATCH_BYTES, message::RawMessage,
};

/// Messages that were read ahead, and the progress in each partition.
pub(super) struct Prefetch {
    /// A queue of this many bytes is full and nothing more is read. If that lasts, the partitions are
    /// paused, and resumed when half of it is free.
    full: usize,
    state: Mutex<State>,
    arrived: Notify,
    /// Notified when messages were taken.
    taken: Condvar,
    /// Announces the assigned partitions. Used with the state locked.
    announcer: Announcer,
}

/// What became of a message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Taken,
    /// Its partition is not read any more.
    Unassigned,
    /// Offsets of its partition began anew.
    WentBack,
}

#[derive(Default)]
struct State {
    queue: VecDeque<RawMessage>,
    bytes: usize,
    /// The assigned partitions.
    partitions: HashMap<i32, Progress>,
    /// Set once no more messages will come. The reason is handed out once.
    ended: Option<Option<BusError>>,
    /// Set once nobody takes messages any more.
    abandoned: bool,
    /// Set until the polling thread has noticed that it has to ask again where to continue.
    reread: bool,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    /// The offset at which reading began; 0 where that is not known.
    start: i64,
    /// The offset after the last one that was read, or at which reading began.
    read: i64,
    /// The same, and where Kafka says that reading continues if nothing was read yet, if known.
    next: Option<i64>,
    /// The offset that the next published message gets, if known.
    high: Option<i64>,
    /// The offset to commit to Kafka.
    commit: Option<i64>,
}

impl Prefetch {
    pub(super) fn new(full: usize) -> Self {
        Self {
            full,
            state: Mutex::default(),
            arrived: Notify::new(),
            taken: Condvar::new(),
            announcer: Announcer::default(),
        }
    }

    /// These partitions were assigned, to be read from these offsets; `None` stands for the
    /// beginning or the end. Without effect if the offsets are to be asked for again.
    pub(super) fn assign(&self, partitions: impl Iterator<Item = (i32, Option<i64>)>) {
        let progress = |next: Option<i64>| Progress {
            start: next.unwrap_or(0),
            read: next.unwrap_or(0),
            next,
            ..Progress::default()
        };
        let mut state = self.state();
        if !state.reread && !state.abandoned {
            state.partitions = partitions.map(|(p, next)| (p, progress(next))).collect();
            self.announcer.begin(state.partitions.keys().copied());
        }
    }

    /// The assigned partitions, and where reading goes on in each: at the end where nothing was read
    /// yet and Kafka has not said.
    pub(super) fn positions(&self) -> StartOffsets {
        let position = |(&partition, progress): (&i32, &Progress)| {
            (partition, progress.next.map_or(Offset::End, Offset::Offset))
        };
        self.state().partitions.iter().map(position).collect()
    }

    /// All partitions were revoked. Messages that still wait are left to the next owner.
    pub(super) fn revoke(&self) {
        self.clear(&mut self.state());
    }

    /// Nothing is taken until the polling thread has asked again where to continue.
    pub(super) fn reread(&self) {
        let mut state = self.state();
        self.clear(&mut state);
        state.reread = true;
    }

    /// Whether to ask again where to continue: told once.
    pub(super) fn take_reread(&self) -> bool {
        std::mem::take(&mut self.state().reread)
    }

    pub(super) fn assignment(&self) -> watch::Receiver<Assigned> {
        self.announcer.subscribe()
    }

    fn clear(&self, state: &mut State) {
        state.partitions.clear();
        state.queue.clear();
        state.bytes = 0;
        self.announcer.end();
    }

    /// Takes a message that was read. If its offset lies below one that was read before, the log is
    /// not the same any more.
    pub(super) fn push(&self, message: RawMessage) -> Pushed {
        let mut state = self.state();
        let Some(progress) = state.partitions.get_mut(&message.partition) else {
            return Pushed::Unassigned;
        };
        if message.offset < progress.read {
            return Pushed::WentBack;
        }
        progress.read = message.offset + 1;
        progress.next = Some(progress.read);
        state.bytes += message.size();
        state.queue.push_back(message);
        drop(state);
        self.arrived.notify_one();
        Pushed::Taken
    }

    /// Waits until there is room for a message, for at most `limit`, and returns whether there is.
    pub(super) fn wait_for_room(&self, limit: Duration) -> bool {
        let no_room = |state: &mut State| state.bytes >= self.full && !state.abandoned;
        let waited = self.taken.wait_timeout_while(self.state(), limit, no_room);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.bytes < self.full
    }

    pub(super) fn has_room(&self) -> bool {
        self.state().bytes <= self.full / 2
    }

    /// Ends the queue: no more messages will come.
    pub(super) fn end(&self, why: Option<BusError>) {
        let mut state = self.state();
        state.ended.get_or_insert(why);
        self.announcer.end();
        drop(state);
        self.arrived.notify_one();
    }

    /// Waits for a message, and then for `max` of them for at most `max_wait`. Cancel safe.
    pub(super) async fn next_batch(
        &self,
        max: usize,
        max_wait: Duration,
    ) -> Result<RawBatch, BusError> {
        while !self.holds(1)? {
            self.arrived.notified().await;
        }
        let deadline = Instant::now() + max_wait;
        while !self.holds(max)? {
            let arrived = tokio::time::timeout_at(deadline, self.arrived.notified());
            if arrived.await.is_err() {
                break;
            }
        }
        let batch = {
            let mut state = self.state();
            RawBatch {
                messages: state.take(max),
                generation: self.announcer.generation(),
            }
        };
        self.taken.notify_one();
        Ok(batch)
    }

    /// Whether `count` messages wait, or as many bytes as go into a batch.
    fn holds(&self, count: usize) -> Result<bool, BusError> {
        let mut state = self.state();
        if state.queue.len() >= count || state.bytes >= BATCH_BYTES {
            return Ok(true);
        }
        let some_wait = !state.queue.is_empty();
        match &mut state.ended {
            Some(_) if some_wait => Ok(true),
            Some(why) => Err(why.take().unwrap_or(BusError::Closed)),
            None => Ok(false),
        }
    }

    /// The group has applied all messages of `partition` below `next`.
    pub(super) fn commit(&self, partition: i32, next: i64) {
        let mut state = self.state();
        // A batch from before a rebalance may be applied after it. Only an offset beyond where
        // reading began is news.
        if let Some(progress) = state.partitions.get_mut(&partition)
            && next > progress.start
        {
            progress.commit = Some(next);
        }
    }

    /// The offsets to commit that are new since the last call.
    pub(super) fn take_commits(&self) -> Vec<(i32, i64)> {
        let mut state = self.state();
        let partitions = state.partitions.iter_mut();
        partitions
            .filter_map(|(partition, progress)| Some((*partition, progress.commit.take()?)))
            .collect()
    }

    /// Notes the end of `partition`, and where reading continues in case nothing was read yet.
    pub(super) fn note_high(&self, partition: i32, high: i64, next: i64) {
        if let Some(progress) = self.state().partitions.get_mut(&partition) {
            progress.high = (high >= 0).then_some(high);
            progress.next = progress.next.or((next >= 0).then_some(next));
        }
    }

    /// The number of messages that were published and not yet handed out.
    pub(super) fn lag(&self) -> i64 {
        let state = self.state();
        let behind: i64 = state
            .partitions
            .values()
            .filter_map(|progress| Some((progress.high? - progress.next?).max(0)))
            .sum();
        behind + i64::try_from(state.queue.len()).unwrap_or(i64::MAX)
    }

    /// Asks the polling thread to end.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        self.announcer.end();
        drop(state);
        self.taken.notify_one();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state().abandoned
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, max: usize) -> Vec<RawMessage> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < max.max(1)
            && let Some(message) = self.queue.front()
            && (batch.is_empty() || bytes + message.size() <= BATCH_BYTES)
            && let Some(message) = self.queue.pop_front()
        {
            bytes += message.size();
            batch.push(message);
        }
        self.bytes -= bytes;
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A message that takes `bytes` bytes, or a few more than none.
    fn message(partition: i32, offset: i64, bytes: usize) -> RawMessage {
        RawMessage {
            topic: "topic".into(),
            log: "topic".into(),
            partition,
            offset,
            timestamp_ms: 0,
            key: None,
            payload: vec![0; bytes.saturating_sub(size_of::<RawMessage>())],
            headers: Vec::new(),
        }
    }

    fn offsets(batch: &RawBatch) -> Vec<i64> {
        let messages = batch.messages.iter();
        messages.map(|message| message.offset).collect()
    }

    #[tokio::test]
    async fn batches_end_at_the_number_the_bytes_or_the_time() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        prefetch.assign([(0, Some(0))].into_iter());
        for offset in 0..4 {
            prefetch.push(message(0, offset, BATCH_BYTES / 2));
        }
        prefetch.push(message(0, 4, 1));
        let (second, moment) = (Duration::from_secs(1), Duration::from_millis(20));
        assert_eq!(offsets(&prefetch.next_batch(1, second).await.unwrap()), [0]);
        assert_eq!(
            offsets(&prefetch.next_batch(9, second).await.unwrap()),
            [1, 2]
        );
        let began = Instant::now();
        assert_eq!(
            offsets(&prefetch.next_batch(9, moment).await.unwrap()),
            [3, 4]
        );
        assert!(began.elapsed() >= moment);
    }

    #[tokio::test]
    async fn a_message_larger_than_a_batch_still_comes() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        prefetch.assign([(0, Some(0))].into_iter());
        prefetch.push(message(0, 0, BATCH_BYTES + 1));
        assert!(!prefetch.wait_for_room(Duration::ZERO));
        let batch = prefetch.next_batch(9, Duration::ZERO).await.unwrap();
        assert_eq!(offsets(&batch), [0]);
        assert!(prefetch.has_room());
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_a_batch_is_taken_or_nobody_takes_any_more() {
        let prefetch = Arc::new(Prefetch::new(BATCH_BYTES));
        prefetch.assign([(0, Some(0))].into_iter());
        prefetch.push(message(0, 0, BATCH_BYTES));
        assert!(!prefetch.wait_for_room(Duration::ZERO));
        let waiting = |prefetch: &Arc<Prefetch>| {
            let prefetch = prefetch.clone();
            // Longer than any test may take.
            std::thread::spawn(move || prefetch.wait_for_room(Duration::from_secs(3600)))
        };
        let waits = waiting(&prefetch);
        prefetch.next_batch(1, Duration::ZERO).await.unwrap();
        assert!(waits.join().unwrap());

        prefetch.push(message(0, 1, BATCH_BYTES));
        let waits = waiting(&prefetch);
        prefetch.abandon();
        assert!(!waits.join().unwrap());
    }

    #[tokio::test]
    async fn a_batch_of_a_lost_partition_commits_nothing() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        prefetch.assign([(0, Some(10)), (1, None)].into_iter());
        prefetch.push(message(0, 10, 1));
        prefetch.revoke();
        prefetch.push(message(0, 11, 1));
        prefetch.commit(0, 11);
        assert_eq!((prefetch.take_commits(), prefetch.lag()), (vec![], 0));

        prefetch.assign([(0, Some(50))].into_iter());
        prefetch.commit(0, 11);
        assert_eq!(prefetch.take_commits(), []);
        prefetch.commit(0, 51);
        assert_eq!(prefetch.take_commits(), [(0, 51)]);
        assert_eq!(prefetch.take_commits(), []);
    }

    #[test]
    fn a_log_that_goes_back_is_noticed() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        prefetch.assign([(0, Some(10)), (1, None)].into_iter());
        assert_eq!(prefetch.push(message(0, 10, 1)), Pushed::Taken);
        assert_eq!(prefetch.push(message(0, 15, 1)), Pushed::Taken);
        assert_eq!(prefetch.push(message(1, 3, 1)), Pushed::Taken);
        assert_eq!(prefetch.push(message(1, 2, 1)), Pushed::WentBack);
        prefetch.revoke();
        assert_eq!(prefetch.lag(), 0);
        assert_eq!(prefetch.push(message(0, 16, 1)), Pushed::Unassigned);
        assert_eq!(prefetch.lag(), 0);
    }

    #[tokio::test]
    async fn an_answer_from_before_a_reread_counts_for_nothing() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        let assigned = prefetch.assignment();
        prefetch.assign([(1, Some(10)), (0, None)].into_iter());
        assert_eq!(assigned.borrow().partitions, [0, 1]);
        prefetch.push(message(1, 10, 1));
        prefetch.reread();
        assert!(assigned.borrow().partitions.is_empty());
        prefetch.assign([(1, Some(10))].into_iter());
        assert_eq!(prefetch.push(message(1, 10, 1)), Pushed::Unassigned);
        assert!(assigned.borrow().partitions.is_empty());

        assert!(prefetch.take_reread() && !prefetch.take_reread());
        prefetch.assign([(1, Some(5))].into_iter());
        assert_eq!(prefetch.push(message(1, 5, 1)), Pushed::Taken);
        assert_eq!(assigned.borrow().generation, 3);
        let batch = prefetch.next_batch(9, Duration::ZERO).await.unwrap();
        assert_eq!((offsets(&batch), batch.generation), (vec![5], 3));
    }

    #[test]
    fn nothing_is_announced_after_the_end() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        let assigned = prefetch.assignment();
        prefetch.assign([(1, Some(10))].into_iter());
        prefetch.abandon();
        prefetch.assign([(1, Some(10))].into_iter());
        assert!(assigned.borrow().partitions.is_empty());
    }

    #[test]
    fn lag_is_what_waits_here_and_there() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        prefetch.assign([(0, Some(10)), (1, None)].into_iter());
        prefetch.note_high(0, 15, 10);
        prefetch.note_high(1, -1001, -1001);
        assert_eq!(prefetch.lag(), 5);
        prefetch.push(message(0, 10, 1));
        assert_eq!(prefetch.lag(), 5);
        prefetch.note_high(1, 3, 1);
        assert_eq!(prefetch.lag(), 7);
    }

    #[tokio::test]
    async fn what_came_before_the_end_is_handed_out() {
        let prefetch = Prefetch::new(BATCH_BYTES);
        prefetch.assign([(0, None)].into_iter());
        prefetch.push(message(0, 0, 1));
        prefetch.end(None);
        assert_eq!(
            offsets(&prefetch.next_batch(1, Duration::ZERO).await.unwrap()),
            [0]
        );
        let ended = prefetch.next_batch(1, Duration::ZERO).await.map(|_| ());
        assert!(matches!(ended, Err(BusError::Closed)));
    }
}
