//! Learns [`Shape`]: principal axes and a codebook of the windows of the prefix.
//!
//! This is our code rather than linfa's. Its k-means counts the old centre as one more point of a
//! cluster and sums in parallel, so it gives neither the specified codebook nor the same bits. Its
//! PCA is a truncated decomposition that starts from random numbers. Both are a page here, and the
//! crate builds in seconds.

use super::{
    constants::{CODES, DIMS, LLOYD, RANK, RIDGE},
    eigen,
    shape::{self, PLACES, Shape, ShapeParts},
};

/// About the number of windows that are learned from.
const WINDOWS: usize = 2000;

impl Shape {
    /// Learns from `values` (standardised), which are at least three times as long as `window`.
    pub(super) fn fit(values: &[f64], window: usize) -> Self {
        let mut windows = windows(values, window);
        let mean = center(&mut windows);
        let axes = Axes::new(&windows, window.min(DIMS));
        let places: Vec<_> = windows.iter().map(|window| axes.place(window)).collect();
        let parts = ShapeParts {
            mean: mean.to_vec(),
            codes: codebook(&places),
            weights: axes.weights,
            axes: axes.axes,
        };
        Self::new(window, &parts)
    }
}

/// Segments of the windows that are learned from.
fn windows(values: &[f64], window: usize) -> Vec<[f64; DIMS]> {
    let stride = ((values.len() - window + 1) / WINDOWS).max(1);
    let segments = |sums: &[f64]| {
        let mut means = [0.0; DIMS];
        shape::means(sums, &mut means);
        means.map(f64::from)
    };
    let sums = shape::sums(values);
    let all = sums.windows(window + 1).step_by(stride);
    all.map(segments).collect()
}

/// Subtracts the mean of all windows from each, and returns it.
fn center(windows: &mut [[f64; DIMS]]) -> [f64; DIMS] {
    let mut mean = [0.0; DIMS];
    for window in windows.iter() {
        for (sum, segment) in mean.iter_mut().zip(window) {
            *sum += segment;
        }
    }
    mean = mean.map(|sum| sum / windows.len() as f64);
    for window in windows {
        for (segment, mean) in window.iter_mut().zip(mean) {
            *segment -= mean;
        }
    }
    mean
}

struct Axes {
    axes: Vec<Vec<f64>>,
    weights: [f64; PLACES],
}

impl Axes {
    /// The principal axes of centred windows of `dims` segments, and the weights that whiten by
    /// half.
    fn new(windows: &[[f64; DIMS]], dims: usize) -> Self {
        let pairs = eigen::symmetric(covariance(windows, dims));
        let rank = RANK.min(dims);
        let values: Vec<f64> = pairs.iter().map(|(value, _)| value.max(0.0)).collect();
        let regular = RIDGE * values[0] + 1e-9;
        let rest = &values[rank..];
        let rest = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
        let mut weights = [0.0; PLACES];
        for (weight, value) in weights.iter_mut().zip(&values[..rank]) {
            *weight = (value + regular).powf(-0.25);
        }
        weights[RANK] = (rest + regular).powf(-0.25);
        let axes = pairs.into_iter().take(rank).map(|(_, axis)| axis);
        Self {
            axes: axes.collect(),
            weights,
        }
    }

    fn place(&self, window: &[f64; DIMS]) -> [f64; PLACES] {
        let mut place = [0.0; PLACES];
        let mut rest: f64 = window.iter().map(|w| w * w).sum();
        for (place, axis) in place.iter_mut().zip(&self.axes) {
            *place = window.iter().zip(axis).map(|(w, a)| w * a).sum();
            rest -= *place * *place;
        }
        place[RANK] = rest.max(0.0).sqrt();
        for (place, weight) in place.iter_mut().zip(self.weights) {
            *place *= weight;
        }
        place
    }
}

fn covariance(windows: &[[f64; DIMS]], dims: usize) -> Vec<Vec<f64>> {
    let mut sums = [[0.0; DIMS]; DIMS];
    for window in windows {
        for (row, &a) in sums.iter_mut().zip(window) {
            for (sum, b) in row.iter_mut().zip(window) {
                *sum += a * b;
            }
        }
    }
    let degrees = (windows.len() - 1).max(1) as f64;
    let row = |row: &[f64; DIMS]| row[..dims].iter().map(|sum| sum / degrees).collect();
    sums[..dims].iter().map(row).collect()
}

/// Codes of `places` by Lloyd's algorithm, started at evenly spaced ones. A code that nothing is
/// nearest to stays.
fn codebook(places: &[[f64; PLACES]]) -> Vec<[f64; PLACES]> {
    let count = (places.len() / 4).clamp(2, CODES);
    let spacing = (places.len() - 1) as f64 / (count - 1) as f64;
    let start = |i: usize| places[((i as f64 * spacing) as usize).min(places.len() - 1)];
    let mut codes: Vec<_> = (0..count).map(start).collect();
    for _ in 0..LLOYD {
        let mut sums = vec![([0.0; PLACES], 0_u32); count];
        let columns = Columns::new(&codes);
        for place in places {
            let (sum, members) = &mut sums[columns.nearest(place)];
            *members += 1;
            for (sum, number) in sum.iter_mut().zip(place) {
                *sum += number;
            }
        }
        for (code, (sum, members)) in codes.iter_mut().zip(sums) {
            if members > 0 {
                *code = sum.map(|sum| sum / f64::from(members));
            }
        }
    }
    codes
}

/// Codes in groups, place by place, so that as many as fit the registers are compared at once.
struct Columns {
    groups: [Group; CODES / LANES],
}

const LANES: usize = 16;

#[derive(Clone, Copy)]
struct Group {
    /// Half the squared length of each code; infinite beyond the last.
    half_squares: [f64; LANES],
    places: [[f64; LANES]; PLACES],
}

impl Columns {
    fn new(codes: &[[f64; PLACES]]) -> Self {
        let empty = Group {
            half_squares: [f64::INFINITY; LANES],
            places: [[0.0; LANES]; PLACES],
        };
        let mut groups = [empty; CODES / LANES];
        for (i, code) in codes.iter().enumerate() {
            let (group, lane) = (&mut groups[i / LANES], i % LANES);
            group.half_squares[lane] = code.iter().map(|number| number * number).sum::<f64>() / 2.0;
            for (column, &number) in group.places.iter_mut().zip(code) {
                column[lane] = number;
            }
        }
        Self { groups }
    }

    /// The first code that is nearest: |c|²/2 − c·y is smallest.
    fn nearest(&self, place: &[f64; PLACES]) -> usize {
        let mut nearest = (f64::INFINITY, 0);
        for (i, group) in self.groups.iter().enumerate() {
            let mut distances = group.half_squares;
            for (column, number) in group.places.iter().zip(place) {
                for (distance, code) in distances.iter_mut().zip(column) {
                    *distance -= number * code;
                }
            }
            let smallest = distances.iter().copied().fold(f64::INFINITY, f64::min);
            if smallest < nearest.0 {
                let lane = distances.iter().position(|&d| d == smallest);
                nearest = (smallest, i * LANES + lane.unwrap_or(0));
            }
        }
        nearest.1
    }
}

#[cfg(test)]
mod tests {
    use linfa::{DatasetBase, traits::Fit};
    use linfa_clustering::{KMeans, KMeansInit};
    use linfa_linalg::eigh::{EigSort, EighInto};
    use ndarray::Array2;

    use super::*;

    fn wave(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i as f64 / 8.0).sin()).collect()
    }

    #[test]
    fn a_window_like_those_learned_is_near_and_another_is_far() {
        let shape = Shape::fit(&wave(2000), 50);
        let mut window = wave(2050)[2000..].to_vec();
        let near = shape.distance(&shape::sums(&window));
        window[20..30].fill(0.0);
        let far = shape.distance(&shape::sums(&window));
        assert!(near < 0.2 && far > 5.0 * near, "{near} {far}");
        assert_eq!(shape.check(), Ok(()));
    }

    #[test]
    fn constant_windows_have_a_shape() {
        for window in [4, 8, 64] {
            let shape = Shape::fit(&[3.0; 200], window);
            let distance = |value| shape.distance(&shape::sums(&vec![value; window]));
            assert!(distance(3.0) < 1e-3);
            assert!(distance(1000.0) > 100.0);
            assert!(distance(-1000.0).is_finite());
        }
    }

    /// Four waves, which are eight directions, and a little noise.
    fn waves(n: usize) -> Vec<f64> {
        let value = |i: usize| {
            let at = |period: f64| (i as f64 * std::f64::consts::TAU / period).sin();
            let noise = ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
            2.0 * at(64.0) + 1.5 * at(31.0) + at(17.0) + 0.7 * at(11.3) + 0.3 * noise
        };
        (0..n).map(value).collect()
    }

    fn array(rows: &[impl AsRef<[f64]>]) -> Array2<f64> {
        let width = rows[0].as_ref().len();
        let numbers = rows.iter().flat_map(|row| row.as_ref().iter().copied());
        Array2::from_shape_vec((rows.len(), width), numbers.collect()).unwrap()
    }

    #[test]
    fn axes_span_the_space_that_those_of_linfa_do() {
        let mut windows = windows(&waves(3_000), 64);
        center(&mut windows);
        let axes = Axes::new(&windows, DIMS).axes;
        // Of the whole matrix: linfa's PCA starts from random numbers, some of which do not work
        // here.
        let pairs = array(&covariance(&windows, DIMS)).eigh_into().unwrap();
        let (_, theirs) = pairs.sort_eig_desc();
        // The sum of the squared cosines of the angles between the two spaces.
        let cosines = array(&axes).dot(&theirs);
        let first = cosines.columns().into_iter().take(RANK);
        let common: f64 = first.map(|column| column.dot(&column)).sum();
        assert!((common - RANK as f64).abs() < 1e-6, "{common}");
    }

    #[test]
    fn codes_are_as_near_as_those_of_linfa_from_the_same_start() {
        let mut windows = windows(&waves(3_000), 64);
        center(&mut windows);
        let axes = Axes::new(&windows, DIMS);
        let places: Vec<_> = windows.iter().map(|window| axes.place(window)).collect();
        let spacing = (places.len() - 1) as f64 / (CODES - 1) as f64;
        let start: Vec<_> = (0..CODES)
            .map(|i| places[(i as f64 * spacing) as usize])
            .collect();
        let theirs = KMeans::params(CODES)
            .init_method(KMeansInit::Precomputed(array(&start)))
            .n_runs(1)
            .max_n_iterations(LLOYD as u64)
            .fit(&DatasetBase::from(array(&places)));
        let theirs = theirs.unwrap().centroids().clone();
        let rows = theirs.outer_iter().map(|row| row.to_vec());
        let theirs = mean_square(&places, &rows.collect::<Vec<_>>());
        let ours = mean_square(&places, &codebook(&places));
        assert!(ours <= theirs * 1.01, "{ours} {theirs}");
    }

    /// The mean squared distance of places from the nearest code.
    fn mean_square(places: &[[f64; PLACES]], codes: &[impl AsRef<[f64]>]) -> f64 {
        let square = |place: &[f64; PLACES], code: &[f64]| -> f64 {
            place.iter().zip(code).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let nearest = |place| {
            let squares = codes.iter().map(|code| square(place, code.as_ref()));
            squares.fold(f64::INFINITY, f64::min)
        };
        places.iter().map(nearest).sum::<f64>() / places.len() as f64
    }

    #[test]
    fn a_code_that_nothing_is_nearest_to_stays() {
        let mut places = vec![[0.0; PLACES]; 12];
        places[11] = [4.0; PLACES];
        let codes = codebook(&places);
        assert_eq!(codes, [[0.0; PLACES], [0.0; PLACES], [4.0; PLACES]]);
    }
}
