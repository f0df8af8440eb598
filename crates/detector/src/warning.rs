//! Warnings about training points that make a weak model. The fit gives them once.

use std::fmt;

use contract::{DetectorName, Point};

use crate::{
    series::clock,
    text::{Short, Span},
};

/// A sentence about the training points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warning(pub(crate) WarningKind);

/// The kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum WarningKind {
    /// The points are too few for the detector, which uses the recorded rule.
    RuleUnder { points: u64, needed: u64 },
    /// The points are so few that limits are uncertain.
    Few { points: u64, rate: f64 },
    /// No season was found.
    NoSeason,
    /// The points are too few to learn the season from.
    ShortForSeason { points: u64, period: u64 },
    /// Some points share a timestamp with another.
    Duplicates { points: u64 },
    /// Points are missing.
    Gaps { count: u64, longest: Span },
    /// The timestamps are irregular.
    Irregular,
    /// The last values are all the same.
    ConstantTail { points: u64 },
    /// The values rise or fall, and the detector does not follow.
    Trend { detector: DetectorName },
    /// The detector cannot find anomalies on the side that was asked for.
    Blind { detector: DetectorName },
}

impl Warning {
    /// Whether it says that the values have a trend.
    pub(crate) fn is_about_trend(&self) -> bool {
        matches!(self.0, WarningKind::Trend { .. })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            WarningKind::RuleUnder { points, needed } => write!(
                f,
                "{points} points are few: until there are {needed}, only values above mean + 3 standard deviations are anomalies"
            ),
            WarningKind::Few { points, rate } => write!(
                f,
                "{points} points say little about a false-alarm rate of {}: limits are extrapolated",
                Short(rate)
            ),
            WarningKind::NoSeason => {
                f.write_str("no season was found: every point is compared with the level")
            }
            WarningKind::ShortForSeason { points, period } => write!(
                f,
                "{points} points are too few for a season of {period}: three seasons are needed"
            ),
            WarningKind::Duplicates { points: 1 } => {
                f.write_str("1 point has the timestamp of another")
            }
            WarningKind::Duplicates { points } => {
                write!(f, "{points} points have the timestamp of another")
            }
            WarningKind::Gaps { count: 1, longest } => write!(f, "there is 1 gap, of {longest}"),
            WarningKind::Gaps { count, longest } => {
                write!(f, "there are {count} gaps, the longest of {longest}")
            }
            WarningKind::Irregular => {
                f.write_str("timestamps are irregular: points are taken to be evenly spaced")
            }
            WarningKind::ConstantTail { points } => {
                write!(f, "the last {points} points are all the same")
            }
            WarningKind::Trend { detector } => write!(
                f,
                "the values have a trend, which {detector} does not follow: fit again before it has moved on"
            ),
            WarningKind::Blind { detector } => {
                write!(
                    f,
                    "{detector} sees only values that are too high: with direction below it finds nothing"
                )
            }
        }
    }
}

/// The largest number of warnings of one fit.
const MOST: usize = 5;

/// The warnings of a fit.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Adds a warning unless there are [`MOST`] already.
    pub(crate) fn add(&mut self, note: WarningKind) {
        if self.0.len() < MOST {
            self.0.push(Warning(note));
        }
    }

    /// All warnings.
    pub(crate) fn into_vec(self) -> Vec<Warning> {
        self.0
    }
}

/// How many times the usual distance a gap is at least.
const GAP: f64 = 1.5;

/// Looks at the timestamps and the last values of `points`, which are sorted; at least three.
pub(crate) fn inspect(points: &[Point], warnings: &mut Warnings) {
    let steps = || {
        points
            .windows(2)
            .map(|p| p[1].timestamp.saturating_sub(p[0].timestamp))
    };
    let duplicates = steps().filter(|step| *step == 0).count() as u64;
    if duplicates > 0 {
        warnings.add(WarningKind::Duplicates { points: duplicates });
    }
    let mut differences: Vec<i64> = steps().filter(|step| *step != 0).collect();
    if !differences.is_empty() {
        let middle = differences.len() / 2;
        let usual = *differences.select_nth_unstable(middle).1 as f64;
        timing(points, usual, warnings);
    }
    let last = points[points.len() - 1].value;
    let same = points.iter().rev().take_while(|p| p.value == last).count();
    if same >= CONSTANT.max(points.len() / 5) {
        warnings.add(WarningKind::ConstantTail {
            points: same as u64,
        });
    }
}

/// The number of equal values that make a constant end, at least; a fifth of all if that is more.
const CONSTANT: usize = 10;

/// Warns of gaps in a regular clock, or of an irregular one. `usual` is the median distance.
fn timing(points: &[Point], usual: f64, warnings: &mut Warnings) {
    let step = |pair: &[Point]| pair[1].timestamp.saturating_sub(pair[0].timestamp) as f64;
    let distinct = points.windows(2).filter(|pair| step(pair) > 0.0);
    let (regular, all) = distinct.fold((0_usize, 0_usize), |(regular, all), pair| {
        (
            regular + usize::from(clock::is_near(step(pair), usual)),
            all + 1,
        )
    });
    if !clock::is_regular(regular, all) {
        warnings.add(WarningKind::Irregular);
        return;
    }
    let gaps = points.windows(2).filter(|pair| step(pair) > GAP * usual);
    let count = gaps.clone().count() as u64;
    let longest = gaps.max_by(|a, b| step(a).total_cmp(&step(b)));
    if let Some(pair) = longest {
        let missing = (step(pair) / usual).round() as u64 - 1;
        let longest = Span {
            from: pair[0].timestamp,
            to: pair[1].timestamp,
            points: missing,
        };
        warnings.add(WarningKind::Gaps { count, longest });
    }
}
