//! The detectors, and the enumerations over them.

pub(crate) mod auto;
pub(crate) mod ewma;
pub(crate) mod robust;
pub(crate) mod seasonal;
pub(crate) mod sigma;

use contract::{DetectorName, FitOptions, Params, Point};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    BadModel, Band, Unfit, Verdict,
    detector::Detector,
    online::{Online, Step},
    params::Settings,
    verdict::ScoringRule,
    warning::Warnings,
};
use auto::Auto;
use ewma::Ewma;
use robust::Robust;
use seasonal::Seasonal;
use sigma::Sigma;

/// Makes the enumerations over all detectors from one list of `Name(Type)`, where the name is that
/// in [`DetectorName`].
macro_rules! detectors {
    ($($name:ident($detector:ty)),+ $(,)?) => {
        /// A fitted detector.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum FittedDetector {
            $($name($detector)),+
        }

        /// A fitted detector that scores points in order and learns nothing.
        #[derive(Clone, Debug)]
        pub(crate) enum BatchScorer<'a> {
            $($name(&'a $detector, <$detector as Detector>::State)),+
        }

        /// A detector in a session.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) enum OnlineState {
            $($name(Box<<$detector as Detector>::Online>)),+
        }

        impl FittedDetector {
            pub(crate) fn fit(
                name: DetectorName,
                points: &[Point],
                options: &FitOptions,
                warnings: &mut Warnings,
            ) -> Result<Self, Unfit> {
                Ok(match name {
                    $(DetectorName::$name => {
                        let settings = Settings::of::<$detector>(options)?;
                        Self::$name(<$detector>::fit(points, &settings, warnings))
                    })+
                })
            }

            pub(crate) fn from_json(name: DetectorName, state: &[u8]) -> Result<Self, BadModel> {
                Ok(match name {
                    $(DetectorName::$name => Self::$name(sound(serde_json::from_slice(state)?)?),)+
                })
            }

            /// Reads what [`Self::to_cbor`] wrote.
            pub(crate) fn from_cbor(name: DetectorName, state: &[u8]) -> Result<Self, BadModel> {
                Ok(match name {
                    $(DetectorName::$name => {
                        let learned = ciborium::from_reader(state).map_err(|_| BadModel::NotPacked)?;
                        Self::$name(sound(learned)?)
                    })+
                })
            }

            /// The state as CBOR, which is shorter than JSON and as exact.
            pub(crate) fn to_cbor(&self) -> Vec<u8> {
                let mut out = Vec::new();
                match self {
                    $(Self::$name(learned) => ciborium::into_writer(learned, &mut out),)+
                }
                .expect("what is learned is plain data");
                out
            }

            pub(crate) fn to_json(&self) -> Box<RawValue> {
                match self {
                    $(Self::$name(learned) => serde_json::value::to_raw_value(learned),)+
                }
                .expect("what is learned is plain data")
            }

            pub(crate) fn scorer(&self) -> BatchScorer<'_> {
                match self {
                    $(Self::$name(learned) => BatchScorer::$name(learned, Default::default()),)+
                }
            }

            pub(crate) fn score_alone(&self, point: Point, rule: &ScoringRule) -> Verdict {
                match self {
                    $(Self::$name(learned) => learned.score_alone(point, rule),)+
                }
            }

            pub(crate) fn online(&self, rule: &ScoringRule) -> OnlineState {
                match self {
                    $(Self::$name(learned) => OnlineState::$name(Box::new(learned.online(rule))),)+
                }
            }

            pub(crate) fn band(&self, timestamp: i64, rule: &ScoringRule) -> Band {
                match self {
                    $(Self::$name(learned) => learned.band(timestamp, rule),)+
                }
            }

            pub(crate) fn name(&self) -> DetectorName {
                match self {
                    $(Self::$name(_) => DetectorName::$name,)+
                }
            }

            pub(crate) fn follows_trends(&self) -> bool {
                match self {
                    $(Self::$name(_) => <$detector as Detector>::FOLLOWS_TRENDS,)+
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

        impl BatchScorer<'_> {
            pub(crate) fn score(&mut self, point: Point, rule: &ScoringRule) -> Verdict {
                match self {
                    $(Self::$name(learned, state) => learned.score(state, point, rule),)+
                }
            }

            pub(crate) fn take_context(&mut self, point: Point, rule: &ScoringRule) {
                match self {
                    $(Self::$name(learned, state) => learned.take_context(state, point, rule),)+
                }
            }
        }

        impl OnlineState {
            pub(crate) fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
                match self {
                    $(Self::$name(learner) => learner.update(point, rule),)+
                }
            }

            pub(crate) fn update_last(&mut self, point: Point, rule: &ScoringRule) -> Step {
                match self {
                    $(Self::$name(learner) => learner.update_last(point, rule),)+
                }
            }

            pub(crate) fn heap_bytes(&self) -> usize {
                match self {
                    $(Self::$name(learner) => size_of_val(&**learner) + learner.heap_bytes(),)+
                }
            }

            pub(crate) fn from_json(name: DetectorName, state: &RawValue) -> Result<Self, BadModel> {
                Ok(match name {
                    $(DetectorName::$name => Self::$name(serde_json::from_str(state.get())?),)+
                })
            }

            /// Whether a session could have reached this state.
            pub(crate) fn is_sound(&self) -> bool {
                match self {
                    $(Self::$name(learner) => learner.is_sound(),)+
                }
            }

            pub(crate) fn name(&self) -> DetectorName {
                match self {
                    $(Self::$name(_) => DetectorName::$name,)+
                }
            }
        }
    };
}

/// A detector whose numbers could come from a fit.
fn sound<T: Detector>(detector: T) -> Result<T, BadModel> {
    match detector.is_sound() {
        true => Ok(detector),
        false => Err(BadModel::OutOfRange),
    }
}

detectors! {
    Auto(Auto),
    Sigma(Sigma),
    Robust(Robust),
    Seasonal(Seasonal),
    Ewma(Ewma),
}
