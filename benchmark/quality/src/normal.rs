//! Generated series in which nothing is wrong: what a detector calls an anomaly in them is a false
//! alarm.

use contract::Point;

use crate::chance::Chance;

/// Seconds between points.
const STEP: i64 = 300;
/// Points of a season.
const SEASON: f64 = 48.0;
/// A season's swing, in standard deviations of the noise.
const SWING: f64 = 4.0;
/// How much of its distance from the mean an autoregressive series keeps from one point to the
/// next.
const KEPT: f64 = 0.8;

/// A kind of normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    White,
    Autoregressive,
    Seasonal,
    HeavyTailed,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [
        Self::White,
        Self::Autoregressive,
        Self::Seasonal,
        Self::HeavyTailed,
    ];

    /// For tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::White => "white noise",
            Self::Autoregressive => "AR(1), φ = 0.8",
            Self::Seasonal => "season of 48",
            Self::HeavyTailed => "Student's t, 3 degrees",
        }
    }

    /// The endless series of this kind with this number.
    pub(crate) fn series(self, number: u64) -> Normal {
        let mut chance = Chance::of(&format!("{} {number}", self.name()));
        Normal {
            kind: self,
            // As it is at any later time: an autoregressive series has this spread.
            before: chance.normal() / (1.0 - KEPT * KEPT).sqrt(),
            chance,
            count: 0,
        }
    }
}

/// A series in which nothing is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    kind: Kind,
    chance: Chance,
    before: f64,
    count: i64,
}

impl Normal {
    fn value(&mut self) -> f64 {
        let noise = self.chance.normal();
        match self.kind {
            Kind::White => noise,
            Kind::Autoregressive => {
                self.before = KEPT * self.before + noise;
                self.before
            }
            Kind::Seasonal => {
                let angle = self.count as f64 * std::f64::consts::TAU / SEASON;
                SWING * angle.sin() + noise
            }
            Kind::HeavyTailed => {
                let squares: f64 = (0..3).map(|_| self.chance.normal().powi(2)).sum();
                noise / (squares / 3.0).sqrt()
            }
        }
    }
}

impl Iterator for Normal {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        let value = self.value();
        let timestamp = self.count * STEP;
        self.count += 1;
        Some(Point { timestamp, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: Kind) -> Vec<f64> {
        kind.series(1).take(50_000).map(|p| p.value).collect()
    }

    /// The mean product of values at this distance in points.
    fn product(values: &[f64], lag: usize) -> f64 {
        let pairs = values.iter().zip(&values[lag..]);
        pairs.map(|(a, b)| a * b).sum::<f64>() / (values.len() - lag) as f64
    }

    #[test]
    fn each_kind_has_the_spread_and_the_memory_that_it_should_have() {
        for (kind, variance, after_one, after_a_season) in [
            (Kind::White, 1.0, 0.0, 0.0),
            (Kind::Autoregressive, 1.0 / 0.36, 0.8 / 0.36, 0.0),
            (Kind::Seasonal, 9.0, 8.0, 8.0),
            (Kind::HeavyTailed, 3.0, 0.0, 0.0),
        ] {
            let values = values(kind);
            for (lag, expected) in [(0, variance), (1, after_one), (48, after_a_season)] {
                let found = product(&values, lag);
                let close = 0.1 * variance + if kind == Kind::HeavyTailed { 1.0 } else { 0.0 };
                assert!((found - expected).abs() < close, "{kind:?} {lag}: {found}");
            }
        }
    }

    #[test]
    fn heavy_tails_are_heavy() {
        let far = |kind| values(kind).iter().filter(|v| v.abs() > 5.84).count();
        // P(|t₃| > 5.84) = 0.01.
        assert!((400..600).contains(&far(Kind::HeavyTailed)));
        assert_eq!(far(Kind::White), 0);
    }

    #[test]
    fn series_of_different_numbers_differ_and_of_one_are_the_same() {
        let first = |number| Kind::White.series(number).next();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
