//! The registry of models: versions, aliases, the version that serves, and changes of them.
//!
//! Every visible change raises the revision of its series by one, in the same transaction: a
//! version that becomes ready, an alias that is set or removed, a deletion. Every change locks the
//! row of the series first, then those of its models.

pub(crate) mod apply;
pub(crate) mod change;
pub(crate) mod connection;
mod document;
pub(crate) mod prefix;
mod reads;
pub(crate) mod receipt;
pub(crate) mod rows;
pub(crate) mod sql;
mod time;

use std::time::Duration;

use contract::{AliasInfo, AliasName, Point, Revision, SeriesId, Source, Version, VersionRef};
use detector::StoredModel;
use futures_util::{FutureExt, future::BoxFuture};

use self::{
    change::{Change, Plan, State},
    receipt::Note,
};
use crate::{Backend, RegistryError, Store, StoreError, VersionedModel};

/// A model to store.
#[derive(Clone, Copy, Debug)]
pub struct NewModel<'a> {
    /// The model.
    pub model: &'a StoredModel,
    /// How long the fit took, in milliseconds.
    pub fit_ms: f64,
    /// The timestamp of the first training point.
    pub first_timestamp: i64,
    /// The timestamp of the last training point.
    pub last_timestamp: i64,
    /// Whether it was fitted here or imported.
    pub source: Source,
}

impl<'a> NewModel<'a> {
    /// A model that was fitted here on `points`, in the time `took`. They are sorted; those of
    /// columns follow each other, column by column.
    pub fn fitted(model: &'a StoredModel, points: &[Point], took: Duration) -> Self {
        let timestamp = |point: Option<&Point>| point.map_or(0, |point| point.timestamp);
        Self {
            model,
            fit_ms: took.as_secs_f64() * 1e3,
            first_timestamp: timestamp(points.first()),
            last_timestamp: timestamp(points.last()),
            source: Source::Fit,
        }
    }
}

/// The version that serves predictions of a series, and the aliases of its versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Serving {
    /// The revision of the series at which this is true. 0: no version was ever ready.
    pub revision: Revision,
    /// The champion, or else the newest ready model. `None` if the series has no ready model.
    pub model: Option<VersionedModel>,
    /// The aliases, by name.
    pub aliases: Vec<(AliasName, Version)>,
}

/// The conditions that a series must meet for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The change is made in any case.
    Any,
    /// The object of the change exists.
    Exists,
    /// The series is at one of these revisions.
    Revision(Vec<Revision>),
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The revision of the series after it.
    pub revision: Revision,
    /// Whether the revision is a new one. `false`: nothing had to be changed.
    pub is_new: bool,
    /// The version that serves after it. `None`: the series has no model any more.
    pub serving: Option<Version>,
    /// The alias that was to be set.
    pub alias: Option<AliasInfo>,
    /// The versions that were removed.
    pub deleted: Vec<Version>,
    /// Whether some of the change is left to do.
    pub(crate) more: bool,
}

/// The series of a version that has become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The revision of the series since then.
    pub revision: Revision,
    /// The version that serves predictions at that revision. It is another one if the champion is
    /// pinned or a newer version became ready first.
    pub serving: Version,
}

impl Store {
    /// Stores `new` as the next version of `series`, not yet visible. Version numbers never repeat,
    /// even under concurrent calls.
    ///
    /// # Errors
    /// When it could not be stored. A version number may have been used up.
    pub fn insert_pending<'a>(
        &'a self,
        series: &'a SeriesId,
        new: &'a NewModel<'a>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.insert_pending(series, new).await,
                Backend::Sqlite(store) => store.insert_pending(series, new).await,
            }
        }
        .boxed()
    }

    /// Makes a pending version visible and durable, and returns the revision of the series since
    /// then. Doing so again changes nothing.
    ///
    /// # Errors
    /// When it is not certain that this was done, and when the version does not exist (swept, or
    /// deleted).
    pub fn mark_ready<'a>(
        &'a self,
        series: &'a SeriesId,
        version: Version,
    ) -> BoxFuture<'a, Result<Revision, StoreError>> {
        async move {
            match self
                .mark_ready_when(series, version, &Precondition::Any, None)
                .await
            {
                Ok(ready) => Ok(ready.revision),
                Err(RegistryError::Store(error)) => Err(error),
                // Without a precondition nothing is refused.
                Err(RegistryError::Refused(_)) => Err(swept(series, version)),
            }
        }
        .boxed()
    }

    /// Does the same as [`Self::mark_ready`] if `when` holds, and keeps `note` with it. If `when`
    /// does not hold, or there is a receipt with the key of `note`, the version stays pending, and
    /// is swept later.
    ///
    /// # Errors
    /// When it is not certain that this was done, and when the version does not exist (swept, or
    /// deleted).
    pub fn mark_ready_when<'a>(
        &'a self,
        series: &'a SeriesId,
        version: Version,
        when: &'a Precondition,
        note: Option<&'a Note>,
    ) -> BoxFuture<'a, Result<Ready, RegistryError>> {
        async move {
            let marked = match &self.0 {
                Backend::Postgres(store) => store.mark_ready(series, version, when, note).await?,
                Backend::Sqlite(store) => store.mark_ready(series, version, when, note).await?,
            };
            marked.ok_or_else(|| swept(series, version).into())
        }
        .boxed()
    }

    /// Sets `alias` to a version, which is given by its number or by another alias.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn set_alias<'a>(
        &'a self,
        series: &'a SeriesId,
        alias: &'a AliasName,
        to: &'a VersionRef,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Result<Changed, RegistryError>> {
        async move { self.change(series, Change::Set(alias, to), when).await }.boxed()
    }

    /// Removes `alias`. Without a champion the newest version serves.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn remove_alias<'a>(
        &'a self,
        series: &'a SeriesId,
        alias: &'a AliasName,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Result<Changed, RegistryError>> {
        async move { self.change(series, Change::Unset(alias), when).await }.boxed()
    }

    /// Makes the previous champion serve again; if the champion was never changed, the version
    /// before the one that serves. Two rollbacks cancel out.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn rollback<'a>(
        &'a self,
        series: &'a SeriesId,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Result<Changed, RegistryError>> {
        async move { self.change(series, Change::RollBack, when).await }.boxed()
    }

    /// Removes a ready model and its training points, unless an alias names it.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn delete_model<'a>(
        &'a self,
        series: &'a SeriesId,
        model: &'a VersionRef,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Result<Changed, RegistryError>> {
        async move { self.change(series, Change::DeleteModel(model), when).await }.boxed()
    }

    /// Removes everything visible of `series`: ready models, training points, aliases. Its version
    /// numbers and revisions continue where they were. A fit in progress is not stopped.
    ///
    /// More than a million points are removed in several transactions, the serving version in the
    /// last one. Until then the series exists, and a second call removes the rest.
    ///
    /// # Errors
    /// When it is not certain that all was removed.
    pub fn delete_series<'a>(
        &'a self,
        series: &'a SeriesId,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Result<Changed, RegistryError>> {
        async move { self.change(series, Change::DeleteSeries, when).await }.boxed()
    }

    /// Removes all ready models except the newest `keep` and those that an alias names, in steps as
    /// [`Self::delete_series`]. 0 keeps all.
    ///
    /// # Errors
    /// When it is not certain that all was removed.
    pub fn prune<'a>(
        &'a self,
        series: &'a SeriesId,
        keep: u32,
    ) -> BoxFuture<'a, Result<Changed, RegistryError>> {
        async move {
            self.change(series, Change::Prune(keep), &Precondition::Any)
                .await
        }
        .boxed()
    }

    async fn change(
        &self,
        series: &SeriesId,
        change: Change<'_>,
        when: &Precondition,
    ) -> Result<Changed, RegistryError> {
        let mut done = self.step(series, change, when).await?;
        while done.more {
            match self.step(series, change, &Precondition::Any).await {
                Ok(next) => done.go_on(next),
                // Another client removed the rest.
                Err(RegistryError::Refused(_)) => {
                    done.serving = None;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !done.deleted.is_empty() {
            self.give_back().await;
        }
        Ok(done)
    }

    /// Does as much of `change` as one transaction may.
    async fn step(
        &self,
        series: &SeriesId,
        change: Change<'_>,
        when: &Precondition,
    ) -> Result<Changed, RegistryError> {
        match &self.0 {
            Backend::Postgres(store) => store.change(series, change, when).await,
            Backend::Sqlite(store) => store.change(series, change, when).await,
        }
    }
}

impl Changed {
    /// The result of `plan`. Revision and alias are those of `before` until it is executed.
    pub(crate) fn by(before: &State, plan: &Plan) -> Self {
        Self {
            revision: before.revision,
            is_new: !plan.is_empty(),
            serving: before.serving_after(plan),
            alias: None,
            deleted: plan.delete.clone(),
            more: plan.more,
        }
    }

    fn go_on(&mut self, next: Self) {
        self.revision = next.revision;
        self.serving = next.serving;
        self.deleted.extend(next.deleted);
        self.more = next.more;
    }
}

fn swept(series: &SeriesId, version: Version) -> StoreError {
    StoreError::Swept {
        series: series.clone(),
        version,
    }
}
