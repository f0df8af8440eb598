//! `GET /v1/series/{series_id}/points`: what a stream has learned, or a model was fitted on, for people
//! to look at.

mod chart;
mod trained;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use contract::{
    AnomalyKind, ChangePointReply, LearnedPoint, MAX_SHOWN_ANOMALIES, MAX_SHOWN_POINTS,
    POINT_PARTITIONS, SeriesId, SeriesPoints, ShownAlarm, ShownAnomaly, ShownFit, StreamReply,
    TimeUnit, Timestamp, VersionRef, partition_of,
};
use http_server::{BadParameter, Fallible, Query, RequestContext, json};
use service::{series::SeriesPath, task::on_main};
use store::{AnomalyQuery, Store, StoreError};
use tokio::sync::oneshot;

use crate::{App, error::Error, worker::Work};
use chart::Chart;

/// The points of a reply, unless the request says otherwise.
const DEFAULT_SHOWN: u32 = 2_000;

/// The models that are shown at most.
const FITS: u32 = 100;

/// The query of a request for points.
struct PointsRequest {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    max: u32,
    /// The training points of this version, instead of those of the stream.
    version: Option<VersionRef>,
}

/// The points that are asked for.
struct PointsQuery {
    from: i64,
    to: i64,
    max: u32,
}

impl PointsRequest {
    fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&["from", "to", "max", "version"])?;
        let timestamp = |name: &'static str| {
            let parsed = query.get(name)?.map(str::parse).transpose();
            parsed.map_err(|rule| BadParameter::invalid(name, rule))
        };
        let max = match query.get("max")? {
            None => DEFAULT_SHOWN,
            Some(text) => {
                let max = text.parse().ok();
                let max = max.filter(|max| (1..=MAX_SHOWN_POINTS).contains(max));
                let rule = format!("it is not a whole number from 1 to {MAX_SHOWN_POINTS}");
                max.ok_or_else(|| BadParameter::invalid("max", rule))?
            }
        };
        let version = query.get("version")?.map(str::parse).transpose();
        Ok(Self {
            from: timestamp("from")?,
            to: timestamp("to")?,
            max,
            version: version.map_err(|why| BadParameter::invalid("version", why))?,
        })
    }

    /// The points of a series that counts in `unit`.
    fn in_unit(&self, unit: Option<TimeUnit>) -> PointsQuery {
        let end = |time: Option<Timestamp>| time.map(|time| time.in_unit(unit));
        PointsQuery {
            from: end(self.from).unwrap_or(i64::MIN),
            to: end(self.to).unwrap_or(i64::MAX),
            max: self.max,
        }
    }
}

impl PointsQuery {
    /// The width of the buckets for `n` points from `first` to `last`; `None` if all can be shown.
    fn width(&self, n: u64, first: i64, last: i64) -> Option<i64> {
        let span = last.abs_diff(first) / u64::from(self.max);
        let is_too_much = n > u64::from(self.max);
        is_too_much.then(|| i64::try_from(span + 1).unwrap_or(i64::MAX))
    }
}

/// Shows the points of a stream, or buckets of them if there are too many; of a series without one,
/// the training points of a model.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>();
    let query = PointsRequest::parse(request.uri().query().unwrap_or_default());
    let shown = async { app.points(series, query?).await };
    let shown = shown.await.map_err(|error: Error| error.reply(context))?;
    Ok(json(&shown))
}

impl App {
    async fn points(&self, series: SeriesId, query: PointsRequest) -> Result<SeriesPoints, Error> {
        let store = self.shared.store.clone();
        if query.version.is_none() {
            let stream = self.show(&series).await?;
            let newest = self.newest(&series).await;
            let (id, store) = (series.clone(), store.clone());
            let query = query.in_unit(stream.as_ref().and_then(|stream| stream.unit));
            let of_stream =
                on_main(
                    async move { of_stream(&store, id, &query, &newest, stream.as_ref()).await },
                );
            if let Some(shown) = of_stream.await? {
                return Ok(shown);
            }
        }
        on_main(async move { trained::of_model(&store, series, query).await }).await
    }

    /// The points that are not stored yet. What is being stored is asked for before it is looked for
    /// in the database.
    async fn newest(&self, series: &SeriesId) -> Vec<LearnedPoint> {
        let partition = partition_of(series, POINT_PARTITIONS);
        let (reply, told) = oneshot::channel();
        let work = Work::History {
            series: series.clone(),
            partition,
            reply,
        };
        match self.worker_of(partition).send(work).await {
            Ok(()) => told.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

/// The points of a stream; `None` if the series has neither points nor a stream.
async fn of_stream(
    store: &Store,
    series: SeriesId,
    query: &PointsQuery,
    newest: &[LearnedPoint],
    stream: Option<&StreamReply>,
) -> Result<Option<SeriesPoints>, StoreError> {
    let (from, to) = (query.from, query.to);
    let extent = store.point_extent(&series, from, to).await?;
    let kept = u64::try_from(extent.points).unwrap_or(0);
    let ends = [extent.first, extent.last].into_iter().filter(|_| kept > 0);
    let ends = ends.chain(newest.iter().map(|point| point.timestamp));
    let ends = ends.map(|timestamp| timestamp.clamp(from, to));
    let Some((first, last)) = ends.clone().min().zip(ends.max()) else {
        // Of another part there may be points.
        let has_points = store
            .point_extent(&series, i64::MIN, i64::MAX)
            .await?
            .points
            > 0;
        let is_known = stream.is_some() || has_points;
        return Ok(is_known.then(|| Chart::new(series, None, None).finish()));
    };
    let number = kept + newest.len() as u64;
    let step = stream.and_then(|stream| stream.usual_step);
    let mut chart = Chart::new(series.clone(), query.width(number, first, last), step);
    let mut last = None;
    let mut add = |chart: &mut Chart, point: &LearnedPoint| {
        // A replay may have written points a second time.
        if (from..=to).contains(&point.timestamp) && last < Some(point.timestamp) {
            last = Some(point.timestamp);
            chart.add(point);
        }
    };
    let mut after = i64::MIN;
    loop {
        let blocks = store.point_blocks(&series, from, to, after).await?;
        let Some((name, _)) = blocks.last() else {
            break;
        };
        after = *name;
        for point in blocks.iter().flat_map(|(_, points)| points) {
            add(&mut chart, point);
        }
    }
    newest.iter().for_each(|point| add(&mut chart, point));
    let mut shown = chart.finish();
    found(store, query, &mut shown).await?;
    shown.fits = fits(store, query, &shown.series_id).await?;
    shown.learned_until = match stream {
        Some(stream) if stream.learning.is_some() => stream.last_timestamp,
        Some(StreamReply {
            begun_from: Some(version),
            ..
        }) => {
            let is_it = |fit: &&ShownFit| fit.version == *version;
            shown.fits.iter().find(is_it).map(|fit| fit.timestamp)
        }
        _ => None,
    };
    Ok(Some(shown))
}

/// Adds the anomalies and the changes of the level that the stream has found.
async fn found(
    store: &Store,
    query: &PointsQuery,
    shown: &mut SeriesPoints,
) -> Result<(), StoreError> {
    let asked = AnomalyQuery {
        series: Some(shown.series_id.clone()),
        from: Some(query.from),
        to: Some(query.to),
        limit: MAX_SHOWN_ANOMALIES as u32,
        ..AnomalyQuery::default()
    };
    let mut anomalies = store.anomalies(&asked).await?.anomalies;
    anomalies.sort_by_key(|anomaly| (anomaly.start, anomaly.anomaly_id));
    for anomaly in anomalies {
        match (anomaly.kind, anomaly.expected, anomaly.value) {
            (AnomalyKind::Level, Some(from), Some(to)) => {
                let timestamp = anomaly.start;
                let change = ChangePointReply {
                    timestamp,
                    from,
                    to,
                };
                shown.change_points.push(change);
            }
            (AnomalyKind::Level, ..) => {}
            _ => shown.anomalies.push(anomaly.into()),
        }
    }
    shown
        .alarms
        .iter_mut()
        .for_each(|alarm| explain(alarm, &shown.anomalies));
    Ok(())
}

/// Adds what is known of its anomaly to an alarm: the first one of it is about its peak as far as
/// that is kept.
fn explain(alarm: &mut ShownAlarm, anomalies: &[ShownAnomaly]) {
    // They are sorted by their beginnings.
    let later = anomalies.partition_point(|anomaly| anomaly.start <= alarm.timestamp);
    let before = anomalies[..later].iter().rev();
    let mut of_values = before.filter(|anomaly| anomaly.kind == AnomalyKind::Value);
    let Some(anomaly) = of_values
        .next()
        .filter(|anomaly| alarm.timestamp <= anomaly.end)
    else {
        return;
    };
    if anomaly.peak <= alarm.timestamp && anomaly.start == alarm.timestamp {
        alarm.about = anomaly.peak;
    }
    alarm.severity = Some(anomaly.severity);
    alarm.direction = Some(anomaly.direction);
    alarm.reason = Some(anomaly.reason.clone());
}

/// The models of `series` whose last training point is asked for, by time.
async fn fits(
    store: &Store,
    query: &PointsQuery,
    series: &SeriesId,
) -> Result<Vec<ShownFit>, StoreError> {
    let models = store.list_models(series, None, FITS).await?;
    let fit = |model: contract::ModelInfo| ShownFit {
        version: model.version,
        timestamp: model.last_timestamp,
    };
    let fits = models.into_iter().flatten().map(fit);
    let mut fits: Vec<ShownFit> = fits
        .filter(|fit| (query.from..=query.to).contains(&fit.timestamp))
        .collect();
    fits.sort_by_key(|fit| (fit.timestamp, fit.version));
    Ok(fits)
}

/// The unit that all of `timestamps` count in, as far as their ends tell.
fn unit_of(timestamps: &[i64]) -> Option<TimeUnit> {
    let first = TimeUnit::guess(*timestamps.first()?)?;
    let last = TimeUnit::guess(*timestamps.last()?)?;
    (first == last).then_some(first)
}
