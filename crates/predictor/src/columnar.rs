//! The reply to a detection in columns: the numbers of the verdicts, rounded, and a sentence for the
//! alarms only. A tenth of the bytes of the reply in rows.

use contract::{AlarmReply, ColumnarSummary, Point};
use detector::{Detection, Judged, gaps};

use crate::{
    detect::{Count, change_points, episodes, warnings},
    output::{Output, Stop},
    reply,
};

/// The fraction of the range of all values by which a number may be off, at most.
const PRECISION: f64 = 1e-5;

/// The numbers that are written before the output is asked to pass them on.
const NUMBERS: usize = 4_096;

/// Scores those of `points` that the detection was not fitted on, and writes a
/// [`contract::ColumnarDetectReply`].
///
/// # Errors
/// [`Stop::Disconnected`].
pub(crate) fn write(
    detection: &mut Detection,
    points: &[Point],
    count: &mut Count,
    output: &mut Output,
) -> Result<(), Stop> {
    let rounding = Rounding::of(points);
    let train = usize::try_from(detection.model.points()).unwrap_or(points.len());
    let scored = points.len() - train;
    let (mut lower, mut upper) = (Vec::with_capacity(scored), Vec::with_capacity(scored));
    let mut alarms = Vec::new();
    output.buffer().extend_from_slice(b"{\"expected\":[");
    for (index, point) in points.iter().enumerate().skip(train) {
        let judged = match index + 1 == points.len() {
            true => detection.update_last(*point),
            false => detection.update(*point),
        };
        let verdict = &judged.verdict;
        if index > train {
            output.buffer().push(b',');
        }
        reply::value(&rounding.round(verdict.expected), output.buffer());
        lower.push(rounding.round(verdict.lower));
        upper.push(rounding.round(verdict.upper));
        count.points += 1;
        count.anomalies += u64::from(verdict.anomaly);
        if judged.alarm {
            count.alarms += 1;
            alarms.push(alarm(index, *point, &judged));
        }
        output.flush_chunk()?;
    }
    column("lower", &lower, output)?;
    column("upper", &upper, output)?;
    output.buffer().extend_from_slice(b"],\"alarms\":");
    reply::value(&alarms, output.buffer());
    let summary = summary(detection, points, count);
    reply::members(&summary, output.buffer());
    output.buffer().push(b'\n');
    Ok(())
}

/// Ends the array before and writes another one, up to its end.
fn column(name: &str, numbers: &[Option<f64>], output: &mut Output) -> Result<(), Stop> {
    reply::put(output.buffer(), format_args!("],\"{name}\":["));
    for (i, numbers) in numbers.chunks(NUMBERS).enumerate() {
        for (j, number) in numbers.iter().enumerate() {
            if i + j > 0 {
                output.buffer().push(b',');
            }
            reply::value(number, output.buffer());
        }
        output.flush_chunk()?;
    }
    Ok(())
}

fn alarm(index: usize, point: Point, judged: &Judged) -> AlarmReply {
    AlarmReply {
        index: index as u64,
        timestamp: point.timestamp,
        severity: judged.verdict.severity,
        direction: judged.verdict.direction,
        ratio: judged.ratio,
        p_value: judged.verdict.p_value,
        reason: judged.verdict.reason.to_string(),
        cause: judged.cause,
    }
}

fn summary(detection: &Detection, points: &[Point], count: &Count) -> ColumnarSummary {
    let model = &detection.model;
    let timestamps: Vec<i64> = points.iter().map(|point| point.timestamp).collect();
    ColumnarSummary {
        detector: model.detector(),
        train: model.points(),
        anomalies: count.anomalies,
        period: model.period(),
        episodes: episodes(detection),
        change_points: change_points(detection),
        gaps: gaps(&timestamps),
        warnings: warnings(detection, count),
    }
}

/// Rounds numbers to a decimal place that is small beside the range of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rounding {
    /// To a multiple of this power of ten.
    To(f64),
    /// To a fraction whose denominator is this power of ten.
    ToFraction(f64),
    /// Not at all.
    None,
}

impl Rounding {
    fn of(points: &[Point]) -> Self {
        let values = || points.iter().map(|point| point.value);
        let least = values().fold(f64::INFINITY, f64::min);
        let greatest = values().fold(f64::NEG_INFINITY, f64::max);
        let place = ((greatest - least) * PRECISION).log10().floor();
        // Larger powers of ten are not exact. There is no place where all values are equal.
        match place {
            0.0..=22.0 => Self::To(10_f64.powi(place as i32)),
            -22.0..0.0 => Self::ToFraction(10_f64.powi(-place as i32)),
            _ => Self::None,
        }
    }

    fn round(self, number: Option<f64>) -> Option<f64> {
        let number = number?;
        let rounded = match self {
            Self::To(power) => (number / power).round() * power,
            Self::ToFraction(power) => (number * power).round() / power,
            Self::None => number,
        };
        // Without the sign of zero.
        Some(if rounded.is_finite() {
            rounded + 0.0
        } else {
            number
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(values: &[f64], number: f64) -> Option<f64> {
        let point = |value: &f64| Point {
            timestamp: 0,
            value: *value,
        };
        let points: Vec<Point> = values.iter().map(point).collect();
        Rounding::of(&points).round(Some(number))
    }

    #[test]
    fn numbers_are_rounded_to_a_hundred_thousandth_of_the_range_at_most() {
        for (values, number, expected) in [
            (&[0.0, 30_000.0][..], 14_823.456_789, 14_823.5),
            (&[-1.0, 1.0], 0.123_456_789, 0.123_46),
            (&[0.0, 3e9], 1_234_567_890.5, 1_234_570_000.0),
            // A narrow range far from zero.
            (&[1e9, 1e9 + 1.0], 1e9 + 0.123_456, 1e9 + 0.123_46),
            (&[0.0, 1.0], -1e-9, 0.0),
            // There is no range, or none that can be computed with.
            (&[5.0, 5.0], 0.123_456_789, 0.123_456_789),
            (&[-1e308, 1e308], 0.123_456_789, 0.123_456_789),
            (&[0.0, 1e-300], 1.5e-301, 1.5e-301),
            (&[0.0, 1.0], f64::MAX, f64::MAX),
        ] {
            let number = rounded(values, number);
            assert_eq!(
                number.map(f64::to_bits),
                Some(expected.to_bits()),
                "{values:?}"
            );
        }
        assert_eq!(Rounding::None.round(None), None);
    }
}
