//! Groups of anomalies in a replay.
//!
//! A replay asks about each point by itself, so the platform knows of no episodes here. These
//! groups are simpler: anomalies without a normal point in between.

use contract::{Point, Severity, VerdictReply};

/// Anomalies that follow each other without a normal point in between.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// The first point.
    pub(crate) first: Point,
    /// The last point.
    pub(crate) last: Point,
    /// The most severe point; of several, the first with the highest score.
    pub(crate) peak: Point,
    /// The number of points.
    pub(crate) points: usize,
    /// The severity of the peak.
    pub(crate) severity: Severity,
    /// The reason why the peak is an anomaly.
    pub(crate) reason: String,
    /// The score of the peak.
    score: f64,
}

/// Puts anomalies into groups while verdicts come in.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
    open: Option<Group>,
}

impl Grouping {
    /// Takes the verdict on the next point. Returns the group that it ends, if it ends one.
    pub(crate) fn push(&mut self, point: Point, verdict: VerdictReply) -> Option<Group> {
        if !verdict.anomaly {
            return self.open.take();
        }
        match &mut self.open {
            Some(group) => group.add(point, verdict),
            None => self.open = Some(Group::begin(point, verdict)),
        }
        None
    }

    /// The group that the end of the series ends, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Group> {
        self.open.take()
    }
}

impl Group {
    fn begin(point: Point, verdict: VerdictReply) -> Self {
        Self {
            first: point,
            last: point,
            peak: point,
            points: 1,
            severity: verdict.severity,
            reason: verdict.reason,
            score: verdict.score,
        }
    }

    fn add(&mut self, point: Point, verdict: VerdictReply) {
        self.last = point;
        self.points += 1;
        if (verdict.severity, verdict.score) > (self.severity, self.score) {
            self.peak = point;
            self.severity = verdict.severity;
            self.reason = verdict.reason;
            self.score = verdict.score;
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{DetectorName, Direction};

    use super::*;

    /// Values over 10 are anomalies, and from 20 on severe ones; the score says how far over they
    /// are, but not beyond 15.
    fn verdict(value: f64) -> VerdictReply {
        let severity = match value {
            20.0.. => Severity::High,
            10.0.. => Severity::Low,
            _ => Severity::None,
        };
        VerdictReply {
            anomaly: severity > Severity::None,
            score: value.min(15.0) / 20.0,
            severity,
            p_value: 0.5,
            expected: None,
            lower: None,
            upper: Some(10.0),
            direction: Direction::Above,
            reason: format!("it is {value}"),
            detector: DetectorName::Sigma,
        }
    }

    fn groups(values: &[f64]) -> Vec<(i64, i64, String, usize)> {
        let mut grouping = Grouping::default();
        let mut found = Vec::new();
        for (timestamp, value) in (0..).zip(values.iter().copied()) {
            found.extend(grouping.push(Point { timestamp, value }, verdict(value)));
        }
        found.extend(grouping.finish());
        let seen = |e: &Group| {
            assert_eq!(e.reason, format!("it is {}", e.peak.value));
            let (first, last) = (e.first.timestamp, e.last.timestamp);
            (
                first,
                last,
                format!("{} {}", e.severity, e.peak.value),
                e.points,
            )
        };
        found.iter().map(seen).collect()
    }

    #[test]
    fn anomalies_in_a_row_are_one_group_with_the_reason_of_its_peak() {
        assert_eq!(
            groups(&[1.0, 11.0, 13.0, 12.0, 1.0, 16.0, 20.0, 21.0, 3.0]),
            [
                (1, 3, "low 13".to_owned(), 3),
                (5, 7, "high 20".to_owned(), 3)
            ]
        );
    }

    #[test]
    fn groups_at_both_ends_count() {
        let low = |value: i32| format!("low {value}");
        assert_eq!(
            groups(&[11.0, 0.0, 12.0]),
            [(0, 0, low(11), 1), (2, 2, low(12), 1)]
        );
        assert_eq!(groups(&[11.0, 12.0]), [(0, 1, low(12), 2)]);
        assert_eq!(groups(&[1.0]), []);
    }
}
