//! Fresh databases for tests, which go when the test ends.

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use contract::{SeriesId, TrainingData};
use detector::StoredModel;
use futures_util::FutureExt;
use sqlx::{Connection, PgConnection, SqliteConnection, migrate::Migrator};
use store::{NewModel, PostgresConfig, SslMode, Store, StoreError, VersionedModel};
use tempfile::TempDir;

/// A database of one test.
pub(crate) trait Backend: Sized {
    /// One hour, as subtracted from a time.
    const HOUR: &str;
    /// The present time, as stored.
    const NOW: &str;
    /// Lets no offset above 1 be stored.
    const STOP_OFFSETS: &str;
    /// Undoes [`Self::STOP_OFFSETS`].
    const LET_OFFSETS_GO: &str;
    /// Lets no stream be stored whose id is `bad`.
    const STOP_STREAMS: &str;
    /// Undoes [`Self::STOP_STREAMS`].
    const LET_STREAMS_GO: &str;
    /// Lets no event of an incident into the outbox.
    const STOP_EVENTS: &str;
    /// Undoes [`Self::STOP_EVENTS`].
    const LET_EVENTS_GO: &str;

    /// Makes an empty database.
    async fn fresh() -> Result<Self>;

    /// Takes everything out of it and makes the tables that there were at first.
    async fn first_schema(&self) -> Result<()>;

    /// The statement that stores the points of `event`, past the store.
    fn insert_points(event: &TrainingData) -> String;

    /// Opens a store in it, as a process would.
    async fn open(&self) -> Result<Store>;

    /// Runs SQL past the store.
    async fn execute(&self, sql: &str) -> Result<()>;

    /// The one number that `sql` selects.
    async fn number(&self, sql: &str) -> Result<i64>;

    /// The one text that `sql` selects.
    async fn text(&self, sql: &str) -> Result<String>;

    /// Removes the database, in use or not.
    async fn remove(self) -> Result<()>;
}

/// Runs `test` on a fresh database, and removes that however the test ends.
pub(crate) async fn run<B: Backend>(test: impl AsyncFnOnce(&B) -> Result<()>) -> Result<()> {
    let backend = B::fresh().await?;
    let outcome = AssertUnwindSafe(test(&backend)).catch_unwind().await;
    backend.remove().await?;
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// A file in a folder of its own.
pub(crate) struct Sqlite(TempDir);

impl Sqlite {
    /// The database.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    async fn connect(&self) -> Result<SqliteConnection> {
        let path = self.path();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        Ok(SqliteConnection::connect_with(&options).await?)
    }
}

impl Backend for Sqlite {
    const HOUR: &str = "3600000";
    const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    const STOP_OFFSETS: &str = "
        CREATE TRIGGER stop BEFORE INSERT ON consumer_offsets WHEN NEW.next_offset > 1
        BEGIN SELECT RAISE(ABORT, 'stopped'); END";
    const LET_OFFSETS_GO: &str = "DROP TRIGGER stop";
    const STOP_STREAMS: &str = "
        CREATE TRIGGER stop BEFORE INSERT ON stream_sessions WHEN NEW.series_id = 'bad'
        BEGIN SELECT RAISE(ABORT, 'stopped'); END";
    const LET_STREAMS_GO: &str = "DROP TRIGGER stop";
    const STOP_EVENTS: &str = "
        CREATE TRIGGER stop BEFORE INSERT ON outbox WHEN NEW.channel = 'incident'
        BEGIN SELECT RAISE(ABORT, 'stopped'); END";
    const LET_EVENTS_GO: &str = "DROP TRIGGER stop";

    async fn fresh() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    async fn first_schema(&self) -> Result<()> {
        std::fs::File::create(self.path())?;
        let mut connection = self.connect().await?;
        first_schema(include_str!(
            "../../migrations/sqlite/0001_models_and_training_points.sql"
        ))
        .run_direct(&mut connection)
        .await?;
        Ok(())
    }

    fn insert_points(event: &TrainingData) -> String {
        let bytes = event.data.iter().flat_map(|point| {
            let timestamp = point.timestamp.to_le_bytes();
            timestamp.into_iter().chain(point.value.to_le_bytes())
        });
        let blob: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        let (version, at) = (event.version.number(), event.first_position());
        format!(
            "INSERT INTO training_data VALUES ('{}', {version}, {at}, x'{blob}')",
            event.series_id
        )
    }

    async fn open(&self) -> Result<Store> {
        Ok(Store::sqlite(&self.path()).await?)
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        sqlx::raw_sql(sql)
            .execute(&mut self.connect().await?)
            .await?;
        Ok(())
    }

    async fn number(&self, sql: &str) -> Result<i64> {
        let mut connection = self.connect().await?;
        Ok(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)
    }

    async fn text(&self, sql: &str) -> Result<String> {
        let mut connection = self.connect().await?;
        Ok(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)
    }

    async fn remove(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

/// A database on the server of `TEST_DATABASE_URL`, and how the store connects to it.
pub(crate) struct Postgres<A = Direct> {
    server: String,
    database: String,
    access: PhantomData<A>,
}

/// How the store connects to a database.
pub(crate) trait Access {
    /// The settings for the database `name` of `server`, an address without a database.
    fn config(server: &str, name: &str) -> Result<PostgresConfig>;
}

/// As the tests do.
pub(crate) struct Direct;

impl Access for Direct {
    fn config(server: &str, name: &str) -> Result<PostgresConfig> {
        Ok(config(format!("{server}/{name}")))
    }
}

impl<A: Access> Postgres<A> {
    /// The address of the database.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.database)
    }

    async fn on_server(&self, sql: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&format!("{}/postgres", self.server)).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

impl<A: Access> Backend for Postgres<A> {
    const HOUR: &str = "interval '1 hour'";
    const NOW: &str = "clock_timestamp()";
    const STOP_OFFSETS: &str =
        "ALTER TABLE consumer_offsets ADD CONSTRAINT stop CHECK (next_offset <= 1)";
    const LET_OFFSETS_GO: &str = "ALTER TABLE consumer_offsets DROP CONSTRAINT stop";
    const STOP_STREAMS: &str =
        "ALTER TABLE stream_sessions ADD CONSTRAINT stop CHECK (series_id <> 'bad')";
    const LET_STREAMS_GO: &str = "ALTER TABLE stream_sessions DROP CONSTRAINT stop";
    const STOP_EVENTS: &str =
        "ALTER TABLE outbox ADD CONSTRAINT stop CHECK (channel <> 'incident')";
    const LET_EVENTS_GO: &str = "ALTER TABLE outbox DROP CONSTRAINT stop";

    async fn fresh() -> Result<Self> {
        let url = variable("TEST_DATABASE_URL")?;
        let (server, _) = url.rsplit_once('/').context("it names no database")?;
        let nonce: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(12)
            .collect();
        let backend = Self {
            server: server.to_owned(),
            database: format!("store_test_{}", nonce.to_lowercase()),
            access: PhantomData,
        };
        let create = format!("CREATE DATABASE {}", backend.database);
        backend.on_server(&create).await?;
        backend.open().await?.migrate().await?;
        Ok(backend)
    }

    async fn first_schema(&self) -> Result<()> {
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await?;
        let mut connection = PgConnection::connect(&self.url()).await?;
        first_schema(include_str!(
            "../../migrations/postgres/0001_models_and_training_points.sql"
        ))
        .run_direct(&mut connection)
        .await?;
        Ok(connection.close().await?)
    }

    fn insert_points(event: &TrainingData) -> String {
        let (series, version) = (&event.series_id, event.version.number());
        let rows = (event.first_position()..)
            .zip(&event.data)
            .map(|(at, point)| {
                let (timestamp, value) = (point.timestamp, point.value);
                format!("('{series}', {version}, {at}, '{timestamp}', '{value}')")
            });
        let rows: Vec<String> = rows.collect();
        format!("INSERT INTO training_data VALUES {}", rows.join(", "))
    }

    async fn open(&self) -> Result<Store> {
        Ok(Store::postgres(&A::config(&self.server, &self.database)?)?)
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    async fn number(&self, sql: &str) -> Result<i64> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        Ok(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)
    }

    async fn text(&self, sql: &str) -> Result<String> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        Ok(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)
    }

    async fn remove(self) -> Result<()> {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        self.on_server(&drop).await
    }
}

/// The tables as the first version had them.
fn first_schema(sql: &'static str) -> Migrator {
    sqlite::migrator(&[("0001_models_and_training_points.sql", sql)])
}

/// `model` as one that was fitted here.
pub(crate) fn fitted(model: &StoredModel) -> NewModel<'_> {
    NewModel::fitted(model, &[], Duration::ZERO)
}

/// The model that judges in `series`.
pub(crate) async fn serving(
    store: &Store,
    series: &SeriesId,
) -> Result<Option<VersionedModel>, StoreError> {
    Ok(store.serving(series).await?.model)
}

/// The error of what must not succeed.
pub(crate) fn error_of<T, E>(failed: Result<T, E>) -> Result<E> {
    match failed {
        Ok(_) => anyhow::bail!("succeeded"),
        Err(error) => Ok(error),
    }
}

/// The settings of a store at `url`.
pub(crate) fn config(url: String) -> PostgresConfig {
    PostgresConfig {
        database_url: Some(url),
        postgres_host: String::new(),
        postgres_port: 0,
        postgres_db: String::new(),
        postgres_user: String::new(),
        postgres_password: None,
        postgres_password_file: None,
        postgres_max_connections: 4,
        postgres_ssl_mode: SslMode::default(),
        postgres_ssl_ca: None,
        postgres_ssl_certificate: None,
        postgres_ssl_key: None,
        postgres_statement_cache: 100,
    }
}

/// Where a server of the tests is.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own"
)]
pub(crate) fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}
