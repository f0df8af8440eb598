//! The cases that are counted. To add one, add a line to [`ALL`].

#[path = "../../../crates/detector/benches/series/mod.rs"]
mod series;

use std::hint::black_box;

use contract::{DetectorName, FitOptions, JudgeOptions, Point};
use detector::Model;
use series::series;

use crate::predict::Platform;

/// Something that takes points.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The number of points that are counted.
    pub(crate) points: usize,
    /// Prepares the work. The result works through the number of points that it is given, at most
    /// [`Self::points`].
    pub(crate) prepare: fn() -> Work,
}

pub(crate) type Work = Box<dyn FnOnce(usize)>;

/// Points that models are fitted on.
const TRAIN: usize = 2_000;
/// Points that are judged.
const JUDGED: usize = 2_000;

pub(crate) const ALL: &[Case] = &[
    Case {
        name: "predict",
        points: 20_000,
        prepare: || predict(false),
    },
    Case {
        name: "predict/key",
        points: 20_000,
        prepare: || predict(true),
    },
    judged("sigma/score", || score(DetectorName::Sigma)),
    judged("robust/score", || score(DetectorName::Robust)),
    judged("seasonal/score", || score(DetectorName::Seasonal)),
    judged("ewma/score", || score(DetectorName::Ewma)),
    judged("auto/score", || score(DetectorName::Auto)),
    judged("ewma/following", || following(DetectorName::Ewma)),
    judged("auto/following", || following(DetectorName::Auto)),
    judged("sigma/session", || session(DetectorName::Sigma)),
    judged("robust/session", || session(DetectorName::Robust)),
    judged("seasonal/session", || session(DetectorName::Seasonal)),
    judged("ewma/session", || session(DetectorName::Ewma)),
    judged("auto/session", || session(DetectorName::Auto)),
    Case {
        name: "auto/fit",
        points: 10_000,
        prepare: fit,
    },
];

const fn judged(name: &'static str, prepare: fn() -> Work) -> Case {
    Case {
        name,
        points: JUDGED,
        prepare,
    }
}

/// `/predict`, all of it but the system's part: parsed, looked up, judged, written, counted; with an
/// API key and limits if `has_keys`.
fn predict(has_keys: bool) -> Work {
    let platform = Platform::new(has_keys).expect("it starts");
    Box::new(move |n| platform.predict(n).expect("it answers"))
}

/// Each point alone.
fn score(detector: DetectorName) -> Work {
    let (model, points) = model(detector);
    let judge = JudgeOptions::default();
    Box::new(move |n| {
        for point in &points[..n] {
            black_box(model.score(&[], *point, &judge));
        }
    })
}

/// Each point after those before it, nothing learned: `/predict/…/batch`.
fn following(detector: DetectorName) -> Work {
    let (model, points) = model(detector);
    let judge = JudgeOptions::default();
    Box::new(move |n| {
        let mut scorer = model.fixed_scorer(&[]);
        for point in &points[..n] {
            black_box(scorer.score(*point, &judge));
        }
    })
}

/// Online: `/v1/detect`.
fn session(detector: DetectorName) -> Work {
    let (model, points) = model(detector);
    let mut session = model.session(&JudgeOptions::default());
    Box::new(move |n| {
        for point in &points[..n] {
            black_box(session.update(*point));
        }
    })
}

fn fit() -> Work {
    let points = series(10_000);
    Box::new(move |n| {
        let fitted = Model::fit(&points[..n], &FitOptions::default(), DetectorName::Auto);
        drop(black_box(fitted));
    })
}

/// A model of the first points of a series, and those that follow.
fn model(detector: DetectorName) -> (Model, Vec<Point>) {
    let mut points = series(TRAIN + JUDGED);
    let later = points.split_off(TRAIN);
    let fitted = Model::fit(&points, &FitOptions::default(), detector);
    (
        fitted.expect("they are fit to be learned from").model,
        later,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_can_be_worked_through() {
        for (i, case) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|other| other.name != case.name));
            for points in [0, case.points] {
                (case.prepare)()(points);
            }
        }
    }
}
