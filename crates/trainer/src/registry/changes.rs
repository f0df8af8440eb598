//! Changes of a series: made in the store, then notified to predictors.

use bus::{Bus, TraceParent};
use contract::{AliasName, ModelEvent, SeriesId, VersionRef};
use service::telemetry::with_sources;
use store::{Changed, Precondition, Refusal, RegistryError, Store};

use crate::{
    context::ChangeContext,
    error::Error,
    metrics::{self, Change},
    notify::{end_stream, notify},
};

/// Series and their models.
pub(crate) struct Registry {
    pub(super) store: Store,
    bus: Bus,
}

impl Registry {
    pub(crate) fn new(store: Store, bus: Bus) -> Self {
        Self { store, bus }
    }

    /// Sets `alias` to a version.
    pub(super) async fn set_alias(
        &self,
        series: &SeriesId,
        alias: &AliasName,
        to: &VersionRef,
        context: ChangeContext,
    ) -> Result<Changed, Error> {
        let changed = self
            .store
            .set_alias(series, alias, to, &context.when)
            .await?;
        self.promoted(Change::AliasSet, series, &changed, context.trace)
            .await;
        Ok(changed)
    }

    /// Removes `alias`.
    pub(super) async fn remove_alias(
        &self,
        series: &SeriesId,
        alias: &AliasName,
        context: ChangeContext,
    ) -> Result<Changed, Error> {
        let changed = self
            .store
            .remove_alias(series, alias, &context.when)
            .await?;
        self.promoted(Change::AliasRemoved, series, &changed, context.trace)
            .await;
        Ok(changed)
    }

    /// Makes the previous champion serve again.
    pub(super) async fn roll_back(
        &self,
        series: &SeriesId,
        context: ChangeContext,
    ) -> Result<Changed, Error> {
        let changed = self.store.rollback(series, &context.when).await?;
        self.promoted(Change::RolledBack, series, &changed, context.trace)
            .await;
        Ok(changed)
    }

    /// Removes a model and its training points.
    pub(super) async fn delete_model(
        &self,
        series: &SeriesId,
        model: &VersionRef,
        context: ChangeContext,
    ) -> Result<Changed, Error> {
        let changed = self
            .store
            .delete_model(series, model, &context.when)
            .await?;
        metrics::count(Change::ModelDeleted, 1);
        let gone = |version: &_| ModelEvent::Deleted {
            series_id: series.clone(),
            version: Some(*version),
            revision: Some(changed.revision),
        };
        notify(
            &self.bus,
            changed.deleted.iter().map(gone).collect(),
            context.trace,
        )
        .await;
        Ok(changed)
    }

    /// Removes a series: its models, training points and aliases. Its stream ends, and what it has
    /// found is removed with it. `None` if it had nothing but a stream.
    pub(super) async fn delete_series(
        &self,
        series: &SeriesId,
        context: ChangeContext,
    ) -> Result<Option<Changed>, Error> {
        let changed = match self.store.delete_series(series, &context.when).await {
            Err(RegistryError::Refused(Refusal::NoSeries)) => {
                self.delete_stream(series, context).await?;
                return Ok(None);
            }
            changed => changed?,
        };
        metrics::count(Change::SeriesDeleted, 1);
        let gone = ModelEvent::Deleted {
            series_id: series.clone(),
            version: None,
            revision: Some(changed.revision),
        };
        notify(&self.bus, vec![gone], context.trace.clone()).await;
        if let Err(error) = end_stream(&self.bus, series, context.trace).await {
            let error = with_sources(&error);
            tracing::warn!(%series, error, "the stream of a deleted series could not be ended");
        }
        Ok(Some(changed))
    }

    /// Ends the stream of a series without models, if it has one and the client names no revision,
    /// which such a series never had.
    async fn delete_stream(&self, series: &SeriesId, context: ChangeContext) -> Result<(), Error> {
        let is_meant = !matches!(context.when, Precondition::Revision(_));
        let has_stream = self.store.has_stream(series).await;
        if !(is_meant && has_stream.map_err(Error::Unanswered)?) {
            return Err(Refusal::NoSeries.into());
        }
        end_stream(&self.bus, series, context.trace).await?;
        metrics::count(Change::SeriesDeleted, 1);
        Ok(())
    }

    /// Notifies predictors that another version may serve after `changed`.
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
        notify(&self.bus, promoted.into_iter().collect(), trace).await;
    }
}
