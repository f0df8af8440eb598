//! The benchmark's scoring of a detector's output on many series.

use std::collections::BTreeSet;

use crate::{
    data::Series,
    judged::Judged,
    nab::{self, Marked, PROFILES, Profile, STANDARD, Tally, Timeline},
};

/// One result in each of the three profiles.
pub(crate) type ByProfile<T> = [T; 3];

/// Series with what was said about them.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    series: &'a [Series],
    timelines: Vec<Timeline>,
    ratios: Vec<&'a [f64]>,
    verdicts: Vec<Vec<f64>>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(series: &'a [Series], judged: &'a [Judged]) -> Self {
        let timeline = |s: &Series| Timeline::new(s.points.len(), s.train, &s.spans);
        Self {
            series,
            timelines: series.iter().map(timeline).collect(),
            ratios: judged.iter().map(|j| j.ratio.as_slice()).collect(),
            verdicts: judged.iter().map(Judged::verdicts).collect(),
        }
    }

    /// The strengths of alarm of those series that are wanted.
    fn marked(&self, wanted: impl Fn(&Series) -> bool) -> Vec<Marked<'_>> {
        let all = self.series.iter().zip(&self.timelines).zip(&self.ratios);
        all.filter(|((series, _), _)| wanted(series))
            .map(|((_, timeline), strengths)| Marked {
                timeline,
                strengths,
            })
            .collect()
    }

    /// One best threshold for all series, in each profile, with what it gives.
    pub(crate) fn best(&self) -> ByProfile<(f64, Tally)> {
        let marked = self.marked(|_| true);
        PROFILES.map(|profile| {
            let threshold = nab::best_threshold(&marked, profile);
            (threshold, nab::at(&marked, profile, threshold))
        })
    }

    /// The verdicts as they are, nothing chosen.
    pub(crate) fn verdicts(&self) -> ByProfile<Tally> {
        PROFILES.map(|profile| self.verdicts_of(profile, |_| true))
    }

    /// The verdicts on the series that are wanted.
    pub(crate) fn verdicts_of(&self, profile: Profile, wanted: impl Fn(&Series) -> bool) -> Tally {
        let all = self.series.iter().zip(&self.timelines).zip(&self.verdicts);
        let mut sum = Tally::default();
        for ((_, timeline), verdicts) in all.filter(|((series, _), _)| wanted(series)) {
            sum += timeline.tally(profile, |i| verdicts[i] > 0.0);
        }
        sum
    }

    /// Each series at a fixed strength of alarm.
    pub(crate) fn at(&self, profile: Profile, threshold: f64) -> Vec<Tally> {
        let tally = |marked: &Marked<'_>| nab::at(&[*marked], profile, threshold);
        self.marked(|_| true).iter().map(tally).collect()
    }

    /// Each group with the threshold that is best on all others, and the sum of what that gives.
    pub(crate) fn left_out(&self) -> Tally {
        let mut sum = Tally::default();
        for group in groups(self.series) {
            let others = self.marked(|s| s.group != group);
            let threshold = nab::best_threshold(&others, STANDARD);
            sum += nab::at(&self.marked(|s| s.group == group), STANDARD, threshold);
        }
        sum
    }
}

/// For each group the setting whose verdicts are best on all others, and the sum of what these
/// give: what a constant is worth that was chosen without the group. `settings` are of the same
/// series.
pub(crate) fn chosen_elsewhere(settings: &[Evaluation<'_>]) -> Tally {
    let mut sum = Tally::default();
    for group in settings
        .first()
        .map(|e| groups(e.series))
        .unwrap_or_default()
    {
        let elsewhere = |e: &&Evaluation<'_>| e.verdicts_of(STANDARD, |s| s.group != group).gain();
        let best = settings
            .iter()
            .max_by(|a, b| elsewhere(a).total_cmp(&elsewhere(b)));
        if let Some(best) = best {
            sum += best.verdicts_of(STANDARD, |s| s.group == group);
        }
    }
    sum
}

/// The groups that there are, in order.
pub(crate) fn groups(series: &[Series]) -> BTreeSet<&str> {
    series.iter().map(|s| s.group.as_str()).collect()
}
