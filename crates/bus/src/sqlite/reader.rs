//! Subscriptions to the log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use contract::{Topic, TopicLog, TopicOffset};
use futures_util::TryStreamExt;
use sqlx::{Row, sqlite::SqliteRow};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{Inner, groups::GroupKey, recent::Recent};
use crate::{
    Assigned, BusError, OffsetSource, OffsetsError, RawBatch, assigned::Announcer, cuts::Cut,
    limits::BATCH_BYTES, message::RawMessage,
};

/// The first and the longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Reads one topic of the log.
pub(crate) struct LogSubscription {
    log: Arc<Inner>,
    topic: Topic,
    member: Option<Member>,
    /// The offset to read next in each assigned partition.
    cursors: BTreeMap<i32, i64>,
    changes: watch::Receiver<u64>,
    retry: Duration,
    /// The name of the topic.
    name: Arc<str>,
    /// The name by which its offsets are kept.
    key: Arc<str>,
    /// Announces the partitions of `cursors`. Used with the shared state locked.
    announcer: Announcer,
}

/// Our membership of a group.
struct Member {
    group: GroupKey,
    id: u64,
    offsets: OffsetSource,
    /// The generation of the assignment that the cursors belong to.
    generation: Option<u64>,
}

impl LogSubscription {
    pub(super) fn member(
        log: Arc<Inner>,
        topic: Topic,
        group: &str,
        offsets: OffsetSource,
    ) -> Self {
        let group = (group.to_owned(), topic.name.to_owned());
        let announcer = Announcer::default();
        let announces = announcer.clone();
        let id = log
            .shared
            .change(|state| state.groups.join(&group, topic.partitions, announces));
        let member = Member {
            group,
            id,
            offsets,
            generation: None,
        };
        let mut reader = Self::new(log, topic, Some(member), BTreeMap::new());
        reader.announcer = announcer;
        reader
    }

    pub(super) fn tail(log: Arc<Inner>, topic: Topic) -> Self {
        let ends = {
            let state = log.shared.state();
            let partitions = 0..topic.partitions;
            partitions.map(|p| (p, state.end(topic.name, p))).collect()
        };
        let tail = Self::new(log, topic, None, ends);
        tail.announcer.begin(tail.cursors.keys().copied());
        tail
    }

    fn new(
        log: Arc<Inner>,
        topic: Topic,
        member: Option<Member>,
        cursors: BTreeMap<i32, i64>,
    ) -> Self {
        Self {
            changes: log.shared.changes.subscribe(),
            log,
            topic,
            member,
            cursors,
            retry: RETRY.0,
            name: topic.name.into(),
            key: topic.name.into(),
            announcer: Announcer::default(),
        }
    }

    pub(crate) async fn next_batch(
        &mut self,
        max: usize,
        max_wait: Duration,
    ) -> Result<RawBatch, BusError> {
        loop {
            self.changes.mark_unchanged();
            let tried = match self.settle().await {
                Ok(()) if self.lag() == 0 => {
                    self.changed().await?;
                    continue;
                }
                Ok(()) => self.gather(max, max_wait).await,
                Err(error) => Err(error),
            };
            match tried {
                // The events were deleted, or are no longer assigned to us.
                Ok(batch) if batch.messages.is_empty() => {}
                Ok(batch) => {
                    self.retry = RETRY.0;
                    return Ok(batch);
                }
                Err(error) => self.pause(&*error).await,
            }
        }
    }

    /// Takes part in a rebalance: finds out which partitions are assigned and where reading
    /// continues.
    async fn settle(&mut self) -> Result<(), OffsetsError> {
        let Some(member) = &mut self.member else {
            return Ok(());
        };
        let assignment = {
            let state = self.log.shared.state();
            let partitions = self.topic.partitions;
            state
                .groups
                .assignment(&member.group, member.id, partitions)
        };
        if member.generation == Some(assignment.generation) {
            return Ok(());
        }
        self.cursors.clear();
        member.generation = None;
        let (group, topic) = (&member.group.0, self.topic.name);
        let mut log = TopicLog {
            topic: topic.to_owned(),
            id: Some(self.log.id.clone()),
            is_cut: false,
        };
        let mut offsets = (member.offsets)(&log).await?;
        if let Some(cut) = cut(&self.log, group, topic, &offsets) {
            if !self.log.cuts.note(&cut) {
                return Err("the log is shorter than it was".into());
            }
            log.is_cut = true;
            offsets = (member.offsets)(&log).await?;
        }
        self.log.cuts.clear(topic, group);
        self.key = log.key().into();
        let start = |partition: i32| {
            let known = offsets.iter().find(|o| o.partition == partition);
            (partition, known.map_or(0, |o| o.next_offset))
        };
        // Whoever joins meanwhile waits for the lock, and then takes away what is announced here.
        let state = self.log.shared.state();
        if state.groups.generation(&member.group) == assignment.generation {
            self.cursors = assignment.partitions.into_iter().map(start).collect();
            self.announcer.begin(self.cursors.keys().copied());
            member.generation = Some(assignment.generation);
        }
        Ok(())
    }

    /// The generation that the cursors belong to, unless a member joined or left since they were
    /// found out.
    fn current(&self) -> Option<u64> {
        let state = self.log.shared.state();
        let is_current = self
            .member
            .as_ref()
            .is_none_or(|member| member.generation == Some(state.groups.generation(&member.group)));
        is_current.then(|| self.announcer.generation())
    }

    /// Waits until there are `max` messages, for at most `max_wait`, and reads them.
    async fn gather(&mut self, max: usize, max_wait: Duration) -> Result<RawBatch, OffsetsError> {
        let deadline = Instant::now() + max_wait;
        let wanted = i64::try_from(max.max(1)).unwrap_or(i64::MAX);
        while self.lag() < wanted {
            match timeout_at(deadline, self.changed()).await {
                Ok(changed) => changed?,
                Err(_) => break,
            }
        }
        let (cursors, messages) = self.read(max.max(1)).await?;
        let Some(generation) = self.current() else {
            return Ok(RawBatch::default());
        };
        // Nothing below awaits: a future that is dropped has either read nothing or handed
        // everything out.
        self.cursors.extend(cursors);
        Ok(RawBatch {
            generation,
            messages,
        })
    }

    /// Reads up to `max` messages from the cursors on. Returns them with the cursors after them.
    async fn read(&self, max: usize) -> Result<(BTreeMap<i32, i64>, Vec<RawMessage>), sqlx::Error> {
        let (mut cursors, mut batch, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
        for (&partition, &cursor) in &self.cursors {
            let end = {
                let state = self.log.shared.state();
                let end = state.end(self.topic.name, partition);
                if cursor >= end || batch.len() >= max || bytes >= BATCH_BYTES {
                    continue;
                }
                let recent = state.recent.get(&(self.topic.name, partition));
                let (before, left) = (batch.len(), max - batch.len());
                let read = |r: &Recent| {
                    let read = r.read(cursor, left, &self.name, &self.key, partition);
                    read.map(|events| batch.extend(events))
                };
                if recent.and_then(read).is_some() {
                    let new = &batch[before..];
                    bytes += new.iter().map(RawMessage::size).sum::<usize>();
                    let last = new.last().map_or(cursor, |message| message.offset + 1);
                    cursors.insert(partition, last);
                    continue;
                }
                end
            };
            let mut rows = sqlx::query(
                "SELECT \"offset\", key, payload, headers, timestamp_ms FROM events
                 WHERE topic = ? AND partition = ? AND \"offset\" >= ? AND \"offset\" < ?
                 ORDER BY \"offset\" LIMIT ?",
            )
            .bind(self.topic.name)
            .bind(partition)
            .bind(cursor)
            .bind(end)
            .bind(i64::try_from(max - batch.len()).unwrap_or(i64::MAX))
            .fetch(self.log.database.pool());
            let mut next = None;
            while batch.len() < max
                && bytes < BATCH_BYTES
                && let Some(row) = rows.try_next().await?
            {
                let message = message(&self.name, &self.key, partition, &row)?;
                bytes += message.size();
                next = Some(message.offset + 1);
                batch.push(message);
            }
            // Missing events were deleted.
            cursors.insert(partition, next.unwrap_or(end));
        }
        Ok((cursors, batch))
    }

    async fn changed(&mut self) -> Result<(), BusError> {
        self.changes.changed().await.map_err(|_| BusError::Closed)
    }

    async fn pause(&mut self, error: &(dyn std::error::Error + Send + Sync)) {
        if self.retry == RETRY.0 {
            tracing::warn!(%error, topic = self.topic.name, "cannot read; trying again until it works");
        }
        let pause = self.retry;
        self.retry = RETRY.1.min(pause * 2);
        sleep(pause).await;
    }

    pub(crate) fn commit(&self, partition: i32, next: i64) {
        if let Some(member) = &self.member {
            let mut state = self.log.shared.state();
            state.groups.commit(&member.group, partition, next);
        }
    }

    pub(crate) fn assignment(&self) -> watch::Receiver<Assigned> {
        self.announcer.subscribe()
    }

    pub(crate) fn reread(&mut self) {
        if let Some(member) = &mut self.member {
            member.generation = None;
            self.cursors.clear();
            self.announcer.end();
        }
    }

    pub(crate) fn lag(&self) -> i64 {
        let state = self.log.shared.state();
        let cursors = self.cursors.iter();
        cursors
            .map(|(partition, cursor)| (state.end(self.topic.name, *partition) - cursor).max(0))
            .sum()
    }
}

impl Drop for LogSubscription {
    fn drop(&mut self) {
        if let Some(member) = &self.member {
            let shared = &self.log.shared;
            shared.change(|state| state.groups.leave(&member.group, member.id));
        }
    }
}

/// The first of `offsets` that lies beyond the end of its partition.
fn cut<'a>(
    log: &Inner,
    group: &'a str,
    topic: &'a str,
    offsets: &[TopicOffset],
) -> Option<Cut<'a>> {
    let state = log.shared.state();
    let mut cuts = offsets.iter().map(|known| Cut {
        group,
        topic,
        partition: known.partition,
        offset: known.next_offset,
        end: state.end(topic, known.partition),
    });
    cuts.find(|cut| cut.offset > cut.end)
}

/// The message in `row`. A row knows neither topic nor log nor partition.
fn message(
    topic: &Arc<str>,
    log: &Arc<str>,
    partition: i32,
    row: &SqliteRow,
) -> Result<RawMessage, sqlx::Error> {
    let headers: &str = row.try_get("headers")?;
    Ok(RawMessage {
        topic: Arc::clone(topic),
        log: Arc::clone(log),
        partition,
        offset: row.try_get("offset")?,
        timestamp_ms: row.try_get("timestamp_ms")?,
        key: row.try_get("key")?,
        payload: row.try_get("payload")?,
        headers: serde_json::from_str(headers)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
    })
}
