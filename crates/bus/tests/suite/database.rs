//! A database that consumers keep their effects and offsets in, as real ones do, in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{Bus, Message, OffsetSource, OffsetsError, Subscription};
use contract::{Event, SeriesId, TopicOffset, TrainingData, Version};
use tokio::time::{Instant, timeout_at};

/// How long a test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone, Default)]
pub(crate) struct Database(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    offsets: BTreeMap<i32, i64>,
    /// The applied events: series and the number of the event.
    rows: Vec<(String, u32)>,
    /// How often it was asked for offsets.
    asked: u32,
    /// How many of the next questions fail.
    away: u32,
}

impl Database {
    pub(crate) fn offsets(&self) -> OffsetSource {
        let database = self.clone();
        Arc::new(move |_topic| {
            let database = database.clone();
            Box::pin(async move { database.answer() })
        })
    }

    fn answer(&self) -> Result<Vec<TopicOffset>, OffsetsError> {
        let mut state = self.state();
        state.asked += 1;
        if state.away > 0 {
            state.away -= 1;
            return Err("away".into());
        }
        let offset = |(&partition, &next_offset)| TopicOffset {
            partition,
            next_offset,
        };
        Ok(state.offsets.iter().map(offset).collect())
    }

    /// Applies what was not applied before, as one transaction; returns how much that was.
    pub(crate) fn apply(&self, batch: &[Message<TrainingData>]) -> anyhow::Result<usize> {
        let mut state = self.state();
        let before = state.rows.len();
        for message in batch {
            let next = state.offsets.entry(message.partition).or_default();
            if message.offset < *next {
                continue;
            }
            *next = message.offset + 1;
            let event = message.event.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
            let row = (event.series_id.to_string(), event.version.number());
            state.rows.push(row);
        }
        Ok(state.rows.len() - before)
    }

    pub(crate) fn set_position(&self, partition: i32, next_offset: i64) {
        self.state().offsets.insert(partition, next_offset);
    }

    pub(crate) fn go_away(&self, questions: u32) {
        self.state().away = questions;
    }

    pub(crate) fn asked(&self) -> u32 {
        self.state().asked
    }

    /// The numbers of the events of `series`, in the order in which they were applied.
    pub(crate) fn applied(&self, series: &str) -> Vec<u32> {
        let state = self.state();
        let rows = state.rows.iter().filter(|(id, _)| id == series);
        rows.map(|(_, number)| *number).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.state().rows.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event numbered `number` of `series`.
pub(crate) fn event(series: &str, number: u32) -> TrainingData {
    TrainingData {
        series_id: SeriesId::new(series).expect("tests use ids that are allowed"),
        version: Version::new(number).expect("tests count from 1"),
        data: Vec::new(),
        part: None,
        parts: None,
    }
}

/// Publishes `numbers` for each of `series`, in turns.
pub(crate) async fn publish(
    bus: &Bus,
    series: &[&str],
    numbers: std::ops::RangeInclusive<u32>,
) -> anyhow::Result<()> {
    let events = numbers.flat_map(|number| series.iter().map(move |id| event(id, number)));
    bus.publish(events.collect::<Vec<_>>(), None).await?;
    Ok(())
}

/// Reads `count` messages.
pub(crate) async fn read<E: Event>(
    subscription: &mut Subscription<E>,
    count: usize,
) -> anyhow::Result<Vec<Message<E>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut messages = Vec::new();
    while messages.len() < count {
        let batch = subscription.next_batch(count - messages.len(), Duration::from_millis(20));
        let Ok(batch) = timeout_at(deadline, batch).await else {
            anyhow::bail!("{} of {count} messages came", messages.len());
        };
        messages.extend(batch?);
    }
    Ok(messages)
}

/// Applies what comes to `database`, until it holds `rows` rows. Returns how many of them came this
/// way.
pub(crate) async fn consume(
    subscription: &mut Subscription<TrainingData>,
    database: &Database,
    rows: usize,
) -> anyhow::Result<usize> {
    let deadline = Instant::now() + PATIENCE;
    let mut applied = 0;
    while database.len() < rows {
        let moment = (Instant::now() + Duration::from_millis(50)).min(deadline);
        // Another member may be the one to get the last ones.
        let batch = subscription.next_batch(7, Duration::ZERO);
        if let Ok(batch) = timeout_at(moment, batch).await {
            let batch = batch?;
            applied += database.apply(&batch)?;
            subscription.commit(&batch);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{} of {rows} rows",
            database.len()
        );
    }
    Ok(applied)
}
