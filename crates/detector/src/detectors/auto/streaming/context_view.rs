//! The last points as a call without learning sees them: the parts of the detector that need only a
//! few points before.

use contract::Point;

use super::{
    Predictions, StreamMemory, StreamParams,
    constants::{SHAPES, VALUE_LIMIT},
    window::Window,
};

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
        let shapes = &params.points.shapes;
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
    /// The root mean square of the calibrated distances of the shapes.
    pub(crate) fn join_shapes(&self, distances: &[f64; SHAPES]) -> f64 {
        let calibrated = distances.iter().zip(&self.points.calibrations);
        let squares =
            calibrated.map(|(distance, calibration)| calibration.apply(*distance).powi(2));
        (squares.sum::<f64>() / SHAPES as f64).sqrt()
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
        memory
            .season
            .usual(memory.season.place(self.clock.slot(timestamp, 0))?)
    }
}
