//! Changes of a series, each in a transaction that the caller begins and commits.
//!
//! Each locks the row of its series first, then those of its models in order. So do all others who hold several of these locks,
//! and nobody waits for somebody who waits for them.

use contract::{AliasInfo, AliasName, Revision, SeriesId, Version};

use super::{
    Answer, Changed, Precondition, Refusal,
    change::{Change, Plan, State},
    connection::{Connection, Value},
    rows::{AliasRow, number, revision, state},
    sql,
};
use crate::StoreError;

/// Makes a version ready if `when` holds. Returns the revision since; `None` if there is no such version.
pub(crate) async fn mark_ready(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    version: Version,
    when: &Precondition,
) -> Answer<Option<Revision>> {
    let model = [series.as_str().into(), number(version).into()];
    let Some(before) = lock(connection, series).await? else {
        return Ok(Ok(None));
    };
    if *when != Precondition::Any {
        let state = read(connection, series, before).await?;
        if let Err(refusal) = state.check(when, !state.ready.is_empty()) {
            return Ok(Err(refusal));
        }
    }
    let mark = connection.dialect().mark_ready;
    let marked: Vec<(i64,)> = connection.run(mark, &model).await?;
    if !marked.is_empty() {
        return raise(connection, series).await.map(|now| Ok(Some(now)));
    }
    let ready: Vec<(i64,)> = connection.run(sql::IS_READY, &model).await?;
    Ok(Ok((!ready.is_empty()).then_some(before)))
}

/// Makes a change, or as much of it as one transaction does.
pub(crate) async fn apply(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    change: Change<'_>,
    when: &Precondition,
) -> Answer<Changed> {
    let Some(revision) = lock(connection, series).await? else {
        return Ok(Err(Refusal::NoSeries));
    };
    let before = read(connection, series, revision).await?;
    let plan = match before.plan(change, when) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut changed = Changed::by(&before, &plan);
    if !plan.is_empty() {
        carry_out(connection, series, &plan).await?;
        changed.revision = raise(connection, series).await?;
    }
    if let Some(name) = &plan.about {
        changed.alias = alias(connection, series, name).await?;
    }
    Ok(Ok(changed))
}

/// Makes everyone else who changes the series wait until we are done, and returns its revision.
async fn lock(
    connection: &mut Connection<'_>,
    series: &SeriesId,
) -> Result<Option<Revision>, StoreError> {
    let lock = connection.dialect().lock;
    let rows: Vec<(i64,)> = connection.run(lock, &[series.as_str().into()]).await?;
    rows.first().map(|(number,)| revision(*number)).transpose()
}

/// Raises the revision and returns it.
async fn raise(connection: &mut Connection<'_>, series: &SeriesId) -> Result<Revision, StoreError> {
    let raise = connection.dialect().raise;
    let rows: Vec<(i64,)> = connection.run(raise, &[series.as_str().into()]).await?;
    let (number,) = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    revision(*number)
}

/// What can be seen of the series.
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

async fn carry_out(
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
