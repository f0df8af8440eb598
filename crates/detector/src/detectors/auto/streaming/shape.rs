//! The shape of the last points: how far their window lies from the nearest of the windows of the
//! prefix.
//!
//! A window becomes means of segments. These become places on the principal axes of the prefix and
//! a rest beside the axes, each whitened by half (divided by the fourth root of its variance). That
//! lies between Euclidean distance, which sees only the big axes, and Mahalanobis distance, which
//! sees only noise. [`super::shape_fit`] learns it.

use serde::{Deserialize, Serialize};

use super::constants::{CODES, DIMS, MAX_PERIOD, RANK};
use crate::bytes;

/// Numbers of a code: one for each axis, one for the rest.
pub(super) const PLACES: usize = RANK + 1;
/// The number of codes that are compared at once: as many as fit the registers.
const LANES: usize = 16;
/// The number of the last bits of a number that a fitted model leaves out. With two more a sine
/// without any noise had a false alarm.
const ROUNDED_BITS: u32 = 10;
/// The number of segments that are multiplied at a time. Sums of floats have an order, which the
/// compiler may not change by itself.
const WIDTH: usize = 4;

/// The shapes of the windows of one length. Arrays are filled up to fixed sizes with numbers that
/// change no distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    window: u32,
    /// The mean of each segment.
    #[serde(with = "bytes::fixed")]
    mean: Box<[f32; DIMS]>,
    /// Unit vectors: for the first [`WIDTH`] segments the components of each axis, then for the
    /// next.
    #[serde(with = "bytes::fixed")]
    axes: Box<[f32; DIMS * RANK]>,
    /// The factors of the place on each axis, and of the rest.
    #[serde(with = "bytes::fixed")]
    weights: Box<[f32; PLACES]>,
    /// Groups of [`LANES`] codes, place by place.
    #[serde(with = "bytes::fixed")]
    codes: Box<[f32; CODES * PLACES]>,
}

/// The learned numbers that a [`Shape`] is made of.
pub(super) struct ShapeParts {
    pub(super) mean: Vec<f64>,
    pub(super) axes: Vec<Vec<f64>>,
    pub(super) weights: [f64; PLACES],
    /// Between 1 and [`CODES`].
    pub(super) codes: Vec<[f64; PLACES]>,
}

impl Shape {
    /// Bytes on the heap.
    pub(super) const HEAP_BYTES: usize =
        size_of::<f32>() * (DIMS + DIMS * RANK + PLACES + CODES * PLACES);

    pub(super) fn new(window: usize, parts: &ShapeParts) -> Self {
        let mut shape = Self {
            window: window as u32,
            mean: Box::new([0.0; DIMS]),
            axes: Box::new([0.0; DIMS * RANK]),
            weights: Box::new(parts.weights.map(|w| w as f32)),
            codes: Box::new([0.0; CODES * PLACES]),
        };
        for (to, &from) in shape.mean.iter_mut().zip(&parts.mean) {
            *to = from as f32;
        }
        for (k, axis) in parts.axes.iter().enumerate() {
            for (i, &part) in axis.iter().enumerate() {
                shape.axes[(i / WIDTH * RANK + k) * WIDTH + i % WIDTH] = part as f32;
            }
        }
        for i in 0..CODES {
            // A code twice changes no distance.
            let code = parts.codes[i.min(parts.codes.len() - 1)];
            for (place, &number) in code.iter().enumerate() {
                shape.codes[(i / LANES * PLACES + place) * LANES + i % LANES] = number as f32;
            }
        }
        shape
    }

    /// Rounds the learned numbers, so that they take less space where they are stored.
    pub(super) fn round(&mut self) {
        let round = |number: &mut f32| {
            let bits = number.to_bits() + (1 << (ROUNDED_BITS - 1));
            *number = f32::from_bits(bits >> ROUNDED_BITS << ROUNDED_BITS);
        };
        self.axes.iter_mut().for_each(round);
        self.codes.iter_mut().for_each(round);
    }

    /// Length of the window in points.
    pub(crate) fn window(&self) -> usize {
        self.window as usize
    }

    /// The distance to the nearest code, of the window whose standardised values have these `sums`
    /// (see [`means`]).
    pub(super) fn distance(&self, sums: &[f64]) -> f32 {
        let place = self.place(sums);
        let mut nearest = [f32::INFINITY; LANES];
        for group in self.codes.chunks_exact(PLACES * LANES) {
            let mut squares = [0.0; LANES];
            for (codes, place) in group.chunks_exact(LANES).zip(place) {
                for (square, code) in squares.iter_mut().zip(codes) {
                    *square += (place - code) * (place - code);
                }
            }
            for (nearest, square) in nearest.iter_mut().zip(squares) {
                *nearest = if square < *nearest { square } else { *nearest };
            }
        }
        nearest.iter().copied().fold(f32::INFINITY, f32::min).sqrt()
    }

    fn place(&self, sums: &[f64]) -> [f32; PLACES] {
        let mut segments = [0.0; DIMS];
        means(sums, &mut segments);
        for (segment, mean) in segments.iter_mut().zip(self.mean.iter()) {
            *segment -= mean;
        }
        let mut place = [0.0; PLACES];
        place[..RANK].copy_from_slice(&project(&segments, &self.axes));
        place[RANK] = beside(&segments, &self.axes, &place);
        for (place, weight) in place.iter_mut().zip(self.weights.iter()) {
            *place *= weight;
        }
        place
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let numbers = self.mean.iter().chain(self.axes.iter());
        let mut numbers = numbers.chain(self.weights.iter()).chain(self.codes.iter());
        let sound = (4..=MAX_PERIOD).contains(&self.window()) && numbers.all(|n| n.is_finite());
        sound.then_some(()).ok_or("shape")
    }
}

/// Writes the means of the segments of a window into `out`: [`DIMS`] of nearly equal length, or the
/// values themselves if they are fewer.
///
/// `sums` are the running sums of the values, up to each one of the window and to the one before
/// it.
pub(super) fn means(sums: &[f64], out: &mut [f32; DIMS]) {
    let window = sums.len() - 1;
    if window < DIMS {
        for (mean, pair) in out.iter_mut().zip(sums.windows(2)) {
            *mean = (pair[1] - pair[0]) as f32;
        }
        return;
    }
    // In three loops, two of which the compiler vectorises.
    let mut ends = [0_i32; DIMS + 1];
    for (j, end) in (0..).zip(&mut ends) {
        // round(j·window/DIMS)
        *end = (2 * j * window as i32 + DIMS as i32) / (2 * DIMS as i32);
    }
    let mut at = [0.0; DIMS + 1];
    for (at, &end) in at.iter_mut().zip(&ends) {
        *at = sums[end as usize];
    }
    for (j, mean) in out.iter_mut().enumerate() {
        *mean = (at[j + 1] - at[j]) as f32 / (ends[j + 1] - ends[j]) as f32;
    }
}

/// Sums of none of `values`, of the first, of the first two, and so on.
pub(super) fn sums(values: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let rest = values.iter().map(|value| {
        sum += value;
        sum
    });
    std::iter::once(0.0).chain(rest).collect()
}

/// Places of `segments` on the axes.
fn project(segments: &[f32; DIMS], axes: &[f32; DIMS * RANK]) -> [f32; RANK] {
    let mut sums = [0.0; WIDTH * RANK];
    for (segments, axes) in segments
        .chunks_exact(WIDTH)
        .zip(axes.chunks_exact(WIDTH * RANK))
    {
        for (sums, axis) in sums.chunks_exact_mut(WIDTH).zip(axes.chunks_exact(WIDTH)) {
            for (sum, (segment, axis)) in sums.iter_mut().zip(segments.iter().zip(axis)) {
                *sum += segment * axis;
            }
        }
    }
    std::array::from_fn(|k| sums[k * WIDTH..][..WIDTH].iter().sum())
}

/// The length of the part of `segments` beside the axes. It is subtracted piece by piece: a
/// difference of sums of squares would lose it in f32.
fn beside(segments: &[f32; DIMS], axes: &[f32; DIMS * RANK], place: &[f32; PLACES]) -> f32 {
    let mut squares = [0.0; WIDTH];
    for (segments, axes) in segments
        .chunks_exact(WIDTH)
        .zip(axes.chunks_exact(WIDTH * RANK))
    {
        let mut rest = [0.0; WIDTH];
        rest.copy_from_slice(segments);
        for (axis, place) in axes.chunks_exact(WIDTH).zip(place) {
            for (rest, axis) in rest.iter_mut().zip(axis) {
                *rest -= place * axis;
            }
        }
        for (square, rest) in squares.iter_mut().zip(rest) {
            *square += rest * rest;
        }
    }
    squares.iter().sum::<f32>().sqrt()
}
