//! The promises of every backend, in Redis and in SQLite alike.
//!
//! `open` opens one and the same place again each time, as another process would, or the same one
//! after it was killed.

use std::{collections::BTreeMap, time::Duration};

use ::redis::AsyncCommands;
use anyhow::Context;
use contract::{
    Delivery, Figures, InferenceBatch, LatencyHistogram, LoadFigures, MetricsEvent, SeriesId,
    TopicLog, TopicOffset,
};
use stats::{RedisConfig, Stats, StatsError};
use tokio::task::JoinSet;

const GROUP: &str = "metrics-consumer";
const TOPIC: &str = "metrics";

/// When these tests play: seven seconds into a slot.
const NOW: i64 = 1_760_000_007_000;

fn inference(latency_ms: f64) -> MetricsEvent {
    MetricsEvent::Inference(InferenceBatch {
        latency_ms,
        ..InferenceBatch::default()
    })
}

fn training(series: &str, latency_ms: f64) -> MetricsEvent {
    MetricsEvent::Training {
        series_id: series_id(series),
        latency_ms,
    }
}

fn usage(of: impl IntoIterator<Item = (String, u64)>) -> MetricsEvent {
    let usage: BTreeMap<_, _> = of.into_iter().map(|(s, n)| (series_id(&s), n)).collect();
    MetricsEvent::Inference(InferenceBatch {
        latency_ms: 1.0,
        count: Some(usage.values().sum()),
        histogram: None,
        usage,
    })
}

fn series_id(id: &str) -> SeriesId {
    SeriesId::new(id).expect("a valid id")
}

/// `events` as the messages of `partition` from `offset` on, published at `NOW`.
fn messages(
    partition: i32,
    offset: i64,
    events: &[MetricsEvent],
) -> Vec<Delivery<'_, MetricsEvent>> {
    let numbered = (offset..).zip(events);
    numbered
        .map(|(offset, event)| Delivery {
            partition,
            offset,
            timestamp_ms: NOW,
            event: Some(event),
        })
        .collect()
}

fn at(
    timestamp_ms: i64,
    mut batch: Vec<Delivery<'_, MetricsEvent>>,
) -> Vec<Delivery<'_, MetricsEvent>> {
    for delivery in &mut batch {
        delivery.timestamp_ms = timestamp_ms;
    }
    batch
}

async fn apply(stats: &Stats, batch: &[Delivery<'_, MetricsEvent>]) -> Result<(), StatsError> {
    stats.apply_at(NOW, GROUP, TOPIC, batch).await
}

/// How many predictions `stats` counted in the minute before `NOW`.
async fn counted(stats: &Stats) -> Result<f64, StatsError> {
    Ok(stats.figures_at(NOW).await?.inference.per_minute)
}

fn assert_close(figure: f64, expected: f64, tolerance: f64) {
    assert!(
        (figure - expected).abs() <= expected.abs() * tolerance,
        "{figure} is not within {tolerance} of {expected}"
    );
}

async fn an_empty_platform_has_zeros(open: impl AsyncFn() -> Stats) -> anyhow::Result<()> {
    let stats = open().await;
    stats.ping().await?;
    assert_eq!(stats.figures().await?, Figures::default());
    assert_eq!(stats.offsets(GROUP, TOPIC).await?, []);
    Ok(())
}

async fn what_is_measured_is_reported(open: impl AsyncFn() -> Stats) -> anyhow::Result<()> {
    let stats = open().await;
    let events = [
        training("a", 10.0),
        training("b", 30.0),
        training("a", 20.0),
        usage([("a".to_owned(), 2), ("été ✓".to_owned(), 3)]),
        usage([("a".to_owned(), 5)]),
    ];
    apply(&stats, &messages(0, 0, &events)).await?;
    let figures = open().await.figures_at(NOW).await?;
    assert_eq!(figures.series_trained, 2);
    assert_eq!(figures.training.latency_ms.avg, 20.0);
    assert_close(figures.training.latency_ms.p95, 30.0, 0.05);
    assert_eq!(figures.training.per_minute, 3.0);
    assert_eq!(figures.inference.per_minute, 10.0);
    let expected = [("a".to_owned(), 7), ("été ✓".to_owned(), 3)];
    assert_eq!(figures.model_usage, expected.into());
    Ok(())
}

async fn redelivered_and_overlapping_messages_count_once(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let events = vec![inference(1.0); 40];
    apply(&stats, &messages(0, 100, &events[..20])).await?;
    apply(&stats, &messages(0, 100, &events[..20])).await?;
    apply(&stats, &messages(0, 110, &events[..20])).await?;
    apply(&stats, &messages(1, 100, &events[..5])).await?;
    apply(
        &stats,
        &[messages(1, 103, &events[..3]), messages(0, 105, &events)].concat(),
    )
    .await?;
    assert_eq!(counted(&stats).await?, 51.0);
    let offsets = [(0, 145), (1, 106)].map(|(partition, next_offset)| TopicOffset {
        partition,
        next_offset,
    });
    assert_eq!(stats.offsets(GROUP, TOPIC).await?, offsets);
    assert_eq!(stats.offsets(GROUP, "other").await?, []);
    assert_eq!(stats.offsets("other", TOPIC).await?, []);
    Ok(())
}

async fn offsets_are_kept_by_log(open: impl AsyncFn() -> Stats) -> anyhow::Result<()> {
    let stats = open().await;
    let log = |id: &str, is_cut| TopicLog {
        topic: TOPIC.to_owned(),
        id: Some(id.to_owned()),
        is_cut,
    };
    let next = async |log: &TopicLog| -> anyhow::Result<Vec<i64>> {
        let offsets = stats.start_offsets(GROUP, log).await?;
        Ok(offsets.iter().map(|offset| offset.next_offset).collect())
    };
    let events = vec![inference(1.0); 40];
    // From before logs had ids: taken over by the first.
    apply(&stats, &messages(0, 100, &events)).await?;
    assert_eq!(next(&log("one", false)).await?, [140]);
    assert_eq!(next(&log("one", false)).await?, [140]);
    // Another log begins anew, and the first is not forgotten.
    let two = log("two", false);
    assert_eq!(next(&two).await?, [0_i64; 0]);
    let batch = messages(0, 0, &events[..9]);
    stats.apply_at(NOW, GROUP, &two.key(), &batch).await?;
    assert_eq!(next(&two).await?, [9]);
    assert_eq!(next(&log("one", false)).await?, [140]);
    // One that was cut begins anew, too.
    assert_eq!(next(&log("two", true)).await?, [0_i64; 0]);
    stats.apply_at(NOW, GROUP, &two.key(), &batch).await?;
    assert_eq!(next(&two).await?, [9]);
    assert_eq!(counted(&stats).await?, 58.0);
    Ok(())
}

async fn what_was_applied_survives_a_kill(open: impl AsyncFn() -> Stats) -> anyhow::Result<()> {
    let events = [inference(1.0), training("a", 1.0)];
    for offset in 0..10 {
        // Never closed, and the message delivered again as if nobody knew that it was applied.
        let stats = open().await;
        apply(&stats, &messages(0, offset, &events[..1])).await?;
        std::mem::forget(stats);
        apply(
            &open().await,
            &messages(0, 0, &vec![inference(1.0); 10][..=usize::try_from(offset)?]),
        )
        .await?;
    }
    assert_eq!(counted(&open().await).await?, 10.0);
    Ok(())
}

async fn a_call_that_was_cut_off_can_be_made_again(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let event = [inference(1.0)];
    for offset in 0..100 {
        let batch = messages(0, offset, &event);
        let cut_after = Duration::from_micros(20 * offset.unsigned_abs());
        let _ = tokio::time::timeout(cut_after, apply(&stats, &batch)).await;
        apply(&stats, &batch).await?;
    }
    assert_eq!(counted(&stats).await?, 100.0);
    Ok(())
}

async fn racing_consumers_count_each_message_once(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let mut consumers = JoinSet::new();
    for consumer in 0..4_usize {
        let stats = open().await;
        consumers.spawn(async move {
            let events = vec![inference(1.0); 300];
            // Each has the same messages, cut into batches of its own.
            for batch in messages(0, 0, &events).chunks(7 + 4 * consumer) {
                apply(&stats, batch).await?;
                stats.figures_at(NOW).await?;
                stats.offsets(GROUP, TOPIC).await?;
            }
            stats.ping().await
        });
    }
    for consumer in consumers.join_all().await {
        consumer?;
    }
    assert_eq!(counted(&open().await).await?, 300.0);
    Ok(())
}

async fn a_buried_or_senseless_message_only_moves_the_offset(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let events = [inference(-1.0), inference(f64::NAN), inference(5.0)];
    let mut batch = messages(0, 0, &events);
    batch.push(Delivery {
        partition: 0,
        offset: 3,
        timestamp_ms: NOW,
        event: None,
    });
    apply(&stats, &batch).await?;
    let figures = stats.figures_at(NOW).await?;
    assert_eq!(
        (
            figures.inference.latency_ms.avg,
            figures.inference.per_minute
        ),
        (5.0, 1.0)
    );
    assert_eq!(stats.offsets(GROUP, TOPIC).await?[0].next_offset, 4);
    Ok(())
}

async fn five_minutes_pass_by_the_time_of_the_messages(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let minute = 60_000;
    let events = [training("a", 8.0), usage([("a".to_owned(), 20)])];
    apply(&stats, &at(NOW - 4 * minute, messages(0, 0, &events))).await?;
    apply(&stats, &at(NOW - 6 * minute, messages(1, 0, &events))).await?;
    // A clock that is ahead must not hide what it measured.
    apply(&stats, &at(NOW + 60 * minute, messages(2, 0, &events))).await?;

    let figures = stats.figures_at(NOW).await?;
    // 297 seconds are in sight; the first message is older, the one from six minutes ago is not
    // counted.
    assert_close(figures.inference.per_minute, 40.0 * 60.0 / 297.0, 1e-9);
    assert_eq!(figures.training.latency_ms.avg, 8.0);

    let later = stats.figures_at(NOW + 2 * minute).await?;
    assert_close(later.inference.per_minute, 20.0 * 60.0 / 297.0, 1e-9);

    let much_later = stats.figures_at(NOW + 5 * minute).await?;
    assert_eq!(much_later.inference, LoadFigures::default());
    assert_eq!(much_later.training, LoadFigures::default());
    assert_eq!(much_later.series_trained, 1);
    assert_eq!(much_later.model_usage["a"], 60);
    Ok(())
}

async fn the_95th_percentile_is_within_five_per_cent(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    // From 0.05 ms to 1.1 s, more of the short ones, in no order.
    let latency = |i: i64| 0.05 * (f64::from((i * 7_919 % 2_000) as u32) / 200.0).exp();
    let mut exact: Vec<f64> = (0..2_000).map(latency).collect();
    for chunk in 0..20 {
        let events: Vec<_> = (0..100)
            .map(|i| inference(latency(chunk * 100 + i)))
            .collect();
        let batch = at(NOW - chunk * 10_000, messages(0, chunk * 100, &events));
        apply(&stats, &batch).await?;
    }
    exact.sort_by(f64::total_cmp);
    let figures = stats.figures_at(NOW).await?.inference.latency_ms;
    assert_close(figures.p95, exact[1_899], 0.05);
    assert_close(figures.avg, exact.iter().sum::<f64>() / 2_000.0, 1e-9);
    Ok(())
}

async fn few_latencies_have_a_95th_percentile(open: impl AsyncFn() -> Stats) -> anyhow::Result<()> {
    let stats = open().await;
    apply(&stats, &messages(0, 0, &[inference(12.5)])).await?;
    let figures = stats.figures_at(NOW).await?.inference.latency_ms;
    assert_eq!(figures.avg, 12.5);
    assert_close(figures.p95, 12.5, 0.05);
    Ok(())
}

async fn one_batch_says_the_same_as_its_predictions_one_by_one(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let latencies: Vec<f64> = (1..=50).map(|i| f64::from(i) * 0.3).collect();
    let mut histogram = LatencyHistogram::default();
    for ms in &latencies {
        histogram.record((ms * 1e6) as u64);
    }
    let batch = MetricsEvent::Inference(InferenceBatch {
        latency_ms: latencies.iter().sum::<f64>() / 50.0,
        count: Some(50),
        histogram: Some(histogram),
        usage: BTreeMap::new(),
    });
    let recorded: Vec<_> = latencies.iter().copied().map(inference).collect();
    apply(&stats, &messages(0, 0, &recorded)).await?;
    let one_by_one = stats.figures_at(NOW).await?.inference;
    apply(&stats, &messages(1, 0, &[batch])).await?;
    let both = stats.figures_at(NOW).await?.inference;
    assert_eq!(both.latency_ms.p95, one_by_one.latency_ms.p95);
    assert_close(both.latency_ms.avg, one_by_one.latency_ms.avg, 1e-9);
    assert_eq!((one_by_one.per_minute, both.per_minute), (50.0, 100.0));
    Ok(())
}

async fn the_thousand_busiest_series_are_reported(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let event = [usage((1..=1_500).map(|i| (format!("s{i}"), i)))];
    apply(&stats, &messages(0, 0, &event)).await?;
    let reported = stats.figures_at(NOW).await?.model_usage;
    assert_eq!(reported.len(), 1_000);
    assert_eq!(reported.values().min(), Some(&501));
    assert_eq!(reported["s1500"], 1_500);
    Ok(())
}

async fn usage_is_forgotten_beyond_a_hundred_thousand_series(
    open: impl AsyncFn() -> Stats,
) -> anyhow::Result<()> {
    let stats = open().await;
    let once = |id: &str, n| usage([(id.to_owned(), n)]);
    let crowd = (0..11).map(|part| usage((0..10_000).map(|i| (format!("s{part}.{i}"), 2))));
    let mut events: Vec<_> = [once("rare", 1)].into_iter().chain(crowd).collect();
    // Passes the bound; then, were `rare` still known, its first use would be in the sum.
    events.extend([once("busy", 9), once("busy", 1), once("rare", 1_000)]);
    for (offset, event) in (0..).zip(&events) {
        apply(&stats, &messages(0, offset, std::slice::from_ref(event))).await?;
    }
    let reported = stats.figures_at(NOW).await?.model_usage;
    assert_eq!((reported["busy"], reported["rare"]), (10, 1_000));
    Ok(())
}

/// The Redis of the environment, with keys that no other test has.
fn redis_of_our_own() -> RedisConfig {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells where the tests find a server, no setting of a program"
    )]
    let url = std::env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL says where Redis is");
    let unique = tempfile::tempdir().expect("a name of our own");
    RedisConfig {
        redis_url: Some(url),
        redis_password_file: None,
        redis_host: String::new(),
        redis_port: 0,
        redis_key_prefix: format!("{}:", unique.path().display()),
        security: stats::RedisSecurity::default(),
    }
}

/// Removes the keys of `config`, after checking that they are named as promised and that slots
/// expire.
async fn clear(config: &RedisConfig) -> anyhow::Result<()> {
    let url = config.redis_url.as_deref().context("no address")?;
    let mut redis = ::redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    let pattern = format!("{}*", config.redis_key_prefix);
    let keys: Vec<String> = redis.keys(pattern).await?;
    for key in keys {
        let name = key
            .strip_prefix(&config.redis_key_prefix)
            .context("foreign key")?;
        let slot = name
            .rsplit(':')
            .next()
            .is_some_and(|last| last.parse::<i64>().is_ok());
        let seconds: i64 = redis.ttl(&key).await?;
        assert!(name.starts_with("metrics:"), "{name}");
        assert_eq!(
            (1..=360).contains(&seconds),
            slot,
            "{name} lives for {seconds} s"
        );
        let _: () = redis.unlink(&key).await?;
    }
    Ok(())
}

/// One module a backend, with every test of the suite.
macro_rules! suite {
    ($($name:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() -> anyhow::Result<()> {
                let folder = tempfile::tempdir()?;
                let path = folder.path().join("stats.db");
                super::$name(async || stats::Stats::sqlite(&path).await.expect("a folder of our own")).await
            })*
        }

        mod redis {
            $(#[tokio::test]
            #[ignore = "needs Redis: TEST_REDIS_URL"]
            async fn $name() -> anyhow::Result<()> {
                let config = super::redis_of_our_own();
                super::$name(async || stats::Stats::redis(&config).expect("a valid address")).await?;
                super::clear(&config).await
            })*
        }
    };
}

suite! {
    an_empty_platform_has_zeros,
    what_is_measured_is_reported,
    redelivered_and_overlapping_messages_count_once,
    offsets_are_kept_by_log,
    what_was_applied_survives_a_kill,
    a_call_that_was_cut_off_can_be_made_again,
    racing_consumers_count_each_message_once,
    a_buried_or_senseless_message_only_moves_the_offset,
    five_minutes_pass_by_the_time_of_the_messages,
    the_95th_percentile_is_within_five_per_cent,
    few_latencies_have_a_95th_percentile,
    one_batch_says_the_same_as_its_predictions_one_by_one,
    the_thousand_busiest_series_are_reported,
    usage_is_forgotten_beyond_a_hundred_thousand_series,
}
