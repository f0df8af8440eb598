//! Models, from memory or from the store: one reading at a time for each series, few at once for all of them.
//!
//! A cold predictor does not stampede the store, and a store that hangs holds a request for at most three seconds.

pub(crate) mod entry;
pub(crate) mod invalidate;
pub(crate) mod resolve;
mod serving;
mod versions;

use std::{sync::Arc, time::Duration};

use contract::{ModelEvent, Revision, SeriesId, Version};
use service::task;
use store::{Serving, Store, StoreError};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    metrics,
    models::{
        entry::{Capacity, Held, Judge},
        serving::{Answer, Joined, Load, ModelCache},
        versions::{Pin, Pins},
    },
};

pub(crate) use crate::models::serving::LoadError;

/// Readings of the store at once.
const MAX_READS: usize = 16;

/// Of these, how many may be of models that are held and have changed; the rest is left to requests.
const MAX_RELOADS: usize = 8;

/// How long a reading waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(1);

/// How long a reading may take.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// How long a version that is asked for by name is waited for.
const PIN_WITHIN: Duration = Duration::from_secs(3);

/// Of the bytes that models may take, one in so many is for versions that are asked for by name.
const PINS_SHARE: u64 = 8;

/// The models that judge. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Models(Arc<Inner>);

struct Inner {
    cache: Arc<ModelCache>,
    pins: Pins,
    store: Store,
    turns: Semaphore,
}

impl Models {
    /// Keeps as much of `store` in memory as `capacity` says.
    pub(crate) fn new(store: Store, capacity: Capacity) -> Self {
        let pins = Capacity {
            bytes: capacity.bytes / PINS_SHARE,
            ..capacity
        };
        let serving = Capacity {
            bytes: capacity.bytes - pins.bytes,
            ..capacity
        };
        Self(Arc::new(Inner {
            cache: ModelCache::new(serving),
            pins: Pins::new(pins),
            store,
            turns: Semaphore::new(MAX_READS),
        }))
    }

    /// What judges in `series`, if that is in memory and right for a caller that knows the series to be at `at_least`. Waits for
    /// nothing and allocates nothing.
    pub(crate) fn held(&self, series: &str, at_least: Revision) -> Option<Arc<Held>> {
        self.0.cache.get(series, at_least)
    }

    /// How many models are in memory.
    pub(crate) fn len(&self) -> usize {
        self.0.cache.len() + self.0.pins.len()
    }

    /// What judges in `series`, from the store, or from memory if it got there meanwhile. Where the store, asked after this call,
    /// knows of no revision as new as `at_least`, what it has is right.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not answer, or has too much to do already.
    pub(crate) async fn load(
        &self,
        series: &SeriesId,
        at_least: Revision,
    ) -> Result<Option<Arc<Held>>, LoadError> {
        metrics::CACHE_MISSES.inc();
        let mut asked_before_it_began = false;
        loop {
            let Answer { held, good_for } = match self.0.cache.join(series, at_least)? {
                Joined::Ready(answer) => return Ok(answer.held),
                Joined::Begun(ticket, load) => {
                    self.start(load);
                    return ticket.loaded().await.map(|answer| answer.held);
                }
                Joined::Waiting(ticket) => ticket.loaded().await?,
            };
            if asked_before_it_began || good_for >= at_least {
                return Ok(held);
            }
            // It may have read before what the caller knows of was there. The next one will not have.
            asked_before_it_began = true;
        }
    }

    /// The version of the series of `held`, if it is in memory; inside that, whether there is such a version.
    pub(crate) fn pinned(&self, held: &Held, version: Version) -> Option<Option<Arc<Judge>>> {
        self.0.pins.get(&pin(held, version))
    }

    /// The version of the series of `held`, from the store if need be; `None` if there is no such version.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) async fn load_pinned(
        &self,
        held: &Held,
        version: Version,
    ) -> Result<Option<Arc<Judge>>, LoadError> {
        metrics::CACHE_MISSES.inc();
        let pin = pin(held, version);
        // On the main runtime, where the connections to the store live, also when the caller stops waiting.
        let read = task::on_main(self.clone().read_version(pin.series.clone(), version));
        let loaded = timeout(PIN_WITHIN, self.0.pins.get_or_read(&pin, read)).await;
        loaded.map_err(|_| LoadError::TimedOut)?
    }

    /// Takes note of `event`; says whether the series has to be reloaded.
    pub(crate) fn is_outdated_by(&self, event: &ModelEvent) -> bool {
        if let ModelEvent::Deleted {
            series_id: series,
            version: Some(version),
            ..
        } = event
            && let Some(revision) = self.0.cache.revision(series)
        {
            self.0.pins.forget(&Pin {
                series: series.clone(),
                version: *version,
                revision,
            });
        }
        self.0.cache.is_outdated_by(event)
    }

    /// Whether `series` is in memory as it was before `revision`.
    pub(crate) fn is_older(&self, series: &SeriesId, revision: Revision) -> bool {
        self.0.cache.is_older(series, Some(revision))
    }

    /// Reads all of `series` from the store again and returns those that could not be; what is held of them goes on judging.
    /// Gives up at the first failure: the others would wait for the same store.
    pub(crate) async fn reload(&self, series: Vec<SeriesId>) -> Vec<SeriesId> {
        let mut failed = Vec::new();
        let mut reloads = JoinSet::new();
        for series in series {
            if reloads.len() >= MAX_RELOADS
                && let Some(Ok(reload)) = reloads.join_next().await
            {
                failed.extend(reload);
            }
            if failed.is_empty() {
                reloads.spawn(self.clone().reload_one(series));
            } else {
                failed.push(series);
            }
        }
        while let Some(reload) = reloads.join_next().await {
            failed.extend(reload.ok().flatten());
        }
        failed
    }

    async fn reload_one(self, series: SeriesId) -> Option<SeriesId> {
        let (ticket, load) = self.0.cache.reload(&series);
        if let Some(load) = load {
            self.start(load);
        }
        ticket.loaded().await.is_err().then_some(series)
    }

    /// Runs `load` to its end, whoever stops waiting for it.
    fn start(&self, load: Load) {
        let models = self.clone();
        task::spawn("load a model", task::on_main(models.run(load)));
    }

    async fn run(self, mut load: Load) {
        loop {
            let read = self.read(load.series(), self.0.store.serving(load.series()));
            let read: Result<Serving, _> = read.await;
            if !load.land(read) {
                return;
            }
        }
    }

    async fn read_version(
        self,
        series: SeriesId,
        version: Version,
    ) -> Result<Option<Arc<Judge>>, LoadError> {
        let found = self
            .read(&series, self.0.store.model(&series, version))
            .await?;
        Ok(found.map(|model| Arc::new(Judge::new(series, model))))
    }

    /// Takes a turn for `question` about `series`, and counts and logs how it ended: once for each load, however many wait for it.
    async fn read<T>(
        &self,
        series: &SeriesId,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, LoadError> {
        metrics::MODEL_LOADS.inc();
        let answer = self.ask(question).await;
        if let Err(error) = &answer {
            metrics::MODEL_LOAD_ERRORS.inc();
            log(series, error);
        }
        answer
    }

    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, LoadError> {
        let turn = timeout(TURN_WITHIN, self.0.turns.acquire()).await;
        let _turn = turn
            .map_err(|_| LoadError::Busy)?
            .map_err(|_| LoadError::GivenUp)?;
        let answer = timeout(READ_WITHIN, question).await;
        answer
            .map_err(|_| LoadError::TimedOut)?
            .map_err(|e| LoadError::Store(Arc::new(e)))
    }
}

fn pin(held: &Held, version: Version) -> Pin {
    Pin {
        series: held.judge.series.clone(),
        version,
        revision: held.revision,
    }
}

/// That a load had no turn says nothing that those which had one did not.
fn log(series: &SeriesId, error: &LoadError) {
    if !matches!(error, LoadError::Busy) {
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::error!(error, %series, "a model could not be loaded");
    }
}
