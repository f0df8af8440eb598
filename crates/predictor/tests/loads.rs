//! How often the store is asked. A binary of its own: Prometheus counts for a whole process.

#[expect(dead_code, reason = "each test binary uses a part of it")]
mod support;

use std::time::Instant;

use axum::{body::Body, http::Request};
use bus::Bus;
use predictor::{Backends, Predictor, Settings};
use stats::Stats;
use store::Store;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::support::store_model;

/// The value of a counter of this process.
fn counter(name: &str) -> f64 {
    let families = prometheus::gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(f64::NAN, |family| {
        family.get_metric()[0].get_counter().get_value()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_on_cold_models_asks_the_store_once_for_each() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let backends = Backends {
        bus: Bus::sqlite(&dir.path().join("bus.db")).await?,
        store: Store::sqlite(&dir.path().join("store.db")).await?,
        stats: Stats::sqlite(&dir.path().join("stats.db")).await?,
    };
    store_model(&backends.store, "s", &[1.0, 2.0, 3.0]).await?;
    store_model(&backends.store, "s", &[1.0, 2.0, 3.0]).await?;

    let router = Predictor::embedded(Settings::default(), backends).router();
    let (mut requests, began) = (JoinSet::new(), Instant::now());
    for path in ["/predict/s", "/predict/nobody", "/predict/s?version=v1"].repeat(250) {
        let body = Body::from(r#"{"timestamp":4,"value":2.0}"#);
        let request = Request::post(path).body(body)?;
        requests.spawn(router.clone().oneshot(request));
    }
    let mut statuses = Vec::new();
    for reply in requests.join_all().await {
        statuses.push(reply?.status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 250], [200; 250], [404; 250]].concat());
    // A series that does not exist is looked for again after a second.
    let loads = counter("anomaly_predictor_model_loads_total");
    let most = 3.0 + began.elapsed().as_secs_f64().floor();
    assert!((3.0..=most).contains(&loads), "{loads}, not {most}");
    Ok(())
}
