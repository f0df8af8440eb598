//! `GET /v1/overview`: an observer answers from what is stored, and the owners of the streams tell
//! what is new.

use std::{collections::HashMap, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use contract::{
    Endpoint, LIVE_PATH, LiveReply, LiveRequest, LiveSeries, Overview, OverviewRow, RowState,
    SeriesId, StreamState, TimeUnit,
};
use futures_util::future::join_all;
use http::{StatusCode, header::CONTENT_LENGTH};
use http_client::Upstream;
use http_server::{Fallible, json, read_body};

use crate::{access::Caller, proxy::Proxy};

/// How long an owner has to tell what is new.
const LIVE_WITHIN: Duration = Duration::from_millis(500);

/// The longest page, in bytes: a thousand rows with sparklines.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// Shows a page of all series.
///
/// # Errors
/// A refusal, or the lack of a reply.
pub(crate) async fn overview(
    proxy: &Proxy,
    endpoint: &'static Endpoint,
    request: Request,
    caller: &Caller,
) -> Fallible<Response> {
    let reply = proxy.forward(endpoint, request, caller).await?;
    if reply.status() != StatusCode::OK {
        return Ok(reply);
    }
    let (mut head, body) = reply.into_parts();
    let body = read_body(body, MAX_PAGE_BYTES).await?;
    let Ok(mut page) = serde_json::from_slice::<Overview>(&body) else {
        // An observer of another version: what it says is true all the same.
        return Ok(Response::from_parts(head, Body::from(body)));
    };
    let ids = page.rows.iter().map(|row| row.series_id.clone());
    let live = Live::ask(&proxy.observer, ids.collect()).await;
    page.counts.points_per_minute = live.points_per_minute;
    page.rows.iter_mut().for_each(|row| live.show(row));
    head.headers.remove(CONTENT_LENGTH);
    let (_, body) = json(&page).into_parts();
    Ok(Response::from_parts(head, body))
}

/// What the owners of streams have in memory.
#[derive(Default)]
pub(crate) struct Live {
    series: HashMap<SeriesId, LiveSeries>,
    points_per_minute: f64,
}

impl Live {
    /// Asks all observers. Those that do not answer in time own nothing.
    pub(crate) async fn ask(observer: &Upstream, series: Vec<SeriesId>) -> Self {
        let request = serde_json::to_vec(&LiveRequest { series });
        let request = Bytes::from(request.unwrap_or_default());
        let replies = observer.call_each(LIVE_PATH, request, LIVE_WITHIN).await;
        let replies = replies.into_iter().flatten().map(read);
        let mut live = Self::default();
        for reply in join_all(replies).await.into_iter().flatten() {
            live.points_per_minute += reply.points_per_minute;
            let series = reply.series.into_iter();
            live.series
                .extend(series.map(|series| (series.series_id.clone(), series)));
        }
        live
    }

    /// Adds what is known of its stream to a row.
    pub(crate) fn show(&self, row: &mut OverviewRow) {
        let Some(live) = self.series.get(&row.series_id) else {
            return;
        };
        row.learning = live.learning;
        row.detector = live.detector.or(row.detector);
        let state = match (row.state, live.state) {
            (RowState::Silent, StreamState::Learning) => RowState::Learning,
            (RowState::Silent, StreamState::Ready) => RowState::Normal,
            (RowState::Learning, StreamState::Ready) => RowState::Normal,
            (RowState::Normal | RowState::Over, StreamState::Learning) => RowState::Learning,
            (RowState::Normal | RowState::Learning, StreamState::Silent) => RowState::Silent,
            (state, _) => state,
        };
        if state != row.state {
            (row.state, row.since) = (state, None);
        }
        let Some(latest) = live.latest else { return };
        if row
            .last_timestamp
            .is_none_or(|known| known <= latest.timestamp)
        {
            row.last_timestamp = Some(latest.timestamp);
            (row.value, row.expected) = (Some(latest.value), latest.expected);
        }
        if let (Some(step), Some(unit)) = (live.usual_step, TimeUnit::guess(latest.timestamp)) {
            row.points_per_minute = unit.per_minute(step);
        }
    }

    /// The points of all streams a minute.
    pub(crate) fn points_per_minute(&self) -> f64 {
        self.points_per_minute
    }

    /// The streams.
    pub(crate) fn series(&self) -> &HashMap<SeriesId, LiveSeries> {
        &self.series
    }
}

async fn read(reply: Response) -> Option<LiveReply> {
    if reply.status() != StatusCode::OK {
        return None;
    }
    let body = read_body(reply.into_body(), MAX_PAGE_BYTES).await.ok()?;
    serde_json::from_slice(&body).ok()
}
