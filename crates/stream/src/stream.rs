//! The fold: inputs in, verdicts and findings out.

use contract::{
    DetectorName, LearnedPoint, LiveSeries, Moment, ObservedPoint, Point, PointStatus, SeriesId,
    StreamCounts, StreamOptions, StreamReply, StreamState, StreamVerdict, TimeUnit, Transform,
    Version,
};
use detector::{Judged, Session};

use crate::{
    Beginning, Findings,
    anomalies::{self, Open, Scene},
    arrivals::Arrivals,
    clock::{Clock, Place},
    given::Given,
    learner::{Learner, Lesson},
    reorder::Reorder,
};

/// The detector of streams that name none and begin from no model.
const DEFAULT_DETECTOR: DetectorName = DetectorName::Auto;

/// When and how a record arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The time of the record: milliseconds since 1970, by the log.
    pub at_ms: i64,
    /// The same without outages: see [`TimelineState`](crate::TimelineState).
    pub watched_ms: i64,
    /// Whether nobody is told of what is found, and silence is not learned: history that is sent
    /// later.
    pub quiet: bool,
}

/// One series: what it has learned, and what it remembers of its last points.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub(crate) series: SeriesId,
    pub(crate) options: Box<StreamOptions>,
    /// The number of times that it has begun.
    pub(crate) run: u64,
    pub(crate) begun_from: Option<Version>,
    pub(crate) learner: Learner,
    pub(crate) clock: Clock,
    pub(crate) arrivals: Arrivals,
    pub(crate) reorder: Reorder,
    pub(crate) open: Open,
    pub(crate) counts: StreamCounts,
    /// The number of points that were learned.
    pub(crate) points: u64,
}

/// A point and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// What became of it.
    pub status: PointStatus,
    /// The point as it was sent.
    pub point: Point,
    given: Option<Given>,
    last_timestamp: Option<i64>,
}

impl Stream {
    /// A stream that has seen no point. `run` is the number of times that the series began before.
    pub fn begin(series: SeriesId, options: StreamOptions, beginning: Beginning, run: u64) -> Self {
        Self {
            learner: Learner::begin(&beginning, &options),
            series,
            options: Box::new(options),
            run,
            begun_from: version(&beginning),
            clock: Clock::default(),
            arrivals: Arrivals::default(),
            reorder: Reorder::default(),
            open: Open::default(),
            counts: StreamCounts::default(),
            points: 0,
        }
    }

    /// Judges and learns `points`, one record of the log, in the order of their timestamps. Returns
    /// what became of each, in the order in which they are given. Values are finite.
    pub fn observe(
        &mut self,
        arrival: Arrival,
        points: &[Point],
        findings: &mut Findings,
    ) -> Vec<Observed> {
        if let [point] = points {
            let observed = vec![self.observe_one(arrival, *point, findings)];
            self.note_arrival(arrival);
            return observed;
        }
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by_key(|index| points[*index].timestamp);
        let mut observed: Vec<(usize, Observed)> = order
            .into_iter()
            .map(|index| (index, self.observe_one(arrival, points[index], findings)))
            .collect();
        self.note_arrival(arrival);
        observed.sort_by_key(|(index, _)| *index);
        observed.into_iter().map(|(_, observed)| observed).collect()
    }

    fn note_arrival(&mut self, arrival: Arrival) {
        if !arrival.quiet {
            self.arrivals.note(arrival.watched_ms);
        }
    }

    fn observe_one(&mut self, arrival: Arrival, point: Point, findings: &mut Findings) -> Observed {
        let place = self.clock.place(point);
        if let Place::Next = place
            && let Some(lateness) = self.options.lateness.filter(|lateness| *lateness > 0)
        {
            return self.hold(arrival, point, lateness, findings);
        }
        match place {
            Place::Next => self.take(arrival, point, findings),
            Place::Again(given) => {
                self.counts.duplicate += 1;
                Observed {
                    status: PointStatus::Duplicate,
                    point,
                    given: Some(*given),
                    last_timestamp: None,
                }
            }
            Place::Refused(status) => self.refuse(arrival, point, status, findings),
        }
    }

    /// Lets `point` wait for earlier ones, and takes those that need not wait any longer.
    fn hold(
        &mut self,
        arrival: Arrival,
        point: Point,
        lateness: i64,
        findings: &mut Findings,
    ) -> Observed {
        let status = self.reorder.hold(point);
        match status {
            PointStatus::Conflict => return self.refuse(arrival, point, status, findings),
            PointStatus::Duplicate => self.counts.duplicate += 1,
            _ => {}
        }
        while let Some(point) = self.reorder.release(lateness) {
            self.take(arrival, point, findings);
        }
        self.without_verdict(status, point)
    }

    fn without_verdict(&self, status: PointStatus, point: Point) -> Observed {
        let is_refused = matches!(
            status,
            PointStatus::Late | PointStatus::Conflict | PointStatus::Implausible
        );
        let last = self.clock.last().filter(|_| is_refused);
        Observed {
            status,
            point,
            given: None,
            last_timestamp: last.map(|last| last.timestamp),
        }
    }

    fn refuse(
        &mut self,
        arrival: Arrival,
        point: Point,
        status: PointStatus,
        findings: &mut Findings,
    ) -> Observed {
        match status {
            PointStatus::Conflict => self.counts.conflict += 1,
            PointStatus::Implausible => self.counts.implausible += 1,
            _ => self.counts.late += 1,
        }
        self.clock.refuse(point, status);
        let scene = Scene {
            series: &self.series,
            run: self.run,
            labels: &self.options.labels,
            clock: &self.clock,
            at: Moment(arrival.at_ms),
            silenced: arrival.quiet || self.learner.learning(&self.options).is_some(),
        };
        self.open.refuse(point, &scene, findings);
        self.without_verdict(status, point)
    }

    /// Judges and learns a point that follows the last one.
    fn take(&mut self, arrival: Arrival, sent: Point, findings: &mut Findings) -> Observed {
        let at = Moment(arrival.at_ms);
        self.open.accept(sent.timestamp, at, findings);
        self.open.resume(sent.timestamp, at, findings);
        let mut given = Given {
            sent,
            value: sent.value,
            judged: None,
            anomaly_id: None,
            learning: self.learner.learning(&self.options),
        };
        let Some(value) = self.value_of(sent) else {
            self.clock.take(given.clone());
            return Observed::of(given);
        };
        let timestamp = sent.timestamp;
        let lesson =
            self.learner
                .learn(Point { timestamp, value }, &self.options, DEFAULT_DETECTOR);
        self.points += 1;
        self.counts.judged += u64::from(lesson.judged.is_some());
        let verdict = lesson.judged.as_ref().map(|judged| &judged.verdict);
        findings.learned.push(LearnedPoint {
            timestamp,
            value,
            expected: verdict.and_then(|verdict| verdict.expected),
            lower: verdict.and_then(|verdict| verdict.lower),
            upper: verdict.and_then(|verdict| verdict.upper),
            anomaly: verdict.is_some_and(|verdict| verdict.anomaly),
            alarm: lesson.judged.is_some_and(|judged| judged.alarm),
        });
        given.value = value;
        given.judged = lesson.judged;
        given.learning = lesson.learning;
        self.clock.take(given.clone());
        self.follow(arrival, &lesson, findings);
        given.anomaly_id = self.open.value_id();
        self.clock.belongs(given.anomaly_id);
        Observed::of(given)
    }

    /// Turns what the session has found into anomalies.
    fn follow(&mut self, arrival: Arrival, lesson: &Lesson, findings: &mut Findings) {
        let Some(judged) = lesson.judged else { return };
        let silenced = arrival.quiet || lesson.learning.is_some();
        let (detector, at) = (judged.verdict.detector, Moment(arrival.at_ms));
        let scene = Scene {
            series: &self.series,
            run: self.run,
            labels: &self.options.labels,
            clock: &self.clock,
            at,
            silenced,
        };
        let has_evidence = judged.strength >= 1.0 || judged.alarm || judged.verdict.anomaly;
        self.open
            .follow(lesson, has_evidence, detector, &scene, findings);
        for change in &lesson.changes {
            anomalies::moved(change, detector, &scene, findings);
        }
        if lesson.refitted {
            self.open.end_episode(at, findings);
        }
    }

    /// The value of `sent` that is judged; `None` if it only begins a counter.
    fn value_of(&self, sent: Point) -> Option<f64> {
        if self.options.transform != Some(Transform::Rate) {
            return Some(sent.value);
        }
        let last = self.clock.last()?;
        let step = sent
            .timestamp
            .checked_sub(last.timestamp)
            .filter(|step| *step > 0)?;
        let grown = sent.value - last.value;
        let second =
            TimeUnit::guess(sent.timestamp).map_or(1, |unit| 1_000_000_000 / unit.nanoseconds());
        let rate = grown / (step as f64 / second as f64);
        (grown >= 0.0 && rate.is_finite()).then_some(rate)
    }

    /// When the series has to be looked at if no point comes, in watched milliseconds: early enough,
    /// and cheap. `None` if never.
    pub fn look(&self) -> Option<i64> {
        if self.open.is_missing() {
            return None;
        }
        self.arrivals.look(self.options.missing_after_ms)
    }

    /// When the series is missing if no point comes, in watched milliseconds. `None` if never.
    pub fn due(&self) -> Option<i64> {
        if self.open.is_missing() {
            return None;
        }
        let step = self.clock.usual_step();
        let unit = self
            .clock
            .last()
            .and_then(|last| TimeUnit::guess(last.timestamp));
        let step_ms = unit.zip(step).map(|(unit, step)| {
            let ms = i128::from(step) * i128::from(unit.nanoseconds()) / 1_000_000;
            i64::try_from(ms).unwrap_or(i64::MAX)
        });
        self.arrivals.due(step_ms, self.options.missing_after_ms)
    }

    /// Looks whether the series is missing by the time of `arrival`. Points that wait for earlier
    /// ones wait no longer if a minute has passed without any.
    pub fn look_for_silence(&mut self, arrival: Arrival, findings: &mut Findings) {
        let Some(last) = self.arrivals.last() else {
            return;
        };
        let silence_ms = arrival.watched_ms.saturating_sub(last);
        while let Some(point) = self.reorder.pop() {
            self.take(arrival, point, findings);
        }
        if self.due().is_none_or(|due| due > arrival.watched_ms) {
            return;
        }
        let Some(last) = self.clock.last() else {
            return;
        };
        let silenced = arrival.quiet || self.learner.learning(&self.options).is_some();
        let scene = Scene {
            series: &self.series,
            run: self.run,
            labels: &self.options.labels,
            clock: &self.clock,
            at: Moment(arrival.at_ms),
            silenced,
        };
        self.open.miss(last.timestamp, silence_ms, &scene, findings);
    }

    /// Goes on with other options. With another detector, other parameters, another warm-up or
    /// another reading of the values it learns anew.
    pub fn set_options(&mut self, at_ms: i64, options: StreamOptions, findings: &mut Findings) {
        let before = &self.options;
        let has_other_values = before.transform != options.transform;
        let is_new = has_other_values
            || before.detector != options.detector
            || before.params != options.params
            || before.warmup() != options.warmup();
        *self.options = options;
        if is_new {
            self.open.end_episode(Moment(at_ms), findings);
            self.run += 1;
            self.begun_from = None;
        }
        if has_other_values {
            self.learner = Learner::begin(&Beginning::Nothing, &self.options);
        }
        self.learner.set_options(&self.options, is_new);
    }

    /// Takes the labels and the transform of `defaults` where the options have none.
    pub fn take_defaults(&mut self, at_ms: i64, defaults: &StreamOptions, findings: &mut Findings) {
        let mut options = (*self.options).clone();
        if options.labels.is_empty() {
            options.labels.clone_from(&defaults.labels);
        }
        options.transform = options.transform.or(defaults.transform);
        if options != *self.options {
            self.set_options(at_ms, options, findings);
        }
    }

    /// Begins anew. Points may go back to before the last one if `rewind`, and may be any number of
    /// steps ahead.
    pub fn restart(
        &mut self,
        at_ms: i64,
        beginning: &Beginning,
        rewind: bool,
        findings: &mut Findings,
    ) {
        self.open.end(Moment(at_ms), findings);
        self.run += 1;
        self.learner = Learner::begin(beginning, &self.options);
        self.begun_from = version(beginning);
        match rewind {
            true => self.clock.rewind(),
            false => self.clock.forget_steps(),
        }
    }

    /// The series is known to have no points until the next one.
    pub fn disarm(&mut self) {
        self.arrivals.disarm();
    }

    /// Closes what goes on, for a stream that ends.
    pub fn end(&mut self, at_ms: i64, findings: &mut Findings) {
        self.open.end(Moment(at_ms), findings);
    }

    /// The series.
    pub fn series(&self) -> &SeriesId {
        &self.series
    }

    /// The options.
    pub fn options(&self) -> &StreamOptions {
        &self.options
    }

    /// The number of times that the series began before.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The model that it began from; `None` if it warmed up.
    pub fn begun_from(&self) -> Option<Version> {
        self.begun_from
    }

    /// The number of points that were learned.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// The timestamp of the last point that counted.
    pub fn last_timestamp(&self) -> Option<i64> {
        self.clock.last().map(|last| last.timestamp)
    }

    /// When the last points came, in watched milliseconds.
    pub fn last_arrival_ms(&self) -> Option<i64> {
        self.arrivals.last()
    }

    /// The detector, once there is a verdict.
    pub fn detector(&self) -> Option<DetectorName> {
        self.learner.session().map(Session::detector)
    }

    /// What it does.
    pub fn state(&self) -> StreamState {
        match self.learner.learning(&self.options) {
            _ if self.open.is_missing() => StreamState::Silent,
            Some(_) => StreamState::Learning,
            None => StreamState::Ready,
        }
    }

    /// The last point, with what was expected of it. `None` before the first one.
    pub fn latest(&self) -> Option<LearnedPoint> {
        let given = self.clock.newest()?;
        let verdict = given.judged.as_ref().map(|judged| &judged.verdict);
        Some(LearnedPoint {
            timestamp: given.sent.timestamp,
            value: given.value,
            expected: verdict.and_then(|verdict| verdict.expected),
            lower: verdict.and_then(|verdict| verdict.lower),
            upper: verdict.and_then(|verdict| verdict.upper),
            anomaly: verdict.is_some_and(|verdict| verdict.anomaly),
            alarm: given.judged.as_ref().is_some_and(|judged| judged.alarm),
        })
    }

    /// The stream as the overview shows it.
    pub fn live(&self) -> LiveSeries {
        LiveSeries {
            series_id: self.series.clone(),
            state: self.state(),
            learning: self.learner.learning(&self.options),
            points: self.points,
            latest: self.latest(),
            usual_step: self.clock.usual_step(),
            detector: self.detector(),
        }
    }

    /// The stream as clients see it.
    pub fn reply(&self, partition: i32, checkpoint_age_ms: Option<u64>) -> StreamReply {
        StreamReply {
            series_id: self.series.clone(),
            state: self.state(),
            detector: self.detector(),
            begun_from: self.begun_from,
            points: self.points,
            last_timestamp: self.last_timestamp(),
            usual_step: self.clock.usual_step(),
            learning: self.learner.learning(&self.options),
            counts: self.counts,
            latest_by: self.clock.latest_by,
            open_anomaly: self.open.any_id(),
            labels: self.options.labels.clone(),
            options: (*self.options).clone(),
            partition,
            checkpoint_age_ms,
            unit: self.last_timestamp().and_then(TimeUnit::guess),
            false_alarms: None,
        }
    }

    /// The memory that the stream takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of::<StreamOptions>()
            + self.learner.heap_bytes()
            + self.clock.heap_bytes()
            + self.arrivals.heap_bytes()
            + self.open.heap_bytes()
    }
}

impl Observed {
    fn of(given: Given) -> Self {
        Self {
            status: match given.judged {
                Some(_) => PointStatus::Judged,
                None => PointStatus::Learning,
            },
            point: given.sent,
            given: Some(given),
            last_timestamp: None,
        }
    }

    /// The same for clients.
    pub fn reply(&self) -> ObservedPoint {
        let given = self.given.as_ref();
        let judged = given.and_then(|given| given.judged);
        let learning = given.and_then(|given| given.learning);
        ObservedPoint {
            status: self.status,
            timestamp: self.point.timestamp,
            value: given.map_or(self.point.value, |given| given.value),
            verdict: judged.map(|judged| StreamVerdict {
                verdict: judged.verdict.to_reply(),
                online: judged.to_reply(),
                escalation: judged.escalation,
                peak_timestamp: judged.peak_timestamp,
                anomaly_id: given.and_then(|given| given.anomaly_id),
                learning,
            }),
            last_timestamp: self.last_timestamp,
            detail: detail(self.status).map(str::to_owned),
            warming: learning.filter(|_| judged.is_none()),
        }
    }

    /// The verdict, if there is one.
    pub fn judged(&self) -> Option<&Judged> {
        self.given.as_ref()?.judged.as_ref()
    }
}

/// Why a point of this status was not judged.
fn detail(status: PointStatus) -> Option<&'static str> {
    match status {
        PointStatus::Late => Some("timestamp is not after the last one"),
        PointStatus::Conflict => Some("the point with this timestamp has another value"),
        PointStatus::Implausible => Some("timestamp is more than a million usual steps ahead"),
        _ => None,
    }
}

fn version(beginning: &Beginning) -> Option<Version> {
    match beginning {
        Beginning::Nothing => None,
        Beginning::Model { version, .. } => Some(*version),
    }
}
