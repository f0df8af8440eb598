//! The point path: six kinds of evidence about each single point, calibrated on the prefix and
//! joined as their root mean square (docs/design/auto.md, 5).

use serde::{Deserialize, Serialize};

use super::{
    ar,
    constants::{CALIBRATION, HOLD, MAX_SEASON, MEDIAN, MIN_PERIOD, MIN_WIDTH, SHAPES, SLOTS},
    shape::Shape,
    window::Window,
};
use crate::{
    bytes,
    series::{
        quantile::{select_median, select_quantile},
        scale::winsorized,
        season::Profile,
    },
};

/// The slots of the predictors' errors.
pub(super) const AUTOREGRESSION: usize = 3;
pub(super) const SEASON: usize = 4;
pub(super) const LOCAL: usize = 5;

/// The predictors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Predictor {
    /// The weighted sum of the last values.
    Autoregression,
    /// The usual value at this place of the period, or the median of the prefix.
    Season,
    /// The median of the last values.
    Local,
}

/// The fixed part of the point path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointModel {
    /// Three shapes, or none for a short prefix.
    pub(super) shapes: Vec<Shape>,
    /// The weights of the autoregression, the oldest value's first; empty for order 0.
    #[serde(with = "bytes::vec")]
    pub(super) weights: Vec<f64>,
    /// The dominant period in points, 0 for none. It may be too long for a season.
    pub(super) period: u32,
    /// The length of the season in slots, 0 for none.
    pub(super) season: u32,
    pub(super) calibrations: [SlotCalibration; SLOTS],
    pub(super) predictor: Predictor,
}

/// Two quantiles of a raw score over the prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotCalibration {
    /// The median.
    pub median: f64,
    /// The 0.99 quantile.
    pub high: f64,
}

impl SlotCalibration {
    /// Learns from raw scores, at least one; reorders them.
    pub(super) fn fit(raw: &mut [f64]) -> Self {
        Self {
            median: select_median(raw),
            high: select_quantile(raw, CALIBRATION),
        }
    }

    /// The distance between the quantiles, or a little more than 0.
    pub fn width(&self) -> f64 {
        (self.high - self.median)
            .max(MIN_WIDTH)
            .max(0.01 * self.high)
    }

    /// ln 2 for a raw score at the 0.99 quantile, 0 for one at the median or less.
    pub fn apply(&self, raw: f64) -> f64 {
        let over = raw - self.median;
        if over > 0.0 {
            (over / self.width()).ln_1p()
        } else {
            0.0
        }
    }
}

/// The predictions of the next point, in scales from the median; `None` where a predictor knows too
/// little.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Predictions {
    /// That of the autoregression, when as many values as its order are known.
    pub autoregression: Option<f64>,
    /// The usual value at this place of the period, if there is a season and the place was seen.
    pub season: Option<f64>,
    /// The median of the last 21 values, or of as many as are known.
    pub local: Option<f64>,
}

impl Predictions {
    /// The prediction of `predictor`.
    pub fn of(&self, predictor: Predictor) -> Option<f64> {
        match predictor {
            Predictor::Autoregression => self.autoregression,
            Predictor::Season => self.season,
            Predictor::Local => self.local,
        }
    }
}

/// The evidence about a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    pub(super) predictions: Predictions,
    /// Signed errors of autoregression, season or level, local median, in scales; `None` where
    /// nothing was predicted.
    pub(super) errors: [Option<f64>; SLOTS - SHAPES],
    /// Distances of the windows that end here; `None` where the window is not full, or without
    /// shapes.
    pub(super) shapes: [Option<f64>; SHAPES],
}

impl Evidence {
    /// Raw scores: 0 where nothing is known.
    pub(super) fn raw(&self) -> [f64; SLOTS] {
        let [a, b, c] = self.shapes.map(Option::unwrap_or_default);
        let [d, e, f] = self.errors.map(|error| error.unwrap_or_default().abs());
        [a, b, c, d, e, f]
    }
}

impl PointModel {
    /// The number of last values that the parts need.
    pub(super) fn lookback(&self) -> usize {
        let windows = self.shapes.iter().map(Shape::window);
        windows.max().unwrap_or(0).max(MEDIAN)
    }

    /// The predictions of the next point at `slot`.
    pub(super) fn predict(&self, season: &Profile, window: &Window, slot: i64) -> Predictions {
        let past = window.last(self.weights.len());
        let past = past.filter(|past| !past.is_empty());
        Predictions {
            autoregression: past.map(|past| ar::predict(&self.weights, past)),
            season: season.place(slot).and_then(|place| season.usual(place)),
            local: window.median(),
        }
    }

    /// The errors of the `predictions` for the standardised value `z`, as in [`Evidence`].
    pub(super) fn errors(
        &self,
        predictions: &Predictions,
        z: f64,
    ) -> [Option<f64>; SLOTS - SHAPES] {
        let winsorized = winsorized(z);
        let seasonal = if self.season > 0 {
            predictions.season.map(|usual| winsorized - usual)
        } else {
            Some(z)
        };
        [
            predictions.autoregression.map(|usual| winsorized - usual),
            seasonal,
            predictions.local.map(|usual| z - usual),
        ]
    }

    /// Takes the standardised value `z` at `slot` into the window and returns the evidence about
    /// it.
    pub(super) fn sense(
        &self,
        season: &Profile,
        window: &mut Window,
        z: f64,
        slot: i64,
    ) -> Evidence {
        let predictions = self.predict(season, window, slot);
        let errors = self.errors(&predictions, z);
        window.push(z);
        let mut shapes = [None; SHAPES];
        for (distance, shape) in shapes.iter_mut().zip(&self.shapes) {
            let sums = window.sums(shape.window());
            *distance = sums.map(|sums| f64::from(shape.distance(sums)));
        }
        Evidence {
            predictions,
            errors,
            shapes,
        }
    }

    /// Whether the slot is active for this series.
    pub(super) fn is_active(&self, slot: usize) -> bool {
        match slot {
            0..SHAPES => !self.shapes.is_empty(),
            AUTOREGRESSION => !self.weights.is_empty(),
            _ => true,
        }
    }

    /// Calibrated scores of `raw` ones; 0 for slots that are not active.
    pub(super) fn calibrate(&self, raw: &[f64; SLOTS]) -> [f64; SLOTS] {
        std::array::from_fn(|slot| match self.is_active(slot) {
            true => self.calibrations[slot].apply(raw[slot]),
            false => 0.0,
        })
    }

    /// Joins calibrated scores into one; errors are held for a while.
    pub(super) fn join(&self, calibrated: &[f64; SLOTS], held: &mut [f64; SLOTS]) -> f64 {
        let (mut squares, mut active) = (0.0, 0);
        for slot in (0..SLOTS).filter(|&slot| self.is_active(slot)) {
            let earlier = if slot < SHAPES {
                0.0
            } else {
                HOLD * held[slot]
            };
            held[slot] = calibrated[slot].max(earlier);
            squares += held[slot] * held[slot];
            active += 1;
        }
        (squares / f64::from(active)).sqrt()
    }

    /// The 0.99 quantile of the chosen predictor's error over the prefix, in scales.
    pub(super) fn error(&self) -> f64 {
        let slot = match self.predictor {
            Predictor::Autoregression => AUTOREGRESSION,
            Predictor::Season => SEASON,
            Predictor::Local => LOCAL,
        };
        self.calibrations[slot].high.max(MIN_WIDTH)
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        ar::check(&self.weights)?;
        for shape in &self.shapes {
            shape.check()?;
        }
        let season = self.season as usize;
        let sound = [0, SHAPES].contains(&self.shapes.len())
            && (season == 0 || (MIN_PERIOD..=MAX_SEASON).contains(&season));
        let quantile = |q: f64| (0.0..=1e9).contains(&q);
        let calibrated = |c: &SlotCalibration| quantile(c.median) && quantile(c.high);
        (sound && self.calibrations.iter().all(calibrated))
            .then_some(())
            .ok_or("points")
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        self.shapes.len() * (size_of::<Shape>() + Shape::HEAP_BYTES)
            + size_of_val(&self.weights[..])
    }
}
