//! How often the store is asked. A binary of its own: Prometheus counts for a whole process.

use std::time::Duration;

use axum::{body::Body, http::Request};
use bus::Bus;
use contract::{DetectorName, FitOptions, Point, SeriesId};
use detector::Model;
use predictor::{Backends, Predictor, Settings};
use stats::Stats;
use store::{NewModel, Store};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// The value of a counter of this process.
fn counter(name: &str) -> f64 {
    let families = prometheus::gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(f64::NAN, |family| {
        family.get_metric()[0].get_counter().get_value()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_on_a_cold_series_asks_the_store_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let backends = Backends {
        bus: Bus::log(&dir.path().join("bus.db")).await?,
        store: Store::sqlite(&dir.path().join("store.db")).await?,
        stats: Stats::sqlite(&dir.path().join("stats.db")).await?,
    };
    let points = [1.0, 2.0, 3.0].map(|value| Point {
        timestamp: 0,
        value,
    });
    let series = SeriesId::new("s")?;
    let model = Model::fit(&points, &FitOptions::default(), DetectorName::Sigma)?.model;
    let new = NewModel::fitted(&model, &points, Duration::ZERO);
    let version = backends.store.insert_pending(&series, &new).await?;
    backends.store.mark_ready(&series, version).await?;

    let router = Predictor::embedded(Settings::default(), backends).router();
    let mut requests = JoinSet::new();
    for path in ["/predict/s", "/predict/nobody"].repeat(250) {
        let body = Body::from(r#"{"timestamp":4,"value":2.0}"#);
        let request = Request::post(path).body(body)?;
        requests.spawn(router.clone().oneshot(request));
    }
    let mut statuses = Vec::new();
    for reply in requests.join_all().await {
        statuses.push(reply?.status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 250], [404; 250]].concat());
    assert_eq!(counter("anomaly_predictor_model_loads_total"), 2.0);
    Ok(())
}
