//! Reduces lines, bands and marks to what their pixels can show, so that a million points take as
//! long to draw as a thousand.

use std::collections::BTreeMap;

use super::svg::Place;

/// A point of a line: fraction of the width, from 0 to 1, and height.
pub(super) type Vertex = (f64, f64);

/// A slice of a band: fraction of the width, lower and upper height.
pub(super) type Slice = (f64, f64, f64);

/// The points of a line that lie in one column of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    /// Its number, from the left.
    pub(super) number: usize,
    /// Its edges, as fractions of the width.
    pub(super) left: f64,
    pub(super) right: f64,
    /// The lowest point.
    pub(super) low: f64,
    /// The highest point.
    pub(super) high: f64,
    sum: f64,
    points: u32,
}

impl Column {
    /// The column `number` of `count`, with one point in it.
    fn new(number: usize, count: usize, height: f64) -> Self {
        Self {
            number,
            left: number as f64 / count as f64,
            right: (number + 1) as f64 / count as f64,
            low: height,
            high: height,
            sum: height,
            points: 1,
        }
    }

    fn add(&mut self, height: f64) {
        self.low = self.low.min(height);
        self.high = self.high.max(height);
        self.sum += height;
        self.points += 1;
    }
}

/// The mean height of the points in each of `columns` and its neighbours. A single column may have
/// few points, whose mean alone would jump.
pub(super) fn means(columns: &[Column]) -> Vec<f64> {
    let mean = |near: &[Column]| {
        let points: u32 = near.iter().map(|column| column.points).sum();
        near.iter().map(|column| column.sum).sum::<f64>() / f64::from(points)
    };
    let near = |i: usize| &columns[i.saturating_sub(1)..columns.len().min(i + 2)];
    (0..columns.len()).map(|i| mean(near(i))).collect()
}

/// `line`, which goes from left to right, as columns of a plot that has `count` of them. Columns
/// without a point are left out.
pub(super) fn columns(line: impl Iterator<Item = Vertex>, count: usize) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for (at, height) in line {
        let number = (at * count as f64) as usize;
        match columns.last_mut() {
            Some(column) if column.number == number => column.add(height),
            _ => columns.push(Column::new(number, count, height)),
        }
    }
    columns
}

/// `band`, which goes from left to right, with one slice from the lowest to the highest for each of
/// `count` columns of pixels.
pub(super) fn band(band: impl Iterator<Item = Slice>, count: usize) -> Vec<Slice> {
    let width = count as f64;
    let mut reduced: Vec<Slice> = Vec::new();
    for (at, lower, upper) in band {
        let middle = ((at * width).floor() + 0.5) / width;
        match reduced.last_mut() {
            Some(column) if column.0 == middle => {
                *column = (middle, column.1.min(lower), column.2.max(upper));
            }
            _ => reduced.push((middle, lower, upper)),
        }
    }
    reduced
}

/// Of `marks` that would cover each other, being within the same square of `side`, keeps the one of
/// the highest rank, and the first of equal ones. The marks are returned in the order of their
/// ranks, so that the highest is drawn last.
pub(super) fn thin<M, R: Ord>(
    marks: impl IntoIterator<Item = (Place, M)>,
    side: f64,
    rank: impl Fn(&M) -> R,
) -> Vec<(Place, M)> {
    let mut squares: BTreeMap<(i64, i64), (Place, M)> = BTreeMap::new();
    for (place, mark) in marks {
        let square = |at: f64| (at / side).floor() as i64;
        let square = (square(place.0), square(place.1));
        match squares.get(&square) {
            Some((_, other)) if rank(other) >= rank(&mark) => {}
            _ => drop(squares.insert(square, (place, mark))),
        }
    }
    let mut kept: Vec<_> = squares.into_values().collect();
    kept.sort_by_key(|(_, mark)| rank(mark));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: i32) -> impl Iterator<Item = Vertex> {
        (0..n).map(move |i| (f64::from(i) / f64::from(n), f64::from(i * 7919 % 1000)))
    }

    #[test]
    fn each_column_keeps_its_extremes() {
        let columns = columns(line(8_192), 64);
        assert_eq!(columns.len(), 64);
        let all: Vec<f64> = line(8_192).map(|v| v.1).collect();
        for (number, (column, all)) in columns.iter().zip(all.chunks(128)).enumerate() {
            let low = all.iter().copied().fold(f64::MAX, f64::min);
            let high = all.iter().copied().fold(f64::MIN, f64::max);
            assert_eq!(
                (column.number, column.low, column.high),
                (number, low, high)
            );
            assert_eq!(
                (column.left, column.right),
                (number as f64 / 64.0, (number + 1) as f64 / 64.0)
            );
        }
    }

    #[test]
    fn means_take_neighbours_in() {
        let heights = [0.0, 2.0, 4.0, 6.0, 50.0, 52.0];
        let line = (0..6).map(|i| (f64::from(i) / 6.0, heights[i as usize]));
        assert_eq!(means(&columns(line, 3)), [3.0, 19.0, 28.0]);
        assert!(means(&[]).is_empty());
    }

    #[test]
    fn columns_without_points_are_left_out() {
        let columns = columns([(0.1, 3.0), (0.9, 1.0)].into_iter(), 10);
        let numbers: Vec<usize> = columns.iter().map(|column| column.number).collect();
        assert_eq!(numbers, [1, 9]);
    }

    #[test]
    fn a_million_points_at_one_instant_become_one_column() {
        let values = (0..1_000_000).map(|i| f64::from(i % 1000));
        let columns = columns(values.clone().map(|v| (0.5, v)), 600);
        assert_eq!(columns.len(), 1);
        assert_eq!((columns[0].low, columns[0].high), (0.0, 999.0));
        let band = band(values.map(|v| (0.5, -v, v)), 600);
        assert_eq!(band.len(), 1);
        assert_eq!((band[0].1, band[0].2), (-999.0, 999.0));
    }

    #[test]
    fn a_band_keeps_its_widest_extent_in_each_column() {
        let slices = line(8_192).map(|(at, value)| (at, value - 7.0, value + 7.0));
        let band = band(slices, 64);
        assert_eq!(band.len(), 64);
        let all: Vec<f64> = line(8_192).map(|v| v.1).collect();
        for (slice, all) in band.iter().zip(all.chunks(128)) {
            let low = all.iter().copied().fold(f64::MAX, f64::min);
            let high = all.iter().copied().fold(f64::MIN, f64::max);
            assert_eq!((slice.1, slice.2), (low - 7.0, high + 7.0));
        }
    }

    #[test]
    fn the_highest_mark_of_a_square_stays_and_is_drawn_last() {
        let marks = [
            ((0.0, 0.0), 1),
            ((3.0, 3.0), 2),
            ((1.0, 1.0), 2),
            ((4.0, 0.0), 3),
            ((0.0, 9.0), 1),
        ];
        assert_eq!(
            thin(marks, 4.0, |rank| *rank),
            [((0.0, 9.0), 1), ((3.0, 3.0), 2), ((4.0, 0.0), 3)]
        );
    }
}
