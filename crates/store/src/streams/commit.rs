//! The one transaction in which offsets move with all that their records did.

use futures_util::{FutureExt, future::BoxFuture};

use super::{PartitionCommit, effects, history, partitions, sessions};
use crate::{Store, StoreError, registry::connection::Connection};

impl Store {
    /// Applies `commits` to the log `log`, the key of a [`contract::TopicLog`], in one transaction.
    /// A commit whose partition is not where it expects changes nothing. Returns the partitions
    /// whose commits were applied, by rising number.
    ///
    /// # Errors
    /// When it is not certain whether they were applied: the stored offsets tell.
    pub fn commit_streams<'a>(
        &'a self,
        log: &'a str,
        commits: &'a [PartitionCommit],
    ) -> BoxFuture<'a, Result<Vec<i32>, StoreError>> {
        async move {
            if commits.is_empty() {
                return Ok(Vec::new());
            }
            self.transact(async |connection| commit(connection, log, commits).await)
                .await
        }
        .boxed()
    }
}

async fn commit(
    connection: &mut Connection<'_>,
    log: &str,
    commits: &[PartitionCommit],
) -> Result<Vec<i32>, StoreError> {
    let applied = partitions::advance(connection, log, commits).await?;
    if !applied.is_empty() {
        sessions::store(connection, &applied).await?;
        partitions::bury(connection, log, &applied).await?;
        history::store(connection, &applied).await?;
        effects::store(connection, &applied).await?;
    }
    Ok(applied.iter().map(|commit| commit.partition).collect())
}
