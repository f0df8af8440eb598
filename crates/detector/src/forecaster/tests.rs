//! The outputs of the reference on six generated series.

use std::io::Read as _;

use contract::Point;
use flate2::read::GzDecoder;

use super::{fit::Form, *};

struct Recorded {
    head: serde_json::Value,
    points: Vec<Point>,
    /// The columns of each point: NaN where there is nothing.
    rows: Vec<Vec<f64>>,
}

fn recorded(bytes: &[u8]) -> Recorded {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let head = serde_json::from_str(lines.next().unwrap().trim_start_matches("# ")).unwrap();
    let row = |line: &str| -> Vec<f64> {
        line.split(',')
            .map(|field| field.parse().unwrap_or(f64::NAN))
            .collect()
    };
    let lines: Vec<&str> = lines.skip(1).collect();
    let rows: Vec<Vec<f64>> = lines.iter().map(|line| row(line)).collect();
    let point = |line: &&str| Point {
        timestamp: line.split(',').next().unwrap().parse().unwrap(),
        value: line.split(',').nth(1).unwrap().parse().unwrap(),
    };
    Recorded {
        points: lines.iter().map(point).collect(),
        head,
        rows,
    }
}

/// The largest difference, in parts of the width of the range or of the number, and where.
#[derive(Debug, Default)]
struct Differences(std::collections::BTreeMap<&'static str, (f64, usize, f64, f64)>);

impl Differences {
    fn compare(&mut self, name: &'static str, at: usize, came: f64, recorded: f64, size: f64) {
        if recorded.is_nan() {
            return;
        }
        let difference = (came - recorded).abs() / size;
        let largest = self.0.entry(name).or_default();
        if difference > largest.0 || difference.is_nan() {
            *largest = (difference, at, came, recorded);
        }
    }

    fn p(&mut self, name: &'static str, at: usize, came: f64, recorded: f64) {
        if came > 1e-12 || recorded > 1e-12 {
            self.compare(name, at, came, recorded, recorded);
        }
    }
}

fn compare(bytes: &[u8]) -> Differences {
    let Recorded { head, points, rows } = recorded(bytes);
    let train = head["train"].as_u64().unwrap() as usize;
    let mut forecaster = Forecaster::fit_as(&points[..train], None, None, Form::Plain);
    // The reference knows no ranks, and takes a constant for nearly constant.
    forecaster.frame.constant = None;
    forecaster.ranks = ranks::TrainingRanks::none();
    forecaster.frozen.make_plain();
    forecaster.tracker.farthest = None;
    let fitted = forecaster.clone();
    let mut differences = Differences::default();
    for (i, (point, row)) in points.iter().zip(&rows).enumerate().skip(train) {
        let next = forecaster.next(point.timestamp);
        let outlook = forecaster.outlook(&next);
        let width = (row[6] - row[5]).max(row[8] - row[7]);
        differences.compare("expected", i, outlook.expected(), row[2], width);
        differences.compare("scale", i, outlook.near.scale(), row[3], row[3]);
        differences.p("p", i, outlook.p_value(point.value), row[4]);
        for (rate, column) in [(0.01, 5), (0.001, 7)] {
            let (lower, upper) = outlook.range(rate);
            differences.compare("lower", i, lower, row[column], width);
            differences.compare("upper", i, upper, row[column + 1], width);
        }
        let far = fitted.outlook_alone(point.timestamp);
        let width = row[12] - row[11];
        differences.compare("far expected", i, far.expected(), row[9], width);
        differences.p("far p", i, far.p_value(point.value), row[10]);
        differences.compare("far lower", i, far.range(0.001).0, row[11], width);
        differences.compare("far upper", i, far.range(0.001).1, row[12], width);
        if !row[13].is_nan() {
            let mut context = Context::new(&fitted);
            for before in &points[i - 50..i] {
                context.advance(&fitted, before.timestamp, before.value);
                context.tracker.held = None;
            }
            let near = context.near(&fitted, point.timestamp);
            differences.compare("near expected", i, near.expected(), row[13], width);
            differences.p("near p", i, near.p_value(point.value), row[14]);
        }
        forecaster.learn(&next, point.value);
        // The reference holds nothing.
        forecaster.tracker.held = None;
    }
    differences
}

#[test]
fn outputs_are_those_of_the_reference() {
    let all: [(&str, &[u8]); 6] = [
        ("few", include_bytes!("golden/few.csv.gz")),
        ("constant", include_bytes!("golden/constant.csv.gz")),
        ("irregular", include_bytes!("golden/irregular.csv.gz")),
        ("step", include_bytes!("golden/step.csv.gz")),
        ("season", include_bytes!("golden/season.csv.gz")),
        ("counts_week", include_bytes!("golden/counts_week.csv.gz")),
    ];
    for (name, bytes) in all {
        let differences = compare(bytes);
        // Some numbers are kept in 32 bits. An error at the border of a bin of the frozen
        // distribution may fall to either side.
        let is_near = |(what, (difference, ..)): (&&str, &(f64, usize, f64, f64))| {
            *difference < if what.starts_with("far") { 2e-3 } else { 1e-5 }
        };
        assert!(differences.0.iter().all(is_near), "{name}: {differences:?}");
    }
}

#[test]
fn the_fit_finds_what_the_reference_finds() {
    let season = recorded(include_bytes!("golden/season.csv.gz"));
    let counts = recorded(include_bytes!("golden/counts_week.csv.gz"));
    let fit = |recorded: &Recorded| {
        let train = recorded.head["train"].as_u64().unwrap() as usize;
        Forecaster::fit(&recorded.points[..train], None, None)
    };
    let (season, counts) = (fit(&season), fit(&counts));
    assert_eq!((season.period(), counts.period()), (Some(96), Some(24)));
    assert_eq!(season.fixed.spread.quickness, 0.5);
    assert!(season.fixed.spread.doubling.is_none() && counts.fixed.spread.doubling.is_some());
    let periods = counts.fixed.periods;
    assert_eq!(
        (periods.short, periods.long, periods.day_of_week),
        (0, 24, 24)
    );
}

#[test]
fn usual_values_of_a_skewed_series_have_ordinary_p_values() {
    let mut state = 7_u32;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    // The sum of twelve is close to normal.
    let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let value = |i: i64| Point {
        timestamp: 1_700_000_000 + 86_400 * i,
        value: (2_000.0 * (0.5 * normal()).exp()).round(),
    };
    let points: Vec<Point> = (0..300).map(value).collect();
    let forecaster = Forecaster::fit(&points, None, None);
    assert!(forecaster.frame.smallest.is_some(), "logarithms");
    let outlook = forecaster.outlook_alone(1_700_000_000 + 86_400 * 300);
    for (value, least, most) in [(2_000.0, 0.5, 1.0), (900.0, 0.02, 0.4), (0.0, 0.0, 1e-3)] {
        let p = outlook.p_value(value);
        assert!(p > least && p <= most, "{value}: {p}");
    }
}
