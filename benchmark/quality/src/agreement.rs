//! Whether the parts of a verdict say the same.

use std::ops::AddAssign;

use detector::Verdict;

/// Rows that contradict themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Contradictions {
    /// Rows that were looked at.
    pub(crate) rows: u64,
    /// The p-value is at most the rate in force, and the row is not an anomaly.
    pub(crate) under_the_rate: u64,
    /// The value lies outside of its own normal range, and the row is not an anomaly.
    pub(crate) outside: u64,
    /// Either.
    pub(crate) either: u64,
}

impl Contradictions {
    /// Looks at the verdict on `value` at the false-alarm rate `rate`.
    pub(crate) fn note(&mut self, verdict: &Verdict, value: f64, rate: f64) {
        let quiet = !verdict.anomaly;
        let under = quiet && verdict.p_value <= rate;
        let outside = quiet && is_outside(verdict, value);
        self.rows += 1;
        self.under_the_rate += u64::from(under);
        self.outside += u64::from(outside);
        self.either += u64::from(under || outside);
    }

    /// Rows that contradict themselves, of a million.
    pub(crate) fn per_million(&self) -> f64 {
        self.either as f64 / self.rows as f64 * 1e6
    }
}

impl AddAssign for Contradictions {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.under_the_rate += other.under_the_rate;
        self.outside += other.outside;
        self.either += other.either;
    }
}

/// Whether `value` lies outside of the normal range of its verdict.
pub(crate) fn is_outside(verdict: &Verdict, value: f64) -> bool {
    verdict.lower.is_some_and(|lower| value < lower)
        || verdict.upper.is_some_and(|upper| value > upper)
}

#[cfg(test)]
mod tests {
    use contract::{DetectorName, FitOptions, JudgeOptions, Point};
    use detector::Model;

    use super::*;

    #[test]
    fn a_quiet_row_outside_of_its_range_or_under_the_rate_is_counted() {
        let point = |timestamp| Point {
            timestamp,
            value: (timestamp * 7 % 11) as f64,
        };
        let points: Vec<Point> = (0..200).map(point).collect();
        let fitted = Model::fit(&points, &FitOptions::default(), DetectorName::Robust);
        let model = fitted.unwrap().model;
        let mut verdict = model.score(&[], point(200), &JudgeOptions::default());
        assert!(!verdict.anomaly);
        let mut found = Contradictions::default();
        found.note(&verdict, point(200).value, 0.001);
        assert_eq!((found.rows, found.either), (1, 0));
        found.note(&verdict, 1e9, 0.001);
        assert_eq!(
            (found.outside, found.under_the_rate, found.either),
            (1, 0, 1)
        );
        verdict.p_value = 0.001;
        found.note(&verdict, point(200).value, 0.001);
        assert_eq!(
            (found.outside, found.under_the_rate, found.either),
            (1, 1, 2)
        );
        verdict.anomaly = true;
        found.note(&verdict, 1e9, 0.001);
        assert_eq!((found.rows, found.either), (4, 2));
    }
}
