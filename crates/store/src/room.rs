//! Whether there is room for another model: on the disk, and within the quotas.

use std::{fmt, path::Path};

use contract::{Revision, SeriesId};
use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    Backend, Store, StoreError,
    registry::{rows::state, sql},
};

/// How much may be stored. 0 stands for no limit.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Quotas {
    /// Most series that have a model; a fit or an import of a further one is refused with 507. 0: no
    /// limit.
    #[arg(long, env = "MAX_SERIES", default_value_t = 0)]
    pub max_series: u64,
    /// Most versions of all series together; a further fit or import is refused with 507, unless an
    /// older version of its series is deleted for it. 0: no limit.
    #[arg(long, env = "MAX_VERSIONS", default_value_t = 0)]
    pub max_versions: u64,
    /// Most bytes of models and training points in the database; while there are more, fits and
    /// imports are refused with 507. 0: no limit.
    #[arg(long, env = "MAX_STORE_BYTES", default_value_t = 0)]
    pub max_store_bytes: u64,
}

/// What there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The disk has fewer free bytes than are kept free.
    Disk {
        /// Free bytes of the disk.
        free: u64,
        /// Bytes that are kept free.
        floor: u64,
    },
    /// There are as many series as there may be.
    Series(u64),
    /// There are as many versions as there may be.
    Versions(u64),
    /// The database has as many bytes as it may have.
    Bytes(u64),
}

/// Written for clients.
impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { free, floor } => write!(
                f,
                "The disk has {free} bytes free, fewer than the {floor} of MIN_FREE_BYTES"
            ),
            Self::Series(most) => write!(f, "There are already {most} series (MAX_SERIES)"),
            Self::Versions(most) => write!(f, "There are already {most} versions (MAX_VERSIONS)"),
            Self::Bytes(most) => write!(f, "The store already has {most} bytes (MAX_STORE_BYTES)"),
        }
    }
}

/// The size of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSize {
    /// Bytes of the database that are in use.
    pub used_bytes: u64,
    /// Free bytes of its disk; `None` if the disk is another machine's.
    pub free_bytes: Option<u64>,
}

/// The bytes of a disk that are kept free by default, unless a twentieth of the disk is less.
const FLOOR: u64 = 64 << 20;

impl Store {
    /// Whether there is room for a further model of `series`, of which the newest `keep` versions
    /// stay (0: all): within `quotas`, and on the disk if that is ours. There, `min_free_bytes` are kept free: by default 64 MiB, or a twentieth of a
    /// small disk. Others may take the room before it is used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn no_room<'a>(
        &'a self,
        series: &'a SeriesId,
        quotas: &'a Quotas,
        keep: u32,
        min_free_bytes: Option<u64>,
    ) -> BoxFuture<'a, Result<Option<NoRoom>, StoreError>> {
        async move {
            if let Some(path) = self.path()
                && let Ok(space) = sqlite::space(path)
            {
                let floor = min_free_bytes.unwrap_or(FLOOR.min(space.total_bytes / 20));
                if space.free_bytes < floor {
                    return Ok(Some(NoRoom::Disk {
                        free: space.free_bytes,
                        floor,
                    }));
                }
            }
            self.over(series, quotas, keep).await
        }
        .boxed()
    }

    /// The quota that a further model of `series` would exceed.
    async fn over(
        &self,
        series: &SeriesId,
        quotas: &Quotas,
        keep: u32,
    ) -> Result<Option<NoRoom>, StoreError> {
        let Quotas {
            max_series,
            max_versions,
            max_store_bytes,
        } = *quotas;
        if max_series > 0 {
            let known: Vec<(i64,)> = self
                .select(sql::SERIES_BUT, &[series.as_str().into()])
                .await?;
            if known
                .first()
                .is_some_and(|(n,)| n.cast_unsigned() >= max_series)
            {
                return Ok(Some(NoRoom::Series(max_series)));
            }
        }
        if max_versions > 0 {
            let known: Vec<(i64,)> = self.select(sql::VERSIONS, &[]).await?;
            let known = known.first().map_or(0, |(n,)| n.cast_unsigned());
            if known >= max_versions
                && known.saturating_sub(self.prunable(series, keep).await?) >= max_versions
            {
                return Ok(Some(NoRoom::Versions(max_versions)));
            }
        }
        if max_store_bytes > 0 && self.size().await?.used_bytes >= max_store_bytes {
            return Ok(Some(NoRoom::Bytes(max_store_bytes)));
        }
        Ok(None)
    }

    /// The number of versions of `series` that are deleted once it has one more.
    async fn prunable(&self, series: &SeriesId, keep: u32) -> Result<u64, StoreError> {
        let key = [series.as_str().into()];
        let (ready, aliases) = (
            self.select(sql::READY, &key).await?,
            self.select(sql::ALIASES, &key).await?,
        );
        let state = state(Revision::default(), ready, aliases)?;
        Ok(state.prunable(keep) as u64)
    }

    /// The size of models and training points, and the space that is left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn size(&self) -> BoxFuture<'_, Result<StoreSize, StoreError>> {
        async move {
            let used_bytes = match &self.0 {
                Backend::Postgres(_) => {
                    let bytes: Vec<(i64,)> = self.select(sql::DATABASE_SIZE, &[]).await?;
                    bytes.first().map_or(0, |(bytes,)| bytes.cast_unsigned())
                }
                Backend::Sqlite(store) => store.size().await?.used_bytes,
            };
            let space = self.path().and_then(|path| sqlite::space(path).ok());
            Ok(StoreSize {
                used_bytes,
                free_bytes: space.map(|space| space.free_bytes),
            })
        }
        .boxed()
    }

    /// The number of series that have a model. It takes about a second for a million of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn fitted_series(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let count: Vec<(i64,)> = self.select(sql::SERIES_COUNT, &[]).await?;
            Ok(count.first().map_or(0, |(count,)| count.cast_unsigned()))
        }
        .boxed()
    }

    /// Gives the space of what was deleted back to the disk. Postgres does so by itself.
    pub(crate) async fn give_back(&self) {
        let Backend::Sqlite(store) = &self.0 else {
            return;
        };
        if let Err(error) = store.shrink().await {
            tracing::debug!(%error, "space was not given back");
        }
    }

    fn path(&self) -> Option<&Path> {
        match &self.0 {
            Backend::Postgres(_) => None,
            Backend::Sqlite(store) => Some(store.path()),
        }
    }
}
