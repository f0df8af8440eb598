//! Series and recorded outputs for the tests.

use contract::Point;

use super::super::{Cause, Output, Replay, Stream};

/// The answer of the reference to a point.
pub(super) struct Recorded {
    pub(super) score: f64,
    pub(super) ratio: f64,
    pub(super) alarm: bool,
    pub(super) escalation: bool,
    pub(super) expected: f64,
    pub(super) direction: i8,
    /// Of an alarm.
    pub(super) reason: String,
}

impl Recorded {
    /// Reads score, ratio, alarm, escalation, expected, direction, reason.
    pub(super) fn parse(fields: [&str; 7]) -> Self {
        let number = |i: usize| fields[i].parse::<f64>().unwrap();
        Self {
            score: number(0),
            ratio: number(1),
            alarm: fields[2] == "1",
            escalation: fields[3] == "1",
            expected: number(4),
            direction: fields[5].parse().unwrap(),
            reason: fields[6].to_owned(),
        }
    }
}

/// The largest differences between what came and what was recorded.
#[derive(Debug, Default)]
pub(super) struct Differences {
    score: f64,
    ratio: f64,
    /// Relative to the value, or to half the width of the band if that is more.
    expected: f64,
    /// Points whose alarm, escalation, direction or reason differ.
    verdicts: Vec<String>,
}

impl Differences {
    pub(super) fn compare(&mut self, at: usize, output: &Output, recorded: &Recorded) {
        let size = recorded.expected.abs().max(output.upper - output.expected);
        let expected = (output.expected - recorded.expected).abs() / size;
        self.expected = self.expected.max(expected);
        self.score = self.score.max((output.score - recorded.score).abs());
        self.ratio = self.ratio.max((output.ratio - recorded.ratio).abs());
        let reason = match output.alarm {
            true => reason(output.cause),
            false => String::new(),
        };
        let came = (output.alarm, output.escalation, output.direction, reason);
        let recorded = (
            recorded.alarm,
            recorded.escalation,
            recorded.direction,
            recorded.reason.clone(),
        );
        if came != recorded {
            let difference = format!("{at}: {came:?}, not {recorded:?}");
            self.verdicts.push(difference);
        }
    }

    /// Whether the detector is the same as the reference.
    pub(super) fn are_small(&self) -> bool {
        self.score < 1e-3 && self.ratio < 1e-3 && self.expected < 1e-6 && self.verdicts.is_empty()
    }
}

/// The word of the reference for a cause.
fn reason(cause: Cause) -> String {
    let word = match cause {
        Cause::Novelty { scale } => return format!("novelty:{scale}"),
        Cause::Shape => "shape",
        Cause::Change => "change",
        Cause::Season => "season",
        Cause::Level => "level",
        Cause::Local => "local",
        Cause::Missing => "missing",
    };
    word.to_owned()
}

/// `values` one second apart.
pub(super) fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    let stamped = (0..).zip(values);
    let point = |(timestamp, value)| Point { timestamp, value };
    stamped.map(point).collect()
}

/// Noise between −0.5 and 0.5 that looks random but is the same every time.
pub(super) fn noise(i: usize) -> f64 {
    ((7919 * i) % 101) as f64 / 101.0 - 0.5
}

/// Noise between −0.5 and 0.5 that does not repeat: the splitmix64 generator's (Steele et al.,
/// 2014).
pub(super) fn chance(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

/// The series of docs/design/auto.md, 9: a season with noise, a spike at 900, a shift at 1200.
pub(super) fn generated() -> Vec<Point> {
    let value = |i: usize| {
        let spike = if i == 900 { 4.0 } else { 0.0 };
        let shift = if i >= 1200 { 3.0 } else { 0.0 };
        (std::f64::consts::TAU * i as f64 / 48.0).sin() + 0.2 * noise(i) + spike + shift
    };
    points((0..1600).map(value))
}

/// Fits on the first `prefix` points.
pub(super) fn fit(points: &[Point], prefix: usize) -> (Stream, Replay) {
    Stream::fit(&points[..prefix]).expect("enough points")
}

/// Fits on the first `prefix` points and takes the others.
pub(super) fn run(points: &[Point], prefix: usize) -> (Stream, Vec<Output>) {
    let (mut stream, _) = fit(points, prefix);
    let outputs = update_all(&mut stream, &points[prefix..]);
    (stream, outputs)
}

/// Takes `points`.
pub(super) fn update_all(stream: &mut Stream, points: &[Point]) -> Vec<Output> {
    points.iter().map(|&point| stream.update(point)).collect()
}

/// Which of the outputs are alarms.
pub(super) fn alarms(outputs: &[Output]) -> Vec<usize> {
    let numbered = outputs.iter().enumerate();
    numbered.filter(|(_, o)| o.alarm).map(|(i, _)| i).collect()
}
