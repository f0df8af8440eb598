//! Receipts: what a client was told of a version that it may ask for again.

use contract::{SeriesId, Version};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    Ready,
    connection::{Connection, Value},
    rows::ReceiptRow,
    sql,
};
use crate::{Backend, Store, StoreError, columns::number};

/// The note of a request that makes a version and may come again. It is kept with the version for a
/// day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The client's name for the request, unique in its series.
    pub key: String,
    /// What tells the request from another one with the same key.
    pub digest: String,
    /// What the reply says besides version, revision and serving version.
    pub reply: String,
}

/// The note of a request whose version is visible, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// See [`Note::digest`].
    pub digest: String,
    /// See [`Note::reply`].
    pub reply: String,
    /// The version that the request made.
    pub version: Version,
    /// The series when that version became visible.
    pub ready: Ready,
}

impl Store {
    /// The receipt of the request of the last day that had `key` in `series` and made a version.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn receipt<'a>(
        &'a self,
        series: &'a SeriesId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Receipt>, StoreError>> {
        async move {
            let statement = match &self.0 {
                Backend::Postgres(_) => sql::POSTGRES.receipt,
                Backend::Sqlite(_) => sql::SQLITE.receipt,
            };
            let values = [series.as_str().into(), key.into()];
            let rows: Vec<ReceiptRow> = self.select(statement, &values).await?;
            rows.into_iter().next().map(ReceiptRow::read).transpose()
        }
        .boxed()
    }

    /// Forgets the receipts that are older than a day.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn forget_receipts(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.forget_receipts().await,
                Backend::Sqlite(store) => store.forget_receipts().await,
            }
        }
        .boxed()
    }
}

/// Whether `series` has a receipt for the key of `note`. Its row must be locked.
pub(crate) async fn has_receipt(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    note: &Note,
) -> Result<bool, sqlx::Error> {
    let statement = connection.dialect().receipt;
    let key = [series.as_str().into(), (&*note.key).into()];
    let found: Vec<ReceiptRow> = connection.run(statement, &key).await?;
    Ok(!found.is_empty())
}

/// Keeps `note` with the version that became `ready`, in place of an expired one.
pub(crate) async fn keep(
    connection: &mut Connection<'_>,
    series: &SeriesId,
    version: Version,
    ready: Ready,
    note: &Note,
) -> Result<(), sqlx::Error> {
    let revision = i64::try_from(ready.revision.0).unwrap_or(i64::MAX);
    let values: [Value<'_>; 7] = [
        series.as_str().into(),
        (&*note.key).into(),
        (&*note.digest).into(),
        number(version).into(),
        revision.into(),
        number(ready.serving).into(),
        (&*note.reply).into(),
    ];
    connection.run::<()>(sql::KEEP_RECEIPT, &values).await?;
    Ok(())
}
