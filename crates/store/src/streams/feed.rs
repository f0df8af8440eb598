//! Events of anomalies in the order in which they were stored.
//!
//! They are the rows of the outbox for programs. Their numbers rise in the order of the commits,
//! since one process at a time writes them (`effects`).

use contract::{FeedEvent, FeedReply};
use futures_util::{FutureExt, future::BoxFuture};

use super::plan::TOPIC;
use crate::{Store, StoreError, columns::unreadable};

/// The most events of a reply.
const MOST: i64 = 500;

impl Store {
    /// The next events after the one with the number `after`. `None`: none, and the number of the
    /// last one.
    ///
    /// # Errors
    /// When the database does not answer, or an event cannot be read.
    pub fn feed(&self, after: Option<i64>) -> BoxFuture<'_, Result<FeedReply, StoreError>> {
        async move {
            const LAST: &str = "SELECT coalesce(max(seq), 0) FROM outbox";
            const NEXT: &str = "
                SELECT seq, payload FROM outbox WHERE channel = $1 AND seq > $2 ORDER BY seq LIMIT $3";
            let Some(after) = after else {
                let rows: Vec<(i64,)> = self.select(LAST, &[]).await?;
                return Ok(FeedReply {
                    events: Vec::new(),
                    last: rows.first().map_or(0, |(last,)| *last),
                });
            };
            let values = [TOPIC.into(), after.into(), MOST.into()];
            let rows: Vec<(i64, String)> = self.select(NEXT, &values).await?;
            let read = |(number, payload): (i64, String)| {
                let event = serde_json::from_str(&payload);
                let event = event.map_err(|why| unreadable(format!("event {number}: {why}")))?;
                Ok(FeedEvent { number, event })
            };
            let events: Vec<FeedEvent> =
                rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
            Ok(FeedReply {
                last: events.last().map_or(after, |last| last.number),
                events,
            })
        }
        .boxed()
    }
}
