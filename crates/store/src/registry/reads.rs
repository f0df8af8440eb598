//! What there is. Each call is one statement, so that what it tells was true at one time.

use std::time::Duration;

use contract::{ModelInfo, Revision, SeriesDetail, SeriesId, SeriesSummary, Version, VersionRef};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    Answer, Serving,
    connection::{Row, Value},
    prefix::range,
    rows::{
        DocumentRow, InfoRow, ModelRow, ServingRow, SummaryRow, changed, detail, key, missing,
        number,
    },
    sql,
};
use crate::{Backend, Store, StoreError, VersionedModel};

/// As far back as a database is asked what changed: a thousand years.
const LONGEST: Duration = Duration::from_secs(31_557_600_000);

impl Store {
    /// What judges in `series`: the champion, or else the newest ready model.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub fn serving<'a>(
        &'a self,
        series: &'a SeriesId,
    ) -> BoxFuture<'a, Result<Serving, StoreError>> {
        async move {
            let rows: Vec<ServingRow> =
                self.select(sql::SERVING, &[series.as_str().into()]).await?;
            match rows.into_iter().next() {
                Some(row) => row.read(series),
                None => Ok(Serving::default()),
            }
        }
        .boxed()
    }

    /// The ready model `version` of `series`.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub fn model<'a>(
        &'a self,
        series: &'a SeriesId,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<VersionedModel>, StoreError>> {
        async move {
            let version = VersionRef::Version(version);
            let row = self.ready_model(series, Some(&version)).await?;
            row.map(|row| row.read(series)).transpose()
        }
        .boxed()
    }

    /// A ready model: the one given, or the one that judges.
    pub(crate) async fn ready_model(
        &self,
        series: &SeriesId,
        model: Option<&VersionRef>,
    ) -> Result<Option<ModelRow>, StoreError> {
        let rows = self.select(sql::MODEL, &key(series, model)).await?;
        Ok(rows.into_iter().next())
    }

    /// Series that changed within the last `age` by the database's clock, deleted ones too, and the revision of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn changed_within(
        &self,
        age: Duration,
    ) -> BoxFuture<'_, Result<Vec<(SeriesId, Revision)>, StoreError>> {
        async move {
            let milliseconds = i64::try_from(age.min(LONGEST).as_millis()).unwrap_or(i64::MAX);
            let select = match &self.0 {
                Backend::Postgres(_) => sql::POSTGRES.changed_within,
                Backend::Sqlite(_) => sql::SQLITE.changed_within,
            };
            changed(self.select(select, &[milliseconds.into()]).await?)
        }
        .boxed()
    }

    /// The series whose id begins with `prefix` and comes after `after`, sorted by the bytes of the id; `limit` at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn list_series<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a SeriesId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SeriesSummary>, StoreError>> {
        async move {
            // No id has one, and Postgres takes no text with a NUL.
            if prefix.contains(char::is_control) {
                return Ok(Vec::new());
            }
            let (from, to) = range(prefix, after);
            let page = [
                from.as_str().into(),
                to.as_str().into(),
                i64::from(limit).into(),
            ];
            let rows: Vec<SummaryRow> = self.select(sql::LIST, &page).await?;
            rows.into_iter().map(SummaryRow::read).collect()
        }
        .boxed()
    }

    /// A series; `None` if it has no ready model.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn series<'a>(
        &'a self,
        series: &'a SeriesId,
    ) -> BoxFuture<'a, Result<Option<SeriesDetail>, StoreError>> {
        async move { detail(self.select(sql::DETAIL, &[series.as_str().into()]).await?) }.boxed()
    }

    /// The ready models of `series` before version `before`, the newest first; `limit` at most. `None` if the series has no model.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn list_models<'a>(
        &'a self,
        series: &'a SeriesId,
        before: Option<Version>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<ModelInfo>>, StoreError>> {
        async move {
            let page = [
                series.as_str().into(),
                before.map_or(i64::MAX, number).into(),
                i64::from(limit).into(),
            ];
            let rows: Vec<InfoRow> = self.select(sql::MODELS, &page).await?;
            if rows.is_empty() && !self.exist(series, None).await?.0 {
                return Ok(None);
            }
            let models = rows.into_iter().map(|row| Ok(row.read()?.1));
            models.collect::<Result<_, _>>().map(Some)
        }
        .boxed()
    }

    /// What there is to know about a ready model, and the revision of its series. Refused: no such series, version or alias.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn model_info<'a>(
        &'a self,
        series: &'a SeriesId,
        model: &'a VersionRef,
    ) -> BoxFuture<'a, Answer<(Revision, ModelInfo)>> {
        async move {
            match self.found::<InfoRow>(sql::INFO, series, model).await? {
                Ok(row) => row.read().map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            }
        }
        .boxed()
    }

    /// A ready model as its document, letter for letter. Refused: no such series, version or alias.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub fn model_document<'a>(
        &'a self,
        series: &'a SeriesId,
        model: &'a VersionRef,
    ) -> BoxFuture<'a, Answer<(ModelInfo, String)>> {
        async move {
            let found = self.found::<DocumentRow>(sql::DOCUMENT, series, model);
            match found.await? {
                Ok(row) => row.read(series).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            }
        }
        .boxed()
    }

    /// What `select` tells of a ready model, or why there is none.
    async fn found<R: Row>(
        &self,
        select: &str,
        series: &SeriesId,
        model: &VersionRef,
    ) -> Answer<R> {
        let key = key(series, Some(model));
        let rows = self.select(select, &key).await?;
        if let Some(row) = rows.into_iter().next() {
            return Ok(Ok(row));
        }
        let alias = match model {
            VersionRef::Alias(name) => Some(name.as_str()),
            VersionRef::Version(_) => None,
        };
        Ok(Err(missing(model, self.exist(series, alias).await?)))
    }

    /// Whether the series has a ready model, and whether it has an alias of that name.
    async fn exist(
        &self,
        series: &SeriesId,
        alias: Option<&str>,
    ) -> Result<(bool, bool), StoreError> {
        let names = [series.as_str().into(), Value::Text(alias)];
        let rows = self.select(sql::MISSING, &names).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    async fn select<R: Row>(
        &self,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<R>, StoreError> {
        match &self.0 {
            Backend::Postgres(store) => store.select(statement, values).await,
            Backend::Sqlite(store) => store.select(statement, values).await,
        }
    }
}
