//! How to fit and how to judge, as options of several commands.

use std::str::FromStr;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use contract::{DetectorName, FitOptions, JudgeOptions, Sides, TimeZone, Train};

/// Options of a fit.
#[derive(Debug, Args)]
pub(crate) struct FitOptionArgs {
    /// The detector to fit [default: that of the platform's settings, auto unless changed].
    #[arg(long, value_name = "NAME", value_parser = detectors())]
    detector: Option<DetectorName>,
    /// A parameter of the detector. May be given several times; of two values for one parameter,
    /// the last counts.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, f64)>,
    /// Fit points that all have one value too, from ten on: any other value is an anomaly.
    #[arg(long)]
    allow_constant: bool,
    #[command(flatten)]
    asked: AskedArgs,
}

/// Options of both fits and verdicts.
#[derive(Debug, Args)]
struct AskedArgs {
    /// Fraction of normal points that may be called anomalies, above 0 and at most 0.5 [default:
    /// 0.001, or in a prediction that of the model].
    #[arg(long, value_name = "SHARE", value_parser = rate)]
    false_alarm_rate: Option<f64>,
    /// The side of the expected value on which anomalies count [default: that of the detector, or
    /// in a prediction that of the model].
    #[arg(long, value_name = "SIDE", value_parser = sides())]
    direction: Option<Sides>,
}

/// Options of a verdict.
#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    #[command(flatten)]
    asked: AskedArgs,
    /// Smallest distance from the expected value that counts, in the unit of the values.
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    min_deviation: Option<f64>,
}

impl FitOptionArgs {
    /// The options of a fit on points whose clocks follow `timezone`. Detectors without a time of
    /// day do not get it.
    pub(crate) fn options(&self, timezone: Option<&TimeZone>) -> FitOptions {
        let knows_time = matches!(
            self.detector,
            None | Some(DetectorName::Auto | DetectorName::Seasonal)
        );
        FitOptions {
            detector: self.detector,
            params: self.params.iter().cloned().collect(),
            false_alarm_rate: self.asked.false_alarm_rate,
            direction: self.asked.direction,
            allow_constant: self.allow_constant,
            timezone: timezone.filter(|_| knows_time).cloned(),
        }
    }
}

impl JudgeArgs {
    pub(crate) fn options(&self) -> JudgeOptions {
        JudgeOptions {
            false_alarm_rate: self.asked.false_alarm_rate,
            direction: self.asked.direction,
            min_deviation: self.min_deviation,
        }
    }
}

pub(super) fn detectors() -> impl TypedValueParser<Value = DetectorName> {
    words(DetectorName::ALL.iter().map(|name| name.as_str()))
}

pub(super) fn sides() -> impl TypedValueParser<Value = Sides> {
    words(Sides::ALL.iter().map(|sides| sides.as_str()))
}

/// One of `all`, which the help lists.
pub(super) fn words<T>(all: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(all).try_map(|word| word.parse::<T>())
}

/// `NAME=VALUE`.
pub(super) fn param(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("must look like NAME=VALUE")?;
    if name.is_empty() {
        return Err("the name is missing".to_owned());
    }
    let value = finite(value).map_err(|why| format!("the value is {why}"))?;
    Ok((name.to_owned(), value))
}

pub(super) fn finite(text: &str) -> Result<f64, &'static str> {
    let value: f64 = text.parse().map_err(|_| "not a number")?;
    value.is_finite().then_some(value).ok_or("not finite")
}

pub(super) fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = finite(text)?;
    let allowed = rate > 0.0 && rate <= 0.5;
    allowed.then_some(rate).ok_or("not above 0 and at most 0.5")
}

pub(super) fn distance(text: &str) -> Result<f64, &'static str> {
    let distance = finite(text)?;
    (distance >= 0.0).then_some(distance).ok_or("less than 0")
}

/// A fraction of the rows, or a number of rows.
pub(super) fn train(text: &str) -> Result<Train, &'static str> {
    match (text.parse::<usize>(), text.parse::<f64>()) {
        (Ok(rows), _) if rows > 0 => Ok(Train::Points(rows)),
        (Err(_), Ok(share)) if share > 0.0 && share < 1.0 => Ok(Train::Share(share)),
        _ => Err("must be a fraction between 0 and 1, or a number of rows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn train_is_a_fraction_or_a_number_of_rows() {
        assert_eq!(train("0.15"), Ok(Train::Share(0.15)));
        assert_eq!(train("3"), Ok(Train::Points(3)));
        for text in ["0", "1.0", "1.5", "0.0", "-1", "nan", "inf", "15%", ""] {
            assert!(train(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_is_a_name_and_a_number() {
        assert_eq!(param("window=64"), Ok(("window".to_owned(), 64.0)));
        assert_eq!(param("k=-1e-3"), Ok(("k".to_owned(), -1e-3)));
        for text in ["window", "=1", "window=", "window=x", "window=inf", "a=b=1"] {
            assert!(param(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_distances_have_their_ranges() {
        for text in ["1e-4", "0.5"] {
            assert!(rate(text).is_ok(), "{text}");
        }
        for text in ["0", "0.51", "-0.1", "nan", "x"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(distance("0"), Ok(0.0));
        for text in ["-1", "inf", ""] {
            assert!(distance(text).is_err(), "{text}");
        }
    }
}
