//! Tests of the channels: events of their own in the outbox.

use contract::{AnomalyEvent, ChannelTest, Moment, TestStatus};
use futures_util::{FutureExt, future::BoxFuture};

use super::bulk::Bulk;
use crate::{Store, StoreError, registry::rows::row};

/// The channel of tests, before a notifier says which channels there are.
const TEST: &str = "test";

impl Store {
    /// Puts `event`, which is a test, into the outbox.
    ///
    /// # Errors
    /// When it is not certain that it is there.
    pub fn put_alert_test<'a>(
        &'a self,
        event: &'a AnomalyEvent,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let payload = serde_json::to_string(event)
                .map_err(|why| StoreError::Refused(sqlx::Error::Encode(why.into())))?;
            self.transact(async |connection| {
                Bulk::of("outbox")
                    .texts("event_id", [event.event_id.as_str()])
                    .texts("channel", [TEST])
                    .texts("payload", [payload.as_str()])
                    .numbers("at", [event.at.0])
                    .numbers("next_at", [event.at.0])
                    .insert(connection, "ON CONFLICT (event_id) DO NOTHING")
                    .await?;
                Ok(())
            })
            .await
        }
        .boxed()
    }

    /// Addresses the tests that are due at `now` to each of `channels`, as
    /// [`Self::address_incident_events`] does with events of incidents. Returns how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn address_alert_tests<'a>(
        &'a self,
        channels: &'a [&'a str],
        now: Moment,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.address(TEST, channels, now)
    }

    /// What became of the test `event_id` on each channel. `None` before a notifier has taken it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn alert_test<'a>(
        &'a self,
        event_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<ChannelTest>>, StoreError>> {
        async move {
            // The test itself, and what its id begins: a full stop comes after the dash.
            const SELECT: &str = "
                SELECT channel, state, last_error FROM outbox
                WHERE event_id >= $1 AND event_id < $2 ORDER BY channel";
            let end = format!("{event_id}.");
            let range = [event_id.into(), end.as_str().into()];
            let mut rows: Vec<TestRow> = self.select(SELECT, &range).await?;
            if rows
                .iter()
                .any(|row| row.channel == TEST && row.state == "pending")
            {
                return Ok(None);
            }
            rows.retain(|row| row.channel != TEST);
            Ok(Some(rows.into_iter().map(TestRow::read).collect()))
        }
        .boxed()
    }
}

row! {
    /// A row of a test.
    TestRow {
        channel: String,
        state: String,
        last_error: Option<String>,
    }
}

impl TestRow {
    fn read(self) -> ChannelTest {
        let status = match self.state.as_str() {
            "sent" => TestStatus::Sent,
            "dead" => TestStatus::Failed,
            _ => TestStatus::Pending,
        };
        ChannelTest {
            channel: self.channel,
            status,
            error: self.last_error.filter(|_| status == TestStatus::Failed),
        }
    }
}
