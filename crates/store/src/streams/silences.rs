//! Silences, each as one document.

use contract::{Silence, SilenceId};
use futures_util::{FutureExt, future::BoxFuture};

use crate::{Store, StoreError, columns::unreadable, registry::rows::parse};

/// The most silences that are kept.
pub const MAX_SILENCES: i64 = 1_000;

impl Store {
    /// Keeps a silence, in place of the one with its id. Returns `false` if there are as many as may
    /// be.
    ///
    /// # Errors
    /// When it is not certain that it is kept.
    pub fn put_silence<'a>(
        &'a self,
        silence: &'a Silence,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            const BEGIN: &str = "
                INSERT INTO silences (silence_id, starts_at, ends_at, document) ";
            const END: &str = "
                WHERE (SELECT count(*) FROM silences WHERE silence_id <> $1) < $5
                ON CONFLICT (silence_id) DO UPDATE SET starts_at = excluded.starts_at,
                    ends_at = excluded.ends_at, document = excluded.document
                RETURNING silence_id";
            let select = match self.name() {
                "postgres" => "SELECT $1, $2, $3, $4::json",
                _ => "SELECT $1, $2, $3, $4",
            };
            let statement = format!("{BEGIN}{select}{END}");
            let id = silence.silence_id.to_string();
            let document = serde_json::to_string(silence)
                .map_err(|why| StoreError::Refused(sqlx::Error::Encode(why.into())))?;
            let values = [
                id.as_str().into(),
                silence.starts_at.0.into(),
                silence.ends_at.map_or(i64::MAX, |end| end.0).into(),
                document.as_str().into(),
                MAX_SILENCES.into(),
            ];
            let kept: Vec<(String,)> = self
                .transact(async |connection| Ok(connection.run(&statement, &values).await?))
                .await?;
            Ok(!kept.is_empty())
        }
        .boxed()
    }

    /// All silences, in the order of their beginnings.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn silences(&self) -> BoxFuture<'_, Result<Vec<Silence>, StoreError>> {
        async move {
            const ALL: &str = "
                SELECT silence_id, CAST(document AS text) FROM silences ORDER BY starts_at, silence_id";
            let rows: Vec<(String, String)> = self.select(ALL, &[]).await?;
            let read = |(id, document): (String, String)| {
                let silence: Silence = serde_json::from_str(&document)
                    .map_err(|why| unreadable(format!("silence {id}: {why}")))?;
                let silence_id = parse(&id)?;
                Ok(Silence {
                    silence_id,
                    ..silence
                })
            };
            rows.into_iter().map(read).collect()
        }
        .boxed()
    }

    /// Removes a silence. Returns whether it was there.
    ///
    /// # Errors
    /// When it is not certain that it is gone.
    pub fn delete_silence(&self, id: SilenceId) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move {
            const DELETE: &str = "DELETE FROM silences WHERE silence_id = $1 RETURNING silence_id";
            let id = id.to_string();
            let gone: Vec<(String,)> = self
                .transact(async |connection| {
                    Ok(connection.run(DELETE, &[id.as_str().into()]).await?)
                })
                .await?;
            Ok(!gone.is_empty())
        }
        .boxed()
    }
}
