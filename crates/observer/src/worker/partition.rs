//! The streams of one partition, as far as they are in memory: its records are folded into them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use bus::TraceParent;
use contract::{
    AnomalyKind, Event, Labels, Point, PointsRecord, SeriesId, StreamControl, TimeUnit,
};
use store::{AnomalyChange, EndedStream, PointBlock, StreamState};
use stream::{Arrival, Beginning, Finding, Findings, Stream, Timeline, TimelineState};
use trace::{Kind, Span};

use super::history::History;
use crate::{metrics, waiters::Answer};

/// The streams of one partition.
pub(crate) struct Partition {
    pub(crate) number: i32,
    /// Effects of records below this offset are stored.
    pub(crate) stored: i64,
    /// The next record to fold.
    pub(crate) position: i64,
    pub(crate) timeline: Timeline,
    pub(crate) streams: HashMap<SeriesId, Entry>,
    /// The memory of the streams, in bytes, as it was when they were last looked at.
    pub(crate) bytes: usize,
    /// Streams that changed since they were stored, in the order in which that began.
    pub(crate) dirty: VecDeque<Dirty>,
    /// What was found and is not stored yet.
    pub(crate) found: Vec<AnomalyChange>,
    pub(crate) ended: Vec<EndedStream>,
    /// States that are to be stored.
    pub(crate) copied: Vec<StreamState>,
    /// Points that are to be stored.
    pub(crate) points: Vec<PointBlock>,
    /// Whether points are kept for people to look at.
    pub(super) keeps_points: bool,
    /// Records from `position` on that wait for the database.
    pub(crate) waiting: VecDeque<Placed>,
    /// At least their bytes in the log.
    pub(crate) waiting_bytes: usize,
    /// Labels by whose values anomalies are grouped.
    group_by: Vec<String>,
    /// The trace of the record that is folded.
    trace: TraceParent,
}

/// A stream in memory.
pub(crate) struct Entry {
    pub(crate) stream: Box<Stream>,
    /// The records below this offset are in it.
    pub(crate) next_offset: i64,
    pub(crate) is_dirty: bool,
    /// When it was last used.
    pub(crate) used: u64,
    pub(crate) bytes: usize,
    /// When it was stored.
    pub(crate) stored_at: Option<Instant>,
    /// The record that has begun it, if that was since it was loaded.
    pub(crate) begun_at: Option<i64>,
    /// Points for people to look at.
    pub(crate) history: History,
}

/// A stream that changed since it was stored.
pub(crate) struct Dirty {
    pub(crate) series: SeriesId,
    /// The first record that is not in the stored state.
    pub(crate) offset: i64,
    /// The time of the partition before it.
    pub(crate) timeline: TimelineState,
    pub(crate) since: Instant,
}

/// A record with its place in the log.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) offset: i64,
    /// When it was appended.
    pub(crate) at_ms: i64,
    /// The record; `None` for one that was passed over.
    pub(crate) record: Option<PointsRecord>,
    /// The request that waits for it.
    pub(crate) waiter: Option<u64>,
    /// The trace of the request that caused it.
    pub(crate) trace: TraceParent,
}

/// `points` in the unit that a stream counts in, whose last timestamp was `last`: a stream in seconds
/// does not take fractions. Only dates have a `unit`; a new stream takes it.
fn placed(points: &[Point], unit: Option<TimeUnit>, last: Option<i64>) -> Cow<'_, [Point]> {
    match (unit, last.and_then(TimeUnit::guess)) {
        (Some(sent), Some(unit)) if sent != unit => {
            let place = |point: &Point| Point {
                timestamp: sent.cut(point.timestamp, unit),
                ..*point
            };
            points.iter().map(place).collect()
        }
        _ => points.into(),
    }
}

impl Partition {
    pub(crate) fn new(
        number: i32,
        stored: i64,
        safe: i64,
        timeline: TimelineState,
        group_by: Vec<String>,
        keeps_points: bool,
    ) -> Self {
        Self {
            number,
            stored,
            position: safe,
            timeline: Timeline::new(timeline),
            streams: HashMap::new(),
            bytes: 0,
            dirty: VecDeque::new(),
            found: Vec::new(),
            ended: Vec::new(),
            copied: Vec::new(),
            points: Vec::new(),
            keeps_points,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            group_by,
            trace: None,
        }
    }

    /// The next record to take.
    pub(crate) fn next(&self) -> i64 {
        let last = self.waiting.back();
        last.map_or(self.position, |placed| placed.offset + 1)
    }

    /// Folds the next record. `beginnings` are the models for streams that it begins anew. Returns
    /// the answer to the request that waits for it.
    pub(crate) fn fold(
        &mut self,
        placed: &Placed,
        beginning: Option<Beginning>,
        now: Instant,
        used: u64,
    ) -> Option<Answer> {
        let before = self.timeline.state();
        let moment = Moment {
            offset: placed.offset,
            at_ms: placed.at_ms,
            before,
            now,
            used,
        };
        self.position = placed.offset + 1;
        self.trace.clone_from(&placed.trace);
        let _span = placed.trace.as_deref().map(|trace| {
            let name = || format!("process {}", PointsRecord::TOPIC.name);
            Span::start(Kind::Consumer, name, Some(trace))
        });
        for series in self.timeline.advance(placed.at_ms) {
            self.look_for_silence(&series, moment);
        }
        match &placed.record {
            Some(PointsRecord::One {
                series_id,
                point,
                unit,
                quiet,
            }) => self.observe(series_id, &[*point], *unit, *quiet, moment),
            Some(PointsRecord::Series {
                series_id,
                points,
                unit,
                quiet,
            }) => self.observe(series_id, points, *unit, *quiet, moment),
            Some(PointsRecord::Packed { points, quiet }) => {
                // All points of a series at once, since a stream takes a record once.
                let mut by_series: BTreeMap<&SeriesId, Vec<Point>> = BTreeMap::new();
                for (series, point) in points {
                    by_series.entry(series).or_default().push(*point);
                }
                for (series, points) in by_series {
                    self.observe(series, &points, None, *quiet, moment);
                }
                None
            }
            Some(PointsRecord::Control { series_id, control }) => {
                Some(self.control(series_id, control, beginning, moment))
            }
            Some(PointsRecord::Tick { .. }) | None => None,
        }
    }

    fn observe(
        &mut self,
        series: &SeriesId,
        points: &[Point],
        unit: Option<TimeUnit>,
        quiet: bool,
        moment: Moment,
    ) -> Option<Answer> {
        let arrival = self.arrival(moment, quiet);
        let Some(entry) = self.streams.get_mut(series) else {
            return Some(Answer::TooMany);
        };
        if moment.offset < entry.next_offset {
            return Some(Answer::Covered);
        }
        let mut findings = Findings::default();
        let points = placed(points, unit, entry.stream.last_timestamp());
        let folded = catch_unwind(AssertUnwindSafe(|| {
            entry.stream.observe(arrival, &points, &mut findings)
        }));
        let observed = match folded {
            Ok(observed) => observed,
            Err(_) => {
                // What it had become must not be trusted. The record is in the log for people to
                // look at.
                tracing::error!(
                    %series,
                    partition = self.number,
                    offset = moment.offset,
                    "judging a record panicked: its stream begins anew"
                );
                metrics::PANICS.inc();
                let options = entry.stream.options().clone();
                let run = entry.stream.run() + 1;
                let fresh = Stream::begin(series.clone(), options, Beginning::Nothing, run);
                *entry.stream = fresh;
                findings.changes.clear();
                Vec::new()
            }
        };
        observed.iter().for_each(|o| metrics::count(o.status));
        self.changed(series, findings, moment);
        Some(Answer::Observed(observed))
    }

    /// Carries out a command.
    fn control(
        &mut self,
        series: &SeriesId,
        control: &StreamControl,
        beginning: Option<Beginning>,
        moment: Moment,
    ) -> Answer {
        let number = self.number;
        let Some(entry) = self.streams.get_mut(series) else {
            return Answer::Controlled(None);
        };
        if moment.offset < entry.next_offset {
            return Answer::Covered;
        }
        let is_new = entry.begun_at == Some(moment.offset);
        let mut findings = Findings::default();
        let stream = &mut entry.stream;
        match control {
            StreamControl::Options(options) => {
                stream.set_options(moment.at_ms, options.clone(), &mut findings);
            }
            StreamControl::Defaults(defaults) => {
                stream.take_defaults(moment.at_ms, defaults, &mut findings);
            }
            StreamControl::Restart(restart) => {
                let beginning = beginning.unwrap_or(Beginning::Nothing);
                stream.restart(moment.at_ms, &beginning, restart.rewind, &mut findings);
            }
            StreamControl::Stale {} => stream.disarm(),
            StreamControl::End { forget } => {
                stream.end(moment.at_ms, &mut findings);
                let ended = EndedStream {
                    series_id: series.clone(),
                    next_offset: moment.offset + 1,
                    run: i64::try_from(stream.run()).unwrap_or(i64::MAX),
                    forget: *forget,
                };
                let reply = Box::new(stream.reply(number, None));
                self.keep(findings);
                self.ended.push(ended);
                self.finish_block(series);
                if *forget {
                    self.points.retain(|block| block.series_id != *series);
                }
                self.remove(series);
                self.dirty.retain(|dirty| dirty.series != *series);
                self.copied.retain(|copied| copied.series_id != *series);
                self.timeline.watch(series, None);
                return Answer::Controlled(Some((reply, false)));
            }
        }
        let reply = Box::new(stream.reply(number, None));
        self.changed(series, findings, moment);
        Answer::Controlled(Some((reply, is_new)))
    }

    fn look_for_silence(&mut self, series: &SeriesId, moment: Moment) {
        let arrival = self.arrival(moment, false);
        let Some(entry) = self.streams.get_mut(series) else {
            return;
        };
        if moment.offset < entry.next_offset {
            return;
        }
        let mut findings = Findings::default();
        entry.stream.look_for_silence(arrival, &mut findings);
        let due = entry.stream.due();
        self.changed(series, findings, moment);
        self.timeline.watch(series, due);
    }

    fn arrival(&self, moment: Moment, quiet: bool) -> Arrival {
        Arrival {
            at_ms: moment.at_ms,
            watched_ms: self.timeline.state().watched_ms(),
            quiet,
        }
    }

    /// Notes that the stream of `series` has changed.
    fn changed(&mut self, series: &SeriesId, mut findings: Findings, moment: Moment) {
        let learned = std::mem::take(&mut findings.learned);
        self.keep(findings);
        let Some(entry) = self.streams.get_mut(series) else {
            return;
        };
        let has_block = self.keeps_points && entry.history.add(moment.at_ms, learned);
        entry.used = moment.used;
        entry.next_offset = moment.offset + 1;
        self.timeline.watch(series, entry.stream.look());
        if !entry.is_dirty {
            entry.is_dirty = true;
            self.dirty.push_back(Dirty {
                series: series.clone(),
                offset: moment.offset,
                timeline: moment.before,
                since: moment.now,
            });
        }
        if has_block {
            self.finish_block(series);
        }
    }

    /// Keeps what was found, unless it is stored already.
    fn keep(&mut self, findings: Findings) {
        if self.position <= self.stored {
            return;
        }
        for finding in findings.changes {
            metrics::found(&finding);
            let group = self.group(&finding);
            let stream = self.streams.get(&finding.anomaly.series_id);
            self.found.push(AnomalyChange {
                group,
                budget: stream.and_then(|entry| entry.stream.options().budget),
                event: finding.event,
                context: finding.context,
                anomaly: finding.anomaly,
                traceparent: self.trace.clone(),
            });
        }
    }

    /// What anomalies of one incident have in common.
    fn group(&self, finding: &Finding) -> String {
        let anomaly = &finding.anomaly;
        let values: Vec<&str> = self
            .group_by
            .iter()
            .filter_map(|name| anomaly.labels.get(name).map(String::as_str))
            .collect();
        let group = match values.is_empty() {
            // Without labels, series that fall silent together are one incident nevertheless.
            true if anomaly.kind == AnomalyKind::Missing => String::new(),
            true => anomaly.series_id.as_str().to_owned(),
            false => values.join(", "),
        };
        match anomaly.kind {
            AnomalyKind::Missing => format!("missing {group}").trim_end().to_owned(),
            _ => group,
        }
    }

    /// Takes a stream into memory.
    pub(crate) fn insert(&mut self, series: SeriesId, entry: Entry) {
        self.bytes += entry.bytes;
        if let Some(before) = self.streams.insert(series, entry) {
            self.bytes -= before.bytes;
        }
    }

    fn remove(&mut self, series: &SeriesId) {
        if let Some(entry) = self.streams.remove(series) {
            self.bytes -= entry.bytes;
        }
    }

    /// Removes the streams that are stored as they are and were not used since `oldest`.
    pub(crate) fn evict(&mut self, oldest: u64) {
        let bytes = &mut self.bytes;
        self.streams.retain(|_, entry| {
            let stays = entry.used > oldest || entry.is_dirty || entry.stored_at.is_none();
            if !stays {
                *bytes -= entry.bytes;
            }
            stays
        });
    }

    /// The offset at which a replay may begin, and the time of the partition there, if the states
    /// that were copied are stored.
    pub(crate) fn safe(&self) -> (i64, TimelineState) {
        match self.dirty.front() {
            Some(dirty) => (dirty.offset, dirty.timeline),
            None => (self.position, self.timeline.state()),
        }
    }

    /// Copies the state of `series` to be stored.
    pub(crate) fn copy(&mut self, series: &SeriesId) -> usize {
        self.finish_block(series);
        let position = self.position;
        let Some(entry) = self.streams.get_mut(series) else {
            return 0;
        };
        entry.is_dirty = false;
        let bytes = entry.stream.memory_bytes();
        self.bytes = self.bytes + bytes - entry.bytes;
        entry.bytes = bytes;
        let copied = state(&entry.stream, position.max(entry.next_offset));
        let bytes = copied.state.len();
        self.copied.retain(|earlier| earlier.series_id != *series);
        self.copied.push(copied);
        bytes
    }
}

/// When a record is folded.
#[derive(Clone, Copy)]
struct Moment {
    offset: i64,
    at_ms: i64,
    /// The time of the partition before the record.
    before: TimelineState,
    now: Instant,
    used: u64,
}

/// The state of `stream`, which covers the records below `next_offset`, as it is stored.
pub(crate) fn state(stream: &Stream, next_offset: i64) -> StreamState {
    let labels: Labels = stream.options().labels.clone();
    StreamState {
        series_id: stream.series().clone(),
        next_offset,
        run: i64::try_from(stream.run()).unwrap_or(i64::MAX),
        points: i64::try_from(stream.points()).unwrap_or(i64::MAX),
        last_timestamp: stream.last_timestamp(),
        last_arrival_ms: stream.last_arrival_ms().unwrap_or(0),
        due_ms: stream.due(),
        begun_from: stream.begun_from(),
        labels,
        detector: stream.detector(),
        phase: stream.state(),
        format: stream::FORMAT,
        state: stream.to_bytes(),
    }
}
