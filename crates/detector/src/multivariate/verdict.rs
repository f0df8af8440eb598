//! Verdicts on rows.

use contract::{Direction, Severity};

use super::{Row, joint::Joined};
use crate::{
    Verdict,
    text::Short,
    verdict::{readable, score, severity},
};

/// The judgement of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct JointVerdict {
    /// Whether the row is an anomaly at the rate in force.
    pub anomaly: bool,
    /// A ranking in `[0, 1)`: the larger, the more unusual. 0.5 is a p-value of 0.001.
    pub score: f64,
    /// How far the row lies beyond the rate; [`Severity::None`] exactly where it is not an anomaly.
    pub severity: Severity,
    /// The probability that a normal row is at least as unusual, in `(0, 1]`.
    pub p_value: f64,
    /// Where the column with the largest contribution lies; [`Direction::Pattern`] where it lies
    /// within its own range and only does not go with the others. [`Direction::None`] for rows that
    /// are no anomalies.
    pub direction: Direction,
    /// The reason in a sentence.
    pub reason: String,
    /// The share of each column in the evidence; they sum to 1.
    pub contributions: Vec<f64>,
    /// The verdict on each column by itself.
    pub columns: Vec<Verdict>,
}

impl JointVerdict {
    pub(super) fn new(
        names: &[&str],
        row: &Row,
        columns: Vec<Verdict>,
        joined: Joined,
        rate: f64,
    ) -> Self {
        let Joined {
            p_value: found,
            contributions,
        } = joined;
        let p_value = readable(found.p);
        let anomaly = p_value <= rate;
        let [first, second] = largest_two(&contributions);
        let (direction, reason) = if anomaly {
            let side = columns[first].direction;
            let reason = match side {
                Direction::None => format!(
                    "{} and {} do not go together as usual",
                    with_expected(names[first], row.values[first], &columns[first]),
                    with_expected(names[second], row.values[second], &columns[second]),
                ),
                _ => format!("{}: {}", names[first], columns[first].reason),
            };
            (
                if side == Direction::None {
                    Direction::Pattern
                } else {
                    side
                },
                reason,
            )
        } else {
            (
                Direction::None,
                "the columns go together as usual".to_owned(),
            )
        };
        Self {
            anomaly,
            score: score(found.ln),
            severity: if anomaly {
                severity(found.ln, rate)
            } else {
                Severity::None
            },
            p_value,
            direction,
            reason,
            contributions,
            columns,
        }
    }
}

/// The indices of the largest and the second largest of `shares`, at least two.
fn largest_two(shares: &[f64]) -> [usize; 2] {
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    [order[0], order[1]]
}

/// `cpu at 12 (40 expected)`.
fn with_expected(name: &str, value: f64, verdict: &Verdict) -> String {
    match verdict.expected {
        Some(expected) => format!("{name} at {} ({} expected)", Short(value), Short(expected)),
        None => format!("{name} at {}", Short(value)),
    }
}
