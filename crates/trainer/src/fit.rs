//! Fitting a series, and the order in which a version becomes durable and visible.

use std::{
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use bus::{Bus, TraceParent};
use bytes::Bytes;
use contract::{
    DetectorName, FitReply, FitRequest, MetricsEvent, ModelEvent, Parsed, Point, Revision,
    SeriesId, TrainingData, Version,
};
use detector::Model;
use store::{NewModel, Store};
use tokio::{sync::Semaphore, time::timeout};

use crate::{error::Error, metrics, work};

/// How long a reply waits for other predictors to be told. They look by themselves every five seconds.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// Fits series. A fit, once begun, goes on to its end, whether or not the client waits for it.
pub(crate) struct Fitter {
    store: Store,
    bus: Bus,
    /// One for each core: more at once would only take more memory.
    cores: Semaphore,
}

/// What came out of a body.
struct Learned {
    model: Model,
    /// How long the fit alone took.
    took: Duration,
    points: Vec<Point>,
    warnings: Vec<String>,
}

impl Fitter {
    pub(crate) fn new(store: Store, bus: Bus) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            store,
            bus,
            cores: Semaphore::new(cores),
        }
    }

    /// Fits `series` on the points in `body`. What it returns is durable; with it comes the revision of the series since.
    pub(crate) async fn fit(
        &self,
        series: SeriesId,
        body: Bytes,
        trace: TraceParent,
    ) -> Result<(FitReply, Revision), Error> {
        let started = Instant::now();
        let fitted = self.learn_and_keep(&series, body, trace).await;
        metrics::FITS.with_label_values(&[outcome(&fitted)]).inc();
        let (reply, revision) = fitted?;
        let took = started.elapsed();
        metrics::FIT_DURATION.observe(took.as_secs_f64());
        metrics::POINTS_FITTED.inc_by(reply.points_used as u64);
        let measured = MetricsEvent::Training {
            series_id: series,
            latency_ms: took.as_secs_f64() * 1e3,
        };
        if !self.bus.try_publish(&measured) {
            metrics::EVENTS_DROPPED.inc();
        }
        Ok((reply, revision))
    }

    async fn learn_and_keep(
        &self,
        series: &SeriesId,
        body: Bytes,
        trace: TraceParent,
    ) -> Result<(FitReply, Revision), Error> {
        let learned = self.learn(body).await?;
        let points_used = learned.points.len();
        let detector = learned.model.detector();
        let (version, revision) = self.keep(series, &learned, &trace).await?;
        self.tell(series, version, revision, trace).await;
        let reply = FitReply {
            series_id: series.clone(),
            version,
            points_used,
            detector,
            warnings: learned.warnings,
        };
        Ok((reply, revision))
    }

    async fn learn(&self, body: Bytes) -> Result<Learned, Error> {
        let _core = self.cores.acquire().await.expect("it is never closed");
        work::blocking(move || learn(body)).await
    }

    /// Makes what was learned durable, then visible. Where that fails or the process dies, what is left behind is invisible, and swept.
    async fn keep(
        &self,
        series: &SeriesId,
        learned: &Learned,
        trace: &TraceParent,
    ) -> Result<(Version, Revision), Error> {
        let new = NewModel::fitted(&learned.model, &learned.points, learned.took);
        let version = self
            .store
            .insert_pending(series, &new)
            .await
            .map_err(Error::NotStored)?;
        // Part by part as the bus takes them, not a second copy of all.
        let parts = TrainingData::in_parts(series, version, &learned.points);
        self.bus
            .publish(parts, trace.clone())
            .await
            .map_err(Error::NotPublished)?;
        let revision = self
            .store
            .mark_ready(series, version)
            .await
            .map_err(Error::NotStored)?;
        Ok((version, revision))
    }

    /// Tells predictors. The version is durable whether or not that works, and they find it later if it does not.
    async fn tell(
        &self,
        series: &SeriesId,
        version: Version,
        revision: Revision,
        trace: TraceParent,
    ) {
        let ready = ModelEvent::Ready {
            series_id: series.clone(),
            version,
            revision: Some(revision),
        };
        match timeout(TELL_WITHIN, self.bus.publish([ready], trace)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, %series, %version, "predictors were not told");
            }
            Err(_) => tracing::warn!(%series, %version, "predictors were not told in time"),
        }
    }
}

/// Reads `body` and fits; takes about a microsecond a point.
fn learn(body: Bytes) -> Result<Learned, Error> {
    let Parsed {
        body: request,
        mut warnings,
    } = FitRequest::parse(&body)?;
    drop(body);
    let options = request.options.clone();
    let points = request.into_points().ok_or(Error::LengthMismatch)?;
    let started = Instant::now();
    let fitted = Model::fit(&points, &options, DetectorName::Sigma)?;
    let took = started.elapsed();
    warnings.extend(fitted.warnings.iter().map(ToString::to_string));
    Ok(Learned {
        model: fitted.model,
        took,
        points,
        warnings,
    })
}

fn outcome<T>(fitted: &Result<T, Error>) -> &'static str {
    match fitted {
        Ok(_) => "fitted",
        Err(Error::NotStored(_) | Error::NotPublished(_)) => "not_durable",
        Err(_) => "refused",
    }
}
