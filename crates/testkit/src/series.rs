//! Generated series, the same every time.

use contract::{FitOptions, FitRequest, Point};

/// `n` points a minute apart, around `level`, with a period of a day and a little noise.
pub fn daily(n: usize, level: f64) -> Vec<Point> {
    let value = |i: usize| {
        let day = (i as f64 / 1440.0 * std::f64::consts::TAU).sin();
        let noise = ((i * 7919) % 101) as f64 / 101.0 - 0.5;
        level + level / 4.0 * day + level / 20.0 * noise
    };
    (0..n)
        .map(|i| Point {
            timestamp: 1_693_459_200 + 60 * i as i64,
            value: value(i),
        })
        .collect()
}

/// Three points around `level`, the fewest that can be fitted.
pub fn three(level: f64) -> [Point; 3] {
    [0.0, 0.5, 1.0].map(|step| Point {
        timestamp: 1_693_459_200 + (step * 120.0) as i64,
        value: level + step,
    })
}

/// `n` points a minute apart that rise from `level`, all different.
pub fn rising(n: usize, level: f64) -> Vec<Point> {
    let point = |i: usize| Point {
        timestamp: 1_693_459_200 + 60 * i as i64,
        value: level + i as f64 / n as f64,
    };
    (0..n).map(point).collect()
}

/// The body of a fit on `points`.
pub fn body(points: &[Point]) -> String {
    body_with(points, FitOptions::default())
}

/// The body of a fit on `points` with `options`.
pub fn body_with(points: &[Point], options: FitOptions) -> String {
    let request = FitRequest {
        timestamps: points.iter().map(|p| p.timestamp).collect(),
        values: points.iter().map(|p| p.value).collect(),
        options,
    };
    serde_json::to_string(&request).expect("numbers are always JSON")
}

/// `id` with every byte except letters, digits and `_` percent-encoded, for paths and queries.
pub fn encoded(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
