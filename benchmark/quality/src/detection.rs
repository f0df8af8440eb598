//! A series judged as `/v1/detect` judges it, in this process.

use anyhow::Result;
use contract::{DetectorName, FitOptions, JudgedReply, Point, Train};
use detector::{Judged as Step, detect, streaming};

use crate::{data::Series, judged::Judged};

/// The measured parts of the verdicts on all points after the training.
///
/// # Errors
/// As [`replies`].
pub(crate) fn judge(series: &Series, options: &FitOptions) -> Result<Judged> {
    let mut judged = Judged::default();
    each(series, options, |_, step| {
        judged.push(step.verdict.score, step.ratio, step.alarm);
    })?;
    Ok(judged)
}

/// The whole verdict on every point after the training.
///
/// # Errors
/// Nothing can be learned from the training points, or an option is impossible.
pub(crate) fn replies(series: &Series, options: &FitOptions) -> Result<Vec<JudgedReply>> {
    let mut replies = Vec::new();
    each(series, options, |point, step| {
        replies.push(JudgedReply {
            timestamp: point.timestamp,
            value: point.value,
            verdict: step.verdict.to_reply(),
            online: Some(step.to_reply()),
        });
    })?;
    Ok(replies)
}

fn each(series: &Series, options: &FitOptions, mut take: impl FnMut(Point, &Step)) -> Result<()> {
    let train = Train::Points(series.train);
    let mut detection = detect(&series.points, train, options, DetectorName::Auto, None)?;
    for point in &series.points[series.train..] {
        take(*point, &detection.update(*point));
    }
    Ok(())
}

/// The scores that are known half a window later; none of a detector that has no such scores.
pub(crate) fn delayed(series: &Series, options: &FitOptions) -> Vec<f64> {
    let delayed = match options.detector {
        Some(DetectorName::Auto) => streaming::delayed(&series.points, series.train),
        _ => None,
    };
    delayed.unwrap_or_default()
}
