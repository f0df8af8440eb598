//! Running medians, and lines at the ends.

use crate::series::quantile::select_median;

/// A line counts if values lie nearer to it by this factor. Noise always has a line that fits it a
/// little better, and how far that is off grows with the distance.
const FITS_BETTER: f64 = 0.7;

/// The median of the values within `half` places of each place. At the ends, where the window is
/// cut, a line through it counts instead if it fits better: else the ends of a trend would be
/// thought level. Where a window is empty, the level before it goes on.
pub(super) fn running_median(values: &[Option<f64>], half: usize) -> Vec<f64> {
    let mut window = Window::default();
    let mut level = Vec::with_capacity(values.len());
    let mut next = 0;
    for place in 0..values.len() {
        while next < values.len() && next <= place + half {
            window.add(values[next]);
            next += 1;
        }
        if place > half {
            window.remove(values[place - half - 1]);
        }
        let before = level.last().copied();
        level.push(window.median().or(before).unwrap_or(0.0));
    }
    if values.len() > 2 * half {
        let (head, tail) = (..half, values.len() - half..);
        follow_line(&values[..=2 * half], &mut level[head], 0);
        follow_line(
            &values[values.len() - 2 * half - 1..],
            &mut level[tail],
            half + 1,
        );
    }
    level
}

/// The values of a window, sorted.
#[derive(Default)]
struct Window(Vec<f64>);

impl Window {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            let at = self
                .0
                .partition_point(|other| other.total_cmp(&value).is_lt());
            self.0.insert(at, value);
        }
    }

    fn remove(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            let at = self
                .0
                .partition_point(|other| other.total_cmp(&value).is_lt());
            self.0.remove(at);
        }
    }

    fn median(&self) -> Option<f64> {
        let n = self.0.len();
        (n > 0).then(|| f64::midpoint(self.0[(n - 1) / 2], self.0[n / 2]))
    }
}

/// Replaces `level`, which begins at place `from` of `values`, by a line through the values if they
/// lie nearer to that.
fn follow_line(values: &[Option<f64>], level: &mut [f64], from: usize) {
    let Some(line) = Line::through(values) else {
        return;
    };
    let distance = |of: &dyn Fn(usize) -> f64| {
        let places = (0..level.len()).filter_map(|i| Some((i, values[from + i]?)));
        let mut distances: Vec<f64> = places.map(|(i, value)| (value - of(i)).abs()).collect();
        match distances.is_empty() {
            true => 0.0,
            false => select_median(&mut distances),
        }
    };
    if distance(&|i| line.at(from + i)) < FITS_BETTER * distance(&|i| level[i]) {
        for (i, level) in level.iter_mut().enumerate() {
            *level = line.at(from + i);
        }
    }
}

/// The value one place behind `values`, at least one of which is there: on their line if that fits
/// them better than their median does.
pub(super) fn forecast(values: &[Option<f64>]) -> f64 {
    let mut present: Vec<f64> = values.iter().flatten().copied().collect();
    let median = select_median(&mut present);
    let Some(line) = Line::through(values) else {
        return median;
    };
    let places = values.iter().enumerate();
    let places = places.filter_map(|(i, value)| Some((i, (*value)?)));
    let (mut of_line, mut of_median): (Vec<f64>, Vec<f64>) = places
        .map(|(i, value)| ((value - line.at(i)).abs(), (value - median).abs()))
        .unzip();
    match select_median(&mut of_line) < FITS_BETTER * select_median(&mut of_median) {
        true => line.at(values.len()),
        false => median,
    }
}

/// A robust line: the median slope between places half the series apart, and the median height
/// (Conover, "Practical nonparametric statistics", 1980, after Theil).
struct Line {
    height: f64,
    slope: f64,
}

impl Line {
    /// `None` if too many values are missing.
    fn through(values: &[Option<f64>]) -> Option<Self> {
        let apart = values.len() / 2;
        let pairs = values.iter().zip(values.get(apart..)?);
        let slopes = pairs.filter_map(|(a, b)| Some(((*b)? - (*a)?) / apart as f64));
        let mut slopes: Vec<f64> = slopes.collect();
        if apart == 0 || slopes.len() < 3 {
            return None;
        }
        let slope = select_median(&mut slopes);
        let places = values.iter().enumerate();
        let heights = places.filter_map(|(i, value)| Some((*value)? - slope * i as f64));
        let height = select_median(&mut heights.collect::<Vec<f64>>());
        Some(Self { height, slope })
    }

    fn at(&self, place: usize) -> f64 {
        self.height + self.slope * place as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(values: &[f64], half: usize) -> Vec<f64> {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        running_median(&values, half)
    }

    #[test]
    fn a_step_is_followed_and_a_spike_is_not() {
        let mut values = vec![1.0; 20];
        values.extend([5.0; 20]);
        values[8] = 100.0;
        let mut expected = values.clone();
        expected[8] = 1.0;
        assert_eq!(level(&values, 4), expected);
    }

    #[test]
    fn a_trend_goes_on_to_both_ends() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        for (found, value) in level(&values, 5).iter().zip(&values) {
            assert!((found - value).abs() < 1e-9, "{found} {value}");
        }
        let values: Vec<Option<f64>> = values.into_iter().map(Some).collect();
        assert!((forecast(&values) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn missing_values_are_passed_over() {
        let mut values: Vec<Option<f64>> = vec![Some(2.0); 20];
        values[..6].fill(None);
        values[12..].fill(None);
        assert_eq!(running_median(&values, 2)[6..], [2.0; 14]);
    }
}
