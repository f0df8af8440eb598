//! The roles of the services can do what their services do, and nothing else.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use contract::{
    Delivery, DetectorName, FitOptions, IncidentId, Moment, Point, SeriesId, TrainingData,
};
use detector::Model;
use sqlx::{Connection, PgConnection};
use store::{Precondition, RolesConfig, Store, StoreError};
use tempfile::NamedTempFile;

use crate::backend::{Backend, Postgres, config, error_of, fitted, run, serving};

/// The tables and what may be done to them.
const TABLES: [&str; 15] = [
    "anomalies",
    "feedback",
    "incidents",
    "outbox",
    "silences",
    "stream_layout",
    "stream_partitions",
    "stream_points",
    "stream_sessions",
    "aliases",
    "consumer_offsets",
    "models",
    "receipts",
    "series",
    "training_data",
];

/// The roles of one test: roles belong to the whole server, so it has names of its own.
struct Roles {
    config: RolesConfig,
    _passwords: NamedTempFile,
}

impl Roles {
    fn of(backend: &Postgres) -> Result<Self> {
        let passwords = NamedTempFile::new()?;
        fs::write(passwords.path(), "it's a \"secret\" %s\n")?;
        let url = backend.url();
        let (_, name) = url.rsplit_once('/').context("no database")?;
        let config = RolesConfig {
            postgres_writer_user: format!("{name}-writer"),
            postgres_writer_password_file: Some(passwords.path().to_owned()),
            postgres_reader_user: format!("{name}-reader"),
            postgres_reader_password_file: Some(passwords.path().to_owned()),
            postgres_observer_user: format!("{name}-observer"),
            postgres_observer_password_file: Some(passwords.path().to_owned()),
            postgres_notifier_user: format!("{name}-notifier"),
            postgres_notifier_password_file: Some(passwords.path().to_owned()),
        };
        Ok(Self {
            config,
            _passwords: passwords,
        })
    }

    /// Removes them, for the server keeps them.
    async fn remove(&self, backend: &Postgres) -> Result<()> {
        for role in [
            &self.config.postgres_writer_user,
            &self.config.postgres_reader_user,
            &self.config.postgres_observer_user,
            &self.config.postgres_notifier_user,
        ] {
            let remove = format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
            backend.execute(&remove).await?;
        }
        Ok(())
    }
}

/// The address of the database for `role`.
fn url(backend: &Postgres, role: &str) -> Result<String> {
    let url = backend.url();
    let (_, server) = url.split_once('@').context("no user")?;
    Ok(format!("postgres://{role}@{server}"))
}

/// Whether the database refuses `sql` to `role` because it may not.
async fn is_denied(backend: &Postgres, role: &str, sql: &str) -> Result<bool> {
    let mut connection = PgConnection::connect(&url(backend, role)?).await?;
    let done = sqlx::raw_sql(sql).execute(&mut connection).await;
    let Err(error) = done else { return Ok(false) };
    let error = error.into_database_error().context("no answer")?;
    Ok(error.code().as_deref() == Some("42501"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn services_can_do_their_work_and_nothing_else() -> Result<()> {
    run::<Postgres>(async |backend| {
        let roles = Roles::of(backend)?;
        let owner = backend.open().await?;
        owner.grant(&roles.config).await?;
        // Again, and from more rights than it should have.
        let (writer, reader) = (
            &*roles.config.postgres_writer_user,
            &*roles.config.postgres_reader_user,
        );
        backend
            .execute(&format!(
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO \"{reader}\""
            ))
            .await?;
        owner.grant(&roles.config).await?;

        let checked = async {
            work(&url(backend, writer)?, &url(backend, reader)?).await?;
            observers_and_notifiers(backend, &roles.config).await?;
            for table in TABLES {
                for (role, sql) in [
                    (reader, format!("INSERT INTO {table} DEFAULT VALUES")),
                    (reader, format!("DELETE FROM {table}")),
                    (reader, format!("BEGIN; LOCK TABLE {table}")),
                    (writer, format!("TRUNCATE {table} CASCADE")),
                    (writer, format!("DROP TABLE {table}")),
                    (
                        writer,
                        format!("ALTER TABLE {table} ADD COLUMN more INTEGER"),
                    ),
                ] {
                    ensure!(is_denied(backend, role, &sql).await?, "{role}: {sql}");
                }
            }
            for (role, sql) in [
                (reader, "UPDATE series SET revision = 0"),
                (reader, "SELECT 1 FROM training_data"),
                (reader, "SELECT 1 FROM consumer_offsets"),
                (reader, "CREATE TEMPORARY TABLE mine (n INTEGER)"),
                (reader, "CREATE TABLE mine (n INTEGER)"),
                (writer, "CREATE TABLE mine (n INTEGER)"),
                (writer, "CREATE ROLE mine"),
                (writer, "DELETE FROM _sqlx_migrations"),
            ] {
                ensure!(is_denied(backend, role, sql).await?, "{role}: {sql}");
            }
            Ok(())
        };
        let checked: Result<()> = checked.await;
        owner.close().await;
        roles.remove(backend).await?;
        checked
    })
    .await
}

/// What trainer and training-data consumer do, over `writer`, and the predictor, over `reader`.
async fn work(writer: &str, reader: &str) -> Result<()> {
    let (writer, reader) = (
        Store::postgres(&config(writer.to_owned()))?,
        Store::postgres(&config(reader.to_owned()))?,
    );
    let series = SeriesId::new("s")?;
    let data: Vec<Point> = (0..20_000)
        .map(|n| Point {
            timestamp: n,
            value: (n % 7) as f64,
        })
        .collect();
    let model = Model::fit(&data, &FitOptions::default(), DetectorName::Sigma)?
        .model
        .into();
    let version = writer.insert_pending(&series, &fitted(&model)).await?;
    let events: Vec<_> = TrainingData::in_parts(&series, version, &data).collect();
    // Twice, as after a redelivery with another offset: the second way in is another statement.
    for offset in [0, 2] {
        let batch: Vec<_> = (offset..)
            .zip(&events)
            .map(|(offset, event)| Delivery {
                partition: 0,
                offset,
                timestamp_ms: 0,
                event: Some(event),
            })
            .collect();
        writer.apply_training_data("group", "topic", &batch).await?;
    }
    writer.mark_ready(&series, version).await?;
    writer.ping().await?;
    writer.sweep_pending(Duration::ZERO).await?;

    reader.ping().await?;
    let served = serving(&reader, &series).await?.context("no model")?;
    assert_eq!(served.version, version);
    assert_eq!(
        reader.changed_within(Duration::from_secs(60)).await?.len(),
        1
    );
    let refused = error_of(reader.insert_pending(&series, &fitted(&model)).await)?;
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");

    writer.delete_series(&series, &Precondition::Any).await?;
    assert_eq!(serving(&reader, &series).await?, None);
    writer.close().await;
    reader.close().await;
    Ok(())
}

/// Demands that observers and notifiers can do their work, and nothing else.
async fn observers_and_notifiers(backend: &Postgres, config: &RolesConfig) -> Result<()> {
    let observer = &*config.postgres_observer_user;
    let notifier = &*config.postgres_notifier_user;
    judge_and_tell(&url(backend, observer)?, &url(backend, notifier)?).await?;
    for (role, sql) in [
        (observer, "DELETE FROM models"),
        (observer, "UPDATE series SET revision = 0"),
        (observer, "DELETE FROM training_data"),
        (observer, "SELECT 1 FROM receipts"),
        (observer, "DROP TABLE anomalies"),
        (observer, "CREATE TABLE mine (n INTEGER)"),
        (notifier, "SELECT 1 FROM models"),
        (notifier, "UPDATE stream_sessions SET run = 0"),
        (notifier, "SELECT 1 FROM stream_partitions"),
        (notifier, "DROP TABLE outbox"),
        (notifier, "CREATE TEMPORARY TABLE mine (n INTEGER)"),
    ] {
        ensure!(is_denied(backend, role, sql).await?, "{role}: {sql}");
    }
    Ok(())
}

/// What an observer does, over `observer`, and a notifier, over `notifier`.
async fn judge_and_tell(observer: &str, notifier: &str) -> Result<()> {
    let (observer, notifier) = (
        Store::postgres(&config(observer.to_owned()))?,
        Store::postgres(&config(notifier.to_owned()))?,
    );
    observer.ping().await?;
    observer.stream_layout(32).await?;
    serving(&observer, &SeriesId::new("s")?).await?;
    crate::suite::find_and_forget(&observer).await?;
    observer.silences().await?;
    observer.forget_stream_offsets().await?;

    notifier.ping().await?;
    let ever = Moment(i64::MAX / 2);
    let told = notifier.address_incident_events(&["webhook"], ever).await?;
    assert_eq!(told, 2);
    for due in notifier
        .due_notifications(&["webhook", "topic"], ever, 9)
        .await?
    {
        notifier.notification_sent(&due.event_id).await?;
    }
    notifier.open_anomalies_for_alerts(Moment(0)).await?;
    notifier.incidents(None, 9, None, None).await?;
    notifier.forget_old_anomalies(ever).await?;
    notifier.delete_silence(IncidentId(1)).await?;
    observer.close().await;
    notifier.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn the_owner_of_the_tables_serves_nobody() -> Result<()> {
    run::<Postgres>(async |backend| {
        let mut roles = Roles::of(backend)?;
        let owner = backend.text("SELECT current_user::text").await?;
        roles.config.postgres_reader_user.clone_from(&owner);
        let refused = error_of(backend.open().await?.grant(&roles.config).await)?;
        assert!(
            matches!(&refused, StoreError::OwnRole(role) if *role == owner),
            "{refused}"
        );
        // Nothing was done by half.
        let made = "SELECT count(*) FROM pg_roles WHERE rolname = current_database() || '-writer'";
        assert_eq!(backend.number(made).await?, 0);
        Ok(())
    })
    .await
}
