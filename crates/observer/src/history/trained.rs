//! The training points of a model, with its verdict on each of them alone: what is normal at that time
//! if nothing is known of the points before, as in `/plot`.

use std::{cmp::Reverse, time::Duration};

use contract::{
    AnomalyKind, JudgeOptions, LearnedPoint, MAX_SHOWN_ANOMALIES, OpenStatus, Point, SeriesId,
    SeriesPoints, ShownAlarm, ShownAnomaly, TimeUnit, Version,
};
use detector::{Judged, Model, StoredModel, Verdict};
use store::{Store, TrainingPoints, VersionedModel};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{PointsQuery, PointsRequest, chart::Chart, fits};
use crate::error::Error;

/// How long the points of a new model may take to be stored, and how often they are looked for.
const STORED_WITHIN: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(50);

/// The training points of the version that `query` names, or of the one that serves.
///
/// # Errors
/// When there are none, or the database does not answer.
pub(super) async fn of_model(
    store: &Store,
    series: SeriesId,
    query: PointsRequest,
) -> Result<SeriesPoints, Error> {
    let until = Instant::now() + STORED_WITHIN;
    let points = loop {
        let points = store
            .training_points(&series, query.version.as_ref())
            .await?;
        match points {
            TrainingPoints::Incomplete if Instant::now() < until => sleep(AGAIN).await,
            points => break points,
        }
    };
    let (model, points) = match points {
        TrainingPoints::Complete(model, points) => (model, points),
        TrainingPoints::Incomplete => return Err(Error::PointsPending),
        TrainingPoints::NoModel if query.version.is_some() => return Err(Error::NoModel),
        TrainingPoints::NoModel => return Err(Error::NoStream),
    };
    let VersionedModel { version, model } = model;
    let StoredModel::Univariate(model) = model else {
        return Err(Error::HasColumns);
    };
    let unit = points
        .last()
        .and_then(|last| TimeUnit::guess(last.timestamp));
    let query = query.in_unit(unit);
    let fits = fits(store, &query, &series).await?;
    let judging = spawn_blocking(move || judged(series, version, &model, &points, &query));
    let mut shown = judging.await.map_err(|_| Error::Panicked)?;
    shown.fits = fits;
    Ok(shown)
}

fn judged(
    series: SeriesId,
    version: Version,
    model: &Model,
    points: &[Point],
    query: &PointsQuery,
) -> SeriesPoints {
    let asked = points
        .iter()
        .filter(|p| (query.from..=query.to).contains(&p.timestamp));
    let ends = (asked.clone().next(), asked.clone().next_back());
    let width = match ends {
        (Some(first), Some(last)) => query.width(
            asked.clone().count() as u64,
            first.timestamp,
            last.timestamp,
        ),
        _ => None,
    };
    let judge = JudgeOptions::default();
    let mut chart = Chart::new(series, width, None);
    let (mut alarms, mut anomalies) = (Vec::new(), Vec::new());
    for point in asked {
        let band = model.band(point.timestamp, &judge);
        let is_in = band.lower.is_none_or(|lower| lower <= point.value)
            && band.upper.is_none_or(|upper| point.value <= upper);
        // The verdict turns at the edge of the band, which is cheaper to look at.
        let verdict = (!is_in).then(|| model.score(&[], *point, &judge));
        let verdict = verdict.filter(|verdict| verdict.anomaly);
        chart.add(&LearnedPoint {
            timestamp: point.timestamp,
            value: point.value,
            expected: Some(band.expected),
            lower: band.lower,
            upper: band.upper,
            anomaly: verdict.is_some(),
            // Told below.
            alarm: false,
        });
        if let Some(verdict) = verdict {
            alarms.push(alarm(*point, &verdict));
            anomalies.push(shown(*point, &verdict));
        }
    }
    if anomalies.len() > MAX_SHOWN_ANOMALIES {
        anomalies.sort_by_key(|anomaly| Reverse(anomaly.severity));
        anomalies.truncate(MAX_SHOWN_ANOMALIES);
        anomalies.sort_by_key(|anomaly| anomaly.peak);
    }
    SeriesPoints {
        version: Some(version),
        alarms,
        anomalies,
        learned_until: points.last().map(|point| point.timestamp),
        ..chart.finish()
    }
}

fn alarm(point: Point, verdict: &Verdict) -> ShownAlarm {
    let at = point.timestamp;
    ShownAlarm {
        timestamp: at,
        about: at,
        severity: Some(verdict.severity),
        direction: Some(verdict.direction),
        reason: Some(verdict.reason.to_string()),
        cause: Some(Judged::by_itself(point, *verdict).cause),
    }
}

fn shown(point: Point, verdict: &Verdict) -> ShownAnomaly {
    let at = point.timestamp;
    ShownAnomaly {
        anomaly_id: None,
        kind: AnomalyKind::Value,
        status: OpenStatus::Closed,
        began: at,
        start: at,
        end: at,
        peak: at,
        value: Some(point.value),
        expected: verdict.expected,
        direction: verdict.direction,
        severity: verdict.severity,
        ratio: None,
        reason: verdict.reason.to_string(),
        silenced: false,
        feedback: None,
    }
}
