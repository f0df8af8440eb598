//! Models, from memory or from the store: one reading at a time for each series, few at once for all of them.
//!
//! A cold predictor does not stampede the store, and a store that hangs holds a request for at most three seconds.

use std::{sync::Arc, time::Duration};

use contract::{ModelEvent, Revision, SeriesId, Version};
use service::task;
use store::{Serving, Store};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    cache::{Held, Joined, Load, LoadError, Loaded, ModelCache},
    metrics,
};

/// Readings of the store at once.
const MAX_READS: usize = 16;

/// Of these, how many may be of models that are held and have changed; the rest is left to requests.
const MAX_RELOADS: usize = 8;

/// How long a reading waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(1);

/// How long a reading may take.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// The models that judge. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Models(Arc<Inner>);

struct Inner {
    cache: Arc<ModelCache>,
    store: Store,
    turns: Semaphore,
}

impl Models {
    /// Keeps about `entries` models of `store` in memory.
    pub(crate) fn new(store: Store, entries: usize) -> Self {
        Self(Arc::new(Inner {
            cache: ModelCache::new(entries),
            store,
            turns: Semaphore::new(MAX_READS),
        }))
    }

    /// The model of `series` if it is in memory and at least as new as `at_least`. Waits for nothing and allocates nothing.
    pub(crate) fn held(&self, series: &str, at_least: Option<Version>) -> Option<Arc<Held>> {
        self.0.cache.get(series, at_least)
    }

    /// How many models are in memory.
    pub(crate) fn len(&self) -> usize {
        self.0.cache.len()
    }

    /// The model of `series` from the store, or from memory if it got there meanwhile. Where the store, asked after this call,
    /// has none as new as `at_least`, what it has is right.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not answer, or has too much to do already.
    pub(crate) async fn load(&self, series: &SeriesId, at_least: Option<Version>) -> Loaded {
        metrics::CACHE_MISSES.inc();
        let mut asked_before_it_began = false;
        loop {
            match self.0.cache.join(series, at_least)? {
                Joined::Ready(loaded) => return Ok(loaded),
                Joined::Begun(ticket, load) => {
                    self.start(load);
                    return ticket.loaded().await;
                }
                Joined::Waiting(ticket) => {
                    let loaded = ticket.loaded().await?;
                    let version = loaded.as_ref().map(|held| held.version);
                    if asked_before_it_began || version >= at_least {
                        return Ok(loaded);
                    }
                    // It may have read before the caller's version was there. The next one will not have.
                    asked_before_it_began = true;
                }
            }
        }
    }

    /// Takes note of `event`; says whether the series has to be reloaded.
    pub(crate) fn is_outdated_by(&self, event: &ModelEvent) -> bool {
        self.0.cache.is_outdated_by(event)
    }

    /// Takes note that `series` is at `revision`; says whether it has to be reloaded.
    pub(crate) fn is_older_than(&self, series: &SeriesId, revision: Revision) -> bool {
        self.0.cache.is_older_than(series, revision)
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
            metrics::MODEL_LOADS.inc();
            let read = self.read(load.series()).await;
            if let Err(error) = &read {
                metrics::MODEL_LOAD_ERRORS.inc();
                log(load.series(), error);
            }
            if !load.land(read) {
                return;
            }
        }
    }

    async fn read(&self, series: &SeriesId) -> Result<Serving, LoadError> {
        let turn = timeout(TURN_WITHIN, self.0.turns.acquire()).await;
        let _turn = turn
            .map_err(|_| LoadError::Busy)?
            .map_err(|_| LoadError::GivenUp)?;
        let read = timeout(READ_WITHIN, self.0.store.serving(series)).await;
        read.map_err(|_| LoadError::TimedOut)?
            .map_err(|e| LoadError::Store(Arc::new(e)))
    }
}

/// Once for each load, however many wait for it. That one had no turn says nothing that those which had one did not.
fn log(series: &SeriesId, error: &LoadError) {
    if !matches!(error, LoadError::Busy) {
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::error!(error, %series, "a model could not be loaded");
    }
}
