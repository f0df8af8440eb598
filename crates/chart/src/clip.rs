//! Cuts a line off where it leaves the plot above or below.

use super::svg::Place;

/// The parts of `line`, given in fractions of the plot, whose height is from `floor` to 1. Its
/// heights may be infinite.
pub(super) fn clipped(line: &[Place], floor: f64) -> Vec<Vec<Place>> {
    let mut parts: Vec<Vec<Place>> = Vec::new();
    for pair in line.windows(2) {
        let (from, to) = (bounded(pair[0]), bounded(pair[1]));
        let Some((from, to)) = within(from, to, floor) else {
            continue;
        };
        match parts.last_mut() {
            Some(part) if part.last() == Some(&from) => part.push(to),
            _ => parts.push(vec![from, to]),
        }
    }
    parts
}

/// Far enough away for any slope to look right, near enough for arithmetic.
fn bounded((at, height): Place) -> Place {
    (at, height.clamp(-1e6, 1e6))
}

/// The part of a straight line with heights from `floor` to 1.
fn within(from: Place, to: Place, floor: f64) -> Option<(Place, Place)> {
    if from.1.max(to.1) < floor || from.1.min(to.1) > 1.0 {
        return None;
    }
    let end = |end: Place| match end.1 {
        height if height < floor => crossing(from, to, floor),
        height if height > 1.0 => crossing(from, to, 1.0),
        _ => end,
    };
    Some((end(from), end(to)))
}

fn crossing(from: Place, to: Place, height: f64) -> Place {
    let part = (height - from.1) / (to.1 - from.1);
    (from.0 + part * (to.0 - from.0), height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_within_stays_whole() {
        let line = [(0.0, 0.0), (0.5, 1.0), (1.0, 0.5)];
        assert_eq!(clipped(&line, 0.0), [line.to_vec()]);
    }

    #[test]
    fn a_line_that_leaves_ends_at_the_edge_and_comes_back_there() {
        let line = [(0.0, 0.5), (0.2, 1.5), (0.4, 0.5), (0.6, -0.5)];
        assert_eq!(
            clipped(&line, 0.0),
            [
                vec![(0.0, 0.5), (0.1, 1.0)],
                vec![(0.1 + 0.2, 1.0), (0.4, 0.5), (0.5, 0.0)],
            ]
        );
        assert_eq!(clipped(&[(0.0, -1.0), (0.5, 2.0)], 0.0).len(), 1);
    }

    #[test]
    fn a_line_ends_at_a_floor_inside_of_the_plot() {
        let falling = [(0.0, 0.75), (1.0, 0.0)];
        assert_eq!(clipped(&falling, 0.25), [[(0.0, 0.75), (2.0 / 3.0, 0.25)]]);
        assert!(clipped(&[(0.0, 0.1), (1.0, 0.2)], 0.25).is_empty());
    }

    #[test]
    fn a_line_outside_is_not_drawn_however_far_it_is() {
        let far = f64::INFINITY;
        assert!(clipped(&[(0.0, far), (0.5, 2.0), (1.0, far)], 0.0).is_empty());
        assert!(clipped(&[(0.0, -far), (1.0, -0.1)], 0.0).is_empty());
        let steep = clipped(&[(0.0, -far), (1.0, far)], 0.0);
        assert!(
            steep
                .iter()
                .flatten()
                .all(|(at, height)| at.is_finite() && height.is_finite())
        );
        assert_eq!(steep.len(), 1);
    }
}
