//! What gateways ask of the streams in memory: their last points, and how many points come.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    response::Response,
};
use contract::{
    FeedRequest, LiveReply, LiveRequest, LiveSeries, POINT_PARTITIONS, ProblemCode, SeriesId,
    partition_of,
};
use futures_util::future::join_all;
use http_server::{Fallible, ProblemReply, json, read_body};
use tokio::sync::{mpsc, oneshot};

use crate::{App, ask, metrics, worker::Work};

/// The longest request, in bytes: a thousand ids of 200 bytes, each escaped.
const MAX_BODY: usize = 2 << 20;

/// Tells what is new of the series that the request names.
pub(crate) async fn live(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let body = read_body(request.into_body(), MAX_BODY).await?;
    let request: LiveRequest = serde_json::from_slice(&body)
        .map_err(|fault| ProblemReply::new(ProblemCode::BadRequest, fault.to_string()))?;
    Ok(json(&LiveReply {
        series: app.live(request.series).await,
        points_per_minute: app.pace.per_minute(metrics::points(), Instant::now()),
    }))
}

/// Tells the next events of anomalies.
pub(crate) async fn feed(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await?;
    let request: FeedRequest = serde_json::from_slice(&body)
        .map_err(|fault| ProblemReply::new(ProblemCode::BadRequest, fault.to_string()))?;
    ask::ask(&app, head, |store, _| async move {
        Ok(json(&store.feed(request.after).await?))
    })
    .await
}

impl App {
    async fn live(&self, series: Vec<SeriesId>) -> Vec<LiveSeries> {
        let mut by_worker: BTreeMap<usize, Vec<(i32, SeriesId)>> = BTreeMap::new();
        for id in series {
            let partition = partition_of(&id, POINT_PARTITIONS);
            let worker = self.number_of_worker(partition);
            by_worker.entry(worker).or_default().push((partition, id));
        }
        let asked = by_worker
            .into_iter()
            .map(|(worker, series)| told(&self.workers[worker], series));
        join_all(asked).await.into_iter().flatten().collect()
    }
}

async fn told(worker: &mpsc::Sender<Work>, series: Vec<(i32, SeriesId)>) -> Vec<LiveSeries> {
    let (reply, told) = oneshot::channel();
    match worker.send(Work::Live { series, reply }).await {
        Ok(()) => told.await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// How often the count is remembered.
const EVERY: Duration = Duration::from_secs(5);
/// The time that a rate is about.
const MINUTE: Duration = Duration::from_secs(60);

/// The rate of something that is counted, as of the times at which somebody asked.
#[derive(Default)]
pub(crate) struct Pace(Mutex<VecDeque<(Instant, u64)>>);

impl Pace {
    /// The rate a minute, over the last minute or since somebody asked first, with `count` counted
    /// at `now`; 0 at the first time.
    pub(crate) fn per_minute(&self, count: u64, now: Instant) -> f64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.back().is_none_or(|(at, _)| now - *at >= EVERY) {
            known.push_back((now, count));
        }
        // One that is older than a minute is kept, to begin at.
        while known.get(1).is_some_and(|(at, _)| now - *at >= MINUTE) {
            known.pop_front();
        }
        let Some((first, before)) = known.front().copied().filter(|(at, _)| *at < now) else {
            return 0.0;
        };
        let rate = count.saturating_sub(before) as f64 / (now - first).as_secs_f64() * 60.0;
        (rate * 10.0).round() / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_minute() {
        let (pace, start) = (Pace::default(), Instant::now());
        let at = |second: u64, count| pace.per_minute(count, start + Duration::from_secs(second));
        assert_eq!(at(0, 1_000), 0.0);
        assert_eq!(at(1, 1_010), 600.0);
        for second in (5..=60).step_by(5) {
            at(second, 1_000 + 2 * second);
        }
        assert_eq!(at(120, 1_120), 0.0);
        assert_eq!(at(180, 1_150), 30.0);
    }
}
