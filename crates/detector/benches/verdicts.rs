//! The cost of verdicts and fits: each detector alone, after other points and in a session, and
//! fits of `auto`.
//!
//! `cargo bench -p detector --bench verdicts`. The first lines are not criterion's: they are the
//! median and the 99th percentile of single verdicts, timed one by one, the clock's own time
//! included. Changes are held to counts of instructions (`benchmark/cost`), which a busy machine
//! does not change.

mod series;

use std::{hint::black_box, time::Instant};

use contract::{DetectorName, FitOptions, JudgeOptions, Point};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detector::Model;
use series::series;

const PLAIN: JudgeOptions = JudgeOptions {
    false_alarm_rate: None,
    direction: None,
    min_deviation: None,
};
const TRAIN: usize = 2_000;
const JUDGED: usize = 20_000;

fn fit(points: &[Point], detector: DetectorName) -> Model {
    let fitted = Model::fit(points, &FitOptions::default(), detector);
    fitted.expect("they are fit to be learned from").model
}

/// Single verdicts, the slowest ones included.
fn singles(_: &mut Criterion) {
    let points = series(TRAIN + 10 * JUDGED);
    let (train, later) = points.split_at(TRAIN);
    for detector in [DetectorName::Sigma, DetectorName::Robust] {
        let model = fit(train, detector);
        let time = |point: &Point| {
            let start = Instant::now();
            black_box(model.score(&[], black_box(*point), &PLAIN));
            start.elapsed().as_nanos()
        };
        let mut times: Vec<u128> = later.iter().map(time).collect();
        times.sort_unstable();
        let part = |share: f64| times[(times.len() as f64 * share) as usize];
        let (half, most) = (part(0.5), part(0.99));
        println!("score alone/{detector}: median {half} ns, 99th percentile {most} ns");
    }
}

fn verdicts(criterion: &mut Criterion) {
    let points = series(TRAIN + 2 * JUDGED);
    let (train, rest) = points.split_at(TRAIN);
    let (before, later) = rest.split_at(JUDGED);
    for &detector in DetectorName::ALL {
        let model = fit(train, detector);
        let mut group = criterion.benchmark_group(detector.as_str());
        group.throughput(Throughput::Elements(JUDGED as u64));
        group.bench_function("score alone", |bencher| {
            bencher.iter(|| {
                for point in later {
                    black_box(model.score(&[], *point, &PLAIN));
                }
            });
        });
        group.bench_function("score after others", |bencher| {
            bencher.iter(|| {
                let mut scorer = model.fixed_scorer(&[]);
                for point in later {
                    black_box(scorer.score(*point, &PLAIN));
                }
            });
        });
        let mut session = model.session(&PLAIN);
        for point in before {
            session.update(*point);
        }
        group.bench_function("session", |bencher| {
            let run = |mut session: detector::Session| {
                for point in later {
                    black_box(session.update(*point));
                }
            };
            bencher.iter_batched(|| session.clone(), run, BatchSize::LargeInput);
        });
        group.finish();
    }
}

fn fits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("auto");
    group.sample_size(10);
    for n in [10_000, 1_000_000] {
        let points = series(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(format!("fit of {n}"), |bencher| {
            bencher.iter(|| fit(black_box(&points), DetectorName::Auto));
        });
    }
    group.finish();
}

criterion_group!(benches, singles, verdicts, fits);
criterion_main!(benches);
