//! Scoring one point, on the fast path and on the ordinary one.

use std::{borrow::Cow, time::Instant};

use contract::{Parsed, Point, PredictRequest, TimeUnit, VersionRef};
use detector::{Model, StoredModel, Verdict, WrongUnit};
use http_server::{Fallible, FastRequest};
use service::series::decode_series_text;

use crate::{
    App,
    error::Error,
    models::resolve::{self, MIN_REVISION, Resolved, resolve_cached},
    query::PredictQuery,
    recorder::Scored,
    reply,
};

/// A prediction to be made, from all parts of its request.
pub(crate) struct Prediction<'a> {
    /// The id of the series, valid.
    pub(crate) series: Cow<'a, str>,
    /// The version to score by; `None`: the one that serves.
    pub(crate) version: Option<VersionRef>,
    request: PredictRequest,
    /// The unit of its timestamps, if they are dates or have fractions.
    unit: Option<TimeUnit>,
    warnings: Vec<String>,
}

impl<'a> Prediction<'a> {
    /// Parses a request. `series` is a segment of its path, percent-encoded.
    ///
    /// # Errors
    /// 400 that names the first fault.
    pub(crate) fn parse(series: &'a str, query: Option<&str>, body: &[u8]) -> Fallible<Self> {
        let series = decode_series_text(series)?;
        let mut query = PredictQuery::parse(query)?;
        let parsed = PredictRequest::parse(body).map_err(Error::Malformed)?;
        let Parsed {
            body: mut request,
            mut warnings,
            unit,
        } = parsed;
        let version = query.version(request.version.take())?;
        warnings.append(&mut query.warnings);
        Ok(Self {
            series,
            version,
            request,
            unit,
            warnings,
        })
    }

    /// Scores the point and appends the reply to `body`.
    ///
    /// # Errors
    /// [`Error::WrongUnit`], and [`Error::Columns`] for a model of columns; then nothing is appended.
    pub(crate) fn score(&self, resolved: &Resolved, body: &mut Vec<u8>) -> Result<Verdict, Error> {
        let PredictRequest {
            context,
            point,
            judge,
            ..
        } = &self.request;
        let loaded = resolved.model();
        let model = of_numbers(&loaded.model)?;
        let context = placed(model, context, self.unit)?;
        let point = Point {
            timestamp: model.timestamp(point.timestamp, self.unit)?,
            ..*point
        };
        // The longest context takes a fifth of a millisecond, less than parsing it does.
        let verdict = model.score(&context, point, judge);
        reply::prediction(loaded.version, &verdict, &self.warnings, body);
        Ok(verdict)
    }
}

/// `points`, whose timestamps count in `unit`, with timestamps in the unit of `model`.
///
/// # Errors
/// [`WrongUnit`] for the first that has no place there.
pub(crate) fn placed<'a>(
    model: &Model,
    points: &'a [Point],
    unit: Option<TimeUnit>,
) -> Result<Cow<'a, [Point]>, WrongUnit> {
    let mut places = points.iter().map(|point| {
        let timestamp = model.timestamp(point.timestamp, unit)?;
        Ok(Point {
            timestamp,
            ..*point
        })
    });
    if unit.is_none() {
        places.try_for_each(|place| place.map(drop))?;
        return Ok(points.into());
    }
    places.collect()
}

/// The model of a series of numbers in `model`.
///
/// # Errors
/// [`Error::Columns`] if it is one of columns.
pub(crate) fn of_numbers(model: &StoredModel) -> Result<&Model, Error> {
    match model {
        StoredModel::Univariate(model) => Ok(model),
        StoredModel::Multivariate(model) => {
            let names: Vec<&str> = model.columns().collect();
            let why = format!(
                "The model has columns, send a value for each: {}",
                names.join(", ")
            );
            Err(Error::Columns(why))
        }
    }
}

/// Scores a point on the fast path and appends the reply to `body`. `None` unless the model is in
/// memory and there is nothing to reply but the verdict. Nothing is allocated here, and only one
/// header is looked for.
pub(crate) fn answer_from_memory(
    app: &App,
    request: &FastRequest<'_>,
    body: &mut Vec<u8>,
) -> Option<()> {
    let start = Instant::now();
    let prediction = Prediction::parse(request.segment, request.query, request.body).ok()?;
    let at_least = resolve::revision(request.header(MIN_REVISION.as_str()));
    let resolved = resolve_cached(
        &app.models,
        &prediction.series,
        at_least,
        prediction.version.as_ref(),
    )?;
    let resolved = resolved.ok()?;
    let verdict = prediction.score(&resolved, body).ok()?;
    count(app, &resolved, verdict.anomaly, true, start);
    Some(())
}

/// Counts a prediction whose request came at `start`.
pub(crate) fn count(app: &App, resolved: &Resolved, anomaly: bool, hit: bool, start: Instant) {
    let scored = Scored {
        points: 1,
        anomalies: u64::from(anomaly),
        hit,
        took: start.elapsed(),
    };
    app.recorder.record(resolved.model(), scored);
}
