//! How a detector behaves on generated series whose truth is known.

pub(crate) mod cost;
pub(crate) mod events;
pub(crate) mod levels;
pub(crate) mod periods;
pub(crate) mod rates;

use anyhow::{Context, Result};
use contract::{DetectorName, FitOptions, JudgeOptions, Point};
use detector::Model;

use crate::{figure::Figure, report::Table};

/// The detector that is measured, and on how many threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) detector: DetectorName,
    pub(crate) threads: usize,
}

impl Subject {
    pub(crate) fn fit(&self, points: &[Point]) -> Result<Model> {
        let options = FitOptions {
            detector: Some(self.detector),
            ..FitOptions::default()
        };
        let fitted = Model::fit(points, &options, self.detector);
        Ok(fitted.context("a generated series cannot be fitted")?.model)
    }
}

/// The result of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) tables: Vec<Table>,
    pub(crate) figures: Vec<Figure>,
}

/// The options of a call that names this false-alarm rate.
pub(crate) fn at_rate(rate: f64) -> JudgeOptions {
    JudgeOptions {
        false_alarm_rate: Some(rate),
        ..JudgeOptions::default()
    }
}

/// The value at this share of the sorted values, the nearest rank.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}
