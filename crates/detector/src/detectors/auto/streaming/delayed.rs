//! The score that is known half a window later, when the windows of the shapes are centred on the
//! point.

use contract::Point;

use super::{SHAPES, SLOTS, Stream, constants::NOVELTY_WEIGHT, learn, observe};

/// Fits on the first `train` of `points`, which are sorted, and scores the others in `[0, 1)`. A
/// shape of `w` points is read ⌊w/2⌋ points after the one that is scored (near the end, with the
/// last), everything else at once. It is for users who can wait half a period, and for measuring
/// the gain.
///
/// `None` for fewer than [`MIN_POINTS`](super::MIN_POINTS) points to fit on.
pub fn delayed(points: &[Point], train: usize) -> Option<Vec<f64>> {
    let (first, rest) = points.split_at_checked(train)?;
    let (mut stream, _) = Stream::fit(first)?;
    let mut held: Vec<[f64; SLOTS]> = Vec::with_capacity(rest.len());
    let mut novelty = Vec::with_capacity(rest.len());
    let (params, memory, state) = stream.parts();
    for point in rest {
        let observation = observe(params, memory, state, *point);
        learn(memory, &observation);
        held.push(state.held);
        novelty.push(state.novelty.held());
    }
    let model = &params.points;
    let lags: Vec<usize> = model.shapes.iter().map(|s| s.window() / 2).collect();
    let active: Vec<usize> = (0..SLOTS).filter(|slot| model.is_active(*slot)).collect();
    let at = |i: usize, slot: usize| match slot {
        0..SHAPES => held[(i + lags[slot]).min(held.len() - 1)][slot],
        _ => held[i][slot],
    };
    let score = |(i, novelty): (usize, f64)| {
        let squares: f64 = active.iter().map(|slot| at(i, *slot).powi(2)).sum();
        let rank = (squares / active.len() as f64).sqrt() + NOVELTY_WEIGHT * novelty;
        observe::score(rank)
    };
    Some(novelty.into_iter().enumerate().map(score).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::MIN_POINTS, *};

    fn wave(n: usize) -> Vec<Point> {
        let value = |i: usize| (i as f64 * std::f64::consts::TAU / 48.0).sin();
        let point = |i: usize| Point {
            timestamp: i as i64,
            value: value(i) + 0.1 * ((7919 * i % 101) as f64 / 101.0 - 0.5),
        };
        (0..n).map(point).collect()
    }

    fn causal(points: &[Point], train: usize) -> Vec<f64> {
        let (mut stream, _) = Stream::fit(&points[..train]).unwrap();
        points[train..]
            .iter()
            .map(|p| stream.update(*p).score)
            .collect()
    }

    #[test]
    fn without_shapes_there_is_nothing_to_wait_for() {
        let points = wave(300);
        assert_eq!(delayed(&points, 30), Some(causal(&points, 30)));
        assert_eq!(delayed(&points, MIN_POINTS - 1), None);
        assert_eq!(delayed(&points, 301), None);
    }

    #[test]
    fn an_odd_shape_is_scored_where_it_is_and_not_where_its_window_ends() {
        let mut points = wave(1000);
        let odd = 700..724;
        for (i, point) in points[odd.clone()].iter_mut().enumerate() {
            point.value = 0.3 * (i as f64 / 4.0).cos();
        }
        let middle = |scores: Vec<f64>| -> f64 {
            let weights = || {
                scores
                    .iter()
                    .enumerate()
                    .map(|(i, s)| (i + 480, (s - 0.3).max(0.0)))
            };
            let sum: f64 = weights().map(|(_, w)| w).sum();
            weights().map(|(i, w)| i as f64 * w).sum::<f64>() / sum
        };
        let late = middle(causal(&points, 480)) - 712.0;
        let centred = middle(delayed(&points, 480).unwrap()) - 712.0;
        assert!(
            centred < late && centred.abs() < late.abs(),
            "{centred} {late}"
        );
    }
}
