//! Generated series by kind, the same on every run.

use contract::Point;

use crate::chance::Chance;

/// The timestamp of a first point: 3 June 2024, 00:00 UTC, a Monday.
pub(crate) const START: i64 = 1_717_372_800;
/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// A kind of series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// For tables.
    pub(crate) name: &'static str,
    /// Whether the values are whole numbers or few: then not every share of points can be beyond
    /// a limit.
    pub(crate) lattice: bool,
    make: fn(&mut Chance, usize) -> Vec<f64>,
}

impl Kind {
    const fn new(name: &'static str, make: fn(&mut Chance, usize) -> Vec<f64>) -> Self {
        Self {
            name,
            lattice: false,
            make,
        }
    }

    const fn lattice(name: &'static str, make: fn(&mut Chance, usize) -> Vec<f64>) -> Self {
        Self {
            name,
            lattice: true,
            make,
        }
    }

    /// Series number `number` of this kind: `n` points at `step` seconds.
    pub(crate) fn series(&self, number: u64, n: usize, step: i64) -> Vec<Point> {
        let mut chance = Chance::of(&format!("{} {number} {n} {step}", self.name));
        every(step, (self.make)(&mut chance, n))
    }
}

/// The values at `step` seconds from each other.
pub(crate) fn every(step: i64, values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    let point = |(i, value)| Point {
        timestamp: START + step * i,
        value,
    };
    (0..).zip(values).map(point).collect()
}

/// Noise in which there is no season.
pub(crate) const NOISE: [Kind; 13] = [
    Kind::new("white noise", |c, n| each(n, |_| c.normal())),
    Kind::new("uniform", |c, n| each(n, |_| c.even())),
    Kind::new("Student's t, 3 degrees", |c, n| each(n, |_| c.student(3))),
    Kind::new("log-normal", |c, n| each(n, |_| c.normal().exp())),
    Kind::new("AR(1), 0.5", |c, n| autoregressive(c, n, 0.5)),
    Kind::new("AR(1), 0.9", |c, n| autoregressive(c, n, 0.9)),
    Kind::new("AR(1), 0.99", |c, n| autoregressive(c, n, 0.99)),
    Kind::new("random walk", walk),
    Kind::new("mean of the last 10", |c, n| moving_average(c, n, 10)),
    Kind::new("spread that changes", clustered),
    Kind::new("level that jumps", jumping),
    Kind::lattice("Poisson, mean 1", |c, n| each(n, |_| c.poisson(1.0))),
    Kind::lattice("Poisson, mean 0.1", |c, n| each(n, |_| c.poisson(0.1))),
];

/// Series in which nothing is wrong and nothing changes.
pub(crate) const STATIONARY: [Kind; 19] = [
    Kind::new("white noise", |c, n| each(n, |_| c.normal())),
    Kind::new("uniform", |c, n| each(n, |_| c.even())),
    Kind::new("Student's t, 3 degrees", |c, n| each(n, |_| c.student(3))),
    Kind::new("log-normal", |c, n| each(n, |_| c.normal().exp())),
    Kind::new("exponential", |c, n| each(n, |_| c.exponential())),
    Kind::new("gamma, shape 2", |c, n| {
        each(n, |_| c.exponential() + c.exponential())
    }),
    Kind::new("AR(1), 0.5", |c, n| autoregressive(c, n, 0.5)),
    Kind::new("AR(1), 0.8", |c, n| autoregressive(c, n, 0.8)),
    Kind::new("day of 288, even spread", |c, n| {
        each(n, |i| 10.0 + 4.0 * wave(i, 288) + c.normal())
    }),
    Kind::new("day of 288, spread by hour", |c, n| {
        each(n, |i| {
            10.0 + 4.0 * wave(i, 288) + (1.0 + 0.8 * wave(i, 288)) * c.normal()
        })
    }),
    Kind::new("season of 48", |c, n| {
        each(n, |i| 4.0 * wave(i, 48) + c.normal())
    }),
    Kind::lattice("Poisson, mean 0.1", |c, n| each(n, |_| c.poisson(0.1))),
    Kind::lattice("Poisson, mean 1", |c, n| each(n, |_| c.poisson(1.0))),
    Kind::lattice("Poisson, mean 4", |c, n| each(n, |_| c.poisson(4.0))),
    Kind::lattice("Poisson, mean 30", |c, n| each(n, |_| c.poisson(30.0))),
    Kind::lattice("sparse events", sparse_events),
    Kind::new("a cluster of 1 %", |c, n| mixture(c, n, 0.01)),
    Kind::new("a cluster of 3 %", |c, n| mixture(c, n, 0.03)),
    Kind::new("a nightly job", nightly_job),
];

/// Where alarms without an anomaly are counted online, beside the stationary kinds.
pub(crate) const DAILY_JUMPS: Kind = Kind::new("square wave of 288", |c, n| {
    each(n, |i| {
        let level = if i % 288 < 144 { 10.0 } else { 0.0 };
        level + 0.5 * c.normal()
    })
});

/// A sine of this period.
pub(crate) fn wave(i: usize, period: usize) -> f64 {
    ((i % period) as f64 / period as f64 * std::f64::consts::TAU).sin()
}

fn each(n: usize, value: impl FnMut(usize) -> f64) -> Vec<f64> {
    (0..n).map(value).collect()
}

fn autoregressive(chance: &mut Chance, n: usize, kept: f64) -> Vec<f64> {
    let mut x = chance.normal() / (1.0 - kept * kept).sqrt();
    each(n, |_| {
        x = kept * x + chance.normal();
        x
    })
}

/// A random walk with steps of variance 1.
pub(crate) fn walk(chance: &mut Chance, n: usize) -> Vec<f64> {
    let mut x = 0.0;
    each(n, |_| {
        x += chance.normal();
        x
    })
}

fn moving_average(chance: &mut Chance, n: usize, width: usize) -> Vec<f64> {
    let noise = each(n + width, |_| chance.normal());
    each(n, |i| noise[i..i + width].iter().sum())
}

/// A spread that follows a slow process of its own.
fn clustered(chance: &mut Chance, n: usize) -> Vec<f64> {
    let log_spread = autoregressive(chance, n, 0.98);
    each(n, |i| (0.2 * log_spread[i]).exp() * chance.normal())
}

/// A level that moves by some spreads every few hundred points.
fn jumping(chance: &mut Chance, n: usize) -> Vec<f64> {
    let mut level = 0.0;
    each(n, |_| {
        if chance.below(200) == 0 {
            level += 5.0 * chance.normal();
        }
        level + chance.normal()
    })
}

/// Nothing, and in one of twenty points an event of some size.
fn sparse_events(chance: &mut Chance, n: usize) -> Vec<f64> {
    each(n, |_| match chance.even() < 0.05 {
        true => (4.0 * chance.exponential()).ceil(),
        false => 0.0,
    })
}

/// Noise, and a share of the points in a cluster far above.
fn mixture(chance: &mut Chance, n: usize, share: f64) -> Vec<f64> {
    each(n, |_| match chance.even() < share {
        true => 60.0 + 3.0 * chance.normal(),
        false => 20.0 + 2.0 * chance.normal(),
    })
}

/// Noise at 20, and in each 288 points three at 85, up to a point early or late.
fn nightly_job(chance: &mut Chance, n: usize) -> Vec<f64> {
    let mut start = 0;
    each(n, |i| {
        if i % 288 == 0 {
            start = 71 + chance.below(3);
        }
        match (start..start + 3).contains(&(i % 288)) {
            true => 85.0 + 2.0 * chance.normal(),
            false => 20.0 + 2.0 * chance.normal(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_and_series_that_are_the_same_each_time() {
        for kinds in [&NOISE[..], &STATIONARY[..]] {
            for (k, kind) in kinds.iter().enumerate() {
                assert!(kinds[..k].iter().all(|other| other.name != kind.name));
                let series = kind.series(3, 500, 60);
                assert_eq!(series, kind.series(3, 500, 60), "{}", kind.name);
                assert_ne!(series, kind.series(4, 500, 60), "{}", kind.name);
                assert!(series.iter().all(|p| p.value.is_finite()), "{}", kind.name);
                let whole = series.iter().all(|p| p.value.fract() == 0.0);
                assert_eq!(whole, kind.lattice, "{}", kind.name);
            }
        }
    }

    #[test]
    fn a_cluster_has_the_share_that_it_says_and_a_job_its_hour() {
        let cluster = STATIONARY.iter().find(|k| k.name == "a cluster of 1 %");
        let series = cluster.unwrap().series(0, 50_000, 60);
        let far = series.iter().filter(|p| p.value > 40.0).count();
        assert!((400..600).contains(&far), "{far}");
        let job = STATIONARY.iter().find(|k| k.name == "a nightly job");
        let series = job.unwrap().series(0, 2_880, 300);
        let far: Vec<usize> = (0..2_880).filter(|i| series[*i].value > 50.0).collect();
        assert_eq!(far.len(), 30);
        assert!(far.iter().all(|i| (71..76).contains(&(i % 288))), "{far:?}");
    }
}
