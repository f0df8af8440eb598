//! Streams over Kafka and Postgres, with observers that are killed.

use anyhow::{Context, ensure};
use contract::{AnomalyList, StreamReply};
use serde_json::Value;
use testkit::{
    Client,
    distributed::{SMALL, Service, run},
    eventually,
    servers::Servers,
};

const WARMUP: usize = 40;

fn values(n: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(3);
    let value = |i: usize| match i {
        70 => 60.0,
        _ => 20.0 + 3.0 * (i as f64 / 24.0).sin() + random.f64(),
    };
    (0..n).map(value).collect()
}

/// Observes a point, as often as it takes: sending again is safe.
async fn observe(client: Client, i: usize, value: f64) -> anyhow::Result<Value> {
    let timestamp = 1_700_000_000 + 3_600 * i as i64;
    let body = format!(r#"{{"timestamp":{timestamp},"value":{value}}}"#);
    eventually("a point to be judged", || async {
        let reply = client.post("/observe/s?wait_ms=10000", &body).await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        reply.json()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn one_by_one_equals_at_once_while_the_observer_is_killed() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        let client = platform.client();
        let values = values(100);
        let options = format!(r#"{{"warmup":{WARMUP}}}"#);
        eventually("the stream to begin", || async {
            let put = client.put("/v1/series/s/stream", &[], &options).await?;
            ensure!(
                matches!(put.status, 200 | 201),
                "{} {}",
                put.status,
                put.text()
            );
            Ok(())
        })
        .await?;
        let mut observed = Vec::new();
        for (i, value) in values.iter().enumerate() {
            if matches!(i, 33 | 60 | 75) {
                platform.kill(Service::Observer, 0)?;
                platform.start(Service::Observer, 0).await?;
            }
            observed.push(observe(client, i, *value).await?);
        }
        let timestamps: Vec<i64> = (0..100).map(|i| 1_700_000_000 + 3_600 * i).collect();
        let body = serde_json::json!({"timestamps": timestamps, "values": values, "train": WARMUP});
        let at_once: Value = client.post("/v1/detect", &body.to_string()).await?.ok()?;
        let verdicts = at_once["verdicts"].as_array().context("verdicts")?;
        // The last verdict at once knows that no other point follows.
        for (i, verdict) in verdicts.iter().enumerate().take(verdicts.len() - 1) {
            for (name, member) in verdict.as_object().into_iter().flatten() {
                assert_eq!(&observed[WARMUP + i][name], member, "{i} {name}");
            }
        }
        let stream: StreamReply = client.get("/v1/series/s/stream").await?.ok()?;
        assert_eq!((stream.points, stream.counts.late), (100, 0));
        eventually("the outlier to be among the anomalies", || async {
            let path = "/v1/anomalies?series=s&kind=value";
            let listed: AnomalyList = client.get(path).await?.ok()?;
            let told: Vec<_> = listed.anomalies.iter().filter(|a| !a.silenced).collect();
            ensure!(told.len() == 1, "{listed:?}");
            Ok(())
        })
        .await
    })
    .await
}
