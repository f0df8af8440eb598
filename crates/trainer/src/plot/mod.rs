//! Draws the training points of a model and its verdicts on them, and judged series.

mod columns;
pub(crate) mod detect;
mod model;
pub(crate) mod query;

use std::time::{Duration, Instant};

use bytes::Bytes;
use chart::Chart;
use contract::{DetectorName, Point, TimeUnit, Timestamp};
use detector::StoredModel;
use service::work::CorePool;
use store::{Store, TrainingPoints, VersionedModel};
use tokio::{sync::Semaphore, time::sleep};

use self::{
    model::{changes_in, chart_of},
    query::{Format, JudgedQuery, PlotQuery, View},
};
use crate::{error::Error, metrics};

/// The most plots in progress at once. Each may hold a million points.
const MAX_PLOTS: usize = 8;

/// The longest wait for points that are still on their way to the database.
const STORED_WITHIN: Duration = Duration::from_secs(2);

/// The first and the longest pause between two looks at the database.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// Draws plots, several at a time.
pub(crate) struct Plotter {
    store: Store,
    /// The detector of a request that does not name one.
    default_detector: DetectorName,
    slots: Semaphore,
    cores: CorePool,
}

impl Plotter {
    pub(crate) fn new(store: Store, default_detector: DetectorName) -> Self {
        Self {
            store,
            default_detector,
            slots: Semaphore::new(MAX_PLOTS),
            cores: CorePool::new(),
        }
    }

    /// The picture that `query` asks for.
    pub(crate) async fn plot(&self, query: PlotQuery) -> Result<Vec<u8>, Error> {
        measured(self.read_and_draw(query)).await
    }

    /// The picture of the points in `body`, judged as `/v1/detect` does.
    pub(crate) async fn plot_judged(
        &self,
        query: JudgedQuery,
        body: Bytes,
    ) -> Result<Vec<u8>, Error> {
        measured(self.judge_and_draw(query, body)).await
    }

    async fn read_and_draw(&self, query: PlotQuery) -> Result<Vec<u8>, Error> {
        let _slot = self.slots.try_acquire().map_err(|_| Error::Overloaded)?;
        let (model, points) = self.points(&query).await?;
        let core = self.cores.acquire().await;
        core.run(move || {
            let VersionedModel { version, model } = &model;
            match model {
                StoredModel::Univariate(model) => {
                    let chart = chart_of(&query.series, *version, model, points);
                    let mut chart = visible(chart, &query.view)?;
                    chart.changes = changes_in(&chart.points);
                    draw(&[chart], &query.view)
                }
                StoredModel::Multivariate(model) => {
                    let charts = columns::charts_of(&query.series, *version, model, &points);
                    draw(&all_visible(charts, &query.view)?, &query.view)
                }
            }
        })
        .await
    }

    async fn judge_and_draw(&self, query: JudgedQuery, body: Bytes) -> Result<Vec<u8>, Error> {
        let _slot = self.slots.try_acquire().map_err(|_| Error::Overloaded)?;
        let core = self.cores.acquire().await;
        let default = self.default_detector;
        core.run(move || {
            let charts = detect::judged(&body, query.title, default)?;
            drop(body);
            draw(&all_visible(charts, &query.view)?, &query.view)
        })
        .await
    }

    /// The model and its points, as soon as all of them are stored.
    async fn points(&self, query: &PlotQuery) -> Result<(VersionedModel, Vec<Point>), Error> {
        let deadline = Instant::now() + STORED_WITHIN;
        let (mut pause, longest) = PAUSES;
        loop {
            let found = self
                .store
                .training_points(&query.series, query.version.as_ref());
            match found.await.map_err(Error::NotRead)? {
                TrainingPoints::Complete(model, points) => return Ok((model, points)),
                TrainingPoints::NoModel => return Err(Error::NoTrainingData),
                TrainingPoints::Incomplete if Instant::now() + pause > deadline => {
                    return Err(Error::TrainingDataPending);
                }
                TrainingPoints::Incomplete => sleep(pause).await,
            }
            pause = (pause * 2).min(longest);
        }
    }
}

/// Counts how `drawing` ends, and how long it takes if it ends well.
async fn measured(drawing: impl Future<Output = Result<Vec<u8>, Error>>) -> Result<Vec<u8>, Error> {
    let started = Instant::now();
    let drawn = drawing.await;
    metrics::PLOTS.with_label_values(&[outcome(&drawn)]).inc();
    if drawn.is_ok() {
        metrics::PLOT_DURATION.observe(started.elapsed().as_secs_f64());
    }
    drawn
}

/// The part of `chart` that is shown.
fn visible(chart: Chart, view: &View) -> Result<Chart, Error> {
    let unit = chart.points.last();
    let unit = unit.and_then(|point| TimeUnit::guess(point.timestamp));
    let end = |time: Option<Timestamp>| time.map(|time| time.in_unit(unit));
    let part = chart.between(end(view.from), end(view.to));
    part.ok_or(Error::NoPointsInRange)
}

/// The part of as many of `charts` as fit into the picture that is shown.
fn all_visible(charts: Vec<Chart>, view: &View) -> Result<Vec<Chart>, Error> {
    let fitting = charts.into_iter().take(columns::fitting(view.size.height));
    fitting.map(|chart| visible(chart, view)).collect()
}

fn draw(charts: &[Chart], view: &View) -> Result<Vec<u8>, Error> {
    let svg = chart::to_stacked_svg(charts, view.size);
    match view.format {
        Format::Svg => Ok(svg.into_bytes()),
        Format::Png => Ok(chart::to_png(&svg)?),
    }
}

fn outcome(drawn: &Result<Vec<u8>, Error>) -> &'static str {
    match drawn {
        Ok(_) => "drawn",
        Err(Error::NoTrainingData | Error::NoPointsInRange) => "missing",
        Err(Error::TrainingDataPending) => "pending",
        Err(Error::Overloaded) => "overloaded",
        Err(_) => "failed",
    }
}
