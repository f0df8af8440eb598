//! Before records are folded: they are parsed, and the streams that they need are loaded or begun.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bus::{Message, RawMessage};
use contract::{
    Origin, POINT_PARTITIONS, PointsRecord, SeriesId, StreamControl, StreamOptions, partition_of,
};
use detector::StoredModel;
use futures_util::FutureExt;
use service::retry::retry_forever;
use stream::{Beginning, Stream};

use super::{
    Worker,
    history::History,
    partition::{Entry, Placed, state},
    waiting::Halt,
};
use crate::{header, metrics};

/// What is ready to be folded.
pub(super) struct Prepared {
    /// The number of records.
    pub(super) length: usize,
    /// The models that restarts begin from, by the offsets of their records.
    pub(super) beginnings: HashMap<i64, Beginning>,
    /// Whether what the last of them does must be stored before others are folded.
    pub(super) must_store: bool,
}

impl Placed {
    /// The series that the record is about, if that is one.
    pub(super) fn series(&self) -> Option<&SeriesId> {
        self.record.as_ref()?.series_id()
    }

    /// Whether what it does must be stored before others are folded: a new beginning depends on the
    /// models of the moment, and a stream that has ended must not be loaded again.
    fn must_be_stored(&self) -> bool {
        let Some(PointsRecord::Control { control, .. }) = &self.record else {
            return false;
        };
        matches!(
            **control,
            StreamControl::Restart(_) | StreamControl::End { .. }
        )
    }
}

impl Worker {
    /// Parses `message`. One that cannot be used is kept as a dead letter, and one that lies in
    /// another partition than its series is passed on; both are then passed over.
    pub(super) async fn place(&self, message: RawMessage) -> Placed {
        let waiters = &self.shared.waiters;
        let waiter = waiters.number(
            message.header(header::PROCESS),
            message.header(header::REQUEST),
        );
        let (offset, at_ms) = (message.offset, message.timestamp_ms);
        let trace = message.traceparent().map(str::to_owned);
        let record = match message.event::<PointsRecord>() {
            Ok(record) if self.is_at_home(&record, message.partition) => Some(record),
            Ok(record) => {
                self.pass_on(record, message.partition).await;
                None
            }
            Err(reason) => {
                self.bury(message.read(), reason).await;
                None
            }
        };
        Placed {
            offset,
            at_ms,
            record,
            waiter,
            trace,
        }
    }

    fn is_at_home(&self, record: &PointsRecord, partition: i32) -> bool {
        let home = |series: &SeriesId| partition_of(series, POINT_PARTITIONS) == partition;
        match record {
            PointsRecord::Packed { points, .. } => points.iter().all(|(series, _)| home(series)),
            PointsRecord::Tick { .. } => true,
            other => other.series_id().is_none_or(home),
        }
    }

    /// Publishes what lies in the wrong partition to the right one. Sent twice after a crash, it is
    /// a duplicate.
    async fn pass_on(&self, record: PointsRecord, partition: i32) {
        metrics::PASSED_ON.inc();
        if metrics::PASSED_ON.get() == 1 {
            tracing::warn!(
                partition,
                "records lie in another partition than their series and are passed on"
            );
        }
        let records: Vec<PointsRecord> = match record {
            PointsRecord::Packed { points, quiet } => points
                .into_iter()
                .map(|(series_id, point)| PointsRecord::One {
                    series_id,
                    point,
                    unit: None,
                    quiet,
                })
                .collect(),
            other => vec![other],
        };
        let bus = self.shared.bus.clone();
        let passing = async move {
            retry_forever("passing records on", || bus.publish(records.clone(), None)).await;
        };
        self.shared.run(passing).await;
    }

    /// Keeps a record that cannot be used as a dead letter.
    async fn bury(&self, message: Message<PointsRecord>, reason: String) {
        metrics::DEAD_LETTERS.inc();
        tracing::warn!(
            partition = message.partition,
            offset = message.offset,
            reason,
            "a record cannot be judged and lies in the dead letters"
        );
        let bus = self.shared.bus.clone();
        let keeping = async move {
            retry_forever("keeping a dead letter", || async {
                match bus.dead_letter(&message, &reason).await {
                    Err(error) if error.is_permanent() => Ok(Err(error)),
                    kept => kept.map(Ok),
                }
            })
            .await
        };
        if let Err(error) = self.shared.run(keeping).await {
            tracing::error!(
                error = service::telemetry::with_sources(&error),
                "a record cannot be kept as a dead letter either, and is passed over"
            );
        }
    }

    /// Loads or begins the streams that the first of `records` need.
    pub(super) async fn prepare(
        &mut self,
        number: i32,
        records: &[Placed],
    ) -> Result<Prepared, Halt> {
        let last = records.iter().position(Placed::must_be_stored);
        let length = last.map_or(records.len(), |at| at + 1);
        let records = &records[..length];
        if last.is_some() && self.is_away() {
            return Err(Halt::Away);
        }
        let latest = records.iter().map(|placed| placed.at_ms).max();
        let latest = latest.unwrap_or_default();
        let partition = self.partitions.get(&number).ok_or(Halt::Lost)?;
        let is_absent = |series: &&SeriesId| !partition.streams.contains_key(*series);
        let mut needed: BTreeSet<SeriesId> = BTreeSet::new();
        for placed in records {
            match &placed.record {
                Some(PointsRecord::Packed { points, .. }) => {
                    let series = points.iter().map(|(series, _)| series);
                    needed.extend(series.filter(is_absent).cloned());
                }
                Some(record) => needed.extend(record.series_id().filter(is_absent).cloned()),
                None => {}
            }
        }
        needed.extend(partition.timeline.due_by(latest).filter(|s| is_absent(&s)));
        if !needed.is_empty() {
            metrics::SESSION_MISSES.inc_by(needed.len() as u64);
            self.load(number, needed, records).await?;
        }
        let mut beginnings = HashMap::new();
        if let Some(last) = last.map(|at| &records[at])
            && let Some(PointsRecord::Control { series_id, control }) = &last.record
            && let StreamControl::Restart(restart) = &**control
        {
            let beginning = self.beginning(series_id, restart.from, None).await?;
            beginnings.insert(last.offset, beginning);
        }
        Ok(Prepared {
            length,
            beginnings,
            must_store: last.is_some(),
        })
    }

    /// Brings the streams of `needed` into memory, and begins those that `records` begin.
    async fn load(
        &mut self,
        number: i32,
        needed: BTreeSet<SeriesId>,
        records: &[Placed],
    ) -> Result<(), Halt> {
        let ids: Arc<[SeriesId]> = needed.iter().cloned().collect();
        let store = self.shared.store.clone();
        let reading = move || {
            let (store, ids) = (store.clone(), Arc::clone(&ids));
            async move { store.stream_states(&ids).await }.boxed()
        };
        let stored: HashMap<SeriesId, store::StoredStream> = self
            .read("loading streams", reading)
            .await?
            .into_iter()
            .map(|stored| (stored.state.series_id.clone(), stored))
            .collect();
        let mut begun = Vec::new();
        for series in needed {
            let known = stored.get(&series);
            let next_offset = known.map_or(0, |stored| stored.state.next_offset);
            let run = known.map_or(0, |stored| stored.state.run + 1);
            match known.filter(|stored| !stored.state.state.is_empty()) {
                Some(stored) => self.enter_stream(number, stored, &series),
                None => match self.begin(&series, run, next_offset, records).await {
                    Ok(Some(entry)) => begun.push((series, entry)),
                    Ok(None) => {}
                    Err(halt) => {
                        let begun = i64::try_from(begun.len()).unwrap_or(0);
                        self.shared.streams.fetch_sub(begun, Ordering::Relaxed);
                        return Err(halt);
                    }
                },
            }
        }
        if begun.is_empty() {
            return Ok(());
        }
        let partition = self.partitions.get_mut(&number).ok_or(Halt::Lost)?;
        for (series, entry) in begun {
            partition
                .copied
                .push(state(&entry.stream, entry.next_offset));
            partition.insert(series, entry);
        }
        // Its beginning is stored before its first point is judged, since it depends on the models
        // of the moment.
        self.barrier(number).await.ok_or(Halt::Lost)
    }

    /// Takes a stored stream into memory. One that cannot be read begins by warming up.
    fn enter_stream(&mut self, number: i32, stored: &store::StoredStream, series: &SeriesId) {
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        let state = &stored.state;
        let stream = match Stream::from_bytes(&state.state) {
            Ok(stream) => stream,
            Err(error) => {
                metrics::DAMAGED.inc();
                tracing::error!(
                    %series,
                    error = service::telemetry::with_sources(&error),
                    "a stored stream is damaged: it begins anew"
                );
                let run = u64::try_from(state.run + 1).unwrap_or(0);
                let options = StreamOptions {
                    labels: state.labels.clone(),
                    ..StreamOptions::default()
                };
                Stream::begin(series.clone(), options, Beginning::Nothing, run)
            }
        };
        let entry = Entry {
            bytes: stream.memory_bytes(),
            stream: Box::new(stream),
            next_offset: state.next_offset,
            is_dirty: false,
            used: self.clock,
            stored_at: Some(Instant::now()),
            begun_at: None,
            history: History::default(),
        };
        partition.insert(series.clone(), entry);
    }

    /// The beginning of a stream that one of `records` begins, or `None`.
    async fn begin(
        &mut self,
        series: &SeriesId,
        run: i64,
        next_offset: i64,
        records: &[Placed],
    ) -> Result<Option<Entry>, Halt> {
        let first = records.iter().find(|placed| {
            placed.offset >= next_offset
                && match &placed.record {
                    Some(PointsRecord::Packed { points, .. }) => {
                        points.iter().any(|(known, _)| known == series)
                    }
                    Some(PointsRecord::Control { series_id, control }) => {
                        let begins = matches!(
                            **control,
                            StreamControl::Options(_)
                                | StreamControl::Defaults(_)
                                | StreamControl::Restart(_)
                        );
                        begins && series_id == series
                    }
                    Some(record) => record.series_id() == Some(series),
                    None => false,
                }
        });
        let Some(first) = first else { return Ok(None) };
        let (mut options, mut from) = (StreamOptions::default(), Origin::Champion);
        if let Some(PointsRecord::Control { control, .. }) = &first.record {
            match &**control {
                StreamControl::Options(given) | StreamControl::Defaults(given) => {
                    options = given.clone();
                }
                StreamControl::Restart(restart) => from = restart.from,
                StreamControl::Stale {} | StreamControl::End { .. } => {}
            }
        }
        let beginning = self.beginning(series, from, options.detector).await?;
        if !self.has_room(series) {
            return Ok(None);
        }
        let run = u64::try_from(run).unwrap_or(0);
        let stream = Stream::begin(series.clone(), options, beginning, run);
        Ok(Some(Entry {
            bytes: stream.memory_bytes(),
            stream: Box::new(stream),
            next_offset: first.offset,
            is_dirty: false,
            used: self.clock,
            stored_at: None,
            begun_at: Some(first.offset),
            history: History::default(),
        }))
    }

    /// Whether a further stream may begin. Counts it.
    fn has_room(&mut self, series: &SeriesId) -> bool {
        let most = self.shared.settings.max_streams;
        if self.shared.streams.fetch_add(1, Ordering::Relaxed) < most {
            return true;
        }
        self.shared.streams.fetch_sub(1, Ordering::Relaxed);
        metrics::REFUSED_STREAMS.inc();
        if self.refused.insert(series.clone()) {
            tracing::warn!(%series, most, "there are as many streams as MAX_STREAMS allows");
        }
        false
    }

    /// What `series` begins from.
    async fn beginning(
        &mut self,
        series: &SeriesId,
        from: Origin,
        detector: Option<contract::DetectorName>,
    ) -> Result<Beginning, Halt> {
        let (store, id) = (self.shared.store.clone(), series.clone());
        let reading = move || {
            let (store, id) = (store.clone(), id.clone());
            async move {
                let read = match from {
                    Origin::Nothing => return Ok(None),
                    Origin::Champion => store.serving(&id).await.map(|serving| serving.model),
                    Origin::Version(version) => store.model(&id, version).await,
                };
                match read {
                    // A model that cannot be read does not count; the store has said so.
                    Err(error) if !error.is_transient() => Ok(None),
                    read => read,
                }
            }
            .boxed()
        };
        let found = self.read("reading the model of a stream", reading).await?;
        Ok(match found.map(|found| (found.version, found.model)) {
            Some((version, StoredModel::Univariate(model)))
                if detector.is_none_or(|name| name == model.detector()) =>
            {
                Beginning::Model {
                    version,
                    model: Box::new(model),
                }
            }
            _ => Beginning::Nothing,
        })
    }
}
