//! The requests.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;

use super::{AzureCode as Code, AzureError, Granularity, InvalidGrid};
use crate::verdict::words;

/// The numbers of points that a request may have.
const POINTS: std::ops::RangeInclusive<usize> = 12..=8_640;

/// The largest number of missing points, as a multiple of those that are there.
const MAX_SPARSE: usize = 16;

words! {
    /// What is asked for.
    AzureTask {
        /// A verdict on every point.
        Entire = "entire",
        /// A verdict on the last point.
        Last = "last",
        /// The changes of the level.
        Change = "changepoint",
    }
}

words! {
    /// How missing points are filled.
    Imputation {
        /// As is best: they are left out.
        Auto = "auto",
        /// By the value before.
        Previous = "previous",
        /// On a line between their neighbours.
        Linear = "linear",
        /// By a fixed value.
        Fixed = "fixed",
        /// By zero.
        Zero = "zero",
        /// Not at all.
        NotFill = "notFill",
    }
}

/// A request that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct AzureRequest {
    /// The values on their grid, gaps filled as asked for.
    pub grid: Vec<Option<f64>>,
    /// The place of each point of the request in the grid.
    pub places: Vec<usize>,
    /// The length of the season in places; 1 for none; `None` to look for it.
    pub period: Option<usize>,
    /// The largest share of anomalies, in `[0, 0.5]`.
    pub max_anomaly_ratio: f64,
    /// From 0 to 99.
    pub sensitivity: f64,
    /// The fewest points of a new level.
    pub stable_trend_window: usize,
    /// From 0 to 1: the lower, the fewer changes.
    pub threshold: f64,
}

/// The body as it comes. Fields that are not known are passed over, as Azure does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    series: Option<Vec<Point>>,
    granularity: Option<String>,
    custom_interval: Option<Value>,
    period: Option<Value>,
    max_anomaly_ratio: Option<f64>,
    sensitivity: Option<f64>,
    impute_mode: Option<String>,
    impute_fixed_value: Option<f64>,
    stable_trend_window: Option<i64>,
    threshold: Option<f64>,
}

#[derive(Deserialize)]
struct Point {
    timestamp: Option<String>,
    value: f64,
}

type Checked<T> = Result<T, AzureError>;

fn refuse<T>(code: Code, message: impl Into<String>) -> Checked<T> {
    Err(AzureError::new(code, message))
}

impl AzureRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// The first fault, in the order of the specification.
    pub fn parse(body: &[u8]) -> Checked<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let body: Body = serde_json::from_slice(body).or_else(|fault| {
            refuse(
                Code::InvalidJsonFormat,
                format!("The body is not valid: {fault}."),
            )
        })?;
        let Some(series) = &body.series else {
            return refuse(Code::RequiredSeries, "'series' is required.");
        };
        if !POINTS.contains(&series.len()) {
            let (least, most, n) = (POINTS.start(), POINTS.end(), series.len());
            let message = format!("'series' has {n} points; it must have {least} to {most}.");
            return refuse(Code::InvalidSeries, message);
        }
        let places = body.places(series)?;
        let span = places.last().map_or(0, |last| last + 1);
        if span > MAX_SPARSE * series.len() {
            let missing = span - series.len();
            let message = format!("{missing} points are missing from 'series'.");
            return refuse(Code::InvalidSeries, message);
        }
        let mut grid = vec![None; span];
        for (place, point) in places.iter().zip(series) {
            grid[*place] = Some(point.value);
        }
        body.impute(&mut grid)?;
        Ok(Self {
            grid,
            places,
            period: body.period()?,
            max_anomaly_ratio: within(body.max_anomaly_ratio, 0.25, 0.0, 0.5, "maxAnomalyRatio")?,
            sensitivity: within(body.sensitivity, 85.0, 0.0, 99.0, "sensitivity")?,
            stable_trend_window: body.window()?,
            threshold: within(body.threshold, 0.9, 0.0, 1.0, "threshold")?,
        })
    }
}

fn within(given: Option<f64>, default: f64, least: f64, most: f64, name: &str) -> Checked<f64> {
    let given = given.unwrap_or(default);
    match (least..=most).contains(&given) {
        true => Ok(given),
        false => refuse(
            Code::InvalidModelArgument,
            format!("'{name}' must be from {least} to {most}."),
        ),
    }
}

impl Body {
    fn granularity(&self) -> Checked<Granularity> {
        let Some(name) = &self.granularity else {
            return Ok(Granularity::None);
        };
        let known = Granularity::ALL
            .iter()
            .find(|g| g.as_str().eq_ignore_ascii_case(name));
        known.copied().map_or_else(
            || {
                refuse(
                    Code::InvalidGranularity,
                    format!("'{name}' is not a granularity."),
                )
            },
            Ok,
        )
    }

    fn interval(&self, granularity: Granularity) -> Checked<i64> {
        let invalid = |why| {
            refuse(
                Code::InvalidCustomInterval,
                format!("'customInterval' {why}."),
            )
        };
        match &self.custom_interval {
            None => Ok(1),
            Some(_) if granularity == Granularity::None => invalid("needs a granularity"),
            Some(given) => match given
                .as_i64()
                .filter(|interval| (1..=1_000_000).contains(interval))
            {
                Some(interval) => Ok(interval),
                None => invalid("must be a whole number from 1 to 1000000"),
            },
        }
    }

    /// The place of each point in the grid.
    fn places(&self, series: &[Point]) -> Checked<Vec<usize>> {
        let granularity = self.granularity()?;
        let interval = self.interval(granularity)?;
        let times = self.times(series, granularity)?;
        granularity
            .places(&times, interval)
            .or_else(|InvalidGrid(i)| {
                let why = match granularity {
                    Granularity::None => "must be later than the one before it.".to_owned(),
                    _ => {
                        let name = granularity.as_str();
                        format!(
                            "is invalid in {name} granularity with {interval} gran as interval."
                        )
                    }
                };
                refuse(
                    Code::InvalidSeries,
                    format!("The 'timestamp' at index {i} {why}"),
                )
            })
    }

    fn window(&self) -> Checked<usize> {
        let given = self.stable_trend_window.unwrap_or(5);
        let window = usize::try_from(given)
            .ok()
            .filter(|window| (1..=1000).contains(window));
        let message = "'stableTrendWindow' must be from 1 to 1000.";
        window.map_or_else(|| refuse(Code::InvalidModelArgument, message), Ok)
    }

    fn period(&self) -> Checked<Option<usize>> {
        let Some(given) = &self.period else {
            return Ok(None);
        };
        // SDKs send whole numbers as 12.0 as well.
        let number = given
            .as_f64()
            .filter(|n| n.fract() == 0.0 && (0.0..=1e6).contains(n));
        match number {
            Some(number) => Ok(Some((number as usize).max(1))),
            None => refuse(
                Code::InvalidPeriod,
                "'period' must be a whole number from 0.",
            ),
        }
    }

    /// The times of the points. Without a granularity they may be absent.
    fn times(&self, series: &[Point], granularity: Granularity) -> Checked<Vec<Timestamp>> {
        let are_absent = series.iter().all(|point| point.timestamp.is_none());
        if granularity == Granularity::None && are_absent {
            return Ok((0..)
                .take(series.len())
                .filter_map(|s| Timestamp::from_second(s).ok())
                .collect());
        }
        let of = |(i, point): (usize, &Point)| {
            let text = point.timestamp.as_deref().unwrap_or_default();
            time(text).map_or_else(
                || {
                    refuse(
                        Code::InvalidSeries,
                        format!("The 'timestamp' at index {i} is not an ISO 8601 time."),
                    )
                },
                Ok,
            )
        };
        series.iter().enumerate().map(of).collect()
    }

    fn impute(&self, grid: &mut [Option<f64>]) -> Checked<()> {
        let mode = match &self.impute_mode {
            None => Imputation::Auto,
            Some(name) => {
                let known = Imputation::ALL
                    .iter()
                    .find(|m| m.as_str().eq_ignore_ascii_case(name));
                known.copied().map_or_else(
                    || {
                        refuse(
                            Code::InvalidImputeMode,
                            format!("'{name}' is not a way to fill gaps."),
                        )
                    },
                    Ok,
                )?
            }
        };
        let fixed = match mode {
            Imputation::Auto | Imputation::NotFill => return Ok(()),
            Imputation::Zero => Some(0.0),
            Imputation::Fixed if self.impute_fixed_value.is_none() => {
                let message = "'imputeFixedValue' is required where 'imputeMode' is 'fixed'.";
                return refuse(Code::InvalidImputeFixedValue, message);
            }
            Imputation::Fixed => self.impute_fixed_value,
            Imputation::Previous | Imputation::Linear => None,
        };
        let mut before = 0;
        for place in 1..grid.len() {
            let (Some(left), Some(right)) = (grid[before], grid[place]) else {
                continue;
            };
            let steps = (place - before) as f64;
            for (i, gap) in grid[before + 1..place].iter_mut().enumerate() {
                let along = match mode {
                    Imputation::Linear => (i + 1) as f64 / steps,
                    _ => 0.0,
                };
                *gap = fixed.or(Some(left * (1.0 - along) + right * along));
            }
            before = place;
        }
        Ok(())
    }
}

/// A time in ISO 8601, in UTC unless it says otherwise.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let utc = |time: DateTime| TimeZone::UTC.to_timestamp(time).ok();
    text.parse().ok().or_else(|| utc(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn points(n: usize) -> Value {
        let point = |i| json!({"timestamp": format!("2024-01-{:02}T00:00:00Z", i + 1), "value": i});
        (0..n).map(point).collect()
    }

    fn parse(changes: Value) -> Result<AzureRequest, (String, String)> {
        let mut body = json!({"series": points(14), "granularity": "daily"});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let parsed = AzureRequest::parse(body.to_string().as_bytes());
        parsed.map_err(|error| (error.code, error.message))
    }

    #[test]
    fn what_is_absent_or_null_has_its_default() {
        let plain = parse(json!({})).unwrap();
        assert_eq!(plain.places, (0..14).collect::<Vec<_>>());
        assert_eq!(
            (plain.period, plain.sensitivity, plain.max_anomaly_ratio),
            (None, 85.0, 0.25)
        );
        let nulls = json!({"period": null, "sensitivity": null, "imputeMode": null, "customInterval": null});
        assert_eq!(parse(nulls).unwrap(), plain);
        assert_eq!(parse(json!({"period": 7.0})).unwrap().period, Some(7));
        assert_eq!(parse(json!({"period": 0})).unwrap().period, Some(1));
    }

    #[test]
    fn times_may_be_absent_without_a_granularity() {
        let series: Value = (0..12).map(|i| json!({"value": i})).collect();
        let parsed = parse(json!({"series": series, "granularity": "none"})).unwrap();
        assert_eq!(parsed.grid.len(), 12);
        let code = parse(json!({"series": series})).unwrap_err().0;
        assert_eq!(code, "InvalidSeries");
    }

    #[test]
    fn gaps_are_filled_as_asked() {
        let mut series = points(14);
        series.as_array_mut().unwrap().drain(3..5);
        let filled = |mode: &str| {
            let parsed =
                parse(json!({"series": series, "imputeMode": mode, "imputeFixedValue": 9.0}))
                    .unwrap();
            assert_eq!(parsed.places[2..4], [2, 5]);
            [parsed.grid[3], parsed.grid[4]]
        };
        assert_eq!(filled("linear"), [Some(3.0), Some(4.0)]);
        assert_eq!(filled("previous"), [Some(2.0); 2]);
        assert_eq!(filled("zero"), [Some(0.0); 2]);
        assert_eq!(filled("Fixed"), [Some(9.0); 2]);
        assert_eq!(filled("auto"), [None; 2]);
        assert_eq!(filled("notFill"), [None; 2]);
    }

    /// Demands that a request with `change` is refused so.
    fn refused(change: &Value, code: &str, message: &str) {
        let (found, said) = parse(change.clone()).unwrap_err();
        assert_eq!(found, code, "{change}");
        assert!(said.contains(message), "{said}");
    }

    #[test]
    fn faults_of_the_series_are_named_as_azure_names_them() {
        let weekly =
            "The 'timestamp' at index 1 is invalid in weekly granularity with 1 gran as interval.";
        let none = json!({"granularity": "none", "customInterval": 2});
        let twice = json!({"timestamp": "2024-01-01T00:00:00Z", "value": 1});
        let twice = json!({"series": vec![twice; 12], "granularity": "none"});
        for (change, code, message) in [
            (
                json!({"series": null}),
                "RequiredSeries",
                "'series' is required",
            ),
            (json!({"series": points(5)}), "InvalidSeries", "12 to 8640"),
            (json!({"series": "x"}), "InvalidJsonFormat", "line 1"),
            (twice, "InvalidSeries", "at index 1 must be later"),
            (
                json!({"granularity": "hourlyish"}),
                "InvalidGranularity",
                "'hourlyish'",
            ),
            (json!({"granularity": "weekly"}), "InvalidSeries", weekly),
            (
                json!({"customInterval": 0}),
                "InvalidCustomInterval",
                "1 to",
            ),
            (none, "InvalidCustomInterval", "granularity"),
        ] {
            refused(&change, code, message);
        }
    }

    #[test]
    fn faults_of_the_options_are_named_as_azure_names_them() {
        for (name, value, code) in [
            ("period", json!(-1), "InvalidPeriod"),
            ("period", json!(1.5), "InvalidPeriod"),
            ("sensitivity", json!(100), "InvalidModelArgument"),
            ("maxAnomalyRatio", json!(0.6), "InvalidModelArgument"),
            ("threshold", json!(2), "InvalidModelArgument"),
            ("stableTrendWindow", json!(0), "InvalidModelArgument"),
        ] {
            refused(&json!({name: value}), code, name);
        }
        refused(
            &json!({"imputeMode": "magic"}),
            "InvalidImputeMode",
            "'magic'",
        );
        refused(
            &json!({"imputeMode": "fixed"}),
            "InvalidImputeFixedValue",
            "required",
        );
    }
}
