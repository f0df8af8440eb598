//! `GET /v1/series/{series_id}/points`: what a stream has learned, for people to look at.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use contract::{
    LearnedPoint, MAX_SHOWN_POINTS, POINT_PARTITIONS, SeriesId, SeriesPoints, partition_of,
};
use http_server::{BadParameter, Fallible, Query, RequestContext, json};
use service::{series::SeriesPath, task::on_main};
use store::{Store, StoreError};
use tokio::sync::oneshot;

use crate::{App, error::Error, worker::Work};

/// The points of a reply, unless the request says otherwise.
const DEFAULT_SHOWN: u32 = 2_000;

/// The points that are asked for.
struct PointsQuery {
    from: i64,
    to: i64,
    max: u32,
}

impl PointsQuery {
    fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&["from", "to", "max"])?;
        let timestamp = |name: &'static str, default| match query.get(name)? {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| BadParameter::invalid(name, "it is not a timestamp")),
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
        Ok(Self {
            from: timestamp("from", i64::MIN)?,
            to: timestamp("to", i64::MAX)?,
            max,
        })
    }
}

/// Shows the points of a stream, or buckets of them if there are too many.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>();
    let query = PointsQuery::parse(request.uri().query().unwrap_or_default());
    let shown = async { app.points(series, query?).await };
    let shown = shown.await.map_err(|error: Error| error.reply(context))?;
    Ok(json(&shown))
}

impl App {
    async fn points(&self, series: SeriesId, query: PointsQuery) -> Result<SeriesPoints, Error> {
        let partition = partition_of(&series, POINT_PARTITIONS);
        let (reply, told) = oneshot::channel();
        let work = Work::History {
            series: series.clone(),
            partition,
            reply,
        };
        // What is being stored is asked for before it is looked for in the database.
        let sent = self.worker_of(partition).send(work).await;
        let newest = match sent {
            Ok(()) => told.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let (store, id) = (self.shared.store.clone(), series.clone());
        let shown = on_main(async move { shown(&store, id, &query, &newest).await }).await?;
        if shown.timestamp.is_empty() && self.show(&series).await?.is_none() {
            return Err(Error::NoStream);
        }
        Ok(shown)
    }
}

async fn shown(
    store: &Store,
    series: SeriesId,
    query: &PointsQuery,
    newest: &[LearnedPoint],
) -> Result<SeriesPoints, StoreError> {
    let (from, to) = (query.from, query.to);
    let extent = store.point_extent(&series, from, to).await?;
    let kept = u64::try_from(extent.points).unwrap_or(0);
    let ends = [extent.first, extent.last].into_iter().filter(|_| kept > 0);
    let ends = ends.chain(newest.iter().map(|point| point.timestamp));
    let ends = ends.map(|timestamp| timestamp.clamp(from, to));
    let (first, last) = (ends.clone().min(), ends.max());
    let span = last
        .zip(first)
        .map_or(0, |(last, first)| last.abs_diff(first));
    let width = match kept + newest.len() as u64 > u64::from(query.max) {
        true => i64::try_from(span / u64::from(query.max) + 1).ok(),
        false => None,
    };
    let mut chart = Chart::new(series, width);
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
        let series = &chart.shown.series_id;
        let blocks = store.point_blocks(series, from, to, after).await?;
        let Some((name, _)) = blocks.last() else {
            break;
        };
        after = *name;
        for point in blocks.iter().flat_map(|(_, points)| points) {
            add(&mut chart, point);
        }
    }
    newest.iter().for_each(|point| add(&mut chart, point));
    Ok(chart.finish())
}

/// Puts points together.
struct Chart {
    shown: SeriesPoints,
    width: Option<i64>,
    bucket: Vec<LearnedPoint>,
}

impl Chart {
    /// With buckets of `width`, if one is given.
    fn new(series_id: SeriesId, width: Option<i64>) -> Self {
        Self {
            shown: SeriesPoints {
                series_id,
                bucket: width,
                timestamp: Vec::new(),
                value: Vec::new(),
                low: width.map(|_| Vec::new()),
                high: width.map(|_| Vec::new()),
                expected: Vec::new(),
                lower: Vec::new(),
                upper: Vec::new(),
                anomalies: Vec::new(),
                alarms: Vec::new(),
            },
            width,
            bucket: Vec::new(),
        }
    }

    /// Adds a point that is later than those before.
    fn add(&mut self, point: &LearnedPoint) {
        let bucket = |timestamp: i64| self.width.map(|width| timestamp.div_euclid(width));
        let is_other = |first: &LearnedPoint| {
            self.width.is_none() || bucket(first.timestamp) != bucket(point.timestamp)
        };
        if self.bucket.first().is_some_and(is_other) {
            self.close();
        }
        self.bucket.push(*point);
        if point.anomaly {
            self.shown.anomalies.push(point.timestamp);
        }
        if point.alarm {
            self.shown.alarms.push(point.timestamp);
        }
    }

    fn close(&mut self) {
        let Some(first) = self.bucket.first() else {
            return;
        };
        let shown = &mut self.shown;
        shown.timestamp.push(first.timestamp);
        let values = || self.bucket.iter().map(|point| point.value);
        shown.value.push(mean(values()).unwrap_or(first.value));
        if let Some(low) = &mut shown.low {
            low.push(values().fold(f64::INFINITY, f64::min));
        }
        if let Some(high) = &mut shown.high {
            high.push(values().fold(f64::NEG_INFINITY, f64::max));
        }
        let known =
            |limit: fn(&LearnedPoint) -> Option<f64>| mean(self.bucket.iter().filter_map(limit));
        shown.expected.push(known(|point| point.expected));
        shown.lower.push(known(|point| point.lower));
        shown.upper.push(known(|point| point.upper));
        self.bucket.clear();
    }

    fn finish(mut self) -> SeriesPoints {
        self.close();
        self.shown
    }
}

/// The mean; `None` of nothing. One that cannot overflow.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, mean) = values.fold((0.0, 0.0), |(n, mean), value: f64| {
        let n = n + 1.0;
        (n, mean + (value / n - mean / n))
    });
    (n > 0.0).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(timestamp: i64, value: f64) -> LearnedPoint {
        LearnedPoint {
            timestamp,
            value,
            expected: (timestamp > 2).then_some(1.0),
            lower: None,
            upper: Some(value + 1.0),
            anomaly: value > 8.0,
            alarm: value > 9.0,
        }
    }

    fn chart(width: Option<i64>) -> SeriesPoints {
        let mut chart = Chart::new(SeriesId::new("s").expect("valid"), width);
        for (timestamp, value) in [(-1, 1.0), (0, 2.0), (2, 4.0), (3, 9.0), (9, 10.0)] {
            chart.add(&point(timestamp, value));
        }
        chart.finish()
    }

    #[test]
    fn a_few_points_are_shown_as_they_are() {
        let shown = chart(None);
        assert_eq!(shown.timestamp, [-1, 0, 2, 3, 9]);
        assert_eq!(shown.value, [1.0, 2.0, 4.0, 9.0, 10.0]);
        assert_eq!((&shown.low, shown.bucket), (&None, None));
        assert_eq!(shown.expected, [None, None, None, Some(1.0), Some(1.0)]);
        assert_eq!((shown.anomalies, shown.alarms), (vec![3, 9], vec![9]));
    }

    #[test]
    fn many_are_put_together_but_no_anomaly_is_left_out() {
        let shown = chart(Some(4));
        assert_eq!(shown.timestamp, [-1, 0, 9]);
        assert_eq!(shown.value, [1.0, 5.0, 10.0]);
        assert_eq!(shown.low, Some(vec![1.0, 2.0, 10.0]));
        assert_eq!(shown.high, Some(vec![1.0, 9.0, 10.0]));
        assert_eq!(shown.expected, [None, Some(1.0), Some(1.0)]);
        assert_eq!(shown.upper, [Some(2.0), Some(6.0), Some(11.0)]);
        assert_eq!((shown.anomalies, shown.alarms), (vec![3, 9], vec![9]));
    }

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(mean([f64::MAX, f64::MAX].into_iter()), Some(f64::MAX));
        assert_eq!(mean(std::iter::empty()), None);
    }
}
