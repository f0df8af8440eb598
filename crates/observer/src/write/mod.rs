//! `POST /api/v1/write`: samples as Prometheus sends them, by remote write 1.0.
//!
//! A sender never sends again what was answered with 4xx. So only a body that cannot be read is
//! refused; a sample that cannot be used is counted and left out.

mod request;
mod series;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use contract::{EndpointName, Point, PointsRecord, SeriesId, StreamControl, StreamOptions};
use http_server::{Fallible, Query, RequestContext};
use service::{prefixes, task::on_main, work::CorePool};

use crate::{App, error::Error, metrics, observe::packed};
use series::Described;

const MAX_BODY: usize = EndpointName::RemoteWrite.endpoint().body.max();

/// The message of version 2.0, as the content type names it.
const VERSION_2: &str = "io.prometheus.write.v2";

/// What writes need.
#[derive(Default)]
pub(crate) struct Writer {
    /// Unpacking takes 64 MiB at most, on as many cores as there are.
    cores: CorePool,
    described: RwLock<DescribedSeries>,
}

/// Series whose labels are in the log already. They are written again after ten to twenty minutes,
/// for a stream that has ended meanwhile and begun anew.
struct DescribedSeries {
    lately: HashSet<u64>,
    before: HashSet<u64>,
    since: Instant,
}

/// How long labels are not written again.
const DESCRIBED_FOR: Duration = Duration::from_secs(600);
/// The most series that are remembered.
const MAX_DESCRIBED: usize = 500_000;

impl Default for DescribedSeries {
    fn default() -> Self {
        Self {
            lately: HashSet::new(),
            before: HashSet::new(),
            since: Instant::now(),
        }
    }
}

impl DescribedSeries {
    fn has(&self, hash: u64) -> bool {
        self.lately.contains(&hash) || self.before.contains(&hash)
    }

    fn add(&mut self, hashes: &[u64]) {
        if self.since.elapsed() > DESCRIBED_FOR || self.lately.len() > MAX_DESCRIBED {
            self.before = mem::take(&mut self.lately);
            self.since = Instant::now();
        }
        self.lately.extend(hashes);
    }
}

/// A body as it goes into the log.
#[derive(Debug, Default)]
struct Written {
    points: Vec<(SeriesId, Point)>,
    /// Labels that are not in the log yet, and what stands for them.
    defaults: Vec<(SeriesId, StreamOptions)>,
    described: Vec<u64>,
    /// The series that have ended.
    ended: Vec<SeriesId>,
    stale: u64,
    skipped: u64,
}

/// Appends the samples in the body.
pub(crate) async fn write(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    Query::none(head.uri.query()).map_err(|fault| refused(fault.into()))?;
    check_version(&head.headers).map_err(refused)?;
    let read = app.admission.read(body, MAX_BODY).await?;
    let (_admitted, body) = read.ok_or_else(|| refused(Error::Overloaded))?;
    let shared = Arc::clone(&app);
    let core = app.writer.cores.acquire().await;
    let written = core.run(move || {
        let message = request::unpack(&body)?;
        let described = &shared.writer.described;
        let described = described.read().unwrap_or_else(PoisonError::into_inner);
        written(&message, &described)
    });
    let written = written.await.map_err(refused)?;
    let points = written.points.iter().map(|(series, _)| series);
    if let Some(series) = prefixes::forbidden(&head.headers, points.chain(&written.ended)) {
        return Err(refused(Error::Forbidden(series.clone())));
    }
    let (taken, described) = (written.points.len() as u64, written.described.clone());
    let (stale, skipped) = (written.stale, written.skipped);
    let (bus, records) = (app.shared.bus.clone(), written.records());
    if !records.is_empty() {
        let trace = context.and_then(RequestContext::trace);
        on_main(async move { bus.publish(records, trace).await })
            .await
            .map_err(|error| refused(Error::NotAcknowledged(error)))?;
    }
    metrics::count_samples(taken, stale, skipped);
    let known = &app.writer.described;
    known
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .add(&described);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Refuses version 2.0, which senders then do without.
fn check_version(headers: &HeaderMap) -> Result<(), Error> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match kind.is_some_and(|kind| kind.contains(VERSION_2)) {
        true => Err(Error::UnknownVersion),
        false => Ok(()),
    }
}

fn written(message: &[u8], known: &DescribedSeries) -> Result<Written, Error> {
    let mut written = Written::default();
    for series in request::read(message)? {
        written.stale += series.stale;
        written.skipped += series.skipped;
        if series.points.is_empty() && !series.is_stale {
            continue;
        }
        let described = Described::of(series.labels);
        let id = described.id();
        if !series.points.is_empty() && !known.has(described.hash) {
            written.defaults.push((id.clone(), described.defaults()));
            written.described.push(described.hash);
        }
        if series.is_stale {
            written.ended.push(id.clone());
        }
        let points = series.points.into_iter();
        written
            .points
            .extend(points.map(|point| (id.clone(), point)));
    }
    Ok(written)
}

impl Written {
    /// The records, in their order: labels before points, and ends after them.
    fn records(self) -> Vec<PointsRecord> {
        let control = |series_id, control| PointsRecord::Control {
            series_id,
            control: Box::new(control),
        };
        let defaults = self.defaults.into_iter();
        let defaults = defaults.map(|(id, options)| control(id, StreamControl::Defaults(options)));
        let ended = self.ended.into_iter();
        let ended = ended.map(|id| control(id, StreamControl::Stale {}));
        let points = packed(self.points, false);
        defaults.chain(points).chain(ended).collect()
    }
}
