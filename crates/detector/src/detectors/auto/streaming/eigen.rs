//! Eigenvalues and axes of a small symmetric matrix, by cyclic Jacobi rotations: exact to the last
//! bits, and the same on every machine.

/// The eigenpairs of the symmetric `matrix`, largest eigenvalue first; axes have unit length.
pub(super) fn symmetric(mut matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = matrix.len();
    // Row i of `axes` becomes the axis of eigenvalue i.
    let mut axes: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let square_sum: f64 = matrix.iter().flatten().map(|a| a * a).sum();
    // Convergence is quadratic: a 32 × 32 matrix takes six to ten sweeps.
    for _ in 0..40 {
        if off_diagonal(&matrix) <= 1e-28 * square_sum {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut axes, p, q);
            }
        }
    }
    let values = (0..n).map(|i| matrix[i][i]);
    let mut pairs: Vec<_> = values.zip(axes).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}

fn off_diagonal(matrix: &[Vec<f64>]) -> f64 {
    let above = matrix.iter().enumerate().map(|(i, row)| &row[i + 1..]);
    2.0 * above.flatten().map(|a| a * a).sum::<f64>()
}

/// Turns the plane of `p` and `q` so that their off-diagonal element becomes 0 (Golub and Van Loan,
/// section 8.5).
fn rotate(matrix: &mut [Vec<f64>], axes: &mut [Vec<f64>], p: usize, q: usize) {
    let apq = matrix[p][q];
    if apq == 0.0 {
        return;
    }
    let tau = (matrix[q][q] - matrix[p][p]) / (2.0 * apq);
    let tan = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cos = 1.0 / tan.hypot(1.0);
    let sin = tan * cos;
    for row in matrix.iter_mut() {
        (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
    }
    turn_rows(matrix, p, q, cos, sin);
    turn_rows(axes, p, q, cos, sin);
}

fn turn_rows(rows: &mut [Vec<f64>], p: usize, q: usize, cos: f64, sin: f64) {
    let (before, after) = rows.split_at_mut(q);
    for (a, b) in before[p].iter_mut().zip(&mut after[0]) {
        (*a, *b) = (cos * *a - sin * *b, sin * *a + cos * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pairs_rebuild_the_matrix() {
        let n = 32;
        let element = |i: usize, j: usize| ((i * 7 + j * 7) % 13) as f64 - ((i * j) % 5) as f64;
        let matrix: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|j| element(i, j)).collect())
            .collect();
        let pairs = symmetric(matrix.clone());
        assert!(pairs.is_sorted_by(|a, b| a.0 >= b.0));
        for i in 0..n {
            for j in 0..n {
                let sum: f64 = pairs.iter().map(|(l, v)| l * v[i] * v[j]).sum();
                assert!((sum - matrix[i][j]).abs() < 1e-10, "{i} {j}");
            }
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        for (value, axis) in symmetric(vec![vec![0.0; 4]; 4]) {
            assert_eq!((value, axis.iter().sum::<f64>()), (0.0, 1.0));
        }
    }
}
