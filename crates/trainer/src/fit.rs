//! Fitting a series.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bus::{Bus, TraceParent};
use bytes::Bytes;
use contract::{
    ColumnsFitRequest, DetectorName, FitReply, FitRequest, MetricsEvent, Parsed, Point, Requested,
    Revision, SeriesId, Table, TimeUnit,
};
use detector::{Column, Fitted, JointlyFitted, Model, MultivariateModel, StoredModel};
use service::work::CorePool;
use store::{NewModel, Precondition, Store};

use crate::{
    context::ChangeContext,
    error::Error,
    metrics,
    once::Once,
    publish::{Published, Publisher},
    room::Room,
};

/// Fits series. A fit that has begun is finished, whether or not the client waits for it.
pub(crate) struct Fitter {
    publisher: Arc<Publisher>,
    room: Arc<Room>,
    store: Store,
    bus: Bus,
    /// The detector of a request that names none.
    default: DetectorName,
    cores: CorePool,
}

/// A fit that is durable.
pub(crate) struct DurableFit {
    pub(crate) reply: FitReply,
    /// The revision of the series since then.
    pub(crate) revision: Revision,
}

/// A fitted model, and the points that it was fitted on.
struct Learned {
    model: StoredModel,
    /// The duration of the fit itself.
    took: Duration,
    /// The points; those of columns follow each other, column by column.
    points: Vec<Point>,
    /// The names of the columns; empty for a series of numbers.
    columns: Vec<String>,
    warnings: Vec<String>,
}

impl Fitter {
    pub(crate) fn new(
        publisher: Arc<Publisher>,
        room: Arc<Room>,
        store: Store,
        bus: Bus,
        default: DetectorName,
    ) -> Self {
        Self {
            publisher,
            room,
            store,
            bus,
            default,
            cores: CorePool::new(),
        }
    }

    /// Fits `series` on the points in `body`. The fit that it returns is durable. It is that of an
    /// earlier try, if there was one of the request `once`.
    pub(crate) async fn fit(
        &self,
        series: SeriesId,
        body: Bytes,
        trace: TraceParent,
        once: Option<Once>,
    ) -> Result<DurableFit, Error> {
        if let Some((reply, published)) = self.publisher.earlier(&series, once.as_ref()).await? {
            return Ok(DurableFit::new(reply, &published));
        }
        let started = Instant::now();
        let context = ChangeContext {
            when: Precondition::Any,
            trace: trace.clone(),
            once,
        };
        let fitted = self.learn_and_keep(&series, body, context).await;
        metrics::FITS.with_label_values(&[outcome(&fitted)]).inc();
        let fitted = fitted?;
        let took = started.elapsed();
        metrics::FIT_DURATION.observe(took.as_secs_f64());
        metrics::POINTS_FITTED.inc_by(fitted.reply.points_used as u64);
        let measured = MetricsEvent::Training {
            series_id: series,
            latency_ms: took.as_secs_f64() * 1e3,
        };
        if !self.bus.try_publish(&measured, trace.as_deref()) {
            metrics::EVENTS_DROPPED.inc();
        }
        Ok(fitted)
    }

    async fn learn_and_keep(
        &self,
        series: &SeriesId,
        body: Bytes,
        context: ChangeContext,
    ) -> Result<DurableFit, Error> {
        self.room.check(series).await?;
        let Learned {
            model,
            took,
            points,
            columns,
            warnings,
        } = self.learn(series, body).await?;
        let points_used = usize::try_from(model.points()).unwrap_or(usize::MAX);
        let new = NewModel::fitted(&model, &points, took);
        let reply = |version| FitReply {
            series_id: series.clone(),
            version,
            points_used,
            detector: model.detector(),
            columns,
            warnings,
            serving: None,
        };
        let publishing = self.publisher.publish(series, &new, points, context, reply);
        let (reply, published) = publishing.await?;
        Ok(DurableFit::new(reply, &published))
    }

    async fn learn(&self, series: &SeriesId, body: Bytes) -> Result<Learned, Error> {
        let default = self.default;
        let spans = self.store.confirmed_spans(series).await;
        let spans = spans.map_err(Error::Unanswered)?;
        let core = self.cores.acquire().await;
        core.run(move || learn(body, default, &spans)).await
    }
}

impl DurableFit {
    /// The fit whose version is `published`, and whose `reply` says the rest.
    fn new(mut reply: FitReply, published: &Published) -> Self {
        reply.version = published.version;
        reply.warnings.extend(published.warning());
        reply.serving = published.serving_instead();
        Self {
            reply,
            revision: published.revision,
        }
    }
}

/// Parses `body` and fits a model. Takes about a microsecond a point for the simplest detector.
fn learn(body: Bytes, default: DetectorName, confirmed: &[(i64, i64)]) -> Result<Learned, Error> {
    let Parsed {
        body: request,
        mut warnings,
        unit,
    } = FitRequest::parse_any(&body)?;
    drop(body);
    let mut learned = match request {
        Requested::Series(request) => learn_series(request, unit, default, confirmed)?,
        Requested::Columns(request) => learn_columns(request, unit, default)?,
    };
    warnings.append(&mut learned.warnings);
    Ok(Learned {
        warnings,
        ..learned
    })
}

/// Leaves the points of the spans `confirmed` out, which people know to be anomalies.
fn learn_series(
    mut request: FitRequest,
    unit: Option<TimeUnit>,
    default: DetectorName,
    confirmed: &[(i64, i64)],
) -> Result<Learned, Error> {
    let options = std::mem::take(&mut request.options);
    let mut points = request.into_points().ok_or(Error::LengthMismatch)?;
    let sent = points.len();
    let is_confirmed = |point: &Point| {
        let mut spans = confirmed.iter();
        spans.any(|(began, last)| (*began..=*last).contains(&point.timestamp))
    };
    points.retain(|point| !is_confirmed(point));
    let left_out = match sent - points.len() {
        0 => None,
        1 => Some("1 point of a confirmed anomaly was left out".to_owned()),
        n => Some(format!("{n} points of confirmed anomalies were left out")),
    };
    let started = Instant::now();
    let Fitted {
        mut model,
        warnings,
    } = Model::fit(&points, &options, default)?;
    unit.into_iter().for_each(|unit| model.set_unit(unit));
    Ok(Learned {
        model: model.into(),
        took: started.elapsed(),
        points,
        columns: Vec::new(),
        warnings: left_out
            .into_iter()
            .chain(warnings.iter().map(ToString::to_string))
            .collect(),
    })
}

fn learn_columns(
    request: ColumnsFitRequest,
    unit: Option<TimeUnit>,
    default: DetectorName,
) -> Result<Learned, Error> {
    let ColumnsFitRequest { table, options } = request;
    let Table { timestamps, values } = table;
    let named = values.into_vec().into_iter();
    let columns: Vec<Column> = named
        .map(|(name, values)| Column::new(name, &timestamps, values))
        .collect();
    let started = Instant::now();
    let JointlyFitted {
        mut model,
        warnings,
    } = MultivariateModel::fit(&columns, &options, default)?;
    unit.into_iter().for_each(|unit| model.set_unit(unit));
    let warnings = warnings.iter();
    Ok(Learned {
        model: model.into(),
        took: started.elapsed(),
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        points: columns
            .into_iter()
            .flat_map(|column| column.points)
            .collect(),
        warnings: warnings
            .map(|(column, warning)| format!("{column}: {warning}"))
            .collect(),
    })
}

fn outcome(fitted: &Result<DurableFit, Error>) -> &'static str {
    match fitted {
        Ok(_) => "fitted",
        Err(error) if error.is_lack_of_room() => "no_room",
        Err(Error::NotStored(_) | Error::NotPublished(_)) => "not_durable",
        Err(_) => "refused",
    }
}
