//! Asks for what is new while somebody listens.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::response::Response;
use bytes::Bytes;
use contract::{
    EndpointName, FEED_PATH, FeedEvent, FeedReply, FeedRequest, Overview, OverviewCounts,
    OverviewRow, PointEvent, SeriesId,
};
use http::StatusCode;
use http_client::{Call, RequestHead, Upstream};
use http_server::read_body;
use serde::de::DeserializeOwned;
use service::series::write_list;
use tokio::time::sleep;

use super::Events;
use crate::overview::Live;

/// How often it asks.
const EVERY: Duration = Duration::from_secs(1);

/// How often rows and counts are read anew although nothing has happened to them: silences begin and
/// end, and a day goes by.
const ANEW: Duration = Duration::from_secs(30);

/// How long an observer has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The longest answer, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// The series that are asked for in one call: their ids have to fit the request target.
const CHUNK: usize = 20;

/// What is new.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Events of anomalies, in order.
    pub(super) events: Vec<FeedEvent>,
    /// Rows that have changed.
    pub(super) rows: Vec<OverviewRow>,
    /// The last points of the series that have new ones.
    pub(super) points: Vec<PointEvent>,
    /// The counts, if they have changed. They are of all series.
    pub(super) counts: Option<OverviewCounts>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.rows.is_empty()
            && self.points.is_empty()
            && self.counts.is_none()
    }
}

impl Events {
    /// Asks for what is new and tells it, for ever.
    pub(crate) async fn follow(&self, observer: &Upstream) -> Infallible {
        loop {
            self.wanted().await;
            let mut known = Known::default();
            while !self.is_unwanted() {
                let news = known.look(observer, &self.followed()).await;
                if !news.is_empty() {
                    self.tell(news);
                }
                sleep(EVERY).await;
            }
        }
    }
}

/// What was told last.
#[derive(Default)]
struct Known {
    /// The number of the last event. `None`: not known yet.
    last: Option<i64>,
    rows: HashMap<SeriesId, OverviewRow>,
    /// The number of points of each stream.
    points: HashMap<SeriesId, u64>,
    counts: Option<OverviewCounts>,
    read: Option<Instant>,
}

impl Known {
    /// Looks what is new. What cannot be asked for comes the next time.
    async fn look(&mut self, observer: &Upstream, followed: &BTreeSet<SeriesId>) -> News {
        let mut news = News::default();
        if let Some(reply) = feed(observer, self.last).await {
            self.last = Some(reply.last);
            news.events = reply.events;
        }
        self.rows.retain(|id, _| followed.contains(id));
        self.points.retain(|id, _| followed.contains(id));
        let is_old = self.read.is_none_or(|read| read.elapsed() >= ANEW);
        let touched: BTreeSet<&SeriesId> = news
            .events
            .iter()
            .map(|event| &event.event.anomaly.series_id)
            .collect();
        let is_stale =
            |id: &&SeriesId| is_old || touched.contains(*id) || !self.rows.contains_key(*id);
        let stale: Vec<SeriesId> = followed.iter().filter(is_stale).cloned().collect();
        let mut fresh = HashMap::new();
        if (is_old || !touched.is_empty())
            && let Some(page) = overview(observer, "limit=1&spark=false").await
        {
            self.read = Some(Instant::now());
            news.counts = Some(page.counts);
        }
        for chunk in stale.chunks(CHUNK) {
            fresh.extend(rows(observer, chunk).await);
        }
        let live = Live::ask(observer, followed.iter().cloned().collect()).await;
        self.note_counts(&mut news, live.points_per_minute());
        for id in followed {
            let Some(mut row) = fresh.remove(id).or_else(|| self.rows.get(id).cloned()) else {
                continue;
            };
            live.show(&mut row);
            if self
                .rows
                .insert(id.clone(), row.clone())
                .is_none_or(|known| known != row)
            {
                news.rows.push(row);
            }
        }
        self.note_points(&mut news, &live);
        news
    }

    fn note_counts(&mut self, news: &mut News, points_per_minute: f64) {
        let counts = news.counts.or(self.counts);
        let counts = counts.map(|counts| OverviewCounts {
            points_per_minute,
            ..counts
        });
        news.counts = counts.filter(|_| counts != self.counts);
        self.counts = counts;
    }

    fn note_points(&mut self, news: &mut News, live: &Live) {
        for (id, series) in live.series() {
            let Some(point) = series.latest else { continue };
            let known = self.points.insert(id.clone(), series.points);
            // Where a listener begins it asks for the points so far.
            if known.is_some_and(|known| known != series.points) {
                news.points.push(PointEvent {
                    series_id: id.clone(),
                    points: series.points,
                    point,
                });
            }
        }
    }
}

/// The events after the one with the number `after`.
pub(super) async fn feed(observer: &Upstream, after: Option<i64>) -> Option<FeedReply> {
    let body = serde_json::to_vec(&FeedRequest { after }).ok()?;
    let head = RequestHead::post(FEED_PATH);
    let call = Call::whole(head, Bytes::from(body), ANSWER_WITHIN);
    read(observer.call(call).await.ok()?).await
}

/// The rows of `series`, without what the owners of their streams know.
pub(super) async fn rows(observer: &Upstream, series: &[SeriesId]) -> Vec<(SeriesId, OverviewRow)> {
    let query = format!("limit=1000&spark=false&series={}", write_list(series));
    let page = overview(observer, &query).await;
    let rows = page.into_iter().flat_map(|page| page.rows);
    rows.map(|row| (row.series_id.clone(), row)).collect()
}

async fn overview(observer: &Upstream, query: &str) -> Option<Overview> {
    let path = EndpointName::Overview.endpoint().path;
    let head = RequestHead::own(format!("{path}?{query}").parse().ok()?);
    let call = Call::whole(head, Bytes::new(), ANSWER_WITHIN);
    read(observer.call(call).await.ok()?).await
}

async fn read<T: DeserializeOwned>(reply: Response) -> Option<T> {
    if reply.status() != StatusCode::OK {
        return None;
    }
    let body = read_body(reply.into_body(), MAX_BYTES).await.ok()?;
    serde_json::from_slice(&body).ok()
}
