//! A stream is held to `detector::detect`, and to itself after any interruption.

mod anomalies;
mod equality;
mod places;
mod sizes;
mod stored;

use contract::{DetectorName, Point, SeriesId, StreamOptions};
use detector::Judged;

use crate::{Arrival, Beginning, Findings, Observed, Stream};

/// A point a minute with a daily rhythm, noise, an outlier now and then and a shift of the level.
fn series(seed: u64, n: usize) -> Vec<Point> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..n)
        .map(|i| {
            let day = (i as f64 / 144.0 * std::f64::consts::TAU).sin();
            let outlier = if random.f64() < 0.003 { 60.0 } else { 0.0 };
            let shift = if i > n * 3 / 4 { 40.0 } else { 0.0 };
            Point {
                timestamp: 1_700_000_000 + 600 * i as i64,
                value: 100.0 + 20.0 * day + 4.0 * random.f64() + outlier + shift,
            }
        })
        .collect()
}

fn id() -> SeriesId {
    SeriesId::new("s").unwrap()
}

fn stream(options: &StreamOptions) -> Stream {
    Stream::begin(id(), options.clone(), Beginning::Nothing, 0)
}

fn options(detector: DetectorName, warmup: u64) -> StreamOptions {
    StreamOptions {
        detector: Some(detector),
        warmup: Some(warmup),
        ..StreamOptions::default()
    }
}

fn at(ms: i64) -> Arrival {
    Arrival {
        at_ms: ms,
        watched_ms: ms,
        quiet: false,
    }
}

/// Observes one point.
fn observe(stream: &mut Stream, point: Point, findings: &mut Findings) -> Observed {
    let observed = stream.observe(at(point.timestamp * 1_000), &[point], findings);
    observed.into_iter().next().unwrap()
}

/// The reply to a point as text.
fn text(observed: &Observed) -> String {
    serde_json::to_string(&observed.reply()).unwrap()
}

/// The part of a judged point that `detect` gives too.
fn judgement(judged: &Judged) -> String {
    format!("{:?} {:?}", judged.verdict, judged.to_reply())
}
