//! Redis as managed services have it: by TLS, with a user.

mod managed {
    use std::path::PathBuf;

    use anyhow::Context;
    use contract::{Delivery, MetricsEvent, SeriesId};
    use stats::{RedisConfig, RedisSecurity, Stats};

    #[expect(
        clippy::disallowed_methods,
        reason = "tells where the tests find a server, no setting of a program"
    )]
    fn variable(name: &str) -> anyhow::Result<String> {
        std::env::var(name).with_context(|| format!("{name} is not set"))
    }

    fn by_tls(url: String, authority: &str) -> anyhow::Result<RedisConfig> {
        let folder = PathBuf::from(variable("TEST_TLS_FOLDER")?);
        let unique = tempfile::tempdir()?;
        Ok(RedisConfig {
            redis_url: Some(url),
            redis_password_file: None,
            redis_host: String::new(),
            redis_port: 0,
            redis_key_prefix: format!("{}:", unique.path().display()),
            security: RedisSecurity {
                redis_tls_ca: Some(folder.join(authority)),
                ..RedisSecurity::default()
            },
        })
    }

    #[tokio::test]
    #[ignore = "needs Redis with TLS: TEST_REDIS_TLS_URL"]
    async fn a_user_is_served_by_tls() -> anyhow::Result<()> {
        let url = variable("TEST_REDIS_TLS_URL")?;
        let stats = Stats::redis(&by_tls(url, "ca.pem")?)?;
        let event = MetricsEvent::Training {
            series_id: SeriesId::new("s")?,
            latency_ms: 1.0,
        };
        let delivery = Delivery {
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            event: Some(&event),
        };
        stats.apply("group", "topic", &[delivery]).await?;
        assert_eq!(stats.figures().await?.series_trained, 1);
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs Redis with TLS: TEST_REDIS_TLS_URL"]
    async fn another_authority_another_name_and_a_wrong_password_are_refused_with_the_cause()
    -> anyhow::Result<()> {
        let url = variable("TEST_REDIS_TLS_URL")?;
        let wrong = url.replace("tester-password", "guessed");
        let address = url.replace("localhost", "127.0.0.1");
        for (url, authority, cause) in [
            (url, "other-ca.pem", "certificate"),
            (address, "ca.pem", "certificate"),
            (wrong, "ca.pem", "authentication failed"),
        ] {
            let stats = Stats::redis(&by_tls(url, authority)?)?;
            let refused = anyhow::Error::from(stats.ping().await.unwrap_err());
            let said = format!("{refused:#}");
            assert!(said.contains(cause) && !said.contains("guessed"), "{said}");
        }
        Ok(())
    }
}
