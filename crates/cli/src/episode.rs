//! Anomalies that follow each other, as one thing.

use contract::Point;

/// Anomalies that follow each other without a normal point in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Episode {
    /// The first.
    pub(crate) first: Point,
    /// The last.
    pub(crate) last: Point,
    /// The one furthest from what is normal; the earliest of these.
    pub(crate) peak: Point,
    /// How many.
    pub(crate) points: usize,
}

/// Joins anomalies to episodes while points come in.
#[derive(Debug)]
pub(crate) struct Episodes {
    /// What values are usually around.
    centre: f64,
    open: Option<Episode>,
}

impl Episodes {
    /// For a series whose values are usually around `centre`.
    pub(crate) fn around(centre: f64) -> Self {
        Self { centre, open: None }
    }

    /// Takes the next point; returns the episode that it ends, if it does.
    pub(crate) fn push(&mut self, point: Point, anomaly: bool) -> Option<Episode> {
        if !anomaly {
            return self.open.take();
        }
        let episode = self.open.get_or_insert(Episode {
            first: point,
            last: point,
            peak: point,
            points: 0,
        });
        let distance = |p: Point| (p.value - self.centre).abs();
        if distance(point) > distance(episode.peak) {
            episode.peak = point;
        }
        episode.last = point;
        episode.points += 1;
        None
    }

    /// The episode that the end of the series ends, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Episode> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episodes(values: &[f64]) -> Vec<(i64, i64, f64, usize)> {
        let mut episodes = Episodes::around(0.0);
        let mut found = Vec::new();
        for (timestamp, value) in (0..).zip(values) {
            let point = Point {
                timestamp,
                value: *value,
            };
            found.extend(episodes.push(point, value.abs() > 10.0));
        }
        found.extend(episodes.finish());
        let seen = |e: &Episode| (e.first.timestamp, e.last.timestamp, e.peak.value, e.points);
        found.iter().map(seen).collect()
    }

    #[test]
    fn anomalies_in_a_row_are_one_episode() {
        assert_eq!(
            episodes(&[1.0, 11.0, 13.0, 12.0, 1.0, -20.0, 15.0, 2.0, 3.0]),
            [(1, 3, 13.0, 3), (5, 6, -20.0, 2)]
        );
    }

    #[test]
    fn episodes_at_both_ends_count() {
        assert_eq!(
            episodes(&[11.0, 0.0, 12.0]),
            [(0, 0, 11.0, 1), (2, 2, 12.0, 1)]
        );
        assert_eq!(episodes(&[11.0, 12.0]), [(0, 1, 12.0, 2)]);
        assert_eq!(episodes(&[1.0]), []);
    }
}
