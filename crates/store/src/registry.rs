//! Models and their life: versions, aliases, which one judges, and what changed.
//!
//! Every change that can be seen raises the revision of its series by one, in the same transaction: a version that becomes ready,
//! an alias that is set or taken away, a deletion. Whoever changes a series locks its row first, then those of its models.

pub(crate) mod apply;
pub(crate) mod change;
pub(crate) mod connection;
mod prefix;
mod reads;
pub(crate) mod rows;
pub(crate) mod sql;

use std::time::Duration;

use contract::{AliasInfo, AliasName, Point, Revision, SeriesId, Source, Version, VersionRef};
use detector::Model;
use futures_util::{FutureExt, future::BoxFuture};

use self::change::{Change, Plan, State};
use crate::{Backend, Store, StoreError, VersionedModel};

/// A model that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewModel<'a> {
    /// The model.
    pub model: &'a Model,
    /// How long the fit took, in milliseconds.
    pub fit_ms: f64,
    /// Timestamp of the first training point.
    pub first_timestamp: i64,
    /// Timestamp of the last training point.
    pub last_timestamp: i64,
    /// Where it comes from.
    pub source: Source,
}

impl<'a> NewModel<'a> {
    /// A model that was fitted here on `points`, which are sorted, in the time that it `took`.
    pub fn fitted(model: &'a Model, points: &[Point], took: Duration) -> Self {
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

/// What judges in a series, and what its versions are called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Serving {
    /// The revision of the series of which this is true. 0: nothing ever became ready in it.
    pub revision: Revision,
    /// The champion, or else the newest ready model; `None` if there is none, or none any more.
    pub model: Option<VersionedModel>,
    /// The aliases, by name.
    pub aliases: Vec<(AliasName, Version)>,
}

/// What a client demands of a series before it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    Any,
    /// What is to be changed is there.
    Exists,
    /// The revision is one of these.
    Revision(Vec<Revision>),
}

/// Why a change was not made, or something cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The series has no model.
    #[error("series has no model")]
    NoSeries,
    /// The series has no such version.
    #[error("series has no such version")]
    NoModel,
    /// The series has no such alias.
    #[error("series has no such alias")]
    NoAlias,
    /// There is nothing to roll back to: what judged before is gone, or nothing did.
    #[error("no model judged before, or it is gone")]
    NothingBefore,
    /// Aliases name the model.
    #[error("model is in use")]
    InUse(Vec<AliasName>),
    /// The series has as many aliases as it may have.
    #[error("series has too many aliases")]
    TooManyAliases,
    /// The precondition does not hold: this is the revision.
    #[error("series is at {0}")]
    Stale(Revision),
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The revision of the series now.
    pub revision: Revision,
    /// Whether it is a new one. `false`: all was as it was to be.
    pub is_new: bool,
    /// The version that judges now; `None`: the series has no model any more.
    pub serving: Option<Version>,
    /// The alias that was set.
    pub alias: Option<AliasInfo>,
    /// The versions that were removed.
    pub deleted: Vec<Version>,
    /// Whether there is more to do of what was asked for.
    pub(crate) more: bool,
}

/// What the store has, or why it has not.
pub type Answer<T> = Result<Result<T, Refusal>, StoreError>;

impl Store {
    /// Gives `new` the next version of `series` and stores it, not yet visible. Numbers never repeat, whoever else does this.
    ///
    /// # Errors
    /// When it could not be stored; a number may have been used up.
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

    /// Makes a pending version visible and durable, and returns the revision of the series since. To do so again changes nothing.
    ///
    /// # Errors
    /// When that is not certain; also when the version is not there (swept, or deleted).
    pub fn mark_ready<'a>(
        &'a self,
        series: &'a SeriesId,
        version: Version,
    ) -> BoxFuture<'a, Result<Revision, StoreError>> {
        async move {
            let marked = self.mark_ready_when(series, version, &Precondition::Any);
            let series = series.clone();
            // Nothing was demanded, so nothing is refused.
            marked
                .await?
                .map_err(|_| StoreError::Swept { series, version })
        }
        .boxed()
    }

    /// The same if `when` holds: that the series has a model, or is at a revision. Refused, the version stays pending, and is swept.
    ///
    /// # Errors
    /// When that is not certain; also when the version is not there (swept, or deleted).
    pub fn mark_ready_when<'a>(
        &'a self,
        series: &'a SeriesId,
        version: Version,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Answer<Revision>> {
        async move {
            let marked = match &self.0 {
                Backend::Postgres(store) => store.mark_ready(series, version, when).await?,
                Backend::Sqlite(store) => store.mark_ready(series, version, when).await?,
            };
            match marked {
                Ok(Some(revision)) => Ok(Ok(revision)),
                Ok(None) => Err(StoreError::Swept {
                    series: series.clone(),
                    version,
                }),
                Err(refusal) => Ok(Err(refusal)),
            }
        }
        .boxed()
    }

    /// Has `alias` name a version, given by its number or by what another alias names.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn set_alias<'a>(
        &'a self,
        series: &'a SeriesId,
        alias: &'a AliasName,
        to: &'a VersionRef,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Answer<Changed>> {
        async move { self.change(series, Change::Set(alias, to), when).await }.boxed()
    }

    /// Takes `alias` away. Without a champion the newest version judges.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn remove_alias<'a>(
        &'a self,
        series: &'a SeriesId,
        alias: &'a AliasName,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Answer<Changed>> {
        async move { self.change(series, Change::Unset(alias), when).await }.boxed()
    }

    /// Has the version judge that did before the champion was last changed; where there was no such change, the one before that
    /// which judges. To roll back twice changes nothing in the end.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn rollback<'a>(
        &'a self,
        series: &'a SeriesId,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Answer<Changed>> {
        async move { self.change(series, Change::RollBack, when).await }.boxed()
    }

    /// Removes a ready model with its training points, unless an alias names it.
    ///
    /// # Errors
    /// When it is not certain that this was done.
    pub fn delete_model<'a>(
        &'a self,
        series: &'a SeriesId,
        model: &'a VersionRef,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Answer<Changed>> {
        async move { self.change(series, Change::DeleteModel(model), when).await }.boxed()
    }

    /// Removes all that can be seen of `series`: ready models, training points, aliases. Its numbers and revisions go on where they
    /// were. A fit under way is not stopped.
    ///
    /// More than a million points go in several transactions, what judges in the last: until then the series is there, and to
    /// do this again does the rest.
    ///
    /// # Errors
    /// When it is not certain that all was removed.
    pub fn delete_series<'a>(
        &'a self,
        series: &'a SeriesId,
        when: &'a Precondition,
    ) -> BoxFuture<'a, Answer<Changed>> {
        async move { self.change(series, Change::DeleteSeries, when).await }.boxed()
    }

    /// Removes all ready models but the newest `keep` and those that an alias names, with their training points, as
    /// [`Self::delete_series`] does. 0 keeps all.
    ///
    /// # Errors
    /// When it is not certain that all was removed.
    pub fn prune<'a>(&'a self, series: &'a SeriesId, keep: u32) -> BoxFuture<'a, Answer<Changed>> {
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
    ) -> Answer<Changed> {
        let mut done = match self.step(series, change, when).await? {
            Ok(done) => done,
            Err(refusal) => return Ok(Err(refusal)),
        };
        while done.more {
            match self.step(series, change, &Precondition::Any).await? {
                Ok(next) => done.go_on(next),
                // Someone else removed the rest.
                Err(_) => {
                    done.serving = None;
                    break;
                }
            }
        }
        Ok(Ok(done))
    }

    /// As much of `change` as one transaction does.
    async fn step(
        &self,
        series: &SeriesId,
        change: Change<'_>,
        when: &Precondition,
    ) -> Answer<Changed> {
        match &self.0 {
            Backend::Postgres(store) => store.change(series, change, when).await,
            Backend::Sqlite(store) => store.change(series, change, when).await,
        }
    }
}

impl Changed {
    /// What comes of `plan`; the revision and the alias are those of `before` until it is done.
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
