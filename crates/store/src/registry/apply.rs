//! Changes of a series, each in a transaction that the caller begins and finishes.
//!
//! Each change locks the row of its series first, then the rows of its models in order. Everyone
//! who takes several of these locks keeps to that order, so there are no deadlocks.

use contract::{AliasInfo, AliasName, Revision, SeriesId, Version};
use sqlite::Write;
use sqlx::{Postgres, Transaction};

use super::{
    Changed, Precondition, Ready,
    change::{Change, Plan, State},
    connection::{Connection, Value},
    receipt::{Note, has_receipt, keep},
    rows::{AliasRow, ReadyRow, state},
    sql,
};
use crate::{
    Refusal, RegistryError, StoreError,
    columns::{number, revision},
};

/// Makes a version ready if `when` holds, and no other version was made by the request of `note`.
/// Returns `None` if there is no such version.
pub(crate) async fn mark_ready(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    version: Version,
    when: &Precondition,
    note: Option<&Note>,
) -> Result<Option<Ready>, RegistryError> {
    let model = [series.as_str().into(), number(version).into()];
    let Some(before) = lock(connection, series).await? else {
        return Ok(None);
    };
    if let Some(note) = note
        && has_receipt(connection, series, note).await?
    {
        return Err(Refusal::Repeated.into());
    }
    if *when != Precondition::Any {
        let state = read(connection, series, before).await?;
        state.check(when, !state.ready.is_empty())?;
    }
    let mark = connection.dialect().mark_ready;
    let marked: Vec<(i64,)> = connection.run(mark, &model).await?;
    if !marked.is_empty() {
        let ready = bump_revision(connection, series).await?.read()?;
        if let Some(note) = note {
            keep(connection, series, version, ready, note).await?;
        }
        return Ok(Some(ready));
    }
    // It does not exist, or has been ready since an earlier call.
    let mut ready: Vec<ReadyRow> = connection.run(sql::IS_READY, &model).await?;
    Ok(ready.pop().map(ReadyRow::read).transpose()?)
}

/// Makes a change, or as much of it as one transaction may.
pub(crate) async fn apply(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    change: Change<'_>,
    when: &Precondition,
) -> Result<Changed, RegistryError> {
    let revision = lock(connection, series).await?;
    let revision = revision.ok_or(Refusal::NoSeries)?;
    let before = read(connection, series, revision).await?;
    let plan = before.plan(change, when)?;
    let mut changed = Changed::by(&before, &plan);
    if !plan.is_empty() {
        execute(connection, series, &plan).await?;
        changed.revision = bump_revision(connection, series).await?.revision()?;
    }
    if let Some(name) = &plan.about {
        changed.alias = alias(connection, series, name).await?;
    }
    Ok(changed)
}

/// A transaction of either database.
pub(crate) trait Finish {
    /// Keeps all of it.
    async fn commit(self) -> Result<(), sqlx::Error>;
    /// Keeps nothing of it.
    async fn rollback(self) -> Result<(), sqlx::Error>;
}

impl Finish for Transaction<'_, Postgres> {
    async fn commit(self) -> Result<(), sqlx::Error> {
        Transaction::commit(self).await
    }

    async fn rollback(self) -> Result<(), sqlx::Error> {
        Transaction::rollback(self).await
    }
}

impl Finish for Write {
    async fn commit(self) -> Result<(), sqlx::Error> {
        Write::commit(self).await
    }

    async fn rollback(self) -> Result<(), sqlx::Error> {
        Write::rollback(self).await
    }
}

/// Commits `transaction` if its work is `done`, or else rolls it back.
pub(crate) async fn finish<T>(
    transaction: impl Finish,
    done: Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    match done {
        Ok(_) => transaction.commit().await?,
        // Releases the lock now. A dropped transaction does so when its connection is used again.
        Err(RegistryError::Refused(_)) => transaction.rollback().await?,
        Err(RegistryError::Store(_)) => {}
    }
    done
}

/// Makes everyone else who changes the series wait until we are done. Returns its revision.
async fn lock(
    connection: &mut Connection<'_>,
    series: &SeriesId,
) -> Result<Option<Revision>, StoreError> {
    let lock = connection.dialect().lock;
    let rows: Vec<(i64,)> = connection.run(lock, &[series.as_str().into()]).await?;
    rows.first().map(|(number,)| revision(*number)).transpose()
}

/// Raises the revision by one.
async fn bump_revision(
    connection: &mut Connection<'_>,
    series: &SeriesId,
) -> Result<ReadyRow, StoreError> {
    let bump = connection.dialect().bump_revision;
    let mut rows: Vec<ReadyRow> = connection.run(bump, &[series.as_str().into()]).await?;
    Ok(rows.pop().ok_or(sqlx::Error::RowNotFound)?)
}

/// The visible state of the series.
async fn read(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    revision: Revision,
) -> Result<State, StoreError> {
    let series = [series.as_str().into()];
    let ready = connection.run(sql::READY, &series).await?;
    let aliases = connection.run(sql::ALIASES, &series).await?;
    state(revision, ready, aliases)
}

async fn execute(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    plan: &Plan,
) -> Result<(), sqlx::Error> {
    let series = Value::from(series.as_str());
    for name in &plan.unset {
        let alias = [series, name.as_str().into()];
        connection.run::<()>(sql::UNSET, &alias).await?;
    }
    if let Some(alias) = &plan.set {
        let alias = [
            series,
            alias.name.as_str().into(),
            number(alias.version).into(),
            Value::Number(alias.previous.map(number)),
        ];
        connection.run::<()>(sql::SET, &alias).await?;
    }
    if !plan.delete.is_empty() {
        let versions: Vec<String> = plan.delete.iter().map(|v| v.number().to_string()).collect();
        let models = [series, Value::Text(Some(&versions.join(",")))];
        for delete in connection.dialect().delete {
            connection.run::<()>(delete, &models).await?;
        }
    }
    Ok(())
}

async fn alias(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    name: &AliasName,
) -> Result<Option<AliasInfo>, StoreError> {
    let alias = [series.as_str().into(), name.as_str().into()];
    let mut rows: Vec<AliasRow> = connection.run(sql::ALIAS, &alias).await?;
    rows.pop().map_or(Ok(None), AliasRow::read)
}
