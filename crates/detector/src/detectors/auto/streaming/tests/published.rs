//! Published series, which may not be copied here: their values and the reference's outputs are
//! read from where a variable says.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use contract::Point;

use super::support::{Differences, Recorded, run};

/// Name of the recorded outputs, and where the values lie.
const SERIES: [(&str, &str); 7] = [
    (
        "Twitter_volume_FB",
        "nab/data/realTweets/Twitter_volume_FB.csv",
    ),
    ("UCR_gait2_tr_8000", "tuning/UCR_gait2_tr_8000.csv.gz"),
    ("WSD_160_tr_8000", "tuning/WSD_160_tr_8000.csv.gz"),
    (
        "art_daily_nojump",
        "nab/data/artificialWithAnomaly/art_daily_nojump.csv",
    ),
    (
        "ec2_cpu_utilization_fe7f93",
        "nab/data/realAWSCloudwatch/ec2_cpu_utilization_fe7f93.csv",
    ),
    ("nyc_taxi", "nab/data/realKnownCause/nyc_taxi.csv"),
    (
        "occupancy_t4013",
        "nab/data/realTraffic/occupancy_t4013.csv",
    ),
];

#[test]
#[ignore = "needs DETECTOR_GOLDEN, the folder of recorded outputs, and DETECTOR_SERIES, the folder of the series"]
#[expect(
    clippy::disallowed_methods,
    reason = "where published data lies is told to this test alone"
)]
fn published_series_come_out_as_recorded() {
    let folder = |name| PathBuf::from(std::env::var(name).expect(name));
    let (golden, data) = (folder("DETECTOR_GOLDEN"), folder("DETECTOR_SERIES"));
    let mut different = Vec::new();
    for (name, path) in SERIES {
        let recorded = golden.join(format!("{name}.csv.gz"));
        let found = compare(&recorded, &data.join(path));
        println!("{name}: {found:?}");
        if !found.are_small() {
            different.push(name);
        }
    }
    assert!(different.is_empty(), "{different:?}");
}

fn compare(recorded: &Path, data: &Path) -> Differences {
    let points = series(data);
    let recorded = lines(recorded);
    let rows: Vec<Vec<&str>> = recorded[1..]
        .iter()
        .map(|line| line.split(',').collect())
        .collect();
    let first: usize = rows[0][0].parse().unwrap();
    let (_, outputs) = run(&points[..first + rows.len()], first);
    let mut differences = Differences::default();
    for ((at, row), output) in (first..).zip(&rows).zip(&outputs) {
        let value: f64 = row[1].parse().unwrap();
        assert!((value - points[at].value).abs() <= 1e-12 * value.abs());
        let fields = [2, 3, 4, 5, 6, 9, 10].map(|i| row[i]);
        differences.compare(at, output, &Recorded::parse(fields));
        for (band, recorded) in [(output.lower, row[7]), (output.upper, row[8])] {
            let error = band - recorded.parse::<f64>().unwrap();
            assert!(error.abs() < 1e-6 * (output.upper - output.lower + band.abs()));
        }
    }
    differences
}

/// Reads a series: `timestamp,value` with dates, or `value,label`.
fn series(path: &Path) -> Vec<Point> {
    let lines = lines(path);
    let has_dates = lines[0].starts_with("timestamp");
    let row = |(line, i): (&String, i64)| {
        let (first, second) = line.split_once(',').unwrap();
        let (timestamp, value) = match has_dates {
            true => (seconds(first), second),
            false => (i, first),
        };
        let value = value.parse().unwrap();
        Point { timestamp, value }
    };
    lines[1..].iter().zip(0..).map(row).collect()
}

/// The lines of a text file, which may be compressed.
fn lines(path: &Path) -> Vec<String> {
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
    let program = if is_compressed { "zcat" } else { "cat" };
    let output = Command::new(program).arg(path).output().unwrap();
    assert!(output.status.success(), "{path:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Seconds from the first of March of year 0 to a date like `2014-07-01 00:30:00`.
fn seconds(date: &str) -> i64 {
    let parts: Vec<i64> = date
        .split(['-', ' ', ':'])
        .map(|part| part.parse::<f64>().unwrap() as i64)
        .collect();
    let [year, month, day, hour, minute, second] = parts[..] else {
        panic!("{date} is not a date");
    };
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    ((days * 24 + hour) * 60 + minute) * 60 + second
}
