//! Models in memory, and the bytes that they take there.

use std::sync::Arc;

use contract::{AliasName, Revision, SeriesId, Version, VersionRef};
use detector::StoredModel;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use store::{Serving, VersionedModel};

use crate::metrics;

/// The bytes that an entry of a cache takes beyond its [`LoadedModel`], about: key, hash, counters,
/// places in the lists, the rest of [`ServingEntry`]. `benchmark/scale` measures what models take
/// in all.
const ENTRY_BYTES: usize = 112;

/// A shard of a cache, which has its own lock, holds at least this many bytes, so that a model of
/// any size finds room there: 64 columns of up to 64 KiB take half of it.
const MIN_SHARD_BYTES: u64 = 8 << 20;

/// The most shards of a cache for each core.
const SHARDS_PER_CORE: usize = 4;

/// One version of a series, in memory.
#[derive(Debug)]
pub(crate) struct LoadedModel {
    /// The series that the model was fitted on.
    pub(crate) series: SeriesId,
    /// The version of the model.
    pub(crate) version: Version,
    /// The model.
    pub(crate) model: StoredModel,
}

/// The model that serves a series where a request does not name a version, and the series' aliases.
#[derive(Debug)]
pub(crate) struct ServingEntry {
    /// The model that serves.
    pub(crate) loaded: LoadedModel,
    /// The revision at which the series was read.
    pub(crate) revision: Revision,
    /// The newest revision for which this entry is known to be current. It is later than
    /// `revision` if the store was asked by a caller that knew of a revision that the store did not.
    pub(crate) valid_through: Revision,
    /// `None` for most series, which do not have any.
    aliases: Option<Box<Aliases>>,
}

#[derive(Debug)]
struct Aliases(Vec<(AliasName, Version)>);

impl LoadedModel {
    /// Puts `found`, a model of `series`, into memory and counts its bytes.
    pub(crate) fn new(series: SeriesId, found: VersionedModel) -> Self {
        let VersionedModel { version, model } = found;
        let loaded = Self {
            series,
            version,
            model,
        };
        metrics::MODEL_BYTES.add(signed(loaded.bytes()));
        loaded
    }

    /// The bytes that the model takes in a cache.
    fn bytes(&self) -> usize {
        let around = size_of::<Self>() - size_of::<StoredModel>();
        ENTRY_BYTES + around + self.series.heap_bytes() + self.model.memory_bytes()
    }
}

impl Drop for LoadedModel {
    fn drop(&mut self) {
        metrics::MODEL_BYTES.sub(signed(self.bytes()));
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl ServingEntry {
    /// The entry of `series` as the store has it, asked by a caller that knew the series to be at
    /// `at_least`; `None` if the series does not have a model.
    pub(crate) fn from_store(
        series: SeriesId,
        serving: Serving,
        at_least: Revision,
    ) -> Option<Self> {
        Some(Self {
            loaded: LoadedModel::new(series, serving.model?),
            revision: serving.revision,
            valid_through: serving.revision.max(at_least),
            aliases: (!serving.aliases.is_empty()).then(|| Box::new(Aliases(serving.aliases))),
        })
    }

    /// The version that `wanted` stands for, whether or not it exists; `None` if the series does
    /// not have the alias.
    pub(crate) fn version_of(&self, wanted: &VersionRef) -> Option<Version> {
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

/// The most that a cache holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// The number of entries.
    pub(crate) entries: usize,
    /// The bytes of all entries.
    pub(crate) bytes: u64,
}

impl Capacity {
    /// An empty cache of this capacity.
    pub(crate) fn cache<K, V>(self) -> Cache<K, V, ByteWeighter>
    where
        K: Eq + std::hash::Hash,
        V: Clone + MemoryBytes,
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
        let weighter = ByteWeighter {
            least: self.bytes.div_ceil(self.entries.max(1) as u64),
        };
        Cache::with_options(
            options,
            weighter,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        )
    }
}

/// A value whose memory is counted.
pub(crate) trait MemoryBytes {
    /// The bytes that the value takes in a cache.
    fn bytes(&self) -> usize;
}

impl MemoryBytes for Arc<ServingEntry> {
    fn bytes(&self) -> usize {
        self.loaded.bytes()
    }
}

impl MemoryBytes for Option<Arc<LoadedModel>> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(ENTRY_BYTES, |loaded| loaded.bytes())
    }
}

/// Weighs an entry by its bytes, but at least as the average of a cache with the most entries. So
/// the bound on bytes also bounds the number of entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteWeighter {
    least: u64,
}

impl<K, V: MemoryBytes> Weighter<K, V> for ByteWeighter {
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
            let entry = ServingEntry::from_store(series, serving, Revision(0)).unwrap();
            Arc::new(entry).bytes()
        };
        assert!(bytes("a_series_with_23_bytes_") < 400);
        assert!(bytes(&"x".repeat(200)) >= bytes("x") + 200);
        // ENTRY_BYTES assumes that there is not more of it than this.
        let beyond_the_model = size_of::<ServingEntry>() - size_of::<LoadedModel>();
        assert!(beyond_the_model <= 24, "{beyond_the_model}");
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
                .model
                .into(),
        }
    }
}
