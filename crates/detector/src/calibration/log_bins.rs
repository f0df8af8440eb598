//! The largest values of a histogram of logarithms, which holds the values of a bin evenly spread.

/// Where the largest values begin, and the first two moments of their excesses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Top {
    /// The logarithm at which they begin.
    pub(crate) start: f64,
    /// The mean of the excesses over it.
    pub(crate) mean: f64,
    /// The mean of their squares.
    pub(crate) square: f64,
}

/// Bins of equal width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogBins {
    /// The logarithm at which the first bin begins.
    pub(crate) first: f64,
    pub(crate) width: f64,
}

impl LogBins {
    /// The `wanted` largest values of these counts, which are over 0; `None` if there are fewer.
    pub(crate) fn top(
        self,
        counts: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator,
        wanted: f64,
    ) -> Option<Top> {
        let width = self.width;
        // Above the bin: the count, and the sums of the logarithms and of their squares.
        let (mut above, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (bin, count) in counts.enumerate().rev() {
            let edge = self.first + bin as f64 * width;
            if count > 0.0 && above + count >= wanted {
                // They begin at the upper end of this bin, or within it.
                let rest = wanted - above;
                let part = rest / count * width;
                let start = edge + width - part;
                let square = squares - 2.0 * start * sum + above * start * start;
                return Some(Top {
                    start,
                    mean: (sum - above * start + rest * part / 2.0) / wanted,
                    square: (square + rest * part * part / 3.0) / wanted,
                });
            }
            let middle = edge + width / 2.0;
            above += count;
            sum += count * middle;
            squares += count * (middle * middle + width * width / 12.0);
        }
        None
    }
}

/// The place among the bins, a fraction of one included, from which on the counts hold `wanted`
/// values; `None` if they hold fewer.
pub(crate) fn place_of(
    counts: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator,
    wanted: f64,
) -> Option<f64> {
    let mut above = 0.0;
    for (bin, count) in counts.enumerate().rev() {
        if count > 0.0 && above + count >= wanted {
            return Some(bin as f64 + 1.0 - (wanted - above) / count);
        }
        above += count;
    }
    None
}
