//! Anomalies: what a stream finds, as rows that change until they are closed.

use std::fmt::Write as _;

use contract::{
    Anomaly, AnomalyEventKind, AnomalyId, AnomalyKind, DetectorName, Direction, Labels,
    LearnedPoint, Moment, OpenStatus, Point, SeriesId, Severity,
};
use detector::{ChangePoint, Episode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{clock::Clock, learner::Lesson};

/// The number of points without evidence after which an anomaly counts as closed, even if its
/// episode is still running.
const QUIET: u64 = 24;

/// The number of points in a row that are refused until that is an anomaly.
pub(crate) const REFUSED: u64 = 16;

/// A change of an anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The anomaly after it.
    pub anomaly: Anomaly,
    /// What has happened that people may want to be told of; `None` if only details changed.
    pub event: Option<AnomalyEventKind>,
    /// The number of events of the anomaly up to this one.
    pub events: u64,
    /// The last points of the series up to the one at which it was opened; empty for later changes.
    pub context: Vec<Point>,
}

/// What comes of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Changes of anomalies, in order.
    pub changes: Vec<Finding>,
    /// The points that were learned, in order.
    pub learned: Vec<LearnedPoint>,
}

/// Where and when something is found.
pub(crate) struct Scene<'a> {
    pub(crate) series: &'a SeriesId,
    pub(crate) run: u64,
    pub(crate) labels: &'a Labels,
    pub(crate) clock: &'a Clock,
    /// The time of the record.
    pub(crate) at: Moment,
    /// Whether nobody is told of what begins here.
    pub(crate) silenced: bool,
}

/// An anomaly that may still change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tracked {
    anomaly: Anomaly,
    /// The number of events so far.
    events: u64,
    /// The number of points since the last evidence.
    quiet: u64,
}

/// The anomalies of a stream that go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Box<Tracked>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<Box<Tracked>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<Box<Tracked>>,
}

impl Scene<'_> {
    /// The id of an anomaly of `kind` that began at `start`.
    fn id(&self, kind: AnomalyKind, start: i64) -> AnomalyId {
        let mut text = String::new();
        let (series, run) = (self.series.as_str(), self.run);
        write!(text, "{series}\n{run}\n{kind}\n{start}").expect("memory takes what is written");
        let digest = Sha256::digest(text.as_bytes());
        let first = digest.first_chunk::<16>().copied().unwrap_or_default();
        AnomalyId(u128::from_be_bytes(first))
    }

    fn anomaly(&self, kind: AnomalyKind, start: i64) -> Anomaly {
        Anomaly {
            anomaly_id: self.id(kind, start),
            series_id: self.series.clone(),
            kind,
            status: OpenStatus::Open,
            began: start,
            start,
            end: start,
            peak: start,
            value: None,
            expected: None,
            lower: None,
            upper: None,
            direction: Direction::None,
            severity: Severity::Medium,
            ratio: 1.0,
            alarms: 1,
            reason: String::new(),
            detector: None,
            opened_at: self.at,
            closed_at: None,
            incident_id: None,
            silenced: self.silenced,
            held_back: None,
            feedback: None,
            labels: self.labels.clone(),
        }
    }
}

impl Tracked {
    /// Opens `anomaly`.
    fn open(anomaly: Anomaly, scene: &Scene<'_>, findings: &mut Findings) -> Box<Self> {
        let tracked = Box::new(Self {
            anomaly,
            events: 1,
            quiet: 0,
        });
        findings.changes.push(Finding {
            context: scene.clock.points().collect(),
            ..tracked.finding(Some(AnomalyEventKind::Opened))
        });
        tracked
    }

    fn finding(&self, event: Option<AnomalyEventKind>) -> Finding {
        Finding {
            anomaly: self.anomaly.clone(),
            event,
            events: self.events,
            context: Vec::new(),
        }
    }

    fn tell(&mut self, event: AnomalyEventKind, findings: &mut Findings) {
        self.events += 1;
        findings.changes.push(self.finding(Some(event)));
    }

    fn close(&mut self, at: Moment, findings: &mut Findings) {
        if self.anomaly.status == OpenStatus::Open {
            self.anomaly.status = OpenStatus::Closed;
            self.anomaly.closed_at = Some(at);
            self.tell(AnomalyEventKind::Closed, findings);
        }
    }

    /// Takes over what is known of the episode.
    fn follow(&mut self, episode: &Episode, scene: &Scene<'_>) {
        let anomaly = &mut self.anomaly;
        let peak = scene.clock.given_at(episode.peak);
        if let Some(verdict) = peak.and_then(|given| given.judged) {
            (anomaly.lower, anomaly.upper) = (verdict.verdict.lower, verdict.verdict.upper);
        } else if anomaly.peak != episode.peak {
            (anomaly.lower, anomaly.upper) = (None, None);
        }
        anomaly.began = episode.began;
        anomaly.end = episode.end;
        anomaly.peak = episode.peak;
        anomaly.value = Some(episode.value);
        anomaly.expected = Some(episode.expected);
        anomaly.direction = episode.direction;
        anomaly.severity = episode.severity;
        anomaly.ratio = episode.ratio;
        if anomaly.alarms != episode.alarms || anomaly.reason.is_empty() {
            anomaly.reason = episode.reason.to_string();
        }
        anomaly.alarms = episode.alarms;
    }
}

impl Open {
    /// The anomaly of values that goes on.
    pub(crate) fn value_id(&self) -> Option<AnomalyId> {
        let tracked = self.value.as_ref()?;
        let is_open = tracked.anomaly.status == OpenStatus::Open;
        is_open.then_some(tracked.anomaly.anomaly_id)
    }

    /// An anomaly that goes on.
    pub(crate) fn any_id(&self) -> Option<AnomalyId> {
        let others = [&self.missing, &self.clock].into_iter().flatten();
        let others = others.map(|tracked| tracked.anomaly.anomaly_id);
        self.value_id().or_else(|| others.into_iter().next())
    }

    /// Whether the series is missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing.is_some()
    }

    /// Follows the episodes of the session after a point: the finished ones and the running one.
    /// `has_evidence` says whether the point is evidence for the running one.
    pub(crate) fn follow(
        &mut self,
        lesson: &Lesson,
        has_evidence: bool,
        detector: DetectorName,
        scene: &Scene<'_>,
        findings: &mut Findings,
    ) {
        for episode in &lesson.closed {
            self.follow_one(episode, detector, scene, findings);
            if let Some(mut tracked) = self.value.take() {
                tracked.close(scene.at, findings);
            }
        }
        let Some(episode) = &lesson.running else {
            return;
        };
        self.follow_one(episode, detector, scene, findings);
        let Some(tracked) = &mut self.value else {
            return;
        };
        if has_evidence {
            tracked.quiet = 0;
            if tracked.anomaly.status == OpenStatus::Closed {
                tracked.anomaly.status = OpenStatus::Open;
                tracked.anomaly.closed_at = None;
                tracked.tell(AnomalyEventKind::Opened, findings);
            }
        } else {
            tracked.quiet += 1;
            if tracked.quiet > QUIET {
                tracked.close(scene.at, findings);
            }
        }
    }

    fn follow_one(
        &mut self,
        episode: &Episode,
        detector: DetectorName,
        scene: &Scene<'_>,
        findings: &mut Findings,
    ) {
        let known = self.value.as_mut();
        match known.filter(|tracked| tracked.anomaly.start == episode.start) {
            Some(tracked) => {
                let before = tracked.anomaly.clone();
                tracked.follow(episode, scene);
                if tracked.anomaly.alarms > before.alarms {
                    tracked.tell(AnomalyEventKind::Escalated, findings);
                } else if tracked.anomaly != before {
                    findings.changes.push(tracked.finding(None));
                }
            }
            None => {
                if let Some(mut before) = self.value.take() {
                    before.close(scene.at, findings);
                }
                let mut tracked = Tracked {
                    anomaly: Anomaly {
                        detector: Some(detector),
                        ..scene.anomaly(AnomalyKind::Value, episode.start)
                    },
                    events: 0,
                    quiet: 0,
                };
                tracked.follow(episode, scene);
                self.value = Some(Tracked::open(tracked.anomaly, scene, findings));
            }
        }
    }

    /// The session ends, and with it its episode.
    pub(crate) fn end_episode(&mut self, at: Moment, findings: &mut Findings) {
        if let Some(mut tracked) = self.value.take() {
            tracked.close(at, findings);
        }
    }

    /// No point has come for `silence_ms`, since the one at `last`.
    pub(crate) fn miss(
        &mut self,
        last: i64,
        silence_ms: i64,
        scene: &Scene<'_>,
        findings: &mut Findings,
    ) {
        if self.missing.is_none() {
            let anomaly = Anomaly {
                reason: format!("no point for {}", seconds(silence_ms)),
                ..scene.anomaly(AnomalyKind::Missing, last)
            };
            self.missing = Some(Tracked::open(anomaly, scene, findings));
        }
    }

    /// A point has come, at `timestamp`.
    pub(crate) fn resume(&mut self, timestamp: i64, at: Moment, findings: &mut Findings) {
        if let Some(mut tracked) = self.missing.take() {
            tracked.anomaly.end = timestamp;
            tracked.close(at, findings);
        }
    }

    /// The last points were refused, in a row; `point` is the last of them.
    pub(crate) fn refuse(&mut self, point: Point, scene: &Scene<'_>, findings: &mut Findings) {
        let Some(last) = scene.clock.last() else {
            return;
        };
        if self.clock.is_none() && scene.clock.refused >= REFUSED {
            let (at, after) = (point.timestamp, last.timestamp);
            let anomaly = Anomaly {
                reason: format!(
                    "{REFUSED} points in a row do not follow the last one: {at} after {after}"
                ),
                ..scene.anomaly(AnomalyKind::Clock, last.timestamp)
            };
            self.clock = Some(Tracked::open(anomaly, scene, findings));
        }
    }

    /// A point follows again.
    pub(crate) fn accept(&mut self, timestamp: i64, at: Moment, findings: &mut Findings) {
        if let Some(mut tracked) = self.clock.take() {
            tracked.anomaly.end = timestamp;
            tracked.close(at, findings);
        }
    }

    /// The stream ends, and all that goes on with it.
    pub(crate) fn end(&mut self, at: Moment, findings: &mut Findings) {
        let all = [self.value.take(), self.missing.take(), self.clock.take()];
        for mut tracked in all.into_iter().flatten() {
            tracked.close(at, findings);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let all = [&self.value, &self.missing, &self.clock];
        all.into_iter().flatten().count() * (size_of::<Tracked>() + 200)
    }
}

/// A change of the level: kept, and nobody is told.
pub(crate) fn moved(
    change: &ChangePoint,
    detector: DetectorName,
    scene: &Scene<'_>,
    findings: &mut Findings,
) {
    let (from, to) = (change.from, change.to);
    let direction = if to > from {
        Direction::Above
    } else {
        Direction::Below
    };
    let anomaly = Anomaly {
        status: OpenStatus::Closed,
        value: Some(to),
        expected: Some(from),
        direction,
        severity: Severity::Low,
        reason: change.reason().to_string(),
        detector: Some(detector),
        closed_at: Some(scene.at),
        ..scene.anomaly(AnomalyKind::Level, change.timestamp)
    };
    findings.changes.push(Finding {
        anomaly,
        event: None,
        events: 0,
        context: scene.clock.points().collect(),
    });
}

fn seconds(ms: i64) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| match ms / 1_000 {
        s if s < 120 => write!(f, "{s} seconds"),
        s if s < 7_200 => write!(f, "{} minutes", s / 60),
        s => write!(f, "{} hours", s / 3_600),
    })
}
