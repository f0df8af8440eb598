//! The program itself, against Kafka and Redis, and against SIGKILL.

use std::{
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use bus::{Bus, KafkaConfig, KafkaSecurity};
use contract::Figures;
use stats::{RedisConfig, Stats};
use tokio::task::JoinSet;

use crate::support::{Anything, eventually, predictions};

/// Kafka and Redis, with topics and keys of our own.
struct Servers {
    kafka: KafkaConfig,
    redis: RedisConfig,
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells where the tests find servers, no setting of a program"
)]
fn server(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).with_context(|| format!("{variable} says where it is"))
}

impl Servers {
    fn with_topics_of_our_own() -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let unique = format!("mc-{}-{now}-", std::process::id());
        Ok(Self {
            kafka: KafkaConfig {
                kafka_brokers: server("TEST_KAFKA_BROKERS")?,
                kafka_topic_metrics: "metrics".to_owned(),
                kafka_replication: 1,
                kafka_topic_prefix: unique.clone(),
                kafka_session_timeout_ms: 6_000,
                security: KafkaSecurity::default(),
            },
            redis: RedisConfig {
                redis_url: Some(server("TEST_REDIS_URL")?),
                redis_password_file: None,
                redis_host: String::new(),
                redis_port: 0,
                redis_key_prefix: unique,
                security: stats::RedisSecurity::default(),
            },
        })
    }

    fn consumer(&self) -> anyhow::Result<Consumer> {
        let redis_url = self
            .redis
            .redis_url
            .as_deref()
            .context("no address of Redis")?;
        let child = Command::new(env!("CARGO_BIN_EXE_metrics-consumer"))
            .env("KAFKA_BROKERS", &self.kafka.kafka_brokers)
            .env("KAFKA_TOPIC_PREFIX", &self.kafka.kafka_topic_prefix)
            .env("KAFKA_SESSION_TIMEOUT_MS", "6000")
            .env("REDIS_URL", redis_url)
            .env("REDIS_KEY_PREFIX", &self.redis.redis_key_prefix)
            .env("ADMIN_PORT", "0")
            .env("METRICS_BATCH_MESSAGES", "20")
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
        anyhow::ensure!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()?
                .success()
        );
        eventually("a clean stop", async || match self.0.try_wait()? {
            Some(status) => {
                anyhow::ensure!(status.success(), "{status}");
                Ok(true)
            }
            None => Ok(false),
        })
        .await
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn used(figures: &Figures) -> u64 {
    figures.model_usage.get("s").copied().unwrap_or(0)
}

#[tokio::test]
#[ignore = "needs Kafka: TEST_KAFKA_BROKERS and Redis: TEST_REDIS_URL"]
async fn two_consumers_count_every_event_once_while_one_is_killed_again_and_again()
-> anyhow::Result<()> {
    let servers = Servers::with_topics_of_our_own()?;
    let bus = Bus::kafka(&servers.kafka)?;
    bus.create_topics().await?;
    let stats = Stats::redis(&servers.redis)?;

    let mut older = servers.consumer()?;
    for round in 0..5_u64 {
        let younger = servers.consumer()?;
        let before = used(&stats.figures().await?);
        let mut publishing = JoinSet::new();
        publishing.spawn(publish_a_round(bus.clone(), round));
        // The older one holds partitions, and is cut off while events keep coming.
        eventually("some of them", async || {
            Ok(used(&stats.figures().await?) > before + 2_000)
        })
        .await?;
        drop(older);
        older = younger;
        publishing
            .join_all()
            .await
            .into_iter()
            .collect::<anyhow::Result<()>>()?;
    }
    let sum = 5 * (1..=300).sum::<u64>();
    eventually("all of them", async || {
        Ok(used(&stats.figures().await?) >= sum)
    })
    .await?;
    older.stop().await?;
    assert_eq!(used(&stats.figures().await?), sum);
    Ok(())
}

async fn publish_a_round(bus: Bus, round: u64) -> anyhow::Result<()> {
    for count in 1..=300 {
        bus.publish([predictions("s", count)], None).await?;
    }
    let senseless = Anything::<false>(serde_json::json!({"round": round}));
    bus.publish([senseless], None).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs Kafka: TEST_KAFKA_BROKERS and Redis: TEST_REDIS_URL"]
async fn what_redis_forgets_is_counted_again() -> anyhow::Result<()> {
    let servers = Servers::with_topics_of_our_own()?;
    let bus = Bus::kafka(&servers.kafka)?;
    bus.create_topics().await?;
    let stats = Stats::redis(&servers.redis)?;
    let consumer = servers.consumer()?;
    bus.publish(vec![predictions("s", 1); 500], None).await?;
    eventually("all", async || Ok(used(&stats.figures().await?) == 500)).await?;

    forget(&servers.redis)?;
    assert_eq!(used(&stats.figures().await?), 0);
    bus.publish(vec![predictions("s", 1); 500], None).await?;
    eventually("all once more", async || {
        Ok(used(&stats.figures().await?) >= 1_000)
    })
    .await?;
    consumer.stop().await?;
    assert_eq!(used(&stats.figures().await?), 1_000);
    Ok(())
}

/// Removes the keys of `redis`, all at once, as a restart without its files would.
fn forget(redis: &RedisConfig) -> anyhow::Result<()> {
    let script = "return redis.call('DEL', unpack(redis.call('KEYS', ARGV[1])))";
    let url = redis.redis_url.as_deref().context("no address of Redis")?;
    let pattern = format!("{}*", redis.redis_key_prefix);
    let status = Command::new("redis-cli")
        .args(["-u", url, "EVAL", script, "0", &pattern])
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(status.success(), "redis-cli: {status}");
    Ok(())
}
