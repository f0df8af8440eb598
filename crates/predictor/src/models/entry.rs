//! Models in memory, and what they weigh there.

use std::sync::Arc;

use contract::{AliasName, Revision, SeriesId, Version, VersionRef};
use detector::Model;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use store::{Serving, VersionedModel};

use crate::metrics;

/// What an entry of a cache takes beyond what it judges with, in bytes: key, hash, counters, places in the lists, the rest of [`Held`].
/// About; `benchmark/scale` shows what models take all told.
const ENTRY_BYTES: usize = 112;

/// A part of a cache with a lock of its own holds at least this many bytes, so that a model of any size finds room there.
const MIN_SHARD_BYTES: u64 = 4 << 20;

/// Parts of a cache with locks of their own, at most, for each core.
const SHARDS_PER_CORE: usize = 4;

/// One version of a series, in memory.
#[derive(Debug)]
pub(crate) struct Judge {
    /// The series it judges.
    pub(crate) series: SeriesId,
    /// Its version.
    pub(crate) version: Version,
    /// The model.
    pub(crate) model: Model,
}

/// What judges in a series where a request names no version, and what its versions are called.
#[derive(Debug)]
pub(crate) struct Held {
    /// The model that judges.
    pub(crate) judge: Judge,
    /// The revision of the series of which this is true.
    pub(crate) revision: Revision,
    /// The revision at which callers can know the series to be, and this still be right: the store was asked when one did.
    pub(crate) good_for: Revision,
    /// Few series have any.
    aliases: Option<Box<Aliases>>,
}

#[derive(Debug)]
struct Aliases(Vec<(AliasName, Version)>);

impl Judge {
    pub(crate) fn new(series: SeriesId, found: VersionedModel) -> Self {
        let VersionedModel { version, model } = found;
        let judge = Self {
            series,
            version,
            model,
        };
        metrics::MODEL_BYTES.add(signed(judge.bytes()));
        judge
    }

    /// What it takes in a cache.
    fn bytes(&self) -> usize {
        let around = size_of::<Self>() - size_of::<Model>();
        ENTRY_BYTES + around + self.series.heap_bytes() + self.model.memory_bytes()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        metrics::MODEL_BYTES.sub(signed(self.bytes()));
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Held {
    /// What the store has of `series`, asked by a caller that knew it to be at `at_least`; `None` if it has no model.
    pub(crate) fn of(series: SeriesId, serving: Serving, at_least: Revision) -> Option<Self> {
        Some(Self {
            judge: Judge::new(series, serving.model?),
            revision: serving.revision,
            good_for: serving.revision.max(at_least),
            aliases: (!serving.aliases.is_empty()).then(|| Box::new(Aliases(serving.aliases))),
        })
    }

    /// The version that `wanted` stands for; `None` if there is no such alias. Whether there is such a version is another question.
    pub(crate) fn resolve(&self, wanted: &VersionRef) -> Option<Version> {
        match wanted {
            VersionRef::Version(version) => Some(*version),
            VersionRef::Alias(name) => {
                let mut aliases = self.aliases.iter().flat_map(|aliases| &aliases.0);
                aliases
                    .find(|(alias, _)| alias == name)
                    .map(|(_, version)| *version)
            }
        }
    }
}

/// How much a cache holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Entries, at most.
    pub(crate) entries: usize,
    /// Bytes, at most.
    pub(crate) bytes: u64,
}

impl Capacity {
    /// A cache that holds so much.
    pub(crate) fn cache<K, V>(self) -> Cache<K, V, Weigh>
    where
        K: Eq + std::hash::Hash,
        V: Clone + Weight,
    {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = usize::try_from(self.bytes / MIN_SHARD_BYTES).unwrap_or(usize::MAX);
        let shards = shards.clamp(1, cores * SHARDS_PER_CORE);
        let options = OptionsBuilder::new()
            // A power of two is taken: the largest that is not more.
            .shards(1 << shards.ilog2())
            .estimated_items_capacity(self.entries)
            .weight_capacity(self.bytes)
            .build()
            .expect("both capacities are given");
        let weigh = Weigh {
            least: self.bytes.div_ceil(self.entries.max(1) as u64),
        };
        Cache::with_options(
            options,
            weigh,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        )
    }
}

/// What takes a known number of bytes.
pub(crate) trait Weight {
    /// How many.
    fn bytes(&self) -> usize;
}

impl Weight for Arc<Held> {
    fn bytes(&self) -> usize {
        self.judge.bytes()
    }
}

impl Weight for Option<Arc<Judge>> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(ENTRY_BYTES, |judge| judge.bytes())
    }
}

/// Weighs entries by their bytes, and none as less than its share if there were as many as there may be: so bytes bound both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weigh {
    least: u64,
}

impl<K, V: Weight> Weighter<K, V> for Weigh {
    fn weight(&self, _: &K, value: &V) -> u64 {
        self.least.max(value.bytes() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sigma_model_takes_less_than_400_bytes_and_a_long_id_its_length() {
        let bytes = |series: &str| {
            let series = SeriesId::new(series).unwrap();
            let serving = Serving {
                model: Some(testing::model(1)),
                ..Serving::default()
            };
            let held = Held::of(series, serving, Revision(0)).unwrap();
            Arc::new(held).bytes()
        };
        assert!(bytes("a_series_with_23_bytes_") < 400);
        assert!(bytes(&"x".repeat(200)) >= bytes("x") + 200);
        // By the account above there is no more of it than this.
        let beyond_the_judge = size_of::<Held>() - size_of::<Judge>();
        assert!(beyond_the_judge <= 24, "{beyond_the_judge}");
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Models for tests.

    use contract::{DetectorName, FitOptions, Point, Version};
    use detector::Model;
    use store::VersionedModel;

    /// A model of this version that knows 1, 2 and 3 to be normal.
    pub(crate) fn model(version: u32) -> VersionedModel {
        let points = [1.0, 2.0, 3.0].map(|value| Point {
            timestamp: 0,
            value,
        });
        let options = FitOptions::default();
        VersionedModel {
            version: Version::new(version).unwrap(),
            model: Model::fit(&points, &options, DetectorName::Sigma)
                .unwrap()
                .model,
        }
    }
}
