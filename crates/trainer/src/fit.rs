//! Fitting a series.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bus::{Bus, TraceParent};
use bytes::Bytes;
use contract::{
    DetectorName, FitReply, FitRequest, MetricsEvent, Parsed, Point, Revision, SeriesId,
};
use detector::Model;
use service::work::CorePool;
use store::{NewModel, Precondition};

use crate::{context::ChangeContext, error::Error, metrics, publish::Publisher};

/// Fits series. A fit that has begun is finished, whether or not the client waits for it.
pub(crate) struct Fitter {
    publisher: Arc<Publisher>,
    bus: Bus,
    /// The detector of a request that names none.
    default: DetectorName,
    cores: CorePool,
}

/// A fit that is durable.
pub(crate) struct Fitted {
    pub(crate) reply: FitReply,
    /// The revision of the series since then.
    pub(crate) revision: Revision,
}

/// A fitted model, and the points that it was fitted on.
struct Learned {
    model: Model,
    /// The duration of the fit itself.
    took: Duration,
    points: Vec<Point>,
    warnings: Vec<String>,
}

impl Fitter {
    pub(crate) fn new(publisher: Arc<Publisher>, bus: Bus, default: DetectorName) -> Self {
        Self {
            publisher,
            bus,
            default,
            cores: CorePool::new(),
        }
    }

    /// Fits `series` on the points in `body`. The fit that it returns is durable.
    pub(crate) async fn fit(
        &self,
        series: SeriesId,
        body: Bytes,
        trace: TraceParent,
    ) -> Result<Fitted, Error> {
        let started = Instant::now();
        let fitted = self.learn_and_keep(&series, body, trace).await;
        metrics::FITS.with_label_values(&[outcome(&fitted)]).inc();
        let fitted = fitted?;
        let took = started.elapsed();
        metrics::FIT_DURATION.observe(took.as_secs_f64());
        metrics::POINTS_FITTED.inc_by(fitted.reply.points_used as u64);
        let measured = MetricsEvent::Training {
            series_id: series,
            latency_ms: took.as_secs_f64() * 1e3,
        };
        if !self.bus.try_publish(&measured) {
            metrics::EVENTS_DROPPED.inc();
        }
        Ok(fitted)
    }

    async fn learn_and_keep(
        &self,
        series: &SeriesId,
        body: Bytes,
        trace: TraceParent,
    ) -> Result<Fitted, Error> {
        let Learned {
            model,
            took,
            points,
            warnings,
        } = self.learn(body).await?;
        let points_used = points.len();
        let new = NewModel::fitted(&model, &points, took);
        let context = ChangeContext {
            when: Precondition::Any,
            trace,
        };
        let published = self
            .publisher
            .publish(series, &new, points, context)
            .await?;
        Ok(Fitted {
            reply: FitReply {
                series_id: series.clone(),
                version: published.version,
                points_used,
                detector: model.detector(),
                warnings: warnings.into_iter().chain(published.warning()).collect(),
                serving: published.serving_instead(),
            },
            revision: published.revision,
        })
    }

    async fn learn(&self, body: Bytes) -> Result<Learned, Error> {
        let default = self.default;
        let core = self.cores.acquire().await;
        core.run(move || learn(body, default)).await
    }
}

/// Parses `body` and fits a model. Takes about a microsecond a point for the simplest detector.
fn learn(body: Bytes, default: DetectorName) -> Result<Learned, Error> {
    let Parsed {
        body: mut request,
        mut warnings,
    } = FitRequest::parse(&body)?;
    drop(body);
    let options = std::mem::take(&mut request.options);
    let points = request.into_points().ok_or(Error::LengthMismatch)?;
    let started = Instant::now();
    let fitted = Model::fit(&points, &options, default)?;
    warnings.extend(fitted.warnings.iter().map(ToString::to_string));
    Ok(Learned {
        model: fitted.model,
        took: started.elapsed(),
        points,
        warnings,
    })
}

fn outcome(fitted: &Result<Fitted, Error>) -> &'static str {
    match fitted {
        Ok(_) => "fitted",
        Err(Error::NotStored(_) | Error::NotPublished(_)) => "not_durable",
        Err(_) => "refused",
    }
}
