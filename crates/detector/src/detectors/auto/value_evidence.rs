//! The evidence of single values: how far they lie outside their range, how improbable that is, and
//! how unusual the distance (docs/design/auto.md, 12). It may raise the evidence of blocks and
//! shapes, up to a factor, and makes no alarm alone.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    Verdict, bytes,
    calibration::log_bins,
    forecaster::Moment,
    verdict::{DEFAULT_RATE, ScoringRule},
};

/// The evidence of the values of a session so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueEvidence {
    /// The strongest in the cell that is filling.
    strongest: f64,
    /// The largest distance from what was expected in that cell.
    farthest: f64,
    /// The largest distances of earlier cells, by their logarithm.
    #[serde(with = "bytes::fixed")]
    distances: Box<[u32; BINS]>,
    /// The slots of the last values with enough evidence, the oldest first.
    slots: VecDeque<i64>,
}

/// Bins of distances in units of the training points' scale: the first begins at 2^-8, the last
/// ends at 2^12.
const BINS: usize = 160;
const PER_OCTAVE: f64 = 8.0;
const FIRST: f64 = -8.0;

/// How many times as far as its limit a value must lie for a strength of 1, and as far as what is
/// usual.
const CLEARLY: f64 = 1.2;
/// How much less probable than the rate a value must be for a strength of 1.
const IMPROBABLE: f64 = 0.5;
/// The share of cells with a value as far out as is usual.
const SHARE: f64 = 0.01;
/// The number of slots that are remembered.
const REMEMBERED: usize = 16;
/// The number of periods back at which a value is looked for.
const PERIODS_BACK: i64 = 2;
/// Periods shorter than this are not looked at.
const SHORTEST: i64 = 4;

impl ValueEvidence {
    pub(super) fn new() -> Self {
        Self {
            strongest: 0.0,
            farthest: 0.0,
            distances: Box::new([0; BINS]),
            slots: VecDeque::new(),
        }
    }

    /// Takes the verdict on the next value. `unit` is the scale of the training points.
    pub(super) fn note(
        &mut self,
        value: f64,
        verdict: &Verdict,
        moment: Option<Moment>,
        unit: f64,
        rule: &ScoringRule,
    ) {
        let expected = verdict.expected.unwrap_or(value);
        let distance = (value / unit - expected / unit).abs().min(f64::MAX);
        self.farthest = self.farthest.max(distance);
        let Some(moment) = moment.filter(|_| verdict.anomaly) else {
            return;
        };
        // Where the range follows a quiet time, a value of a kind that comes often is far outside.
        let unusual = self.usual().map_or(f64::INFINITY, |usual| distance / usual);
        let strength = strength(value, verdict, rule).min(unusual / CLEARLY);
        if strength < 1.0 {
            return;
        }
        // A jump that comes each day is no news.
        let is_repeated = self.is_repeated(&moment);
        if self.slots.len() == REMEMBERED {
            self.slots.pop_front();
        }
        self.slots.push_back(moment.slot);
        if !is_repeated {
            self.strongest = self.strongest.max(strength);
        }
    }

    /// The evidence of the cell that has ended: 1 and more is enough.
    pub(super) fn end_cell(&mut self) -> f64 {
        let bin = (std::mem::take(&mut self.farthest).log2() - FIRST) * PER_OCTAVE;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is smaller counts in the first bin"
        )]
        let count = &mut self.distances[(bin as usize).min(BINS - 1)];
        *count = count.saturating_add(1);
        std::mem::take(&mut self.strongest)
    }

    /// The distance that [`SHARE`] of the cells reach; `None` before there are enough of them.
    fn usual(&self) -> Option<f64> {
        let cells: f64 = self.distances.iter().map(|count| f64::from(*count)).sum();
        let counts = self.distances.iter().map(|count| f64::from(*count));
        let place = log_bins::place_of(counts, (SHARE * cells).max(1.0))?;
        (SHARE * cells >= 1.0).then(|| (FIRST + place / PER_OCTAVE).exp2())
    }

    /// Whether values came at the same place one or two periods ago.
    fn is_repeated(&self, moment: &Moment) -> bool {
        let periods = moment.periods.into_iter().filter(|p| *p >= SHORTEST);
        periods.into_iter().any(|period| {
            let near = (period / 50).max(2);
            (1..=PERIODS_BACK).any(|back| {
                let place = moment.slot.saturating_sub(back * period);
                let distance = |slot: &i64| slot.abs_diff(place);
                self.slots.iter().any(|slot| distance(slot) <= near as u64)
            })
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&self.distances[..]) + self.slots.capacity() * size_of::<i64>()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.strongest >= 0.0
            && self.strongest.is_finite()
            && self.farthest >= 0.0
            && self.farthest.is_finite()
            && self.slots.len() <= REMEMBERED
    }
}

/// The strength of a value outside its range: the smaller one of its distance and of its
/// improbability, each 1 where there is just enough of it.
fn strength(value: f64, verdict: &Verdict, rule: &ScoringRule) -> f64 {
    let (Some(expected), Some(limit)) = (verdict.expected, verdict.limit()) else {
        return 0.0;
    };
    let distance = ((value - expected) / (limit - expected)).abs() / CLEARLY;
    let rate = rule.rate.unwrap_or(DEFAULT_RATE);
    let improbability = verdict.p_value.ln() / (IMPROBABLE * rate).ln();
    // Infinite where the range has no width.
    distance.min(improbability)
}

#[cfg(test)]
mod tests {
    use contract::{DetectorName, Direction, Severity, Sides};

    use super::*;
    use crate::{Reason, reason::ReasonKind};

    /// A value of 30 where 10 to 20 are normal, with this p-value.
    fn verdict(p_value: f64) -> Verdict {
        Verdict {
            anomaly: true,
            score: 0.5,
            severity: Severity::Low,
            p_value,
            expected: Some(15.0),
            lower: Some(10.0),
            upper: Some(20.0),
            direction: Direction::Above,
            reason: Reason(ReasonKind::Within {
                value: 30.0,
                lower: None,
                upper: None,
            }),
            detector: DetectorName::Auto,
        }
    }

    const RULE: ScoringRule = ScoringRule {
        rate: None,
        sides: Sides::Both,
        min_deviation: 0.0,
    };

    fn at(slot: i64) -> Option<Moment> {
        let periods = [96, 0, 0];
        Some(Moment { slot, periods })
    }

    fn noted(evidence: &mut ValueEvidence, slot: i64) -> f64 {
        evidence.note(30.0, &verdict(1e-9), at(slot), 1.0, &RULE);
        evidence.end_cell()
    }

    #[test]
    fn it_takes_both_distance_and_improbability() {
        let far = strength(30.0, &verdict(1e-9), &RULE);
        assert!((far - 2.5).abs() < 1e-9, "{far}");
        assert!(strength(30.0, &verdict(6e-4), &RULE) < 1.0);
        assert!(strength(20.5, &verdict(1e-9), &RULE) < 1.0);
    }

    #[test]
    fn a_value_that_came_a_period_ago_is_no_news() {
        let mut evidence = ValueEvidence::new();
        assert!(noted(&mut evidence, 1_000) > 1.0);
        assert!(noted(&mut evidence, 1_050) > 1.0);
        assert_eq!(noted(&mut evidence, 1_000 + 96 + 1), 0.0);
        assert_eq!(noted(&mut evidence, 1_000 + 2 * 96), 0.0);
        assert!(noted(&mut evidence, 1_000 + 96 + 20) > 1.0);
    }

    #[test]
    fn distances_that_come_often_are_no_news() {
        let mut evidence = ValueEvidence::new();
        // Every fortieth cell, at no fixed distance.
        let slots = (0..50).map(|i| i * 150 + (i * i) % 31);
        let last: Vec<f64> = slots
            .map(|slot| {
                for _ in 0..39 {
                    evidence.end_cell();
                }
                noted(&mut evidence, slot)
            })
            .collect();
        assert!(last[0] > 2.0 && last[49] == 0.0, "{last:?}");
        evidence.note(60.0, &verdict(1e-9), at(0), 1.0, &RULE);
        assert!(evidence.end_cell() > 1.0);
    }
}
