//! A trainer over a log, a store and figures in one temporary folder, and ways to look at them and
//! to break them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use bus::{Bus, Message, OffsetSource, Subscription};
use bytes::Bytes;
use clap::Parser;
use contract::{Event, Revision, SeriesId, TrainingData};
use http_body_util::BodyExt;
use http_server::with_context;
use serde_json::Value;
use sqlite::Durability;
use sqlx::{Sqlite, pool::PoolConnection};
use stats::Stats;
use store::Store;
use tempfile::TempDir;
use tower::ServiceExt;
use trainer::{Backends, Config, Settings, Trainer};

/// Three points that can be fitted.
pub(crate) const THREE: &str =
    r#"{"timestamps":[1693459200,1693459260,1693459320],"values":[10.0,10.5,11.0]}"#;

/// Fails every insert of an event; `%` stands for the topics that are meant.
const BROKEN_BUS: &str = "CREATE TRIGGER broken BEFORE INSERT ON events WHEN NEW.topic LIKE '%' \
                          BEGIN SELECT RAISE(ABORT, 'broken by the test'); END";
const REPAIRED: &str = "DROP TRIGGER broken";

pub(crate) struct Fixture {
    dir: TempDir,
    pub(crate) backends: Backends,
    pub(crate) router: Router,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Fixture {
    pub(crate) async fn new() -> anyhow::Result<Self> {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let stats = Stats::sqlite(&dir.path().join("stats.db")).await?;
        Self::over(dir, stats, settings).await
    }

    /// With a Redis that is away.
    pub(crate) async fn without_figures() -> anyhow::Result<Self> {
        let config = Config::try_parse_from(["trainer", "--redis-port=1"])?;
        Self::over(
            tempfile::tempdir()?,
            Stats::redis(&config.redis)?,
            config.settings,
        )
        .await
    }

    async fn over(dir: TempDir, stats: Stats, settings: Settings) -> anyhow::Result<Self> {
        let backends = Backends {
            bus: Bus::sqlite(&dir.path().join("bus.db")).await?,
            store: Store::sqlite(&dir.path().join("store.db")).await?,
            stats,
        };
        let trainer = Trainer::embedded(settings, backends.clone());
        Ok(Self {
            dir,
            router: with_context(trainer.router()),
            backends,
        })
    }

    pub(crate) async fn fit(&self, series: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("POST", &format!("/fit/{series}"), body.to_owned())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send("GET", path, Body::empty()).await
    }

    /// A fixture in which `s` was fitted `times` times.
    pub(crate) async fn fitted(times: usize) -> anyhow::Result<Self> {
        let fixture = Self::new().await?;
        for _ in 0..times {
            ensure!(fixture.fit("s", THREE).await?.status == 200);
        }
        Ok(fixture)
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("PUT", path, body.to_owned()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("POST", path, body.to_owned()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Reply> {
        self.send("DELETE", path, "").await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> anyhow::Result<Reply> {
        self.send_with(method, path, &[], body).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = self
            .router
            .clone()
            .oneshot(request.body(body.into())?)
            .await?;
        let (head, body) = reply.into_parts();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// The version of `series` that judges, as text.
    pub(crate) async fn serving(&self, series: &str) -> anyhow::Result<Option<String>> {
        let store = &self.backends.store;
        let serving = store.serving(&SeriesId::new(series)?).await?;
        Ok(serving.model.map(|model| model.version.to_string()))
    }

    /// Every event that was ever published on `E`'s topic, once there are `count`.
    pub(crate) async fn published<E: Event>(&self, count: usize) -> anyhow::Result<Vec<E>> {
        let events = self.messages::<E>(count).await?;
        let events = events
            .into_iter()
            .map(|m| m.event.map_err(anyhow::Error::msg));
        events.collect()
    }

    pub(crate) async fn messages<E: Event>(&self, count: usize) -> anyhow::Result<Vec<Message<E>>> {
        let mut events: Subscription<E> = self.backends.bus.subscribe("test", from_start())?;
        let mut found = Vec::new();
        while found.len() < count {
            let batch = events.next_batch(100, Duration::ZERO);
            found.extend(tokio::time::timeout(Duration::from_secs(30), batch).await??);
        }
        ensure!(found.len() == count, "{} events", found.len());
        Ok(found)
    }

    /// Does the consumer's work: stores the points of the first `count` messages.
    pub(crate) async fn store_points(&self, count: usize) -> anyhow::Result<()> {
        let messages = self.messages::<TrainingData>(count).await?;
        let deliveries: Vec<_> = messages
            .iter()
            .map(|message| message.delivery(message.event.as_ref().ok()))
            .collect();
        let store = &self.backends.store;
        store
            .apply_training_data("test", "training-data", &deliveries)
            .await?;
        Ok(())
    }

    /// From now on no event whose topic is like `topics` can be published.
    pub(crate) async fn break_bus(&self, topics: &str) -> anyhow::Result<()> {
        execute(
            &self.file("bus.db"),
            &BROKEN_BUS.replace("'%'", &format!("'{topics}'")),
        )
        .await
    }

    pub(crate) async fn repair_bus(&self) -> anyhow::Result<()> {
        execute(&self.file("bus.db"), REPAIRED).await
    }

    /// From now on no model can become ready.
    pub(crate) async fn break_store(&self) -> anyhow::Result<()> {
        let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON models \
                       BEGIN SELECT RAISE(ABORT, 'broken by the test'); END";
        execute(&self.file("store.db"), trigger).await
    }

    pub(crate) async fn repair_store(&self) -> anyhow::Result<()> {
        self.in_store(REPAIRED).await
    }

    /// Does `sql` to the store behind its back.
    pub(crate) async fn in_store(&self, sql: &str) -> anyhow::Result<()> {
        execute(&self.file("store.db"), sql).await
    }

    /// Holds up everything that is published until it is dropped.
    pub(crate) async fn hold_bus(&self) -> anyhow::Result<Held> {
        let database = sqlite::open(&self.file("bus.db"), Durability::Normal).await?;
        let mut connection = database.pool().acquire().await?;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        Ok(Held(connection))
    }

    /// How many models are stored, ready or not.
    pub(crate) async fn models(&self) -> anyhow::Result<i64> {
        let database = sqlite::open(&self.file("store.db"), Durability::Normal).await?;
        let count = sqlx::query_scalar("SELECT count(*) FROM models")
            .fetch_one(database.pool())
            .await?;
        database.pool().close().await;
        Ok(count)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// The bus' database, locked.
pub(crate) struct Held(PoolConnection<Sqlite>);

impl Held {
    pub(crate) async fn release(mut self) -> anyhow::Result<()> {
        sqlx::query("ROLLBACK").execute(&mut *self.0).await?;
        Ok(())
    }
}

impl Reply {
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }

    /// Status, code and detail of a problem.
    pub(crate) fn refusal(&self) -> anyhow::Result<(u16, String, String)> {
        let body = self.json()?;
        let text = |name: &str| body[name].as_str().map(str::to_owned).context("missing");
        Ok((self.status.as_u16(), text("code")?, text("detail")?))
    }

    /// The version that a fit or an import was given.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let version = self.json()?["version"].as_str().map(str::to_owned);
        let body = String::from_utf8_lossy(&self.body);
        version.with_context(|| format!("{} without a version: {body}", self.status))
    }

    /// The header `name`.
    pub(crate) fn header(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.headers.get(name).with_context(|| {
            let body = String::from_utf8_lossy(&self.body);
            format!("{} without {name}: {body}", self.status)
        })?;
        Ok(value.to_str()?)
    }

    /// The revision in the header that the gateway reads.
    pub(crate) fn revision(&self) -> anyhow::Result<Revision> {
        Ok(self.header("x-series-revision")?.parse()?)
    }
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

async fn execute(path: &Path, sql: &str) -> anyhow::Result<()> {
    let database = sqlite::open(path, Durability::Normal).await?;
    sqlx::query(sql).execute(database.pool()).await?;
    database.pool().close().await;
    Ok(())
}

fn from_start() -> OffsetSource {
    Arc::new(|_| Box::pin(async { Ok(Vec::new()) }))
}
