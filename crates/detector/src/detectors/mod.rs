//! The detectors there are.

pub(crate) mod auto;
pub(crate) mod ewma;
pub(crate) mod robust;
pub(crate) mod seasonal;
pub(crate) mod sigma;

use contract::{DetectorName, FitOptions, Params, Point};
use serde_json::value::RawValue;

use crate::{
    BadModel, Band, Unfit, Verdict,
    detector::Detector,
    online::{Online, Step},
    params::Settings,
    verdict::Ask,
    warning::Warnings,
};
use auto::Auto;
use ewma::Ewma;
use robust::Robust;
use seasonal::Seasonal;
use sigma::Sigma;

/// Makes the enumerations over all detectors from one list: `Name(Type)`, the name being that in [`DetectorName`].
macro_rules! detectors {
    ($($name:ident($detector:ty)),+ $(,)?) => {
        /// What one of the detectors has learned.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Learned {
            $($name($detector)),+
        }

        /// One of them on its way past points, learning nothing.
        #[derive(Clone, Debug)]
        pub(crate) enum Walk<'a> {
            $($name(&'a $detector, <$detector as Detector>::Place)),+
        }

        /// One of them that keeps learning.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Learner {
            $($name(Box<<$detector as Detector>::Online>)),+
        }

        impl Learned {
            pub(crate) fn fit(
                name: DetectorName,
                points: &[Point],
                options: &FitOptions,
                warnings: &mut Warnings,
            ) -> Result<Self, Unfit> {
                Ok(match name {
                    $(DetectorName::$name => {
                        let settings = Settings::new(&options.params, <$detector>::PARAMS)?;
                        Self::$name(<$detector>::fit(points, &settings, warnings))
                    })+
                })
            }

            pub(crate) fn from_json(name: DetectorName, state: &RawValue) -> Result<Self, BadModel> {
                Ok(match name {
                    $(DetectorName::$name => {
                        let learned: $detector = serde_json::from_str(state.get())?;
                        if !learned.is_sound() {
                            return Err(BadModel::OutOfRange);
                        }
                        Self::$name(learned)
                    })+
                })
            }

            pub(crate) fn to_json(&self) -> Box<RawValue> {
                match self {
                    $(Self::$name(learned) => serde_json::value::to_raw_value(learned),)+
                }
                .expect("what is learned is plain data")
            }

            pub(crate) fn walk(&self) -> Walk<'_> {
                match self {
                    $(Self::$name(learned) => Walk::$name(learned, Default::default()),)+
                }
            }

            pub(crate) fn judge_alone(&self, point: Point, ask: &Ask) -> Verdict {
                match self {
                    $(Self::$name(learned) => learned.judge_alone(point, ask),)+
                }
            }

            pub(crate) fn online(&self, ask: &Ask) -> Learner {
                match self {
                    $(Self::$name(learned) => Learner::$name(Box::new(learned.online(ask))),)+
                }
            }

            pub(crate) fn band(&self, timestamp: i64, ask: &Ask) -> Band {
                match self {
                    $(Self::$name(learned) => learned.band(timestamp, ask),)+
                }
            }

            pub(crate) fn name(&self) -> DetectorName {
                match self {
                    $(Self::$name(_) => DetectorName::$name,)+
                }
            }

            pub(crate) fn params(&self) -> Params {
                match self {
                    $(Self::$name(learned) => learned.params(),)+
                }
            }

            pub(crate) fn period(&self) -> Option<u64> {
                match self {
                    $(Self::$name(learned) => learned.period(),)+
                }
            }

            pub(crate) fn period_time(&self) -> Option<i64> {
                match self {
                    $(Self::$name(learned) => learned.period_time(),)+
                }
            }

            pub(crate) fn heap_bytes(&self) -> usize {
                match self {
                    $(Self::$name(learned) => learned.heap_bytes(),)+
                }
            }
        }

        impl Walk<'_> {
            pub(crate) fn judge(&mut self, point: Point, ask: &Ask) -> Verdict {
                match self {
                    $(Self::$name(learned, place) => learned.judge(place, point, ask),)+
                }
            }

            pub(crate) fn pass(&mut self, point: Point, ask: &Ask) {
                match self {
                    $(Self::$name(learned, place) => learned.walk(place, point, ask),)+
                }
            }
        }

        impl Learner {
            pub(crate) fn update(&mut self, point: Point, ask: &Ask) -> Step {
                match self {
                    $(Self::$name(learner) => learner.update(point, ask),)+
                }
            }

            pub(crate) fn heap_bytes(&self) -> usize {
                match self {
                    $(Self::$name(learner) => size_of_val(&**learner) + learner.heap_bytes(),)+
                }
            }

            pub(crate) fn from_json(name: DetectorName, state: &RawValue) -> Result<Self, BadModel> {
                Ok(match name {
                    $(DetectorName::$name => {
                        let learner: <$detector as Detector>::Online =
                            serde_json::from_str(state.get())?;
                        if !learner.is_sound() {
                            return Err(BadModel::OutOfRange);
                        }
                        Self::$name(Box::new(learner))
                    })+
                })
            }

            pub(crate) fn to_json(&self) -> Box<RawValue> {
                match self {
                    $(Self::$name(learner) => serde_json::value::to_raw_value(learner),)+
                }
                .expect("what is learned is plain data")
            }

            pub(crate) fn name(&self) -> DetectorName {
                match self {
                    $(Self::$name(_) => DetectorName::$name,)+
                }
            }
        }
    };
}

detectors! {
    Auto(Auto),
    Sigma(Sigma),
    Robust(Robust),
    Seasonal(Seasonal),
    Ewma(Ewma),
}
