//! A predictor whose models the test itself puts into the store.

use anyhow::{Context, ensure};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use bus::Bus;
use clap::Parser;
use contract::{AliasName, ModelEvent, Revision, SeriesId, Version, VersionRef};
use http_body_util::BodyExt;
use http_server::with_context;
use predictor::{Backends, Config, Predictor, Settings};
use serde_json::Value;
use stats::Stats;
use store::{Precondition, Store};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::store_model;

pub(crate) const NORMAL: &str = r#"{"timestamp":4,"value":2.0}"#;
pub(crate) const ANOMALOUS: &str = r#"{"timestamp":4,"value":99.0}"#;

pub(crate) struct Fixture {
    _dir: TempDir,
    pub(crate) backends: Backends,
    router: Router,
    running: Option<(JoinHandle<Option<anyhow::Result<()>>>, CancellationToken)>,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The text as JSON, if it is.
    pub(crate) body: Value,
}

impl Fixture {
    /// Its routes alone: nothing goes on in the background.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> anyhow::Result<Self> {
        let (dir, backends) = backends().await?;
        let predictor = Predictor::embedded(settings, backends.clone());
        Ok(Self {
            _dir: dir,
            backends,
            router: with_context(predictor.router()),
            running: None,
        })
    }

    /// Follows changes and reports metrics, too.
    pub(crate) async fn running() -> anyhow::Result<Self> {
        let (dir, backends) = backends().await?;
        Ok(Self::run(dir, backends))
    }

    pub(crate) fn run(dir: TempDir, backends: Backends) -> Self {
        let predictor = Predictor::embedded(Settings::default(), backends.clone());
        let router = with_context(predictor.router());
        let stop = CancellationToken::new();
        let served = service::task::spawn("predictor", predictor.serve(stop.clone()));
        Self {
            _dir: dir,
            backends,
            router,
            running: Some((served, stop)),
        }
    }

    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let (served, stop) = self.running.take().context("is not running")?;
        stop.cancel();
        served.await?.context("predictor panicked")?
    }

    /// Stores the next version of `series` and tells nobody. All of them know 1, 2 and 3 to be normal.
    pub(crate) async fn store(&self, series: &str) -> anyhow::Result<(Version, Revision)> {
        store_model(&self.backends.store, series, &[1.0, 2.0, 3.0]).await
    }

    /// Has `alias` name `version`, and tells nobody.
    pub(crate) async fn alias(
        &self,
        series: &str,
        alias: &str,
        version: &str,
    ) -> anyhow::Result<Revision> {
        let (series, alias) = (SeriesId::new(series)?, AliasName::new(alias)?);
        let version: VersionRef = version.parse()?;
        let store = &self.backends.store;
        let changed = store.set_alias(&series, &alias, &version, &Precondition::Any);
        Ok(changed.await?.revision)
    }

    /// Removes a version, and tells nobody.
    pub(crate) async fn delete(&self, series: &str, version: &str) -> anyhow::Result<Revision> {
        let (series, version) = (SeriesId::new(series)?, version.parse()?);
        let store = &self.backends.store;
        let changed = store.delete_model(&series, &version, &Precondition::Any);
        Ok(changed.await?.revision)
    }

    pub(crate) async fn publish(&self, event: ModelEvent) -> anyhow::Result<()> {
        Ok(self.backends.bus.publish([event], None).await?)
    }

    /// `series` may be followed by a query.
    pub(crate) async fn predict(&self, series: &str, body: &str) -> anyhow::Result<Reply> {
        self.post(&format!("/predict/{series}"), body).await
    }

    /// As the gateway asks that knows the series to be at `revision`.
    pub(crate) async fn predict_since(
        &self,
        series: &str,
        revision: Revision,
    ) -> anyhow::Result<Reply> {
        let headers = [("x-min-revision", &*revision.to_string())];
        self.send("POST", &format!("/predict/{series}"), &headers, NORMAL)
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("POST", path, &[], body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned()))?;
        let reply = self.router.clone().oneshot(request).await?;
        let (head, body) = reply.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().into())?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        })
    }

    /// The version that judges `series`; this may be followed by a query.
    pub(crate) async fn judge(&self, series: &str) -> anyhow::Result<String> {
        self.predict(series, NORMAL).await?.version()
    }
}

impl Reply {
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        (self.status.as_u16(), text("code"), text("detail"))
    }

    /// The version that judged.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        ensure!(
            self.status == StatusCode::OK,
            "{} {}",
            self.status,
            self.text
        );
        let version = &self.body["model_version"];
        Ok(version.as_str().context("no version")?.to_owned())
    }

    /// The faults of the request.
    pub(crate) fn fault(&self) -> &str {
        self.body["errors"][0]["detail"]
            .as_str()
            .unwrap_or_default()
    }
}

pub(crate) async fn backends() -> anyhow::Result<(TempDir, Backends)> {
    let dir = tempfile::tempdir()?;
    let backends = Backends {
        bus: Bus::sqlite(&dir.path().join("bus.db")).await?,
        store: Store::sqlite(&dir.path().join("store.db")).await?,
        stats: Stats::sqlite(&dir.path().join("stats.db")).await?,
    };
    Ok((dir, backends))
}

/// Kafka and Redis that are not there.
pub(crate) fn nowhere() -> anyhow::Result<Config> {
    let args = ["--kafka-brokers=127.0.0.1:1", "--redis-port=1"];
    Ok(Config::try_parse_from(
        ["predictor"].into_iter().chain(args),
    )?)
}
