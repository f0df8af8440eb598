//! Groups whose offsets lie beyond the end of the log: a part of the log is gone.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a log must be too short before its group starts over. A new leader of a partition may
/// know less of its end for a moment.
const LASTS: Duration = Duration::from_secs(10);

/// A partition that ends before the offset of a group.
pub(crate) struct Cut<'a> {
    pub(crate) group: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// The offset at which the group would continue.
    pub(crate) offset: i64,
    /// The offset of the next message.
    pub(crate) end: i64,
}

/// What was cut and is not yet read from the beginning, by topic and group.
#[derive(Default)]
pub(crate) struct Cuts(Mutex<BTreeMap<(String, String), (Instant, String)>>);

impl Cuts {
    /// Notes `cut`. Returns whether it has lasted, so that the group has to start over.
    pub(crate) fn note(&self, cut: &Cut<'_>) -> bool {
        let mut cuts = self.lock();
        let known = cuts.entry((cut.topic.to_owned(), cut.group.to_owned()));
        let (since, _) = known.or_insert_with(|| {
            let Cut {
                group,
                topic,
                partition,
                offset,
                end,
            } = cut;
            let what = format!(
                "topic {topic} ends at offset {end} in partition {partition}, before the offset \
                 {offset} of group {group}: a part of its log is gone"
            );
            tracing::error!(what, "a part of a log is gone");
            (Instant::now(), what)
        });
        since.elapsed() >= LASTS
    }

    /// The group knows where to continue.
    pub(crate) fn clear(&self, topic: &str, group: &str) {
        let key = (topic.to_owned(), group.to_owned());
        if self.lock().remove(&key).is_some() {
            tracing::warn!(topic, group, "reads again");
        }
    }

    /// One of them, as a sentence.
    pub(crate) fn first(&self) -> Option<String> {
        self.lock().values().next().map(|(_, what)| what.clone())
    }

    /// The number of topics and groups.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
