//! Reducing lines, bands and marks to what their pixels can show, so that a million points take as long to draw as a thousand.

use std::collections::BTreeMap;

use super::svg::Place;

/// Where a line goes: fraction of the width, from 0 to 1, and value.
pub(super) type Vertex = (f64, f64);

/// Where a band goes: fraction of the width, lower and upper value.
pub(super) type Slice = (f64, f64, f64);

/// `line`, from left to right; if there are too many vertices to tell apart, for a picture of so many `columns` of pixels.
///
/// It then goes through the middle of each column, from the first value to the lowest and the highest of that column and on to
/// the last: that covers the same pixels.
pub(super) fn downsample(
    line: impl Iterator<Item = Vertex>,
    columns: Option<usize>,
) -> Vec<Vertex> {
    let Some(columns) = columns else {
        return line.collect();
    };
    let width = columns as f64;
    let mut reduced = Vec::new();
    let mut current: Option<Column> = None;
    for (at, value) in line {
        let number = (at * width).floor();
        match &mut current {
            Some(column) if column.number == number => column.add(value),
            _ => {
                let finished = current.replace(Column::new(number, value));
                reduced.extend(finished.into_iter().flat_map(|c| c.vertices(width)));
            }
        }
    }
    reduced.extend(current.into_iter().flat_map(|c| c.vertices(width)));
    reduced
}

/// `band`, from left to right; if there are too many slices to tell apart, one from the lowest to the highest value for each of
/// so many `columns` of pixels.
pub(super) fn downsample_band(
    band: impl Iterator<Item = Slice>,
    columns: Option<usize>,
) -> Vec<Slice> {
    let Some(columns) = columns else {
        return band.collect();
    };
    let width = columns as f64;
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

/// Of `marks` that would cover each other, being within the same square of `side`, the one of the highest rank; the first of
/// equal ones. In the order of their ranks, so that the highest is drawn last.
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

    fn line(n: i32) -> impl Iterator<Item = Vertex> {
        (0..n).map(move |i| (f64::from(i) / f64::from(n), f64::from(i * 7919 % 1000)))
    }

    #[test]
    fn each_column_keeps_its_ends_and_extremes() {
        let reduced = downsample(line(8_192), Some(64));
        assert!(reduced.len() <= 4 * 64 && reduced.is_sorted_by_key(|v| v.0));
        let columns: Vec<&[Vertex]> = reduced.chunk_by(|a, b| a.0 == b.0).collect();
        assert_eq!(columns.len(), 64);
        let all: Vec<f64> = line(8_192).map(|v| v.1).collect();
        for (column, all) in columns.iter().zip(all.chunks(128)) {
            let low = all.iter().copied().fold(f64::MAX, f64::min);
            let high = all.iter().copied().fold(f64::MIN, f64::max);
            let values: Vec<f64> = column.iter().map(|v| v.1).collect();
            assert!(values.contains(&low) && values.contains(&high));
            assert_eq!(values.first(), all.first());
            assert_eq!(values.last(), all.last());
        }
    }

    #[test]
    fn few_vertices_are_kept_as_they_are() {
        let few = [(0.5, 3.0), (0.5, 1.0), (0.5, 2.0)];
        assert_eq!(downsample(few.into_iter(), None), few);
        let few = [(0.5, 3.0, f64::INFINITY), (0.6, 1.0, 2.0)];
        assert_eq!(downsample_band(few.into_iter(), None), few);
    }

    #[test]
    fn a_million_points_at_one_instant_become_a_few() {
        let values = (0..1_000_000).map(|i| f64::from(i % 1000));
        assert!(downsample(values.clone().map(|v| (0.5, v)), Some(600)).len() <= 4);
        let band = downsample_band(values.map(|v| (0.5, -v, v)), Some(600));
        assert_eq!(band.len(), 1);
        assert_eq!((band[0].1, band[0].2), (-999.0, 999.0));
    }

    #[test]
    fn a_band_keeps_its_widest_extent_in_each_column() {
        let slices = line(8_192).map(|(at, value)| (at, value - 7.0, value + 7.0));
        let band = downsample_band(slices, Some(64));
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
