//! Points that are kept for people to look at. They are stored with the next commit after there is
//! a block of them, or after the state of their stream is copied.

use contract::{LearnedPoint, Moment, SeriesId};
use store::PointBlock;

use super::partition::Partition;
use crate::metrics;

/// The last points of a stream in memory.
#[derive(Default)]
pub(crate) struct History {
    /// Those that are in no block yet.
    points: Vec<LearnedPoint>,
    /// When the last of them arrived, in milliseconds since 1970.
    at_ms: i64,
    /// The block that they will be added to: the timestamp of its first point, and how many it has.
    block: Option<(i64, usize)>,
}

/// Points of a block. A row of the database has no more than twice as many.
const BLOCK: usize = 256;

/// Blocks of a partition that wait to be stored at most, so that an outage does not fill memory.
const MAX_BLOCKS: usize = 256;

impl History {
    /// Adds points that arrived at `at_ms`. Returns whether there is a block of them.
    pub(super) fn add(&mut self, at_ms: i64, learned: Vec<LearnedPoint>) -> bool {
        if !learned.is_empty() {
            self.at_ms = at_ms;
            self.points.extend(learned);
        }
        self.points.len() >= BLOCK
    }

    /// The points that are in no block yet, and the one that they are added to.
    pub(super) fn take(&mut self, series: &SeriesId) -> Option<PointBlock> {
        let next = self.points.first()?.timestamp;
        let (first, known) = self.block.filter(|(_, n)| *n < BLOCK).unwrap_or((next, 0));
        let points = std::mem::take(&mut self.points);
        self.block = Some((first, known + points.len()));
        Some(PointBlock {
            series_id: series.clone(),
            first,
            at: Moment(self.at_ms),
            points,
        })
    }
}

impl Partition {
    /// Has the last points of `series` stored with the next commit.
    pub(super) fn finish_block(&mut self, series: &SeriesId) {
        let entry = self.streams.get_mut(series);
        self.points
            .extend(entry.and_then(|entry| entry.history.take(series)));
        if self.points.len() > MAX_BLOCKS {
            let lost = self.points.remove(0).points.len();
            metrics::POINTS_NOT_KEPT.inc_by(lost as u64);
        }
    }

    /// The points of `series` that are not stored yet.
    pub(super) fn history(&self, series: &SeriesId) -> Vec<LearnedPoint> {
        let blocks = self
            .points
            .iter()
            .filter(|block| block.series_id == *series);
        let entry = self.streams.get(series);
        let last = entry.into_iter().flat_map(|entry| &entry.history.points);
        blocks
            .flat_map(|block| &block.points)
            .chain(last)
            .copied()
            .collect()
    }
}
