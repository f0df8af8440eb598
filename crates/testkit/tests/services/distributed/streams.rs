//! Streams over Kafka and Postgres, with observers that are killed.

use anyhow::ensure;
use contract::{AnomalyList, POINT_PARTITIONS, SeriesId, StreamReply, partition_of};
use serde_json::Value;
use testkit::{
    Client,
    distributed::{DOUBLE, Distributed, SMALL, Service, run},
    eventually,
    servers::{OwnServers, Server, Servers},
    streams::at_once,
};
use tokio::{sync::watch, task::JoinSet};

const WARMUP: usize = 40;

fn values(n: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(3);
    let value = |i: usize| match i {
        70 => 60.0,
        _ => 20.0 + 3.0 * (i as f64 / 24.0).sin() + random.f64(),
    };
    (0..n).map(value).collect()
}

fn timestamp(i: usize) -> i64 {
    1_700_000_000 + 3_600 * i as i64
}

fn point(i: usize, value: f64) -> String {
    format!(r#"{{"timestamp":{},"value":{value}}}"#, timestamp(i))
}

/// Observes a point, as often as it takes: sending again is safe.
async fn observe(client: Client, series: &str, i: usize, value: f64) -> anyhow::Result<Value> {
    let (path, body) = (format!("/observe/{series}?wait_ms=10000"), point(i, value));
    eventually("a point to be judged", || async {
        let reply = client.post(&path, &body).await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        reply.json()
    })
    .await
}

/// Begins a stream with a short warm-up.
async fn begin(client: Client, series: &str) -> anyhow::Result<()> {
    let (path, options) = (
        format!("/v1/series/{series}/stream"),
        format!(r#"{{"warmup":{WARMUP}}}"#),
    );
    eventually("the stream to begin", || async {
        let put = client.put(&path, &[], &options).await?;
        let is_done = matches!(put.status, 200 | 201);
        ensure!(is_done, "{} {}", put.status, put.text());
        Ok(())
    })
    .await
}

/// Demands that what was `observed` one by one is what all `values` get at once.
async fn is_as_at_once(client: Client, values: &[f64], observed: &[Value]) -> anyhow::Result<()> {
    let timestamps: Vec<i64> = (0..values.len()).map(timestamp).collect();
    at_once(client, &timestamps, values, WARMUP, observed).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn one_by_one_equals_at_once_while_the_observer_is_killed() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        let client = platform.client();
        let values = values(100);
        begin(client, "s").await?;
        let mut observed = Vec::new();
        for (i, value) in values.iter().enumerate() {
            if matches!(i, 33 | 60 | 75) {
                platform.kill(Service::Observer, 0)?;
                platform.start(Service::Observer, 0).await?;
            }
            observed.push(observe(client, "s", i, *value).await?);
        }
        is_as_at_once(client, &values, &observed).await?;
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

/// Waits until both observers own half of the partitions.
async fn share(platform: &Distributed) -> anyhow::Result<()> {
    for n in 0..2 {
        let admin = platform.admin(Service::Observer, n);
        eventually("each observer to own half", || async {
            let metrics = admin.get("/metrics").await?.text();
            let half = "anomaly_observer_partitions 16";
            ensure!(metrics.lines().any(|line| line == half), "observer {n}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn two_observers_share_the_series_and_take_over_from_each_other() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        let client = platform.client();
        share(platform).await?;
        // Whoever does not own a series could only accept its points.
        for n in 0..32 {
            observe(client, &format!("once{n}"), 0, 1.0).await?;
        }

        let values = values(120);
        let (progress, mut reached) = watch::channel([0; 8]);
        let mut sending = JoinSet::new();
        for n in 0..8 {
            let (values, progress) = (values.clone(), progress.clone());
            sending.spawn(async move {
                let series = format!("s{n}");
                begin(client, &series).await?;
                let mut observed = Vec::new();
                for (i, value) in values.iter().enumerate() {
                    observed.push(observe(client, &series, i, *value).await?);
                    progress.send_modify(|reached| reached[n] += 1);
                }
                is_as_at_once(client, &values, &observed).await
            });
        }
        let mut all_go_on = async |points: usize| {
            let now = *reached.borrow_and_update();
            let reached = reached.wait_for(|reached| {
                let mut both = reached.iter().zip(now);
                both.all(|(reached, before)| *reached >= (before + points).min(120))
            });
            reached.await.map(drop)
        };
        all_go_on(5).await?;
        platform.kill(Service::Observer, 0)?;
        all_go_on(5).await?;
        platform.start(Service::Observer, 0).await?;
        all_go_on(5).await?;
        // It owned partitions when it fell asleep, and does not any more when it wakes up.
        platform.freeze(Service::Observer, 1)?;
        all_go_on(5).await?;
        platform.thaw(Service::Observer, 1)?;
        all_go_on(5).await?;
        platform.stop(Service::Observer, 0).await?;
        all_go_on(5).await?;
        platform.start(Service::Observer, 0).await?;
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        for n in 0..8 {
            // Whoever has just taken over judges the last points again.
            eventually("the stream to be replayed", || async {
                let path = format!("/v1/series/s{n}/stream");
                let stream: StreamReply = client.get(&path).await?.ok()?;
                // Whoever was frozen appends what it was asked before: a duplicate, or late by now.
                let counts = (stream.points, stream.counts.conflict);
                ensure!(counts == (120, 0), "{stream:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
async fn streams_in_memory_are_judged_while_postgres_is_away() -> anyhow::Result<()> {
    let servers = OwnServers::start().await?;
    run(servers.addresses(), SMALL, async |platform| {
        let client = platform.client();
        let values = values(100);
        begin(client, "s").await?;
        let mut observed = Vec::new();
        for (i, value) in values.iter().enumerate().take(60) {
            observed.push(observe(client, "s", i, *value).await?);
        }
        servers.halt(&[Server::Postgres]).await?;
        // Series that have to begin, in all other partitions: that takes the database.
        let of = |series: &str| anyhow::Ok(partition_of(&SeriesId::new(series)?, POINT_PARTITIONS));
        let mut others = Vec::new();
        for n in 0..40 {
            let other = format!("other{n}");
            if of(&other)? != of("s")? {
                let path = format!("/observe/{other}?wait_ms=0");
                assert_eq!(client.post(&path, &point(0, 1.0)).await?.status, 202);
                others.push(other);
            }
        }
        for (i, value) in values.iter().enumerate().take(90).skip(60) {
            let reply = client
                .post("/observe/s?wait_ms=10000", &point(i, *value))
                .await?;
            ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
            observed.push(reply.json()?);
        }
        servers.resume(&[Server::Postgres]).await?;
        for other in others {
            eventually("the others to be judged", || async {
                let path = format!("/v1/series/{other}/stream");
                let stream: StreamReply = client.get(&path).await?.ok()?;
                ensure!(stream.points == 1, "{stream:?}");
                Ok(())
            })
            .await?;
        }
        for (i, value) in values.iter().enumerate().skip(90) {
            observed.push(observe(client, "s", i, *value).await?);
        }
        is_as_at_once(client, &values, &observed).await
    })
    .await
}
