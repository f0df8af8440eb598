//! Every row of a labelled series, asked in all ways: a frozen model alone, with context and in a
//! batch, and an online session; with the simple forecasts that a range is compared with.

use anyhow::Result;
use contract::{DetectorName, FitOptions, JudgeOptions};
use detector::{DEFAULT_RATE, Model, Verdict};

use crate::{
    agreement::Contradictions,
    behaviour::at_rate,
    data::Series,
    interval::{IntervalScore, SeasonalNaive},
};

/// The rate of ranges beside the default one.
pub(crate) const WIDE_RATE: f64 = 0.01;
/// Points before each as its context.
const CONTEXT: usize = 50;

/// A way of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Alone,
    Context,
    Batch,
    Online,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Alone, Self::Context, Self::Batch, Self::Online];

    /// For tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Context => "with 50 points of context",
            Self::Batch => "batch",
            Self::Online => "online",
        }
    }
}

/// The rows of a series after its training, asked in one way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// Whether each row is an anomaly, at the default rate.
    pub(crate) anomalies: Vec<bool>,
    /// Whether an alarm is raised; online only.
    pub(crate) alarms: Vec<bool>,
    /// Of the ranges at the default rate.
    pub(crate) narrow: IntervalScore,
    /// Of the ranges at [`WIDE_RATE`].
    pub(crate) wide: IntervalScore,
    pub(crate) contradictions: Contradictions,
}

impl Rows {
    /// Takes the verdicts on a row at the default rate and at [`WIDE_RATE`].
    fn note(&mut self, verdict: &Verdict, wide: &Verdict, value: f64) {
        self.anomalies.push(verdict.anomaly);
        self.contradictions.note(verdict, value, DEFAULT_RATE);
        self.narrow.note_verdict(verdict, value, DEFAULT_RATE);
        self.wide.note_verdict(wide, value, WIDE_RATE);
    }
}

/// A series in all ways.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// By way, in the order of [`Way::ALL`].
    pub(crate) ways: [Rows; Way::ALL.len()],
    /// The simple forecasts by name, at [`WIDE_RATE`].
    pub(crate) simple: [(&'static str, f64); 3],
}

fn fit(series: &Series, detector: DetectorName) -> Result<Model> {
    let options = FitOptions {
        detector: Some(detector),
        ..FitOptions::default()
    };
    Ok(Model::fit(&series.points[..series.train], &options, detector)?.model)
}

/// Asks about every row after the training.
pub(crate) fn see(series: &Series, detector: DetectorName) -> Result<Seen> {
    let model = fit(series, detector)?;
    let ways = Way::ALL.map(|way| ask(&model, series, way));
    let values: Vec<f64> = series.values().collect();
    let seasonal = fit(series, DetectorName::Seasonal)?;
    let period = seasonal.period().unwrap_or(1) as usize;
    let naive = SeasonalNaive::new(&values[..series.train], period, WIDE_RATE);
    let mut of_naive = IntervalScore::default();
    for (i, value) in values.iter().enumerate().skip(series.train) {
        let (lower, upper) = naive.range(&values, i);
        of_naive.note(lower, upper, *value, WIDE_RATE);
    }
    let ewma = fit(series, DetectorName::Ewma)?;
    Ok(Seen {
        ways,
        simple: [
            ("ewma", wide(&ewma, series)),
            ("seasonal naive", of_naive.mean()),
            ("seasonal", wide(&seasonal, series)),
        ],
    })
}

/// The score of an online session's ranges at [`WIDE_RATE`].
fn wide(model: &Model, series: &Series) -> f64 {
    let mut session = model.session(&at_rate(WIDE_RATE));
    let mut score = IntervalScore::default();
    for point in &series.points[series.train..] {
        let verdict = session.update(*point).verdict;
        score.note_verdict(&verdict, point.value, WIDE_RATE);
    }
    score.mean()
}

fn ask(model: &Model, series: &Series, way: Way) -> Rows {
    let (judge, wide) = (JudgeOptions::default(), at_rate(WIDE_RATE));
    let mut rows = Rows::default();
    let mut scorers = [model.fixed_scorer(&[]), model.fixed_scorer(&[])];
    let mut sessions = [model.session(&judge), model.session(&wide)];
    for i in series.train..series.points.len() {
        let point = series.points[i];
        let [verdict, wide] = match way {
            Way::Alone => [&judge, &wide].map(|judge| model.score(&[], point, judge)),
            Way::Context => {
                let context = &series.points[i.saturating_sub(CONTEXT)..i];
                [&judge, &wide].map(|judge| model.score(context, point, judge))
            }
            Way::Batch => {
                let [narrow, other] = &mut scorers;
                [narrow.score(point, &judge), other.score(point, &wide)]
            }
            Way::Online => {
                let [narrow, other] = &mut sessions;
                let step = narrow.update(point);
                rows.alarms.push(step.alarm);
                [step.verdict, other.update(point).verdict]
            }
        };
        rows.note(&verdict, &wide, point.value);
    }
    rows
}

/// The anomalies that come after this many rows without one.
pub(crate) fn first_after(anomalies: &[bool], quiet: usize) -> Vec<bool> {
    let mut since = quiet;
    let first = |anomaly: &bool| {
        let is_first = *anomaly && since >= quiet;
        since = if *anomaly { 0 } else { since + 1 };
        is_first
    };
    anomalies.iter().map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_anomaly_after_quiet_rows_is_a_first_one() {
        let rows = [true, true, false, true, false, false, true, false];
        let first = first_after(&rows, 2);
        assert_eq!(
            first,
            [true, false, false, false, false, false, true, false]
        );
        assert_eq!(first_after(&rows, 0), rows);
    }
}
