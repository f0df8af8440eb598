//! Helpers that tests of the predictor share: models in a store, what was published, HTTP over a socket.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use bus::Subscription;
use contract::{
    DetectorName, FitOptions, InferenceBatch, LatencyHistogram, MetricsEvent, Point, Revision,
    SeriesId, Source, Version,
};
use detector::{Model, StoredModel};
use store::{NewModel, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Points with these values, a minute apart.
pub(crate) fn points(values: &[f64]) -> Vec<Point> {
    let timestamps = (0..).step_by(60);
    timestamps
        .zip(values)
        .map(|(timestamp, &value)| Point { timestamp, value })
        .collect()
}

/// Stores the next version of `series`, ready, and tells nobody.
pub(crate) async fn store_model(
    store: &Store,
    series: &str,
    values: &[f64],
) -> anyhow::Result<(Version, Revision)> {
    let points = points(values);
    let fitted = Model::fit(&points, &FitOptions::default(), DetectorName::Auto)?;
    store_fitted(store, series, &fitted.model.into()).await
}

/// Stores `model` as the next version of `series`, ready.
pub(crate) async fn store_fitted(
    store: &Store,
    series: &str,
    model: &StoredModel,
) -> anyhow::Result<(Version, Revision)> {
    let new = NewModel {
        model,
        fit_ms: 1.0,
        first_timestamp: 0,
        last_timestamp: 0,
        source: Source::Fit,
    };
    let series = SeriesId::new(series)?;
    let version = store.insert_pending(&series, &new).await?;
    Ok((version, store.mark_ready(&series, version).await?))
}

/// Asks until `condition` holds; fails with what it said last.
pub(crate) async fn eventually<T>(
    mut condition: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        match condition().await {
            Err(_) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            last => return last,
        }
    }
}

/// Adds up what was published until `count` predictions are in.
pub(crate) async fn published(
    events: &mut Subscription<MetricsEvent>,
    count: u64,
) -> anyhow::Result<InferenceBatch> {
    let mut sum = InferenceBatch::default();
    let mut histogram = LatencyHistogram::default();
    while sum.count.unwrap_or(0) < count {
        let batch = events.next_batch(100, Duration::ZERO);
        for message in tokio::time::timeout(Duration::from_secs(30), batch).await?? {
            let Ok(MetricsEvent::Inference(batch)) = message.event else {
                anyhow::bail!("{:?}", message.event);
            };
            let n = batch.count.context("no count")?;
            *sum.count.get_or_insert(0) += n;
            sum.latency_ms += batch.latency_ms * n as f64;
            histogram.merge(&batch.histogram.context("no histogram")?);
            for (series, used) in batch.usage {
                *sum.usage.entry(series).or_default() += used;
            }
        }
    }
    sum.histogram = Some(histogram);
    Ok(sum)
}

/// One request on a connection of its own; the whole reply.
pub(crate) async fn exchange(
    addr: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(addr).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: predictor\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    socket.read_to_string(&mut reply).await?;
    Ok(reply)
}
