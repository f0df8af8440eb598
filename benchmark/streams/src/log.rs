//! Points into Kafka.

use std::time::{Duration, Instant};

use anyhow::Context;
use bus::{Bus, KafkaConfig, Subscription};
use contract::{DetectorName, PointsRecord, StreamControl, StreamOptions};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::{latency, points};

/// The records that are published at once.
const CHUNK: u64 = 20_000;

#[derive(clap::Args)]
pub(crate) struct Fill {
    #[command(flatten)]
    kafka: KafkaConfig,
    /// The number of series.
    #[arg(long, default_value_t = 10_000)]
    series: u64,
    /// The number of points of each series, one record each.
    #[arg(long)]
    points: u64,
    /// The number of the first point.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One record for all points of a series: history.
    #[arg(long)]
    at_once: bool,
    /// Sets the detector of each series before.
    #[arg(long)]
    detector: Option<DetectorName>,
    /// Points a second; as fast as it goes by default.
    #[arg(long)]
    rate: Option<f64>,
}

impl Fill {
    pub(crate) async fn run(&self) -> anyhow::Result<Value> {
        let bus = Bus::kafka(&self.kafka)?;
        let start = Instant::now();
        if let Some(detector) = self.detector {
            let options = StreamOptions {
                detector: Some(detector),
                ..StreamOptions::default()
            };
            let control = |n| PointsRecord::Control {
                series_id: points::series(n),
                control: Box::new(StreamControl::Options(options.clone())),
            };
            bus.publish((0..self.series).map(control), None).await?;
        }
        match self.at_once {
            true => self.history(&bus).await?,
            false => self.points(&bus, start).await?,
        }
        let points = self.series * self.points;
        Ok(json!({"points": points, "seconds": start.elapsed().as_secs_f64()}))
    }

    async fn history(&self, bus: &Bus) -> anyhow::Result<()> {
        let record = |n| PointsRecord::Series {
            series_id: points::series(n),
            points: (self.from..self.from + self.points)
                .map(|i| points::point(n, i))
                .collect(),
            unit: None,
            quiet: true,
        };
        for first in (0..self.series).step_by(500) {
            let last = self.series.min(first + 500);
            bus.publish((first..last).map(record), None).await?;
        }
        Ok(())
    }

    async fn points(&self, bus: &Bus, start: Instant) -> anyhow::Result<()> {
        let record = |number: u64| {
            let (n, i) = (number % self.series, self.from + number / self.series);
            PointsRecord::One {
                series_id: points::series(n),
                point: points::point(n, i),
                unit: None,
                quiet: false,
            }
        };
        let all = self.series * self.points;
        let chunk = match self.rate {
            Some(rate) => (rate / 50.0).ceil() as u64,
            None => CHUNK,
        };
        let mut first = 0;
        while first < all {
            if let Some(rate) = self.rate {
                sleep_until(latency::due(start, first, rate).into()).await;
            }
            let last = all.min(first + chunk);
            bus.publish((first..last).map(record), None).await?;
            first = last;
        }
        Ok(())
    }
}

#[derive(clap::Args)]
pub(crate) struct Roundtrip {
    #[command(flatten)]
    kafka: KafkaConfig,
    /// Records a second.
    #[arg(long)]
    rate: f64,
    /// The length of the run.
    #[arg(long)]
    seconds: f64,
}

impl Roundtrip {
    /// Each record is published by itself, and is there once it is acknowledged and read back.
    pub(crate) async fn run(&self) -> anyhow::Result<Value> {
        let bus = Bus::kafka(&self.kafka)?;
        bus.create_topics().await?;
        let mut records = bus.tail::<PointsRecord>()?;
        let all = (self.rate * self.seconds) as u64;
        // What is published before the reader has its place is not read.
        let record = |i: u64| PointsRecord::One {
            series_id: points::series(i % 1_000),
            point: contract::Point {
                timestamp: i as i64,
                value: 1.0,
            },
            unit: None,
            quiet: false,
        };
        let near = Duration::from_millis(100);
        loop {
            bus.publish([record(u64::MAX >> 1)], None).await?;
            if let Ok(read) = timeout(near, records.next_raw(1, Duration::ZERO)).await {
                read?;
                break;
            }
        }
        let start = Instant::now() + Duration::from_millis(100);
        let publishing = async {
            let mut acknowledged = JoinSet::new();
            for i in 0..all {
                sleep_until(latency::due(start, i, self.rate).into()).await;
                let (bus, record) = (bus.clone(), record(i));
                acknowledged.spawn(async move {
                    let published = bus.publish([record], None).await;
                    published.map(|()| (i, Instant::now()))
                });
            }
            let mut times = vec![start; usize::try_from(all)?];
            while let Some(task) = acknowledged.join_next().await {
                let (i, time) = task??;
                times[usize::try_from(i)?] = time;
            }
            anyhow::Ok(times)
        };
        let reading = read_back(&mut records, usize::try_from(all)?);
        let (acknowledged, read) = tokio::try_join!(publishing, reading)?;
        let mut latencies = Vec::new();
        for (i, (acknowledged, read)) in acknowledged.into_iter().zip(read).enumerate() {
            let there = acknowledged.max(read.context("all are read")?);
            latencies.push(there - latency::due(start, i as u64, self.rate));
        }
        Ok(latency::summary(latencies, 0, start.elapsed()))
    }
}

/// When each of `all` records was read; those that are none of them are passed over.
async fn read_back(
    records: &mut Subscription<PointsRecord>,
    all: usize,
) -> anyhow::Result<Vec<Option<Instant>>> {
    let (mut times, mut left) = (vec![None; all], all);
    while left > 0 {
        for message in records.next_batch(1_000, Duration::ZERO).await? {
            if let Ok(PointsRecord::One { point, .. }) = message.event
                && let Ok(i) = usize::try_from(point.timestamp)
                && let Some(time) = times.get_mut(i)
            {
                *time = Some(Instant::now());
                left -= 1;
            }
        }
    }
    Ok(times)
}
