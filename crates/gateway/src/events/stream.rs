//! The events of one listener, as they are written.

use std::{collections::VecDeque, convert::Infallible, fmt::Write, time::Duration};

use bytes::Bytes;
use contract::{AnomalyEventKind, FeedEvent, OverviewCounts, SeriesId};
use futures_util::{Stream, stream};
use http_client::Upstream;
use serde::Serialize;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until, timeout},
};

use super::{
    feed::{self, News},
    listeners::Listener,
};
use crate::overview::Live;

/// How long a client waits before it connects again.
const OPENING: &str = "retry: 3000\n\n";

/// How long nothing is said, so that nobody in between takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a stream lasts. Then the client comes again, and its key is looked at again.
const LASTS: Duration = Duration::from_secs(3_600);

/// The pages of events that a client has missed and is told at most.
const PAGES: usize = 20;

/// The events for `listener`: those after `last`, then the rows of its series, then what happens.
pub(super) fn body(
    listener: Listener,
    last: Option<i64>,
    observer: Upstream,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let telling = Telling {
        listener,
        told: last,
        ends: Instant::now() + LASTS,
        waiting: VecDeque::from([OPENING.to_owned()]),
        observer: Some(observer),
    };
    stream::unfold(telling, |mut telling| async {
        let text = telling.next().await?;
        Some((Ok(Bytes::from(text)), telling))
    })
}

struct Telling {
    listener: Listener,
    /// The number of the last event that the client has.
    told: Option<i64>,
    ends: Instant,
    waiting: VecDeque<String>,
    /// To ask for what the client has missed. `None`: that is done.
    observer: Option<Upstream>,
}

impl Telling {
    /// The next text for the client; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(text) = self.waiting.pop_front() {
                return Some(text);
            }
            if let Some(observer) = self.observer.take() {
                self.catch_up(&observer).await;
                continue;
            }
            let stop = self.listener.stop.clone();
            let news = tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep_until(self.ends) => return None,
                news = timeout(SILENCE, self.listener.news.recv()) => news,
            };
            match news {
                Err(_) => return Some(": still here\n\n".to_owned()),
                Ok(Ok(news)) => self.write(&news),
                // The client comes again, and is told what it has missed.
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return None,
            }
        }
    }

    /// Tells what the client has missed since the last event that it has, and the rows of its
    /// series.
    async fn catch_up(&mut self, observer: &Upstream) {
        for _ in 0..PAGES {
            let Some(last) = self.told else { break };
            let Some(reply) = feed::feed(observer, Some(last)).await else {
                break;
            };
            if reply.events.is_empty() {
                break;
            }
            reply
                .events
                .iter()
                .for_each(|event| self.write_event(event));
        }
        let series: Vec<SeriesId> = self.listener.series.iter().cloned().collect();
        let mut rows = Vec::new();
        for chunk in series.chunks(20) {
            rows.extend(
                feed::rows(observer, chunk)
                    .await
                    .into_iter()
                    .map(|(_, row)| row),
            );
        }
        if !rows.is_empty() {
            let live = Live::ask(observer, series).await;
            rows.iter_mut().for_each(|row| live.show(row));
            self.write_as("rows", &rows);
        }
    }

    fn write(&mut self, news: &News) {
        news.events.iter().for_each(|event| self.write_event(event));
        let followed = &self.listener.series;
        let rows: Vec<_> = news
            .rows
            .iter()
            .filter(|row| followed.contains(&row.series_id))
            .collect();
        let is_one = followed.len() == 1;
        let points = news
            .points
            .iter()
            .filter(|point| is_one && followed.contains(&point.series_id));
        let points: Vec<_> = points.collect();
        if !rows.is_empty() {
            self.write_as("rows", &rows);
        }
        points
            .iter()
            .for_each(|point| self.write_as("point", point));
        if let Some(counts) = news.counts {
            self.write_counts(&counts);
        }
    }

    /// Those of all series are for those who may see all.
    fn write_counts(&mut self, counts: &OverviewCounts) {
        if self.listener.sight.is_all() {
            self.write_as("counts", counts);
        }
    }

    fn write_event(&mut self, event: &FeedEvent) {
        // What was missed may come as news, too.
        if self.told.is_some_and(|told| event.number <= told) {
            return;
        }
        self.told = Some(event.number);
        if event.event.kind == AnomalyEventKind::Test {
            return;
        }
        if self
            .listener
            .sight
            .includes(event.event.anomaly.series_id.as_str())
        {
            let id = format!("id: {}\n", event.number);
            self.waiting.push_back(id + &text("anomaly", &event.event));
        }
    }

    fn write_as(&mut self, name: &str, data: &impl Serialize) {
        self.waiting.push_back(text(name, data));
    }
}

/// An event with this name. JSON has no line breaks.
fn text(name: &str, data: &impl Serialize) -> String {
    let mut text = format!("event: {name}\ndata: ");
    let json = serde_json::to_string(data).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(text, "{json}\n\n");
    text
}
