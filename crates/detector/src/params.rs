//! The parameters of detectors and their ranges.

use std::fmt;

use contract::{FitOptions, Params, TimeZone};

use crate::{Unfit, detector::Detector};

/// A parameter of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Param {
    /// The name in requests.
    pub(crate) name: &'static str,
    /// The least and the largest value.
    pub(crate) range: (f64, f64),
    /// Whether the value must be a whole number.
    pub(crate) whole: bool,
}

/// The parameters of a request, each known and in range, and its time zone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    params: Params,
    timezone: Option<TimeZone>,
}

impl Settings {
    /// Checks the parameters and the time zone in `options` for the detector `D`.
    pub(crate) fn of<D: Detector>(options: &FitOptions) -> Result<Self, Unfit> {
        if options.timezone.is_some() && !D::KNOWS_TIMEZONES {
            return Err(Unfit::TimeZone(D::NAME));
        }
        let settings = Self::new(&options.params, D::PARAMS)?;
        Ok(Self {
            timezone: options.timezone.clone(),
            ..settings
        })
    }

    /// Checks `params` against those in `known`.
    pub(crate) fn new(params: &Params, known: &'static [Param]) -> Result<Self, Unfit> {
        for (name, &value) in params {
            let fault = match known.iter().find(|param| param.name == name) {
                None => Fault::Unknown(known),
                Some(param) if !param.takes(value) => Fault::OutOfRange(*param, value),
                Some(_) => continue,
            };
            return Err(Unfit::Param {
                name: name.clone(),
                why: BadParam(fault),
            });
        }
        Ok(Self {
            params: params.clone(),
            timezone: None,
        })
    }

    /// The value of a parameter, if the request names it.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.params.get(name).copied()
    }

    /// The time zone whose clocks the season follows, if the request names one.
    pub(crate) fn timezone(&self) -> Option<&TimeZone> {
        self.timezone.as_ref()
    }
}

impl Param {
    /// Whether `value` is in range; NaN is not.
    pub(crate) fn takes(&self, value: f64) -> bool {
        let (least, largest) = self.range;
        value >= least && value <= largest && (!self.whole || value.fract() == 0.0)
    }
}

/// The reason why a parameter is refused. Displays as the end of a sentence that begins with its
/// name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BadParam(Fault);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Unknown(&'static [Param]),
    OutOfRange(Param, f64),
}

impl fmt::Display for BadParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::Unknown([]) => f.write_str("is not known: this detector has no parameters"),
            Fault::Unknown(known) => {
                f.write_str("is not known: there are ")?;
                for (i, param) in known.iter().enumerate() {
                    let before = if i == 0 { "" } else { ", " };
                    write!(f, "{before}{param}")?;
                }
                Ok(())
            }
            Fault::OutOfRange(param, value) => {
                write!(f, "is {value}, which is not {}", param.range())
            }
        }
    }
}

impl Param {
    fn range(&self) -> String {
        let (least, largest) = self.range;
        let kind = if self.whole { "a whole number " } else { "" };
        format!("{kind}from {least} to {largest}")
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.range())
    }
}
