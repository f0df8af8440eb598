//! The program itself, against Kafka and Postgres, and against SIGKILL.

mod distributed {
    use std::{
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use anyhow::{Context, ensure};
    use bus::Bus;
    use clap::Parser;
    use contract::{DetectorName, FitOptions, Point, SeriesId, TrainingData, Version, VersionRef};
    use detector::Model;
    use sqlx::{Connection, PgConnection};
    use store::{NewModel, Store, TrainingPoints};
    use training_data_consumer::Config;

    const GROUP: &str = "training-data-consumer";

    /// Kafka with topics of our own, and a database of our own in Postgres.
    struct Servers {
        brokers: String,
        unique: String,
        postgres: String,
        database: String,
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "tells where the tests find servers, no setting of a program"
    )]
    fn server(variable: &str) -> anyhow::Result<String> {
        std::env::var(variable).with_context(|| format!("{variable} says where it is"))
    }

    impl Servers {
        async fn of_our_own() -> anyhow::Result<Self> {
            let url = server("TEST_DATABASE_URL")?;
            let (postgres, _) = url.rsplit_once('/').context("no database in the address")?;
            let unique = format!("tdc_{:016x}", fastrand::u64(..));
            let servers = Self {
                brokers: server("TEST_KAFKA_BROKERS")?,
                postgres: postgres.to_owned(),
                database: format!("{postgres}/{unique}"),
                unique,
            };
            servers.on_server("CREATE DATABASE").await?;
            Ok(servers)
        }

        async fn on_server(&self, statement: &str) -> anyhow::Result<()> {
            let mut connection =
                PgConnection::connect(&format!("{}/postgres", self.postgres)).await?;
            let sql = format!("{statement} {}", self.unique);
            sqlx::raw_sql(&sql).execute(&mut connection).await?;
            Ok(connection.close().await?)
        }

        async fn number(&self, sql: &str) -> anyhow::Result<i64> {
            let mut connection = PgConnection::connect(&self.database).await?;
            let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(number)
        }

        /// The environment that the program is started with, as arguments.
        fn config(&self) -> anyhow::Result<Config> {
            Ok(Config::try_parse_from([
                GROUP,
                &format!("--kafka-brokers={}", self.brokers),
                &format!("--kafka-topic-prefix={}.", self.unique),
                "--kafka-replication=1",
                &format!("--database-url={}", self.database),
            ])?)
        }

        fn consumer(&self) -> anyhow::Result<Consumer> {
            let child = Command::new(env!("CARGO_BIN_EXE_training-data-consumer"))
                .env("KAFKA_BROKERS", &self.brokers)
                .env("KAFKA_TOPIC_PREFIX", format!("{}.", self.unique))
                .env("KAFKA_SESSION_TIMEOUT_MS", "6000")
                .env("DATABASE_URL", &self.database)
                .env("ADMIN_PORT", "0")
                .env("TRAINING_DATA_BATCH_POINTS", "15000")
                .stderr(Stdio::null())
                .spawn()?;
            Ok(Consumer(child))
        }
    }

    /// A consumer's process, killed when dropped.
    struct Consumer(Child);

    impl Consumer {
        /// Asks it to stop, and waits until it has.
        async fn stop(mut self) -> anyhow::Result<()> {
            let pid = self.0.id().to_string();
            let sent = Command::new("kill").args(["-TERM", &pid]).status()?;
            ensure!(sent.success(), "it takes no signal");
            let status = eventually(async || self.0.try_wait()?.context("still running")).await?;
            ensure!(status.success(), "{status}");
            Ok(())
        }
    }

    impl Drop for Consumer {
        fn drop(&mut self) {
            // It may have ended by itself: then there is nothing to kill.
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    /// Asks until `condition` holds; fails with what it said last.
    async fn eventually<T>(
        mut condition: impl AsyncFnMut() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let patience = Instant::now() + Duration::from_secs(90);
        loop {
            match condition().await {
                Err(_) if Instant::now() < patience => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                last => return last,
            }
        }
    }

    /// Points that are those of `seed` and of no other.
    fn points(seed: usize, n: usize) -> Vec<Point> {
        let point = |i: usize| Point {
            timestamp: i as i64,
            value: (seed * 1_000_000 + i) as f64,
        };
        (0..n).map(point).collect()
    }

    async fn applied(servers: &Servers) -> anyhow::Result<i64> {
        let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offsets";
        servers.number(sum).await
    }

    #[tokio::test]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS and Postgres: TEST_DATABASE_URL"]
    async fn two_consumers_store_every_point_once_while_one_is_killed_again_and_again()
    -> anyhow::Result<()> {
        let servers = Servers::of_our_own().await?;
        let config = servers.config()?;
        let bus = Bus::kafka(&config.kafka)?;
        bus.create_topics().await?;
        let store = Store::postgres(&config.postgres)?;
        store.migrate().await?;

        let steady = servers.consumer()?;
        let (mut sets, mut messages) = (Vec::new(), 0);
        for round in 0..6 {
            let victim = servers.consumer()?;
            for i in 0..8 {
                let series = SeriesId::new(&format!("series {i}"))?;
                let set = points(round * 8 + i, 35_000);
                let model = Model::fit(&set, &FitOptions::default(), DetectorName::Sigma)?
                    .model
                    .into();
                let new = NewModel::fitted(&model, &set, Duration::ZERO);
                let version = store.insert_pending(&series, &new).await?;
                let parts = TrainingData::in_parts(&series, version, &set);
                bus.publish(parts, None).await?;
                store.mark_ready(&series, version).await?;
                sets.push((series, version, set));
                messages += 4;
            }
            bus.publish([empty(round)?], None).await?;
            messages += 1;
            let enough = messages - 20;
            eventually(async || {
                ensure!(applied(&servers).await? > enough, "too few");
                Ok(())
            })
            .await?;
            drop(victim);
        }
        eventually(async || {
            ensure!(applied(&servers).await? >= messages, "not all");
            Ok(())
        })
        .await?;
        steady.stop().await?;

        assert_eq!(applied(&servers).await?, messages);
        for (series, version, set) in &sets {
            let version = VersionRef::Version(*version);
            let stored = store.training_points(series, Some(&version)).await?;
            let TrainingPoints::Complete(_, points) = stored else {
                panic!("{series} {version} is incomplete");
            };
            assert!(points == *set, "{series} {version} has other points");
        }
        let rows = servers.number("SELECT count(*) FROM training_data").await?;
        assert_eq!(rows, 48 * 35_000);
        store.close().await;
        servers.on_server("DROP DATABASE").await
    }

    /// A message without points, which can only be buried.
    fn empty(round: usize) -> anyhow::Result<TrainingData> {
        Ok(TrainingData {
            series_id: SeriesId::new(&format!("empty {round}"))?,
            version: Version::new(1).context("no version")?,
            data: Vec::new(),
            part: None,
            parts: None,
        })
    }
}
