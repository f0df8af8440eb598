//! When points come, and after how long a silence they are missing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The number of gaps that are kept, and from which on the usual one is known.
const KEPT: usize = 64;

/// The shortest silence that is one, in milliseconds.
const LEAST_MS: i64 = 60_000;

/// The number of usual gaps that make a silence.
const USUAL_GAPS: i64 = 5;

/// The last gaps between arrivals, in watched time: that of the log without outages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrivals {
    /// When the last points came, in milliseconds; `None` before the first.
    last: Option<i64>,
    /// The gaps before, in milliseconds, the oldest first.
    gaps: VecDeque<u32>,
    /// The series is known to have no points at present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

impl Arrivals {
    /// Notes that points came at `watched_ms`.
    pub(crate) fn note(&mut self, watched_ms: i64) {
        self.stale = false;
        if let Some(last) = self.last {
            if self.gaps.len() == KEPT {
                self.gaps.pop_front();
            }
            let gap = u32::try_from(watched_ms.saturating_sub(last).max(0)).unwrap_or(u32::MAX);
            self.gaps.push_back(gap);
        }
        self.last = Some(self.last.map_or(watched_ms, |last| last.max(watched_ms)));
    }

    /// From now on nothing is missing, until the next point.
    pub(crate) fn disarm(&mut self) {
        self.stale = true;
    }

    /// When the series is missing if no point comes, in watched time. `usual_step_ms` is the usual
    /// distance of its timestamps, where that is known; `missing_after_ms` is what the options say.
    pub(crate) fn due(
        &self,
        usual_step_ms: Option<i64>,
        missing_after_ms: Option<u64>,
    ) -> Option<i64> {
        let last = self.last.filter(|_| !self.stale)?;
        let silence = match missing_after_ms {
            Some(0) => return None,
            Some(asked) => i64::try_from(asked).unwrap_or(i64::MAX),
            None => self.usual_silence(usual_step_ms)?,
        };
        Some(last.saturating_add(silence))
    }

    /// When the series may be missing at the earliest, in watched time: cheap, for every point.
    pub(crate) fn look(&self, missing_after_ms: Option<u64>) -> Option<i64> {
        match missing_after_ms {
            Some(_) => self.due(None, missing_after_ms),
            None => {
                let last = self
                    .last
                    .filter(|_| !self.stale && self.gaps.len() == KEPT)?;
                Some(last.saturating_add(LEAST_MS))
            }
        }
    }

    /// The silence that is unusual, in milliseconds.
    fn usual_silence(&self, usual_step_ms: Option<i64>) -> Option<i64> {
        if self.gaps.len() < KEPT {
            return None;
        }
        let mut gaps: Vec<u32> = self.gaps.iter().copied().collect();
        let longest = i64::from(*gaps.iter().max()?);
        let median = i64::from(*gaps.select_nth_unstable(KEPT / 2).1);
        // Points that are sent faster than their timestamps say are history.
        let usual = median.max(usual_step_ms.unwrap_or(0));
        Some(
            LEAST_MS
                .max(usual.saturating_mul(USUAL_GAPS))
                .max(2 * longest),
        )
    }

    /// When the last points came, in watched time.
    pub(crate) fn last(&self) -> Option<i64> {
        self.last
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.gaps.len() <= KEPT
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.gaps.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(gap: i64, times: i64) -> Arrivals {
        let mut arrivals = Arrivals::default();
        (0..times).for_each(|i| arrivals.note(gap * i));
        arrivals
    }

    #[test]
    fn a_silence_is_five_usual_gaps_and_at_least_a_minute() {
        assert_eq!(every(1_000, 64).due(None, None), None);
        assert_eq!(every(1_000, 65).due(None, None), Some(64_000 + 60_000));
        assert_eq!(
            every(60_000, 65).due(None, None),
            Some(64 * 60_000 + 300_000)
        );
        let history = every(5, 65).due(Some(3_600_000), None);
        assert_eq!(history, Some(64 * 5 + 5 * 3_600_000));
    }

    #[test]
    fn a_series_with_long_gaps_may_have_them_again() {
        let mut arrivals = every(60_000, 65);
        arrivals.note(64 * 60_000 + 600_000);
        assert_eq!(arrivals.due(None, None), Some(64 * 60_000 + 1_800_000));
    }

    #[test]
    fn options_say_otherwise_and_a_stale_series_is_not_missing() {
        let mut arrivals = every(60_000, 3);
        assert_eq!(arrivals.due(None, Some(0)), None);
        assert_eq!(arrivals.due(None, Some(7)), Some(120_007));
        arrivals.disarm();
        assert_eq!(arrivals.due(None, Some(7)), None);
        arrivals.note(200_000);
        assert_eq!(arrivals.due(None, Some(7)), Some(200_007));
    }
}
