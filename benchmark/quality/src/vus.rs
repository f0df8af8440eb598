//! VUS-PR: the volume under the precision-recall surface over all widths of a soft border around
//! the labels, up to one window (Paparrizos et al., 2022,
//! <https://doi.org/10.14778/3551793.3551830>), with the conventions of the package TSB-AD.
//!
//! A row outside of the labels counts for `√(1 − distance/width)` up to half a width from one, and
//! only if it was predicted, so that both sums of a threshold grow by the same amount `soft`: with
//! `inside` predicted labelled rows, `labelled` in all and `predicted` rows above the threshold,
//!
//! ```text
//! recall    = min(1, (inside + soft) / (labelled + soft/2)) · share of labelled segments with a predicted row
//! precision = (inside + soft) / predicted
//! ```
//!
//! Every row is put once, at the first threshold that predicts it; sums over thresholds do the
//! rest. So the cost is that of sorting and, for each width, of the rows near labels, where the
//! definition read literally costs rows × widths × thresholds.

use crate::data::{Span, spans};

/// The number of thresholds, which the package takes from the sorted scores, evenly spaced.
const THRESHOLDS: usize = 250;

/// The volume for widths 0 to `window` of the soft border, in rows. `None` without a label.
pub(crate) fn vus_pr(scores: &[f64], labels: &[bool], window: usize) -> Option<f64> {
    let segments = spans(labels);
    if segments.is_empty() {
        return None;
    }
    let surface = Surface::new(scores, labels, segments);
    let areas = (0..=window).map(|width| surface.area(width));
    Some(areas.sum::<f64>() / (window + 1) as f64)
}

struct Surface<'a> {
    labels: &'a [bool],
    segments: Vec<Span>,
    /// For each row the first threshold that predicts it.
    reach: Vec<usize>,
    /// For each threshold, how many rows it predicts.
    predicted: Vec<f64>,
    /// For each threshold, how many labelled rows it predicts.
    inside: Vec<f64>,
    labelled: f64,
}

impl<'a> Surface<'a> {
    fn new(scores: &[f64], labels: &'a [bool], segments: Vec<Span>) -> Self {
        let thresholds = thresholds(scores);
        let reached = |score: &f64| thresholds.partition_point(|t| t > score);
        let reach: Vec<usize> = scores.iter().map(reached).collect();
        let mut predicted = vec![0.0; thresholds.len()];
        let mut inside = predicted.clone();
        for (k, label) in reach.iter().zip(labels) {
            predicted[*k] += 1.0;
            inside[*k] += f64::from(u8::from(*label));
        }
        accumulate(&mut predicted);
        accumulate(&mut inside);
        Self {
            labels,
            labelled: segments.iter().map(|s| s.len() as f64).sum(),
            segments,
            reach,
            predicted,
            inside,
        }
    }

    /// The area under the curve with a soft border of this width.
    fn area(&self, width: usize) -> f64 {
        let blocks = self.blocks(width / 2);
        let mut soft = vec![0.0; self.predicted.len()];
        let mut found = soft.clone();
        let mut border = Vec::new();
        for block in &blocks {
            let reach = &self.reach[block.rows.first..=block.rows.last];
            found[*reach.iter().min().expect("a block has a labelled row")] += 1.0;
            self.border(block, width, &mut border);
            for (i, weight) in border
                .iter()
                .enumerate()
                .filter(|(_, weight)| **weight > 0.0)
            {
                if !self.labels[block.rows.first + i] {
                    soft[reach[i]] += weight.min(1.0);
                }
            }
        }
        accumulate(&mut soft);
        accumulate(&mut found);
        let (mut area, mut before) = (0.0, 0.0);
        for k in 0..soft.len() {
            let right = self.inside[k] + soft[k];
            let recall = (right / (self.labelled + soft[k] / 2.0)).min(1.0);
            let recall = recall * found[k] / blocks.len() as f64;
            area += (recall - before) * right / self.predicted[k];
            before = recall;
        }
        area
    }

    /// The segments, each with its border, those that meet as one.
    fn blocks(&self, half: usize) -> Vec<Block<'_>> {
        let n = self.labels.len();
        let mut blocks: Vec<Block<'_>> = Vec::new();
        for (k, segment) in self.segments.iter().enumerate() {
            let rows = Span {
                first: segment.first.saturating_sub(half),
                last: (segment.last + half).min(n - 1),
            };
            match blocks.last_mut() {
                Some(block) if block.rows.last >= rows.first => {
                    block.rows.last = rows.last;
                    block.segments = &self.segments[k - block.segments.len()..=k];
                }
                _ => blocks.push(Block {
                    rows,
                    segments: &self.segments[k..=k],
                }),
            }
        }
        blocks
    }

    /// The weight of each row of the block from the borders of its segments.
    fn border(&self, block: &Block<'_>, width: usize, border: &mut Vec<f64>) {
        border.clear();
        border.resize(block.rows.len(), 0.0);
        let weight = |distance: usize| (1.0 - distance as f64 / width as f64).sqrt();
        let half = width / 2;
        for segment in block.segments {
            for i in segment.last + 1..=(segment.last + half).min(block.rows.last) {
                border[i - block.rows.first] += weight(i - segment.last);
            }
            for i in segment.first.saturating_sub(half)..segment.first {
                border[i - block.rows.first] += weight(segment.first - i);
            }
        }
    }
}

struct Block<'a> {
    rows: Span,
    segments: &'a [Span],
}

/// Evenly spaced ones of the scores, sorted downwards.
fn thresholds(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let last = sorted.len() - 1;
    let step = last as f64 / (THRESHOLDS - 1) as f64;
    let index = |k: usize| match k + 1 < THRESHOLDS {
        true => (k as f64 * step) as usize,
        false => last,
    };
    (0..THRESHOLDS).map(|k| sorted[index(k)]).collect()
}

fn accumulate(counts: &mut [f64]) {
    let mut sum = 0.0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stream that numpy's `default_rng(0).random()` gives: PCG64 (O'Neill, 2014), the upper 53
    /// bits of each word.
    struct Pcg64 {
        state: u128,
        increment: u128,
    }

    impl Pcg64 {
        fn of_seed_0() -> Self {
            Self {
                state: 35_399_562_948_360_463_058_890_781_895_381_311_971,
                increment: 87_136_372_517_582_989_555_478_159_403_783_844_777,
            }
        }

        fn random(&mut self) -> f64 {
            let step = self
                .state
                .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
            self.state = step.wrapping_add(self.increment);
            let folded = (self.state >> 64) as u64 ^ self.state as u64;
            let word = folded.rotate_right((self.state >> 122) as u32);
            (word >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn gives_what_the_package_gives_on_its_check_series() {
        let mut chance = Pcg64::of_seed_0();
        let mut scores: Vec<f64> = (0..10_000).map(|_| chance.random()).collect();
        assert_eq!(scores[0], 0.636_961_687_321_454_3, "the stream is numpy's");
        let mut labels = vec![false; 10_000];
        labels[3000..3100].fill(true);
        labels[7000] = true;
        scores[2990..3095].iter_mut().for_each(|s| *s += 0.5);
        scores[7000] += 1.0;
        let volume = vus_pr(&scores, &labels, 100).unwrap();
        assert!(close(volume, 0.477_720_085_500_036_86), "{volume}");
    }

    #[test]
    fn the_border_counts_half_a_width_from_the_label_and_only_where_it_is_predicted() {
        let labels = [false, false, true, false, false, false];
        // Predicted first: the row after the label, then the label, then the others at once.
        let scores = [0.0, 0.0, 2.0, 3.0, 0.0, 0.0];
        // Widths 0 and 1 have no border: the label is found by the second threshold, half of which
        // is right.
        assert!(close(vus_pr(&scores, &labels, 1).unwrap(), 0.5));
        // Width 2 reaches one row, which weighs √½ = s. Soft sums: s, s, 2s.
        let s = 0.5f64.sqrt();
        let first = s / (1.0 + s / 2.0);
        let area = first * s + (1.0 - first) * (1.0 + s) / 2.0;
        assert!(close(
            vus_pr(&scores, &labels, 2).unwrap(),
            (0.5 + 0.5 + area) / 3.0
        ));
    }

    #[test]
    fn borders_that_meet_make_one_segment_to_be_found() {
        let labels = [true, false, false, true, false];
        let scores = [2.0, 0.0, 0.0, 0.0, 0.0];
        // Apart: half of the rows and half of the segments at the first threshold, all at the last
        // one, 2 of 5 right.
        assert!(close(
            vus_pr(&scores, &labels, 0).unwrap(),
            0.25 + 0.75 * 0.4
        ));
        let surface = Surface::new(&scores, &labels, spans(&labels));
        assert_eq!(surface.blocks(1).len(), 2);
        let met = surface.blocks(2);
        assert_eq!(met.len(), 1);
        assert_eq!(met[0].rows, Span { first: 0, last: 4 });
    }

    #[test]
    fn perfect_scores_have_the_whole_volume_and_no_label_none() {
        let labels: Vec<bool> = (0..1000).map(|i| (300..340).contains(&i)).collect();
        let scores: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
        assert!(close(vus_pr(&scores, &labels, 0).unwrap(), 1.0));
        assert_eq!(vus_pr(&scores, &[false; 1000], 10), None);
    }
}
