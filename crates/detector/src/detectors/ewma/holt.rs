//! Holt's level and damped trend.

use serde::{Deserialize, Serialize};

/// How fast level and trend follow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoltParams {
    /// The fraction of an error by which the level moves.
    pub(crate) alpha: f64,
    /// The fraction of the level's step by which the trend moves.
    pub(crate) beta: f64,
    /// The fraction of the trend that is left after a point.
    pub(crate) damping: f64,
}

/// The number of errors in a row, beyond the limit on one side, that are a shift of the level.
const SHIFT: usize = 5;

/// Level and trend after some points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoltState {
    level: f64,
    trend: f64,
    /// The number of points passed.
    seen: u64,
    /// The last values, of which [`Self::beyond`] lay beyond the limit, all on the side of `above`.
    last: [f64; SHIFT],
    beyond: u8,
    above: bool,
}

impl HoltState {
    /// The number of points passed.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Counts as having passed at least this number of points.
    pub(super) fn trust(&mut self, points: u64) {
        self.seen = self.seen.max(points);
    }

    /// The value that is expected next.
    pub(super) fn next(&self, params: &HoltParams) -> f64 {
        (self.level + params.damping * self.trend).clamp(-f64::MAX, f64::MAX)
    }

    /// Follows `value`, whose error counts as at most `limit`.
    pub(super) fn follow(&mut self, params: &HoltParams, value: f64, limit: f64) {
        if self.seen == 0 {
            self.level = value;
            self.seen = 1;
            return;
        }
        let expected = self.next(params);
        let error = (value - expected).clamp(-f64::MAX, f64::MAX);
        self.last.rotate_left(1);
        self.last[SHIFT - 1] = value;
        if self.has_shifted(error, limit) {
            return;
        }
        // At first the level is the mean.
        let alpha = params.alpha.max(1.0 / (self.seen as f64 + 1.0));
        let step = alpha * error.clamp(-limit, limit);
        self.level = (expected + step).clamp(-f64::MAX, f64::MAX);
        let trend = params.damping * self.trend + params.beta * step;
        self.trend = trend.clamp(-f64::MAX / 2.0, f64::MAX / 2.0);
        self.seen = self.seen.saturating_add(1);
    }

    /// Counts errors beyond the limit, and moves to the new level when there are enough in a row.
    fn has_shifted(&mut self, error: f64, limit: f64) -> bool {
        if error.abs() <= limit {
            self.beyond = 0;
            return false;
        }
        let above = error > 0.0;
        if above != self.above {
            (self.above, self.beyond) = (above, 0);
        }
        self.beyond += 1;
        if usize::from(self.beyond) < SHIFT {
            return false;
        }
        let mut last = self.last;
        last.sort_unstable_by(f64::total_cmp);
        (self.level, self.trend, self.beyond) = (last[SHIFT / 2], 0.0, 0);
        self.seen = self.seen.saturating_add(1);
        true
    }

    pub(super) fn is_sound(&self) -> bool {
        let numbers = self.last.iter().chain([&self.level, &self.trend]);
        numbers.into_iter().all(|number| number.is_finite()) && usize::from(self.beyond) < SHIFT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: HoltParams = HoltParams {
        alpha: 0.1,
        beta: 0.0,
        damping: 0.9,
    };

    fn after(values: &[f64]) -> f64 {
        let mut state = HoltState::default();
        for value in values {
            state.follow(&PARAMS, *value, 2.0);
        }
        state.next(&PARAMS)
    }

    #[test]
    fn one_far_value_moves_the_level_as_little_as_the_limit_would() {
        let mut values = vec![10.0; 50];
        values.push(1e300);
        assert!((after(&values) - 10.2).abs() < 1e-9);
    }

    #[test]
    fn several_in_a_row_on_one_side_are_a_new_level() {
        let mut values = vec![10.0; 50];
        values.extend([30.0, 31.0, 29.0, 30.5]);
        assert!(after(&values) < 11.0);
        values.push(30.0);
        assert_eq!(after(&values), 30.0);
        let mut values = vec![10.0; 50];
        values.extend([30.0, -30.0, 30.0, -30.0, 30.0, -30.0]);
        assert!((8.0..12.0).contains(&after(&values)));
    }

    #[test]
    fn at_first_the_level_is_the_mean() {
        assert!((after(&[1.0, 2.0, 3.0]) - 2.0).abs() < 1e-9);
    }
}
