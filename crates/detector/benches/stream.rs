//! The cost of the streaming detector: fits of 10,000 and 1,000,000 points, and one point.
//!
//! `cargo bench -p detector --bench stream`. A season of 288 points with noise, so that all parts
//! have work and libraries are full.

mod series;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detector::streaming::{Stream, StreamState, observe};
use series::series;

fn fits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit");
    group.sample_size(10);
    for n in [750, 10_000, 1_000_000] {
        let points = series(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(n.to_string(), |bencher| {
            bencher.iter(|| Stream::fit(black_box(&points)));
        });
    }
    group.finish();
}

fn points(criterion: &mut Criterion) {
    const POINTS: usize = 20_000;
    for prefix in [100, 750, 10_000] {
        let all = series(prefix + 2 * POINTS);
        let (mut stream, _) = Stream::fit(&all[..prefix]).expect("enough points");
        for &point in &all[prefix..prefix + POINTS] {
            stream.update(point);
        }
        let later = &all[prefix + POINTS..];
        let mut group = criterion.benchmark_group(format!("after a prefix of {prefix}"));
        group.throughput(Throughput::Elements(POINTS as u64));
        group.bench_function("update", |bencher| {
            let run = |mut stream: Stream| {
                for &point in later {
                    black_box(stream.update(point));
                }
            };
            bencher.iter_batched(|| stream.clone(), run, BatchSize::LargeInput);
        });
        group.bench_function("observe without learning", |bencher| {
            let (params, memory) = (stream.params(), stream.memory());
            bencher.iter(|| {
                let mut state = StreamState::fresh(params, memory);
                for &point in later {
                    black_box(observe(params, memory, &mut state, point));
                }
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("fresh context and one point", |bencher| {
            let (params, memory) = (stream.params(), stream.memory());
            bencher.iter(|| {
                let mut state = StreamState::fresh(params, memory);
                observe(params, memory, &mut state, black_box(later[0]))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, fits, points);
criterion_main!(benches);
