//! A whole series: a fit on its beginning, and a session over the rest.

use contract::{DetectorName, FitOptions, JudgeOptions, Point, Train};

use super::{ChangePoint, Episode, Judged, Session};
use crate::{Model, Unfit, Warning};

/// A model of the beginning of a series, and the session that judges the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The model.
    pub model: Model,
    /// The session.
    pub session: Session,
    /// Warnings about the training points.
    pub warnings: Vec<Warning>,
    episodes: Vec<Episode>,
    changes: Vec<ChangePoint>,
}

/// Fits on the first of `points`, as many as `train` says; they are sorted. The others are then for
/// [`Detection::update`]. Points that all have one value are allowed from
/// [`MIN_CONSTANT_POINTS`](crate::MIN_CONSTANT_POINTS) on.
///
/// # Errors
/// As [`Model::fit`].
pub fn detect(
    points: &[Point],
    train: Train,
    options: &FitOptions,
    default: DetectorName,
    min_deviation: Option<f64>,
) -> Result<Detection, Unfit> {
    let first = &points[..train.of(points.len()).min(points.len())];
    let options = FitOptions {
        allow_constant: true,
        ..options.clone()
    };
    let fitted = Model::fit(first, &options, default)?;
    let judge = JudgeOptions {
        min_deviation,
        ..JudgeOptions::default()
    };
    Ok(Detection {
        session: fitted.model.session(&judge),
        model: fitted.model,
        // A session goes along with a trend.
        warnings: fitted
            .warnings
            .into_iter()
            .filter(|w| !w.is_about_trend())
            .collect(),
        episodes: Vec::new(),
        changes: Vec::new(),
    })
}

impl Detection {
    /// Judges the next point.
    pub fn update(&mut self, point: Point) -> Judged {
        let judged = self.session.update(point);
        self.collect();
        judged
    }

    /// Judges the last point of the series. An alarm comes at the end of a few points, so the last one
    /// would often be too early for one: here it ends them. Neither this nor the session is to be
    /// used for further points.
    pub fn update_last(&mut self, point: Point) -> Judged {
        let judged = self.session.update_last(point);
        self.collect();
        judged
    }

    fn collect(&mut self) {
        self.episodes.extend(self.session.take_closed());
        self.changes.extend(self.session.take_changes());
    }

    /// All episodes so far, in order; the last one may still be running.
    pub fn episodes(&self) -> Vec<Episode> {
        let mut all = self.episodes.clone();
        all.extend(self.session.episodes());
        all
    }

    /// All changes of the level that are known so far, in order.
    pub fn change_points(&self) -> &[ChangePoint] {
        &self.changes
    }
}
