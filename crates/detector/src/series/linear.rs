//! Small systems of linear equations.

/// Solves by elimination the first `order` of the equations. The matrix is symmetric and positive
/// definite, as normal equations with a ridge are, so no pivoting is needed.
pub(crate) fn solve<const N: usize>(
    mut matrix: [[f64; N]; N],
    mut right: [f64; N],
    order: usize,
) -> Vec<f64> {
    for column in 0..order {
        let pivot = matrix[column];
        for row in column + 1..order {
            let factor = matrix[row][column] / pivot[column];
            for (element, above) in matrix[row].iter_mut().zip(pivot) {
                *element -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut solution = vec![0.0; order];
    for row in (0..order).rev() {
        let known = matrix[row][row + 1..order].iter().zip(&solution[row + 1..]);
        let known: f64 = known.map(|(a, b)| a * b).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}
