//! The newest events of each partition, in memory: whoever reads along need not ask the file.

use std::{collections::VecDeque, sync::Arc};

use crate::message::{RawMessage, Record};

/// The bytes of events that are kept of a partition at most.
const MAX_BYTES: usize = 64 << 10;

/// The newest events of a partition, without a gap.
#[derive(Default)]
pub(super) struct Recent {
    events: VecDeque<Event>,
    bytes: usize,
}

struct Event {
    offset: i64,
    timestamp_ms: i64,
    record: Record,
}

impl Recent {
    /// Takes the event that follows.
    pub(super) fn push(&mut self, record: Record, offset: i64, timestamp_ms: i64) {
        self.bytes += record.size();
        self.events.push_back(Event {
            offset,
            timestamp_ms,
            record,
        });
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.record.size();
        }
    }

    /// Up to `max` events from `cursor` on; `None` if the first of them is not here.
    pub(super) fn read(
        &self,
        cursor: i64,
        max: usize,
        topic: &Arc<str>,
        log: &Arc<str>,
        partition: i32,
    ) -> Option<impl Iterator<Item = RawMessage>> {
        let first = self.events.front()?.offset;
        let skipped = usize::try_from(cursor - first).ok()?;
        let events = self.events.iter().skip(skipped).take(max);
        Some(events.map(move |event| RawMessage {
            topic: Arc::clone(topic),
            log: Arc::clone(log),
            partition,
            offset: event.offset,
            timestamp_ms: event.timestamp_ms,
            key: event.record.key.clone(),
            payload: event.record.payload.clone(),
            headers: event.record.headers.clone(),
        }))
    }
}
