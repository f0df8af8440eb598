//! `GET /v1/overview` and `GET /v1/alarms/histogram`: all series, those that need attention first.
//!
//! What is ranked by comes from the anomalies that are open or not long over, which are few; the
//! others follow by name, in the order of an index. So a page costs as much with ten thousand series
//! as with ten. The gateway adds what the owners of the streams have in memory.

mod query;
mod rows;
mod spark;

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    response::Response,
};
use contract::{AlarmHistogram, Moment, Overview, OverviewCounts, SeriesId, Severity};
use http_server::{Fallible, json};
use service::{clock::now, prefixes};
use store::{HotSeries, Store, StoreError};

use crate::{App, ask::ask, error::Error};
use query::{HistogramQuery, OverviewQuery, Place, Rank};

/// How long an anomaly that is over counts.
const DAY_MS: i64 = 86_400_000;

/// The series that are looked at in one statement when a page is searched for.
const CHUNK: u32 = 2_000;

/// How long the number of all series is used again.
const COUNT_FOR: Duration = Duration::from_secs(5);

/// The number of all series, and when they were counted.
pub(crate) type Counted = std::sync::Mutex<Option<(Instant, u64)>>;

/// Shows a page of all series.
pub(crate) async fn overview(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let counted = Arc::clone(&app.counted);
    ask(&app, head, |store, head| async move {
        let query = OverviewQuery::parse(head.uri.query())?;
        let seen = Seen {
            prefixes: prefixes::within(&head.headers, ""),
        };
        Ok(json(&page(&store, &query, &seen, &counted).await?))
    })
    .await
}

/// Counts anomalies by time and severity.
pub(crate) async fn histogram(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        let query = HistogramQuery::parse(head.uri.query(), now())?;
        let steps = query.steps();
        let prefixes = prefixes::within(&head.headers, "");
        let seen = Some(&*prefixes).filter(|_| prefixes != [""]);
        let (from, step_ms) = (Moment(1_000 * query.from), 1_000 * query.step);
        let counted = store.alarm_histogram(from, step_ms, steps, query.label.as_ref(), seen);
        let mut shown = AlarmHistogram {
            from: query.from,
            step: query.step,
            low: vec![0; steps],
            medium: vec![0; steps],
            high: vec![0; steps],
            critical: vec![0; steps],
        };
        for (step, severity, n) in counted.await? {
            let column = match severity {
                Severity::None | Severity::Low => &mut shown.low,
                Severity::Medium => &mut shown.medium,
                Severity::High => &mut shown.high,
                Severity::Critical => &mut shown.critical,
            };
            if let Some(count) = column.get_mut(step) {
                *count += n;
            }
        }
        Ok(json(&shown))
    })
    .await
}

/// The series that the caller may see: those with one of these prefixes.
struct Seen {
    /// Sorted, and none begins with another. The empty one stands for all.
    prefixes: Vec<String>,
}

impl Seen {
    fn includes(&self, series: &SeriesId) -> bool {
        let mut prefixes = self.prefixes.iter();
        prefixes.any(|prefix| series.as_str().starts_with(&**prefix))
    }

    fn is_all(&self) -> bool {
        self.prefixes == [""]
    }
}

async fn page(
    store: &Store,
    query: &OverviewQuery,
    seen: &Seen,
    counted: &Counted,
) -> Result<Overview, Error> {
    let now = now();
    let day_ago = Moment(now.0 - DAY_MS);
    let since = query.from.map_or(day_ago, |from| from.min(day_ago));
    let mut hot = store.hot_series(since).await?;
    hot.retain(|series| seen.includes(&series.series_id));
    let counts = counts(store, &hot, day_ago, seen, counted).await?;
    let known: BTreeSet<SeriesId> = hot.iter().map(|hot| hot.series_id.clone()).collect();
    if let Some(range) = query.range() {
        let within = store.series_with_anomalies(range.0, range.1).await?;
        hot.retain(|series| within.contains(&series.series_id));
    } else if let Some(asked) = &query.series {
        hot.retain(|series| asked.contains(&series.series_id));
    }
    hot.retain(|series| query.takes(series));
    let mut ranked: Vec<(Rank, Option<HotSeries>)> = hot
        .into_iter()
        .map(|hot| (Rank::of(&hot), Some(hot)))
        .collect();
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(after) = &query.after {
        ranked.retain(|(rank, _)| rank > after);
    }
    let limit = query.limit as usize;
    if ranked.len() <= limit && !query.is_about_anomalies() {
        let missing = limit + 1 - ranked.len();
        let quiet = quiet(store, query, seen, &known, missing).await?;
        ranked.extend(quiet.into_iter().map(|id| (Rank::quiet(id), None)));
    }
    let is_last = ranked.len() <= limit;
    ranked.truncate(limit);
    let next = ranked.last().filter(|_| !is_last);
    let next = next.map(|(rank, _)| rank.to_string());
    let rows = rows::of(store, ranked, query, now).await?;
    Ok(Overview { counts, rows, next })
}

/// Up to `limit` series without anomalies that `query` asks for, by name.
async fn quiet(
    store: &Store,
    query: &OverviewQuery,
    seen: &Seen,
    hot: &BTreeSet<SeriesId>,
    limit: usize,
) -> Result<Vec<SeriesId>, StoreError> {
    if let Some(asked) = &query.series {
        let asked = asked
            .iter()
            .filter(|id| seen.includes(id) && !hot.contains(*id));
        return Ok(asked.cloned().collect());
    }
    let mut found = Vec::new();
    let mut after = match &query.after {
        Some(Rank {
            place: Place::Quiet,
            id,
            ..
        }) => Some(id.clone()),
        _ => None,
    };
    for prefix in &seen.prefixes {
        loop {
            let chunk = store.labelled_series(prefix, after.as_ref(), CHUNK).await?;
            let Some((last, _)) = chunk.last() else { break };
            after = Some(last.clone());
            let is_whole = chunk.len() == CHUNK as usize;
            for (id, labels) in chunk {
                if !hot.contains(&id) && query.names(&id, &labels) {
                    found.push(id);
                    if found.len() == limit {
                        return Ok(found);
                    }
                }
            }
            if !is_whole {
                break;
            }
        }
    }
    Ok(found)
}

async fn counts(
    store: &Store,
    hot: &[HotSeries],
    day_ago: Moment,
    seen: &Seen,
    counted: &Counted,
) -> Result<OverviewCounts, StoreError> {
    let open = hot.iter().filter(|hot| hot.open.is_some()).count() as u64;
    let recent = |hot: &&HotSeries| hot.open.is_none() && hot.last_alarm >= day_ago;
    let recent = hot.iter().filter(recent).count() as u64;
    Ok(OverviewCounts {
        open,
        recent,
        quiet: all(store, seen, counted)
            .await?
            .saturating_sub(open + recent),
        alarms_24h: hot.iter().map(|hot| hot.alarms).sum(),
        points_per_minute: 0.0,
    })
}

/// The number of all series, which takes a look at each of them.
async fn all(store: &Store, seen: &Seen, counted: &Counted) -> Result<u64, StoreError> {
    let known = || counted.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.is_all() {
        return store.series_count(Some(&seen.prefixes)).await;
    }
    let last = known().filter(|(at, _)| at.elapsed() < COUNT_FOR);
    if let Some((_, count)) = last {
        return Ok(count);
    }
    let count = store.series_count(None).await?;
    *known() = Some((Instant::now(), count));
    Ok(count)
}
