//! `GET /v1/overview` and `GET /v1/alarms/histogram`: all series, those that need attention first.

use serde::{Deserialize, Serialize};

use crate::{
    DetectorName, Direction, Labels, Learning, Moment, SeriesId, Severity, Version, verdict::words,
};

/// The number of values in a sparkline.
pub const SPARK_STEPS: usize = 72;

/// The most columns of a histogram of alarms.
pub const MAX_HISTOGRAM_STEPS: usize = 1_000;

words! {
    /// How a series does.
    RowState {
        /// It has an open anomaly.
        Open = "open",
        /// It had an anomaly in the last 24 hours.
        Over = "over",
        /// Neither.
        Normal = "normal",
        /// Its stream still learns, and has no open anomaly.
        Learning = "learning",
        /// Its points have stopped.
        Silent = "silent",
        /// A silence covers it.
        Silenced = "silenced",
    }
}

words! {
    /// The part of an [`Overview`] that a series is in.
    RowGroup {
        /// It has an open anomaly.
        Open = "open",
        /// It had an anomaly in the last 24 hours, or in the time that is asked for.
        Recent = "recent",
        /// It had none.
        Quiet = "quiet",
    }
}

/// The reply of `GET /v1/overview`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Of all series that the caller may see, whatever the filters.
    pub counts: OverviewCounts,
    /// The series: those with open anomalies, those with anomalies in the last 24 hours, and the
    /// others; the most severe first, then the latest, then by name.
    pub rows: Vec<OverviewRow>,
    /// The value of `after` for the next page; `null` on the last page.
    pub next: Option<String>,
}

/// The number of series by what they need.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverviewCounts {
    /// Series with an open anomaly.
    pub open: u64,
    /// Other series with an anomaly in the last 24 hours.
    pub recent: u64,
    /// All others.
    pub quiet: u64,
    /// Anomalies that began in the last 24 hours.
    pub alarms_24h: u64,
    /// Points of streams a minute, of all series, whoever may see them; 0 where that is not known.
    pub points_per_minute: f64,
}

/// A series in an [`Overview`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverviewRow {
    /// The series.
    pub series_id: SeriesId,
    /// The labels of its stream.
    pub labels: Labels,
    /// The part of the list that it is in.
    pub group: RowGroup,
    /// How it does.
    pub state: RowState,
    /// The severity of its worst open anomaly, or else of its worst one in the last 24 hours; `null`
    /// without any.
    pub severity: Option<Severity>,
    /// Since when it is in this state, if that is known.
    pub since: Option<Moment>,
    /// Until when it is silenced; `null` where it is not, or at certain times again and again.
    pub until: Option<Moment>,
    /// How far the stream has warmed up; `null` once it has, or where it is not in memory.
    pub learning: Option<Learning>,
    /// The last value; `null` without a stream.
    pub value: Option<f64>,
    /// The value that was expected there.
    pub expected: Option<f64>,
    /// The timestamp of the last point, or of the last training point where there is no stream.
    pub last_timestamp: Option<i64>,
    /// When its last anomaly of the last 24 hours began, or its open one.
    pub last_alarm: Option<Moment>,
    /// The version of the model that serves; `null` if it has only a stream.
    pub serving: Option<Version>,
    /// The detector of the stream, or else of that model.
    pub detector: Option<DetectorName>,
    /// Points a minute, by the usual step of its timestamps; `null` where these have no known unit.
    pub points_per_minute: Option<f64>,
    /// Its last 24 hours; absent without points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spark: Option<Sparkline>,
}

/// The last 24 hours of a series, in [`SPARK_STEPS`] steps up to its last point; as many usual steps
/// where its timestamps have no known unit.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sparkline {
    /// The timestamp at which the first step begins.
    pub from: i64,
    /// The length of a step, in the unit of the timestamps.
    pub step: i64,
    /// In each step the value that was farthest from what was expected; `null` without points.
    pub v: Vec<Option<f64>>,
    /// The lower limit of the normal range there.
    pub lo: Vec<Option<f64>>,
    /// The upper limit of the normal range there.
    pub hi: Vec<Option<f64>>,
    /// The peaks of anomalies: the number of the step, severity and direction.
    pub a: Vec<(usize, Severity, Direction)>,
}

/// The reply of `GET /v1/alarms/histogram`: the number of anomalies that began, by time and severity.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmHistogram {
    /// When the first step begins, in seconds since 1970.
    pub from: i64,
    /// The length of a step, in seconds.
    pub step: i64,
    /// Those of low severity, by step.
    pub low: Vec<u64>,
    /// Those of medium severity.
    pub medium: Vec<u64>,
    /// Those of high severity.
    pub high: Vec<u64>,
    /// Those of critical severity.
    pub critical: Vec<u64>,
}
