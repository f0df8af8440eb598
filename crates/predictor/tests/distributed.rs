//! The predictor on worker threads of its own, over Kafka, Postgres and Redis.

mod support;

mod distributed {
    use std::{
        net::SocketAddr,
        sync::Arc,
        time::{SystemTime, UNIX_EPOCH},
    };

    use anyhow::{Context, ensure};
    use bus::OffsetSource;
    use clap::Parser;
    use contract::{MetricsEvent, ModelEvent, SeriesId};
    use predictor::{Backends, Config, Predictor};
    use sqlx::{Connection, PgConnection};
    use tokio_util::sync::CancellationToken;

    use crate::support::{eventually, exchange, published, store_model};

    const NORMAL: &str = r#"{"timestamp":4,"value":2.0}"#;

    #[expect(
        clippy::disallowed_methods,
        reason = "tells where the tests find servers, no setting of a program"
    )]
    fn server(variable: &str) -> anyhow::Result<String> {
        std::env::var(variable).with_context(|| format!("{variable} says where it is"))
    }

    /// A database of our own on the server of `TEST_DATABASE_URL`.
    struct Database {
        server: String,
        name: String,
    }

    impl Database {
        async fn create(name: String) -> anyhow::Result<Self> {
            let server = server("TEST_DATABASE_URL")?;
            let database = Self { server, name };
            let create = format!("CREATE DATABASE {}", database.name);
            database.on_server(&create).await?;
            Ok(database)
        }

        fn url(&self) -> anyhow::Result<String> {
            let (server, _) = self.server.rsplit_once('/').context("no database")?;
            Ok(format!("{server}/{}", self.name))
        }

        async fn remove(self) -> anyhow::Result<()> {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            self.on_server(&drop).await
        }

        async fn on_server(&self, sql: &str) -> anyhow::Result<()> {
            let mut connection = PgConnection::connect(&self.server).await?;
            sqlx::raw_sql(sql).execute(&mut connection).await?;
            Ok(connection.close().await?)
        }
    }

    /// The settings of a predictor that shares the servers, but nothing on them.
    fn config(unique: &str, database: &Database) -> anyhow::Result<Config> {
        Ok(Config::try_parse_from([
            "predictor",
            "--worker-threads=2",
            "--kafka-replication=1",
            &format!("--kafka-brokers={}", server("TEST_KAFKA_BROKERS")?),
            &format!("--kafka-topic-prefix={unique}-"),
            &format!("--redis-url={}", server("TEST_REDIS_URL")?),
            &format!("--redis-key-prefix={unique}-"),
            &format!("--database-url={}", database.url()?),
        ])?)
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
    async fn judges_with_what_postgres_has_and_kafka_tells() -> anyhow::Result<()> {
        // The only test in this process, so its runtime may be the main one.
        service::task::init_main();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let unique = format!("predictor_{}_{now}", std::process::id());
        let database = Database::create(unique.clone()).await?;
        let config = config(&unique, &database)?;
        let backends = Backends::open(&config)?;
        backends.store.migrate().await?;
        backends.bus.create_topics().await?;

        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let Config {
            server, settings, ..
        } = config;
        let predictor = Predictor::bind(any_port, server, settings, backends.clone()).await?;
        let (addr, stop) = (predictor.addr(), CancellationToken::new());
        let served = service::task::spawn("predictor", predictor.serve(stop.clone()));

        let predict = async || exchange(addr, "POST", "/predict/s", NORMAL).await;
        assert!(predict().await?.starts_with("HTTP/1.1 404"));
        store_model(&backends.store, "s", &[1.0, 2.0, 3.0]).await?;
        let mut judged = 0_u64;
        for number in 1..=3 {
            let version = format!("\"v{number}\"");
            eventually(async || {
                let reply = predict().await?;
                judged += u64::from(reply.starts_with("HTTP/1.1 200"));
                ensure!(reply.contains(&version), "{reply}");
                Ok(())
            })
            .await?;
            let (version, revision) = store_model(&backends.store, "s", &[1.0, 2.0, 3.0]).await?;
            let series_id = SeriesId::new("s")?;
            let ready = ModelEvent::Ready {
                series_id,
                version,
                revision: Some(revision),
            };
            backends.bus.publish([ready], None).await?;
        }
        let ready = exchange(addr, "GET", "/readyz?verbose", "").await?;
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        let health = exchange(addr, "GET", "/healthcheck", "").await?;
        assert!(health.contains(r#""status":"ok""#), "{health}");

        stop.cancel();
        served.await?.context("predictor panicked")??;
        let from_the_first: OffsetSource = Arc::new(|_| Box::pin(async { Ok(Vec::new()) }));
        let mut metrics = backends
            .bus
            .subscribe::<MetricsEvent>("test", from_the_first)?;
        let sum = published(&mut metrics, judged).await?;
        assert_eq!(sum.count, Some(judged));
        backends.store.close().await;
        database.remove().await
    }
}
