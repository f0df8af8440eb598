//! What is changed about a series: in the store, then told to predictors.

use bus::{Bus, TraceParent};
use contract::{AliasName, ModelEvent, SeriesId, VersionRef};
use store::{Answer, Changed, Precondition, Store};

use crate::{
    error::Error,
    metrics::{self, Change},
    notify::tell,
};

/// Series and their models.
pub(crate) struct Registry {
    pub(super) store: Store,
    bus: Bus,
}

/// On which condition a change is asked for, and in which trace.
#[derive(Debug)]
pub(crate) struct Demand {
    pub(crate) when: Precondition,
    pub(crate) trace: TraceParent,
}

impl Registry {
    pub(crate) fn new(store: Store, bus: Bus) -> Self {
        Self { store, bus }
    }

    /// Has `alias` name a version.
    pub(super) async fn set_alias(
        &self,
        series: &SeriesId,
        alias: &AliasName,
        to: &VersionRef,
        demand: Demand,
    ) -> Result<Changed, Error> {
        let changed = self.store.set_alias(series, alias, to, &demand.when).await;
        let changed = known(changed)?;
        self.promoted(Change::AliasSet, series, &changed, demand.trace)
            .await;
        Ok(changed)
    }

    /// Takes `alias` away.
    pub(super) async fn remove_alias(
        &self,
        series: &SeriesId,
        alias: &AliasName,
        demand: Demand,
    ) -> Result<Changed, Error> {
        let changed = self.store.remove_alias(series, alias, &demand.when).await;
        let changed = known(changed)?;
        self.promoted(Change::AliasRemoved, series, &changed, demand.trace)
            .await;
        Ok(changed)
    }

    /// Has the version judge again that did before.
    pub(super) async fn roll_back(
        &self,
        series: &SeriesId,
        demand: Demand,
    ) -> Result<Changed, Error> {
        let changed = known(self.store.rollback(series, &demand.when).await)?;
        self.promoted(Change::RolledBack, series, &changed, demand.trace)
            .await;
        Ok(changed)
    }

    /// Removes a model with its training points.
    pub(super) async fn delete_model(
        &self,
        series: &SeriesId,
        model: &VersionRef,
        demand: Demand,
    ) -> Result<Changed, Error> {
        let changed = self.store.delete_model(series, model, &demand.when).await;
        let changed = known(changed)?;
        metrics::count(Change::ModelDeleted, 1);
        let gone = |version: &_| ModelEvent::Deleted {
            series_id: series.clone(),
            version: Some(*version),
            revision: Some(changed.revision),
        };
        tell(
            &self.bus,
            changed.deleted.iter().map(gone).collect(),
            demand.trace,
        )
        .await;
        Ok(changed)
    }

    /// Removes a series: its models, training points and aliases.
    pub(super) async fn delete_series(
        &self,
        series: &SeriesId,
        demand: Demand,
    ) -> Result<Changed, Error> {
        let changed = known(self.store.delete_series(series, &demand.when).await)?;
        metrics::count(Change::SeriesDeleted, 1);
        let gone = ModelEvent::Deleted {
            series_id: series.clone(),
            version: None,
            revision: Some(changed.revision),
        };
        tell(&self.bus, vec![gone], demand.trace).await;
        Ok(changed)
    }

    /// Tells that `changed` may have another version judge now.
    async fn promoted(
        &self,
        kind: Change,
        series: &SeriesId,
        changed: &Changed,
        trace: TraceParent,
    ) {
        if !changed.is_new {
            return;
        }
        metrics::count(kind, 1);
        let promoted = changed.serving.map(|version| ModelEvent::Promoted {
            series_id: series.clone(),
            version,
            revision: Some(changed.revision),
        });
        tell(&self.bus, promoted.into_iter().collect(), trace).await;
    }
}

/// What the store knows; a refusal is an error here.
pub(super) fn known<T>(answer: Answer<T>) -> Result<T, Error> {
    Ok(answer.map_err(Error::Unanswered)??)
}
