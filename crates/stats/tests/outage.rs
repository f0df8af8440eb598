//! Redis away, silent, locked, or back with less than it had.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::{Duration, Instant},
};

use stats::{RedisConfig, Stats};

fn on_port(port: u16) -> RedisConfig {
    RedisConfig {
        redis_url: None,
        redis_password_file: None,
        redis_host: Ipv4Addr::LOCALHOST.to_string(),
        redis_port: port,
        redis_key_prefix: String::new(),
        security: stats::RedisSecurity::default(),
    }
}

/// Every call has to fail, and within two seconds; what is more is for a machine that is busy. A call that waited twice would
/// take four.
async fn assert_every_call_fails_in_time(stats: &Stats) {
    let limit = Duration::from_millis(3_900);
    let started = Instant::now();
    let (apply, offsets, figures, ping) = tokio::join!(
        stats.apply("group", "metrics", &[]),
        stats.offsets("group", "metrics"),
        stats.figures(),
        stats.ping(),
    );
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert!(apply.is_err() && offsets.is_err() && figures.is_err() && ping.is_err());
}

#[tokio::test]
async fn a_silent_redis_is_given_up_in_two_seconds() -> anyhow::Result<()> {
    // Connections are accepted by the system, and nobody ever answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let stats = Stats::redis(&on_port(listener.local_addr()?.port()))?;
    assert_every_call_fails_in_time(&stats).await;
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_an_error_only_when_it_is_used() -> anyhow::Result<()> {
    // No system gives this port to a listener that takes any.
    let stats = Stats::redis(&on_port(1))?;
    assert_every_call_fails_in_time(&stats).await;
    Ok(())
}

mod redis {
    use std::process::{Child, Command, Stdio};

    use ::redis::AsyncCommands;
    use anyhow::Context;
    use contract::{Delivery, InferenceBatch, MetricsEvent};
    use stats::StatsError;

    use super::*;

    /// Below the ports of outgoing connections, which could take one while Redis is away.
    const PORTS: std::ops::Range<u16> = 10_000..32_000;

    /// A Redis of our own, that can be killed and started again at the same port.
    struct Server {
        port: u16,
        arguments: &'static [&'static str],
        process: Child,
    }

    impl Server {
        async fn start(arguments: &'static [&'static str]) -> anyhow::Result<Self> {
            let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
            let mut ports = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(100);
            let port = ports.find(is_free).context("no port is free")?;
            let process = launch(port, arguments)?;
            let server = Self {
                port,
                arguments,
                process,
            };
            server.answers().await?;
            Ok(server)
        }

        fn kill(&mut self) -> anyhow::Result<()> {
            self.process.kill()?;
            self.process.wait()?;
            Ok(())
        }

        async fn restart(&mut self) -> anyhow::Result<()> {
            self.process = launch(self.port, self.arguments)?;
            self.answers().await
        }

        async fn answers(&self) -> anyhow::Result<()> {
            let patience = Instant::now() + Duration::from_secs(10);
            while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
                anyhow::ensure!(Instant::now() < patience, "redis-server does not start");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.kill();
        }
    }

    fn launch(port: u16, arguments: &[&str]) -> anyhow::Result<Child> {
        Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server has to be installed")
    }

    fn prediction() -> MetricsEvent {
        MetricsEvent::Inference(InferenceBatch {
            latency_ms: 1.0,
            ..InferenceBatch::default()
        })
    }

    async fn count(stats: &Stats, offset: i64) -> Result<(), StatsError> {
        let delivery = Delivery {
            partition: 0,
            offset,
            timestamp_ms: 1_760_000_000_000,
            event: Some(&prediction()),
        };
        stats
            .apply_at(1_760_000_000_000, "group", "metrics", &[delivery])
            .await
    }

    async fn counted(stats: &Stats) -> Result<f64, StatsError> {
        Ok(stats
            .figures_at(1_760_000_000_000)
            .await?
            .inference
            .per_minute)
    }

    #[tokio::test]
    #[ignore = "needs Redis: TEST_REDIS_URL"]
    async fn an_outage_is_an_error_in_time_and_its_end_is_noticed() -> anyhow::Result<()> {
        let mut server = Server::start(&[]).await?;
        let stats = Stats::redis(&on_port(server.port))?;
        count(&stats, 0).await?;
        stats.figures().await?;

        server.kill()?;
        assert_every_call_fails_in_time(&stats).await;

        server.restart().await?;
        stats.ping().await?;
        assert_eq!(counted(&stats).await?, 0.0);
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs Redis: TEST_REDIS_URL"]
    async fn a_redis_that_went_back_is_read_into_again_before_anything_is_added()
    -> anyhow::Result<()> {
        let mut server = Server::start(&[]).await?;
        let stats = Stats::redis(&on_port(server.port))?;
        for offset in 0..3 {
            count(&stats, offset).await?;
        }
        // It comes back empty. Going on with 3 would lose 0, 1 and 2.
        server.kill()?;
        server.restart().await?;
        let mut refused = count(&stats, 3).await;
        while matches!(refused, Err(StatsError::Redis(_))) {
            // The old connection.
            refused = count(&stats, 3).await;
        }
        assert!(matches!(refused, Err(StatsError::WentBack)), "{refused:?}");
        assert_eq!(stats.offsets("group", "metrics").await?, []);
        for offset in 0..4 {
            count(&stats, offset).await?;
        }
        assert_eq!(counted(&stats).await?, 4.0);
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs Redis: TEST_REDIS_URL"]
    async fn a_password_opens_a_locked_redis() -> anyhow::Result<()> {
        let server = Server::start(&["--requirepass", "open sesame"]).await?;
        assert!(Stats::redis(&on_port(server.port))?.ping().await.is_err());
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), "open sesame\n")?;
        let mut config = on_port(server.port);
        config.redis_password_file = Some(file.path().to_owned());
        Stats::redis(&config)?.ping().await?;
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs Redis: TEST_REDIS_URL"]
    async fn figures_and_offsets_are_refused_together_when_redis_is_full() -> anyhow::Result<()> {
        let server = Server::start(&[]).await?;
        let stats = Stats::redis(&on_port(server.port))?;
        count(&stats, 0).await?;
        let mut redis = ::redis::Client::open((Ipv4Addr::LOCALHOST.to_string(), server.port))?
            .get_multiplexed_async_connection()
            .await?;
        let limit = async |bytes: &str| {
            let mut redis = redis.clone();
            ::redis::cmd("CONFIG")
                .arg("SET")
                .arg("maxmemory")
                .arg(bytes)
                .exec_async(&mut redis)
                .await
        };
        limit("1").await?;
        assert!(count(&stats, 1).await.is_err());
        limit("0").await?;
        assert_eq!(counted(&stats).await?, 1.0);
        count(&stats, 1).await?;
        assert_eq!(counted(&stats).await?, 2.0);
        let first: Vec<(String, i64)> = redis.zrange_withscores("metrics:first_ms", 0, -1).await?;
        assert_eq!(first, [("inference".to_owned(), 1_760_000_000_000)]);
        Ok(())
    }
}
