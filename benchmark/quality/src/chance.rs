//! Chance that is the same on every run and every machine: SplitMix64 (Steele et al., 2014,
//! <https://doi.org/10.1145/2660193.2660195>).

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream that belongs to `name` (its FNV-1a hash is the seed).
    pub(crate) fn of(name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash)
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly distributed, above 0 and at most 1.
    pub(crate) fn even(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Of mean 0 and variance 1 (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.even().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.even()).cos()
    }

    /// One of `0..n`, each as likely.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.even() * n as f64) as usize).min(n - 1)
    }

    /// Of mean 1, exponentially distributed.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.even().ln()
    }

    /// Student's t with this number of degrees of freedom.
    pub(crate) fn student(&mut self, degrees: u32) -> f64 {
        let squares: f64 = (0..degrees).map(|_| self.normal().powi(2)).sum();
        self.normal() / (squares / f64::from(degrees)).sqrt()
    }

    /// A Poisson count, for means up to some hundred (Knuth's product of uniforms).
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.even(), 0.0);
        while product > limit {
            product *= self.even();
            count += 1.0;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut chance = Chance(1_234_567);
        let words = [chance.word(), chance.word()];
        assert_eq!(
            words,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let mut chance = Chance::of("a name");
        let mut moments = [0.0; 4];
        for _ in 0..100_000 {
            let x = chance.normal();
            for (k, moment) in moments.iter_mut().enumerate() {
                *moment += x.powi(k as i32 + 1) / 100_000.0;
            }
        }
        for (moment, expected) in moments.iter().zip([0.0, 1.0, 0.0, 3.0]) {
            assert!((moment - expected).abs() < 0.1, "{moments:?}");
        }
    }

    #[test]
    fn counts_and_waiting_times_have_the_mean_and_the_variance_that_they_should_have() {
        let mut chance = Chance::of("counts");
        let mut moments = |mut draw: Box<dyn FnMut(&mut Chance) -> f64>| {
            let values: Vec<f64> = (0..50_000).map(|_| draw(&mut chance)).collect();
            let mean = values.iter().sum::<f64>() / 50_000.0;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 50_000.0;
            (mean, variance)
        };
        for mean in [0.1, 4.0, 30.0] {
            let (m, v) = moments(Box::new(move |c| c.poisson(mean)));
            let near = |x: f64| (x / mean - 1.0).abs() < 0.05;
            assert!(near(m) && near(v), "{mean}: {m} {v}");
        }
        let (m, v) = moments(Box::new(Chance::exponential));
        assert!((m - 1.0).abs() < 0.03 && (v - 1.0).abs() < 0.06, "{m} {v}");
        let (m, v) = moments(Box::new(|c| c.student(5)));
        assert!(
            m.abs() < 0.03 && (v / (5.0 / 3.0) - 1.0).abs() < 0.1,
            "{m} {v}"
        );
    }
}
