//! Reducing a line to what its pixels can show, so that a million points take as long to draw as a thousand.

use contract::Point;

/// Where the line goes: fraction of the width, from 0 to 1, and value.
pub(super) type Vertex = (f64, f64);

/// The line through `points`, whose timestamps `at` places, for a picture of `columns` pixels.
///
/// Where there are too many points to tell apart, it goes through the middle of each column of pixels, from the first value
/// to the lowest and the highest of that column and on to the last: that covers the same pixels.
pub(super) fn reduce(points: &[Point], columns: usize, at: impl Fn(i64) -> f64) -> Vec<Vertex> {
    if points.len() <= 4 * columns {
        let vertices = points.iter().map(|p| (at(p.timestamp), p.value));
        return vertices.collect();
    }
    let width = columns as f64;
    let mut line = Vec::with_capacity(4 * columns);
    let mut current: Option<Column> = None;
    for point in points {
        let number = (at(point.timestamp) * width).floor();
        match &mut current {
            Some(column) if column.number == number => column.add(point.value),
            _ => {
                let finished = current.replace(Column::new(number, point.value));
                line.extend(finished.into_iter().flat_map(|c| c.vertices(width)));
            }
        }
    }
    line.extend(current.into_iter().flat_map(|c| c.vertices(width)));
    line
}

/// The values in one column of pixels.
struct Column {
    number: f64,
    first: f64,
    low: f64,
    high: f64,
    last: f64,
    /// Whether the lowest came before the highest.
    rises: bool,
}

impl Column {
    fn new(number: f64, value: f64) -> Self {
        Self {
            number,
            first: value,
            low: value,
            high: value,
            last: value,
            rises: true,
        }
    }

    fn add(&mut self, value: f64) {
        if value < self.low {
            self.low = value;
            self.rises = false;
        }
        if value > self.high {
            self.high = value;
            self.rises = true;
        }
        self.last = value;
    }

    fn vertices(&self, width: f64) -> impl Iterator<Item = Vertex> + use<> {
        let middle = (self.number + 0.5) / width;
        let (one, other) = if self.rises {
            (self.low, self.high)
        } else {
            (self.high, self.low)
        };
        let mut values = vec![self.first, one, other, self.last];
        values.dedup();
        values.into_iter().map(move |value| (middle, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(timestamp: i64) -> f64 {
        timestamp as f64 / 8_192.0
    }

    #[test]
    fn each_column_keeps_its_ends_and_extremes() {
        let points: Vec<Point> = (0..8_192)
            .map(|timestamp| Point {
                timestamp,
                value: (timestamp * 7919 % 1000) as f64,
            })
            .collect();
        let line = reduce(&points, 64, at);
        assert!(line.len() <= 4 * 64 && line.is_sorted_by_key(|v| v.0));
        let columns: Vec<&[Vertex]> = line.chunk_by(|a, b| a.0 == b.0).collect();
        assert_eq!(columns.len(), 64);
        for (column, all) in columns.iter().zip(points.chunks(128)) {
            let low = all.iter().map(|p| p.value).fold(f64::MAX, f64::min);
            let high = all.iter().map(|p| p.value).fold(f64::MIN, f64::max);
            let values: Vec<f64> = column.iter().map(|v| v.1).collect();
            assert!(values.contains(&low) && values.contains(&high));
            assert_eq!(values.first(), all.first().map(|p| &p.value));
            assert_eq!(values.last(), all.last().map(|p| &p.value));
        }
    }

    #[test]
    fn few_points_are_kept_as_they_are() {
        let points = [3.0, 1.0, 2.0].map(|value| Point {
            timestamp: 4_096,
            value,
        });
        assert_eq!(
            reduce(&points, 600, at),
            [(0.5, 3.0), (0.5, 1.0), (0.5, 2.0)]
        );
    }

    #[test]
    fn a_million_points_at_one_instant_become_a_few() {
        let point = |i: i32| Point {
            timestamp: 4_096,
            value: f64::from(i % 1000),
        };
        let points: Vec<Point> = (0..1_000_000).map(point).collect();
        assert!(reduce(&points, 600, at).len() <= 4);
    }
}
