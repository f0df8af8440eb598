//! The last points as a call without learning sees them: the parts of the detector that need only a
//! few points before.

use contract::Point;

use super::{
    Predictions, StreamMemory, StreamParams,
    constants::{SHAPES, VALUE_LIMIT},
    fit::of_each,
    shape::Shape,
    window::Window,
};
use crate::series::{scale::winsorized, season::RunningProfile};

/// The last points.
#[derive(Clone, Debug)]
pub(crate) struct ContextView {
    window: Window,
    slot: i64,
    /// The distance from the median, in scales, that values count as at most.
    clip: f64,
}

impl ContextView {
    /// An empty view. Values more than `clip` scales from the median count as if they were there.
    /// So a single far one, which its own distance tells, does not make all the shapes odd that it
    /// is part of.
    pub(crate) fn new(params: &StreamParams, clip: f64) -> Self {
        Self {
            window: Window::new(params.points.lookback()),
            slot: -1,
            clip,
        }
    }

    /// The number of last points that are known, at most as many as any part looks back.
    pub(crate) fn known(&self) -> usize {
        self.window.len()
    }

    /// The predictions for a point at `timestamp`.
    pub(crate) fn predict(
        &self,
        params: &StreamParams,
        memory: &StreamMemory,
        timestamp: i64,
    ) -> Predictions {
        let slot = params.clock.slot(timestamp, self.slot);
        params.points.predict(&memory.season, &self.window, slot)
    }

    /// Takes `point` into the view.
    pub(crate) fn advance(&mut self, params: &StreamParams, point: Point) {
        self.slot = params.clock.slot(point.timestamp, self.slot);
        let z = params.standard(point);
        self.window.push(z.clamp(-self.clip, self.clip));
    }

    /// The joint, calibrated non-conformity of the shapes of the last points; `None` until all
    /// windows are full.
    pub(crate) fn nonconformity(&self, params: &StreamParams) -> Option<f64> {
        self.nonconformity_to(params, &params.points.shapes)
    }

    /// As [`Self::nonconformity`], to other shapes of the same lengths.
    pub(crate) fn nonconformity_to(&self, params: &StreamParams, shapes: &[Shape]) -> Option<f64> {
        if shapes.is_empty() {
            return None;
        }
        let mut distances = [0.0; SHAPES];
        for (distance, shape) in distances.iter_mut().zip(shapes) {
            *distance = f64::from(shape.distance(self.window.sums(shape.window())?));
        }
        Some(params.join_shapes(&distances))
    }
}

impl StreamParams {
    /// [`ContextView::nonconformity`] at each of `points` where it is known, for a view that begins
    /// with the first; see [`ContextView::new`] for `clip`.
    pub(crate) fn nonconformity(&self, points: &[Point], clip: f64) -> Vec<f64> {
        let standard = points.iter().map(|p| self.standard(*p).clamp(-clip, clip));
        let standard: Vec<f64> = standard.collect();
        let (Some(distances), Some(longest)) =
            (self.points.distances(&standard), self.windows().max())
        else {
            return Vec::new();
        };
        let at = |i: usize| std::array::from_fn(|shape| distances[shape][i]);
        (longest - 1..points.len())
            .map(|i| self.join_shapes(&at(i)))
            .collect()
    }

    /// The root mean square of the calibrated distances of the shapes.
    pub(crate) fn join_shapes(&self, distances: &[f64; SHAPES]) -> f64 {
        let calibrated = distances.iter().zip(&self.points.calibrations);
        let squares =
            calibrated.map(|(distance, calibration)| calibration.apply(*distance).powi(2));
        (squares.sum::<f64>() / SHAPES as f64).sqrt()
    }

    /// The errors of the last third of `points` against a season that the others taught, in the
    /// unit of the values: what may be expected of a season that no longer learns. Empty without a
    /// season.
    pub(crate) fn out_of_sample_season_errors(&self, points: &[Point]) -> Vec<f64> {
        let taught = points.len() - points.len() / 3;
        let mut season = RunningProfile::new(self.points.season as usize);
        let mut slot = -1;
        let mut errors = Vec::new();
        for (i, point) in points.iter().enumerate() {
            slot = self.clock.slot(point.timestamp, slot);
            let z = winsorized(self.standard(*point));
            if i >= taught {
                let error = season.usual(slot).map(|usual| (z - usual).abs());
                errors.extend(error.map(|error| error * self.scaling.scale()));
            } else if let Some(update) = season.update(slot, z) {
                season.learn(update);
            }
        }
        errors
    }

    /// Shapes of the same lengths, learned from `points`; `None` without shapes or for too few
    /// points.
    pub(crate) fn relearned(&self, points: &[Point]) -> Option<Vec<Shape>> {
        let longest = self.windows().max()?;
        if points.len() < 2 * longest {
            return None;
        }
        let values: Vec<f64> = points.iter().map(|p| self.standard(*p)).collect();
        let shapes = <&[Shape; SHAPES]>::try_from(&self.points.shapes[..]).ok()?;
        let windows = shapes.each_ref().map(Shape::window);
        Some(of_each(points.len(), windows, |window| Shape::fit(&values, window)).into())
    }

    /// A value in scales from the median.
    pub(crate) fn standard(&self, point: Point) -> f64 {
        let value = point.value.clamp(-VALUE_LIMIT, VALUE_LIMIT);
        self.scaling.standard(value)
    }

    /// The usual value at the place of `timestamp` in the season, if there is a season and the
    /// clock is regular.
    pub(crate) fn usual(&self, memory: &StreamMemory, timestamp: i64) -> Option<f64> {
        self.clock.step()?;
        memory.season.usual(self.clock.slot(timestamp, 0))
    }
}
