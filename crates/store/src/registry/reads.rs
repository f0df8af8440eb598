//! Reading the registry. Each call is one statement, so that its answer was true at one moment.

use std::time::Duration;

use contract::{ListedSeries, ModelInfo, Revision, SeriesDetail, SeriesId, Version, VersionRef};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    Serving,
    connection::{Row, Value},
    prefix::range,
    rows::{
        DocumentRow, ExistenceRow, InfoRow, ListedRow, ModelRow, ServingRow, changed, detail, key,
    },
    sql,
};
use crate::{Backend, RegistryError, Store, StoreError, VersionedModel, columns::number};

/// The number of models that are tried in place of a damaged one.
const MOST_DAMAGED: usize = 20;

/// The longest time that a database is asked to look back: a thousand years.
const LONGEST: Duration = Duration::from_secs(31_557_600_000);

impl Store {
    /// The version that serves predictions of `series`: the champion, or else the newest ready
    /// model. If that one is damaged, the newest whole one before it serves, and the log says so.
    ///
    /// # Errors
    /// When the database does not answer, or no stored model can be read.
    pub fn serving<'a>(
        &'a self,
        series: &'a SeriesId,
    ) -> BoxFuture<'a, Result<Serving, StoreError>> {
        async move {
            match self.serving_as_stored(series).await {
                Err(error) if error.is_damage() => self.serving_before(series, error).await,
                read => read,
            }
        }
        .boxed()
    }

    async fn serving_as_stored(&self, series: &SeriesId) -> Result<Serving, StoreError> {
        let rows: Vec<ServingRow> = self.select(sql::SERVING, &[series.as_str().into()]).await?;
        match rows.into_iter().next() {
            Some(row) => row.read(series),
            None => Ok(Serving::default()),
        }
    }

    /// The newest model of `series` that can be read, older than the one that serves and is
    /// `damaged`.
    async fn serving_before(
        &self,
        series: &SeriesId,
        damaged: StoreError,
    ) -> Result<Serving, StoreError> {
        let key = [series.as_str().into()];
        let rows: Vec<ServingRow> = self.select(sql::SERVING_VERSION, &key).await?;
        let Some((serving, Some(version))) = rows
            .into_iter()
            .next()
            .map(ServingRow::version)
            .transpose()?
        else {
            return Err(damaged);
        };
        let ready: Vec<(i64, i64)> = self.select(sql::READY, &key).await?;
        let older = ready
            .into_iter()
            .rev()
            .map(|(number, _)| number)
            .filter(|older| *older < number(version));
        for older in older.take(MOST_DAMAGED) {
            let whole = match self.model(series, crate::columns::version(older)?).await {
                Ok(Some(whole)) => whole,
                Ok(None) => continue,
                Err(error) if error.is_damage() => continue,
                Err(error) => return Err(error),
            };
            tracing::error!(
                error = &damaged as &dyn std::error::Error,
                %series,
                "model {version} is damaged; {} serves in its place", whole.version
            );
            return Ok(Serving {
                model: Some(whole),
                ..serving
            });
        }
        Err(damaged)
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

    /// A ready model: the given one, or the one that serves.
    pub(crate) async fn ready_model(
        &self,
        series: &SeriesId,
        model: Option<&VersionRef>,
    ) -> Result<Option<ModelRow>, StoreError> {
        let rows = self.select(sql::MODEL, &key(series, model)).await?;
        Ok(rows.into_iter().next())
    }

    /// Series that changed within the last `age` by the database's clock, each with its revision.
    /// Includes deleted series.
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

    /// At most `limit` series with a model or a stream, whose id begins with `prefix` and comes after
    /// `after`, sorted by the bytes of the id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn list_series<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a SeriesId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<ListedSeries>, StoreError>> {
        async move {
            // No id contains one, and Postgres refuses text with a NUL.
            if prefix.contains(char::is_control) {
                return Ok(Vec::new());
            }
            let (from, to) = range(prefix, after);
            let page = [
                from.as_str().into(),
                to.as_str().into(),
                i64::from(limit).into(),
            ];
            let rows: Vec<ListedRow> = self.select(sql::LIST, &page).await?;
            rows.into_iter().map(ListedRow::read).collect()
        }
        .boxed()
    }

    /// A series. `None` if it has no ready model.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn series<'a>(
        &'a self,
        series: &'a SeriesId,
    ) -> BoxFuture<'a, Result<Option<SeriesDetail>, StoreError>> {
        async move { detail(self.select(sql::DETAIL, &[series.as_str().into()]).await?) }.boxed()
    }

    /// At most `limit` ready models of `series` before version `before`, the newest first. `None`
    /// if the series has no model.
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
            if rows.is_empty() && !self.existence(series, None).await?.has_series() {
                return Ok(None);
            }
            let models = rows.into_iter().map(|row| Ok(row.read()?.1));
            models.collect::<Result<_, _>>().map(Some)
        }
        .boxed()
    }

    /// The description of a ready model, and the revision of its series.
    ///
    /// # Errors
    /// When the database does not answer, or there is no such series, version or alias.
    pub fn model_info<'a>(
        &'a self,
        series: &'a SeriesId,
        model: &'a VersionRef,
    ) -> BoxFuture<'a, Result<(Revision, ModelInfo), RegistryError>> {
        async move {
            let row: InfoRow = self.one(sql::INFO, series, model).await?;
            Ok(row.read()?)
        }
        .boxed()
    }

    /// The description of a ready model, and its document letter for letter.
    ///
    /// # Errors
    /// When the database does not answer, the stored model cannot be read, or there is no such
    /// series, version or alias.
    pub fn model_document<'a>(
        &'a self,
        series: &'a SeriesId,
        model: &'a VersionRef,
    ) -> BoxFuture<'a, Result<(ModelInfo, String), RegistryError>> {
        async move {
            let row: DocumentRow = self.one(sql::DOCUMENT, series, model).await?;
            Ok(row.read(series)?)
        }
        .boxed()
    }

    /// The row that `select` has of a ready model, or why there is none.
    async fn one<R: Row>(
        &self,
        select: &str,
        series: &SeriesId,
        model: &VersionRef,
    ) -> Result<R, RegistryError> {
        let rows = self.select(select, &key(series, Some(model))).await?;
        if let Some(row) = rows.into_iter().next() {
            return Ok(row);
        }
        let alias = match model {
            VersionRef::Alias(name) => Some(name.as_str()),
            VersionRef::Version(_) => None,
        };
        Err(self.existence(series, alias).await?.refusal(model).into())
    }

    async fn existence(
        &self,
        series: &SeriesId,
        alias: Option<&str>,
    ) -> Result<ExistenceRow, StoreError> {
        let names = [series.as_str().into(), Value::Text(alias)];
        let mut rows = self.select(sql::EXISTENCE, &names).await?;
        Ok(rows.pop().ok_or(sqlx::Error::RowNotFound)?)
    }

    pub(crate) async fn select<R: Row>(
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
