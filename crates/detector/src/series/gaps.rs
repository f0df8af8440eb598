//! Places where points are missing.

/// How many usual steps lie between two neighbouring points, at least, if others are missing between
/// them.
const GAP: f64 = 2.5;

/// The median distance of neighbouring timestamps, which come in ascending order. Equal ones count
/// once. `None` if there are not two.
pub fn usual_step(timestamps: &[i64]) -> Option<u64> {
    let steps = timestamps.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
    let mut steps: Vec<u64> = steps.filter(|step| *step > 0).collect();
    let middle = steps.len().checked_sub(1)? / 2;
    Some(*steps.select_nth_unstable(middle).1)
}

/// Whether points are missing between two neighbouring timestamps, where `usual` is the usual step.
pub fn is_gap(from: i64, to: i64, usual: u64) -> bool {
    to.abs_diff(from) as f64 > GAP * usual as f64
}

/// The pairs of neighbouring timestamps between which points are missing, in order.
pub fn gaps(timestamps: &[i64]) -> Vec<(i64, i64)> {
    let Some(usual) = usual_step(timestamps) else {
        return Vec::new();
    };
    let pairs = timestamps.windows(2).map(|pair| (pair[0], pair[1]));
    pairs
        .filter(|(from, to)| is_gap(*from, *to, usual))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_longer_than_two_and_a_half_usual_steps() {
        assert_eq!(gaps(&[0, 10, 20, 45, 55, 81, 81, 91]), [(55, 81)]);
        assert_eq!(usual_step(&[0, 10, 20, 45, 55, 81, 81, 91]), Some(10));
        for none in [&[][..], &[7], &[7, 7]] {
            assert_eq!((usual_step(none), gaps(none)), (None, vec![]));
        }
        let far = [i64::MIN, -1, 0, 1, i64::MAX];
        assert_eq!(gaps(&far), [(i64::MIN, -1), (1, i64::MAX)]);
    }
}
