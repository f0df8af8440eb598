//! The joint distribution of the columns' normal scores, by its principal components.
//!
//! A row of scores is compared with the correlations of the training rows. Along the principal
//! axes, each divided by its own spread, normal rows look alike in all directions; the same turned
//! back (the symmetric inverse root of the correlation matrix) gives each column its own part of
//! the evidence.

use contract::Direction;
use linfa_linalg::eigh::{EigSort, EighInto};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::normal;
use crate::{
    Verdict,
    calibration::{Calibration, PValue},
};

/// The correlations of the columns' normal scores, and the distribution of the joint score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Joint {
    whitening: Whitening,
    calibration: Calibration,
}

/// Turns and scales rows so that normal ones look alike in all directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whitening {
    /// The root mean square of each column's scores; 1 for a column that has none but 0.
    scales: Vec<f64>,
    /// The eigenvalues of the shrunken correlation matrix, the largest first; over 0.
    spreads: Vec<f64>,
    /// The principal axis of each eigenvalue, of unit length.
    axes: Vec<Vec<f64>>,
}

/// The joint score of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Joined {
    pub(super) p_value: PValue,
    /// The share of each column in the squared distance from normal; they sum to 1.
    pub(super) contributions: Vec<f64>,
}

/// Scores count at most this much in correlations, so that a few anomalies hardly change them.
const WINSOR: f64 = 4.0;
/// The smallest part of the correlation matrix that is replaced by that of independent columns.
const MIN_SHRINKAGE: f64 = 0.01;
/// Each of these parts of the training rows is judged by the correlations of the others.
const FOLDS: usize = 5;
/// The fourth moment of a standard normal distribution.
const KURTOSIS: f64 = 3.0;

impl Joint {
    /// Learns from `rows` of normal scores, in order of time: at least ten, of one length.
    pub(super) fn fit(rows: &[Vec<f64>]) -> Self {
        let fold = rows.len().div_ceil(FOLDS);
        let mut scores = Vec::with_capacity(rows.len());
        for (start, judged) in (0..).step_by(fold).zip(rows.chunks(fold)) {
            let others = rows[..start].iter().chain(&rows[start + judged.len()..]);
            let whitening = Whitening::fit(others);
            scores.extend(judged.iter().map(|row| whitening.of(row).score()));
        }
        Self {
            whitening: Whitening::fit(rows.iter()),
            calibration: Calibration::fit(&scores, 1.0),
        }
    }

    /// Scores a row.
    pub(super) fn score(&self, row: &[f64]) -> Joined {
        let white = self.whitening.of(row);
        Joined {
            p_value: self.calibration.p_value(white.score()),
            contributions: white.contributions(),
        }
    }

    /// Whether a fit to `columns` columns could have given these numbers.
    pub(super) fn is_sound(&self, columns: usize) -> bool {
        let Whitening {
            scales,
            spreads,
            axes,
        } = &self.whitening;
        let positive = |values: &[f64]| {
            values.len() == columns && values.iter().all(|v| v.is_finite() && *v > 0.0)
        };
        positive(scales)
            && positive(spreads)
            && axes.len() == columns
            && axes
                .iter()
                .all(|axis| axis.len() == columns && axis.iter().all(|a| a.abs() <= 1.1))
            && self.calibration.is_sound()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let columns = self.whitening.scales.len();
        size_of::<f64>() * columns * (columns + 2) + size_of::<Vec<f64>>() * columns
    }
}

/// A row after whitening: uncorrelated, with unit variance, if it is normal.
struct White {
    /// Along the principal axes.
    components: Vec<f64>,
    /// Turned back: one for each column, as near to it as can be.
    columns: Vec<f64>,
}

impl White {
    /// The joint score: about 1 for normal rows. The fourth power lets one large part count more
    /// than many small ones; both bases count, since an anomaly of one column is large in the one
    /// and an anomaly that all columns share in the other.
    fn score(&self) -> f64 {
        let all = self.components.iter().chain(&self.columns);
        let sum: f64 = all.map(|part| part.powi(4)).sum();
        let n = (self.components.len() + self.columns.len()) as f64;
        (sum / (KURTOSIS * n)).powf(0.25)
    }

    /// The shares of the columns in the squared Mahalanobis distance (Garthwaite and Koch,
    /// "Evaluating the contributions of individual variables to a quadratic form", 2016).
    fn contributions(&self) -> Vec<f64> {
        let squares = self.columns.iter().map(|part| part * part);
        let sum: f64 = squares.clone().sum();
        if sum > 0.0 {
            return squares.map(|square| square / sum).collect();
        }
        let n = self.columns.len();
        vec![1.0 / n as f64; n]
    }
}

impl Whitening {
    fn fit<'a>(rows: impl Iterator<Item = &'a Vec<f64>> + Clone) -> Self {
        let columns = rows.clone().next().map_or(0, Vec::len);
        let n = rows.clone().count().max(2) as f64;
        let mut squares = vec![0.0; columns];
        for row in rows.clone() {
            for (sum, score) in squares.iter_mut().zip(row) {
                *sum += winsorized(*score).powi(2);
            }
        }
        let scale = |sum: f64| if sum > 0.0 { (sum / n).sqrt() } else { 1.0 };
        let scales: Vec<f64> = squares.into_iter().map(scale).collect();
        let (spreads, axes) = principal_axes(&correlations(rows, &scales, n));
        Self {
            scales,
            spreads,
            axes,
        }
    }

    fn of(&self, row: &[f64]) -> White {
        let row: Vec<f64> = row
            .iter()
            .zip(&self.scales)
            .map(|(z, scale)| z / scale)
            .collect();
        let mut columns = vec![0.0; row.len()];
        let along = |(axis, spread): (&Vec<f64>, &f64)| {
            let component = dot(axis, &row) / spread.sqrt();
            for (sum, part) in columns.iter_mut().zip(axis) {
                *sum += component * part;
            }
            component
        };
        let components = self.axes.iter().zip(&self.spreads).map(along).collect();
        White {
            components,
            columns,
        }
    }
}

fn winsorized(score: f64) -> f64 {
    score.clamp(-WINSOR, WINSOR)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The correlation matrix of `n` rows, shrunken towards independence by as much as its entries are
/// uncertain (Schäfer and Strimmer, 2005).
fn correlations<'a>(
    rows: impl Iterator<Item = &'a Vec<f64>>,
    scales: &[f64],
    n: f64,
) -> Array2<f64> {
    let columns = scales.len();
    let mut sums = Array2::<f64>::zeros((columns, columns));
    let mut squares = Array2::<f64>::zeros((columns, columns));
    for row in rows {
        let row: Vec<f64> = row
            .iter()
            .zip(scales)
            .map(|(z, s)| winsorized(*z) / s)
            .collect();
        for i in 0..columns {
            for j in 0..i {
                let product = row[i] * row[j];
                sums[(i, j)] += product;
                squares[(i, j)] += product * product;
            }
        }
    }
    let (mut uncertain, mut found) = (0.0, 0.0);
    for i in 0..columns {
        for j in 0..i {
            let mean = sums[(i, j)] / n;
            uncertain += (squares[(i, j)] / n - mean * mean) / (n - 1.0);
            found += mean * mean;
        }
    }
    let shrinkage = if found > 0.0 { uncertain / found } else { 1.0 };
    let kept = 1.0 - shrinkage.clamp(MIN_SHRINKAGE, 1.0);
    Array2::from_shape_fn((columns, columns), |(i, j)| {
        if i == j {
            1.0
        } else {
            kept * sums[(i.max(j), i.min(j))] / n
        }
    })
}

/// Eigenvalues and axes of a correlation matrix, the largest first. Independent columns, should the
/// decomposition fail.
fn principal_axes(matrix: &Array2<f64>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let columns = matrix.nrows();
    let Ok(pairs) = matrix.clone().eigh_into() else {
        let identity = |i: usize| (0..columns).map(|j| f64::from(u8::from(i == j))).collect();
        return (vec![1.0; columns], (0..columns).map(identity).collect());
    };
    let (values, vectors) = pairs.sort_eig_desc();
    let axes = vectors
        .columns()
        .into_iter()
        .map(|axis| axis.to_vec())
        .collect();
    // Shrinkage keeps them off 0; rounding must not undo that.
    let least = MIN_SHRINKAGE / 2.0;
    (values.iter().map(|value| value.max(least)).collect(), axes)
}

/// The signed normal score of a value by its verdict.
///
/// An alarm of a session about the shape of a column makes an anomaly of a value inside its range,
/// whose p-value then says nothing of the value. Its place in the range does, the ends of which have
/// the p-value `rate`.
pub(super) fn normal_score(value: f64, verdict: &Verdict, rate: f64) -> f64 {
    let expected = verdict.expected.unwrap_or(value);
    let size = if verdict.direction == Direction::Pattern {
        let end = if value < expected {
            verdict.lower
        } else {
            verdict.upper
        };
        let place = end.map_or(0.0, |end| (value - expected) / (end - expected));
        normal::score(rate)
            * if place.is_finite() {
                place.clamp(0.0, 1.0)
            } else {
                0.0
            }
    } else {
        normal::score(verdict.p_value)
    };
    if value < expected { -size } else { size }
}

#[cfg(test)]
mod tests {
    use linfa::{DatasetBase, traits::Fit};
    use linfa_clustering::GaussianMixtureModel;

    use super::*;

    /// Standard normal numbers, the same for each seed.
    fn normals(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }

    /// How rows come about.
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        /// Every column goes with a common part.
        Line,
        /// Half of the time the odd columns go against it.
        TwoRegimes,
    }

    /// Normal rows; every second one, if asked, has a first column that is another row's.
    fn rows(kind: Kind, columns: usize, n: usize, broken: bool, seed: u64) -> Vec<Vec<f64>> {
        let mut normal = normals(seed);
        let mut row = || -> Vec<f64> {
            let common = normal();
            let turned = matches!(kind, Kind::TwoRegimes) && normal() > 0.0;
            let sign = |column: usize| if turned && column % 2 == 1 { -1.0 } else { 1.0 };
            (0..columns)
                .map(|c| 0.9 * sign(c) * common + 0.435_89 * normal())
                .collect()
        };
        let one = |_| {
            let mut one = row();
            if broken {
                one[0] = row()[0];
            }
            one
        };
        (0..n).map(one).collect()
    }

    /// The share of broken rows beyond the score that one in a hundred normal rows reaches.
    fn power(score: impl Fn(&[f64]) -> f64, kind: Kind, columns: usize) -> f64 {
        let scores = |broken, seed| -> Vec<f64> {
            let rows = rows(kind, columns, 2_000, broken, seed);
            rows.iter().map(|row| score(row)).collect()
        };
        let mut usual = scores(false, 77);
        usual.sort_by(f64::total_cmp);
        let limit = usual[1_980];
        let found = scores(true, 78).into_iter().filter(|score| *score > limit);
        found.count() as f64 / 2_000.0
    }

    /// Minus the logarithm of the likelihood under linfa's mixture of `parts`.
    fn mixture(rows: &[Vec<f64>], parts: usize) -> Option<impl Fn(&[f64]) -> f64> {
        let flat: Vec<f64> = rows.iter().flatten().copied().collect();
        let records = Array2::from_shape_vec((rows.len(), rows[0].len()), flat).unwrap();
        let model = GaussianMixtureModel::params(parts)
            .fit(&DatasetBase::from(records))
            .ok()?;
        let log_det = |part: usize| -> f64 {
            let precision = model
                .precisions()
                .index_axis(ndarray::Axis(0), part)
                .to_owned();
            let (values, _) = precision.eigh_into().unwrap();
            values.iter().map(|value| value.max(1e-12).ln()).sum()
        };
        let log_dets: Vec<f64> = (0..parts).map(log_det).collect();
        Some(move |row: &[f64]| {
            let of = |part: usize| {
                let mean = model.means().row(part);
                let off: Vec<f64> = row.iter().zip(mean).map(|(x, m)| x - m).collect();
                let off = ndarray::Array1::from(off);
                let precision = model.precisions().index_axis(ndarray::Axis(0), part);
                let distance = off.dot(&precision.dot(&off));
                model.weights()[part].ln() + 0.5 * (log_dets[part] - distance)
            };
            let logs: Vec<f64> = (0..parts).map(of).collect();
            let most = logs.iter().copied().fold(f64::MIN, f64::max);
            -(most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln())
        })
    }

    #[test]
    fn broken_relations_are_found_about_as_often_as_by_mixtures_of_linfa() {
        for (kind, columns, n) in [
            (Kind::Line, 3, 100),
            (Kind::Line, 3, 1_000),
            (Kind::Line, 16, 100),
            (Kind::Line, 16, 1_000),
            (Kind::TwoRegimes, 4, 1_000),
        ] {
            let training = rows(kind, columns, n, false, 5);
            let joint = Joint::fit(&training);
            let ours = power(|row| joint.whitening.of(row).score(), kind, columns);
            let theirs: Vec<Option<f64>> = [1, 2, 3]
                .map(|parts| mixture(&training, parts).map(|score| power(score, kind, columns)))
                .into();
            println!("{kind:?}, {columns} columns, {n} rows: {ours:.3}, mixtures {theirs:.3?}");
            if matches!(kind, Kind::Line) {
                let best = theirs.into_iter().flatten().fold(0.0, f64::max);
                assert!(ours > 0.9 * best, "{ours} against {best}");
            }
        }
    }

    #[test]
    fn whitened_rows_are_uncorrelated_and_shares_sum_to_one() {
        let rows = rows(Kind::Line, 5, 2_000, false, 9);
        let whitening = Whitening::fit(rows.iter());
        let white: Vec<White> = rows.iter().map(|row| whitening.of(row)).collect();
        for i in 0..5 {
            for j in 0..=i {
                let products = white.iter().map(|w| w.columns[i] * w.columns[j]);
                let mean = products.sum::<f64>() / 2_000.0;
                let expected = f64::from(u8::from(i == j));
                assert!((mean - expected).abs() < 0.15, "{i} {j}: {mean}");
            }
        }
        let shares = white[0].contributions();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(whitening.of(&[0.0; 5]).contributions(), [0.2; 5]);
    }
}
