//! The shape of the last points: how far their window lies from the nearest of the windows of the prefix.
//!
//! A window becomes means of segments, these become places on the principal axes of the prefix and what is left beside the axes, each
//! whitened by half (divided by the fourth root of its variance): between Euclidean distance, which sees only the big axes, and
//! Mahalanobis', which sees only noise. Learned by [`super::shape_fit`].

use serde::{Deserialize, Serialize};

use super::{
    bytes,
    parameters::{CODES, DIMS, MAX_PERIOD, RANK},
};

/// Numbers of a code: one for each axis, one for the rest.
pub(super) const PLACES: usize = RANK + 1;
/// Codes are compared in groups of as many as fit the registers.
const LANES: usize = 16;

/// What was learned of the windows of one length. Arrays are filled up to fixed sizes with what changes no distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    window: u32,
    /// Mean of each segment.
    #[serde(with = "bytes::fixed")]
    mean: Box<[f32; DIMS]>,
    /// Unit vectors, one after the other.
    #[serde(with = "bytes::fixed")]
    axes: Box<[f32; DIMS * RANK]>,
    /// What the place on each axis is multiplied by, and the rest.
    #[serde(with = "bytes::fixed")]
    weights: Box<[f32; PLACES]>,
    /// Groups of [`LANES`] codes, place by place.
    #[serde(with = "bytes::fixed")]
    codes: Box<[f32; CODES * PLACES]>,
}

/// What [`Shape`] is made of.
pub(super) struct Learned {
    pub(super) mean: Vec<f64>,
    pub(super) axes: Vec<Vec<f64>>,
    pub(super) weights: [f64; PLACES],
    /// Between 1 and [`CODES`].
    pub(super) codes: Vec<[f64; PLACES]>,
}

impl Shape {
    /// Bytes on the heap.
    pub(super) const MEMORY: usize =
        size_of::<f32>() * (DIMS + DIMS * RANK + PLACES + CODES * PLACES);

    pub(super) fn new(window: usize, learned: &Learned) -> Self {
        let mut shape = Self {
            window: window as u32,
            mean: Box::new([0.0; DIMS]),
            axes: Box::new([0.0; DIMS * RANK]),
            weights: Box::new(learned.weights.map(|w| w as f32)),
            codes: Box::new([0.0; CODES * PLACES]),
        };
        for (to, &from) in shape.mean.iter_mut().zip(&learned.mean) {
            *to = from as f32;
        }
        for (to, from) in shape.axes.chunks_exact_mut(DIMS).zip(&learned.axes) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = from as f32;
            }
        }
        for i in 0..CODES {
            // A code twice changes no distance.
            let code = learned.codes[i.min(learned.codes.len() - 1)];
            for (place, &number) in code.iter().enumerate() {
                shape.codes[(i / LANES * PLACES + place) * LANES + i % LANES] = number as f32;
            }
        }
        shape
    }

    /// Length of the window in points.
    pub(crate) fn window(&self) -> usize {
        self.window as usize
    }

    /// Distance of the window `values` (exactly [`Self::window`] standardised values) to the nearest code.
    pub(super) fn distance(&self, values: &[f64]) -> f32 {
        let place = self.place(values);
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

    fn place(&self, values: &[f64]) -> [f32; PLACES] {
        let mut rest = [0.0; DIMS];
        segments(values, &mut rest);
        for (segment, mean) in rest.iter_mut().zip(self.mean.iter()) {
            *segment -= mean;
        }
        let mut place = [0.0; PLACES];
        let axes = self.axes.chunks_exact(DIMS);
        for (place, axis) in place.iter_mut().zip(axes.clone()) {
            *place = dot(&rest, axis);
        }
        // What is left beside the axes is taken away piece by piece: a difference of sums of squares would lose it in f32.
        for (place, axis) in place.iter().zip(axes) {
            for (rest, axis) in rest.iter_mut().zip(axis) {
                *rest -= place * axis;
            }
        }
        place[RANK] = dot(&rest, &rest).sqrt();
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

/// Writes the means of the segments of the window `values` into `out`: at most [`DIMS`] of them, of nearly equal length.
pub(super) fn segments(values: &[f64], out: &mut [f32; DIMS]) {
    let window = values.len();
    let count = window.min(DIMS);
    let mut start = 0;
    for (j, out) in out[..count].iter_mut().enumerate() {
        // round((j+1)·window/count)
        let end = (2 * (j + 1) * window + count) / (2 * count);
        let sum: f64 = values[start..end].iter().sum();
        *out = (sum / (end - start) as f64) as f32;
        start = end;
    }
}

/// Sums eight products at a time, which the compiler may not decide by itself.
fn dot(a: &[f32; DIMS], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
