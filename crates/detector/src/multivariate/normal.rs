//! Normal scores: p-values on the scale of a standard normal distribution.

/// The largest normal score: that of a p-value of about 2e-16.
pub(super) const LIMIT: f64 = 8.2;

/// The standard normal score whose two-sided p-value is `p`, at most [`LIMIT`]. `p` is in (0, 1].
pub(super) fn score(p: f64) -> f64 {
    (-quantile((p / 2.0).max(f64::MIN_POSITIVE))).clamp(0.0, LIMIT)
}

/// The standard normal quantile of `p` in (0, 1), to about seven digits (Wichura, algorithm AS 241,
/// PPND7, 1988).
fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        let above =
            ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let below = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return q * above / below;
    }
    let r = (-(if q < 0.0 { p } else { 1.0 - p }).ln()).sqrt();
    let size = if r <= 5.0 {
        let r = r - 1.6;
        let above =
            ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
        above / ((0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0)
    } else {
        let r = r - 5.0;
        let above = ((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386_0) * r
            + 6.657_905_115_0;
        above / ((0.012_258_202_635 * r + 0.241_978_942_25) * r + 1.0)
    };
    if q < 0.0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_tables_of_the_normal_distribution() {
        for (p, z) in [
            (1.0, 0.0),
            (0.317_310_507_86, 1.0),
            (0.05, 1.959_963_985),
            (0.001, 3.290_526_731),
            (5.733_031_437e-7, 5.0),
            (1e-15, 8.026_859),
            (1e-300, LIMIT),
        ] {
            assert!((score(p) - z).abs() < 1e-6, "{p}: {}", score(p));
        }
        assert_eq!(score(f64::MIN_POSITIVE), LIMIT);
    }
}
