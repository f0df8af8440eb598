//! Counts the points that were scored, without contention between threads.
//!
//! A request takes one lock, nearly always uncontended. Memory is bounded: a shard tells a fixed
//! number of series apart, and points of further ones count in the totals only.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contract::{LatencyHistogram, SeriesId};
use prometheus::local::LocalHistogram;
use quick_cache::DefaultHashBuilder;

use crate::{metrics, models::entry::LoadedModel};

/// The series that a shard tells apart between two reports: more than a core can score points in
/// that time.
const MAX_SERIES: usize = 16_384;

/// The points of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    /// The number of points.
    pub(crate) points: u64,
    /// The number of points that are anomalies.
    pub(crate) anomalies: u64,
    /// Whether the model was in memory.
    pub(crate) hit: bool,
    /// The time from the head of the request to its reply, without the time in which the client
    /// read that.
    pub(crate) took: Duration,
}

/// Counts requests. Shared by all threads.
pub(crate) struct Recorder {
    shards: Box<[Shard]>,
    /// Takes the place of a shard's tally while that is read, so that its allocations are reused.
    spare: Mutex<Tally>,
}

/// Each thread has a shard to itself; the alignment keeps two from sharing a cache line.
#[repr(align(128))]
struct Shard(Mutex<Tally>);

/// The counts of a shard since the last report.
struct Tally {
    count: u64,
    anomalies: u64,
    hits: u64,
    nanos: u64,
    buckets: Box<[u64]>,
    usage: HashMap<SeriesId, u64, DefaultHashBuilder>,
    durations: LocalHistogram,
}

/// The counts of all threads since the last report.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Total {
    /// The number of points.
    pub(crate) count: u64,
    /// The number of points that were anomalies.
    pub(crate) anomalies: u64,
    /// The number of points whose model was in memory.
    pub(crate) hits: u64,
    /// The sum of all latencies, in nanoseconds.
    pub(crate) nanos: u64,
    /// The latency of each point.
    pub(crate) histogram: LatencyHistogram,
    /// The number of points by series; some series may be left out.
    pub(crate) usage: BTreeMap<SeriesId, u64>,
}

impl Recorder {
    /// A recorder that has not counted anything yet.
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // Twice the threads, so that those of a second server in this process (tests, standalone)
        // also have shards to themselves.
        let shards = (0..threads * 2).map(|_| Shard(Mutex::new(Tally::new())));
        Self {
            shards: shards.collect(),
            spare: Mutex::new(Tally::new()),
        }
    }

    /// Counts a prediction by `model`.
    pub(crate) fn record(&self, model: &LoadedModel, scored: Scored) {
        let mut tally = self.tally();
        tally.record(model, scored, nanos(scored.took));
        tally.durations.observe(scored.took.as_secs_f64());
    }

    /// Counts a batch by `model`. Each of its points took an equal share of the time.
    pub(crate) fn record_batch(&self, model: &LoadedModel, scored: Scored) {
        if let Some(nanos) = nanos(scored.took).checked_div(scored.points) {
            self.tally().record(model, scored, nanos);
        }
        metrics::BATCH_DURATION.observe(scored.took.as_secs_f64());
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.shards[thread_number() % self.shards.len()].0)
    }

    /// The counts since the last call.
    pub(crate) fn take(&self) -> Total {
        let mut total = Total::default();
        let mut spare = lock(&self.spare);
        for shard in &self.shards {
            mem::swap(&mut *lock(&shard.0), &mut *spare);
            spare.pour_into(&mut total);
        }
        total
    }
}

/// The number of this thread, from 0 up in the order of their first call.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    // A tally that lacks a part of one request is still worth more than none at all.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    fn new() -> Self {
        Self {
            count: 0,
            anomalies: 0,
            hits: 0,
            nanos: 0,
            buckets: vec![0; LatencyHistogram::BUCKETS].into(),
            usage: HashMap::default(),
            durations: metrics::REQUEST_DURATION.local(),
        }
    }

    /// Counts points that took `nanos` each.
    fn record(&mut self, model: &LoadedModel, scored: Scored, nanos: u64) {
        let points = scored.points;
        self.count += points;
        self.anomalies += scored.anomalies;
        self.hits += if scored.hit { points } else { 0 };
        self.nanos = self.nanos.saturating_add(nanos.saturating_mul(points));
        self.buckets[usize::from(LatencyHistogram::bucket_of(nanos))] += points;
        if let Some(used) = self.usage.get_mut(&model.series) {
            *used += points;
        } else if self.usage.len() < MAX_SERIES {
            self.usage.insert(model.series.clone(), points);
        }
    }

    /// Adds all counts to `total` and starts again from zero.
    fn pour_into(&mut self, total: &mut Total) {
        if self.count == 0 {
            return;
        }
        total.count += mem::take(&mut self.count);
        total.anomalies += mem::take(&mut self.anomalies);
        total.hits += mem::take(&mut self.hits);
        total.nanos = total.nanos.saturating_add(mem::take(&mut self.nanos));
        for (bucket, count) in (0..).zip(&mut self.buckets) {
            total.histogram.add(bucket, mem::take(count));
        }
        for (series, used) in self.usage.drain() {
            *total.usage.entry(series).or_default() += used;
        }
        self.durations.flush();
    }
}

#[cfg(test)]
mod tests {
    use crate::models::entry::testing::model;

    use super::*;

    fn loaded(series: &str) -> LoadedModel {
        LoadedModel::new(SeriesId::new(series).unwrap(), model(1))
    }

    fn scored(nanos: u64) -> Scored {
        Scored {
            points: 1,
            anomalies: 0,
            hit: true,
            took: Duration::from_nanos(nanos),
        }
    }

    #[test]
    fn what_all_threads_score_is_counted_once_while_it_is_being_read() {
        let recorder = Recorder::new();
        let read = std::thread::scope(|scope| {
            for thread in 0..8 {
                let recorder = &recorder;
                scope.spawn(move || {
                    let model = loaded(&format!("s{}", thread % 4));
                    for i in 0..1_000 {
                        let anomalies = u64::from(i % 10 == 0);
                        recorder.record(
                            &model,
                            Scored {
                                anomalies,
                                ..scored(50)
                            },
                        );
                    }
                });
            }
            let mut read: Vec<Total> = Vec::new();
            while read.iter().map(|t| t.count).sum::<u64>() < 8_000 {
                read.push(recorder.take());
            }
            read
        });
        let sum = |of: fn(&Total) -> u64| read.iter().map(of).sum::<u64>();
        assert_eq!(sum(|t| t.count), 8_000);
        assert_eq!(sum(|t| t.anomalies), 800);
        assert_eq!(sum(|t| t.hits), 8_000);
        assert_eq!(sum(|t| t.nanos), 400_000);
        assert_eq!(sum(|t| t.histogram.count()), 8_000);
        for series in ["s0", "s1", "s2", "s3"] {
            let used = read.iter().filter_map(|t| t.usage.get(series));
            assert_eq!(used.sum::<u64>(), 2_000, "{series}");
        }
        assert_eq!(recorder.take(), Total::default());
    }

    #[test]
    fn series_beyond_what_a_shard_tells_apart_still_count() {
        let recorder = Recorder::new();
        for i in 0..MAX_SERIES + 10 {
            recorder.record(&loaded(&format!("s{i}")), scored(1_000));
        }
        recorder.record(&loaded("s0"), scored(1_000));
        let total = recorder.take();
        assert_eq!(total.count, MAX_SERIES as u64 + 11);
        assert_eq!(total.usage.len(), MAX_SERIES);
        assert_eq!(total.usage.values().sum::<u64>(), MAX_SERIES as u64 + 1);
    }
    #[test]
    fn a_batch_counts_as_many_inferences_as_it_has_points() {
        let recorder = Recorder::new();
        let batch = Scored {
            points: 1_000,
            anomalies: 7,
            ..scored(2_000_000)
        };
        recorder.record_batch(&loaded("s"), batch);
        let nobody_stayed = Scored {
            points: 0,
            ..scored(5)
        };
        recorder.record_batch(&loaded("s"), nobody_stayed);
        let total = recorder.take();
        assert_eq!(
            (total.count, total.anomalies, total.hits),
            (1_000, 7, 1_000)
        );
        assert_eq!(total.nanos, 2_000_000);
        let buckets: Vec<_> = total.histogram.buckets().collect();
        assert_eq!(buckets, [(LatencyHistogram::bucket_of(2_000), 1_000)]);
        assert_eq!(total.usage["s"], 1_000);
    }
}
