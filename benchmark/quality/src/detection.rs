//! A series judged as `/v1/detect` judges it, in this process.

use anyhow::Result;
use contract::{DetectorName, FitOptions, JudgedReply, Train};
use detector::{detect, stream};

use crate::{data::Series, judged::Judged};

/// The verdict on every point after the training.
///
/// # Errors
/// Nothing can be learned from the training points, or an option is impossible.
pub(crate) fn replies(series: &Series, options: &FitOptions) -> Result<Vec<JudgedReply>> {
    let train = Train::Points(series.train);
    let mut detection = detect(&series.points, train, options, DetectorName::Auto, None)?;
    let rest = series.points[series.train..].iter();
    Ok(rest
        .map(|point| {
            let judged = detection.update(*point);
            JudgedReply {
                timestamp: point.timestamp,
                value: point.value,
                verdict: judged.verdict.to_reply(),
                ratio: Some(judged.ratio),
            }
        })
        .collect())
}

impl Judged {
    /// What is measured of those verdicts on `series`, and of what [`DetectorName::Auto`] says half a window later.
    pub(crate) fn of(series: &Series, options: &FitOptions, replies: &[JudgedReply]) -> Self {
        let delayed = match options.detector {
            Some(DetectorName::Auto) => stream::delayed(&series.points, series.train),
            _ => None,
        };
        Self {
            score: replies.iter().map(|r| r.verdict.score).collect(),
            ratio: replies
                .iter()
                .map(|r| r.ratio.unwrap_or_default())
                .collect(),
            anomaly: replies.iter().map(|r| r.verdict.anomaly).collect(),
            delayed: delayed.unwrap_or_default(),
        }
    }
}
