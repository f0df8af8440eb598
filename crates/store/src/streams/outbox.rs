//! The outbox: what is to be told, and whether it was.

use contract::Moment;
use futures_util::{FutureExt, future::BoxFuture};

use super::{bulk::Bulk, plan::INCIDENT};
use crate::{Backend, Store, StoreError, registry::rows::row};

/// How long a notification belongs to the notifier that took it: longer than sending it takes.
const LEASE_MS: i64 = 120_000;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its id: the same whenever it is tried again.
    pub event_id: String,
    /// Where it goes.
    pub channel: String,
    /// A [`contract::AnomalyEvent`] on the channel `topic` and in a test, else a
    /// [`contract::IncidentEvent`], as JSON.
    pub payload: String,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// When it happened.
    pub at: Moment,
}

/// Something that could not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedNotification {
    /// What could not be told.
    pub notification: Notification,
    /// The last failure.
    pub error: String,
    /// The value of `after` for what follows it in the list.
    pub cursor: i64,
}

impl Store {
    /// Addresses the events of incidents that are due at `now` to each of `channels`: from then on
    /// they are due there, each with an id of its own. Without channels nobody is told of them.
    /// Returns how many events there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn address_incident_events<'a>(
        &'a self,
        channels: &'a [&'a str],
        now: Moment,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.address(INCIDENT, channels, now)
    }

    /// The same with the events of channel `from`.
    pub(super) fn address<'a>(
        &'a self,
        from: &'a str,
        channels: &'a [&'a str],
        now: Moment,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            let take = match &self.0 {
                Backend::Postgres(_) => POSTGRES.take,
                Backend::Sqlite(_) => SQLITE.take,
            };
            self.transact(async |connection| {
                let due = [from.into(), now.0.into()];
                let mut events: Vec<EventRow> = connection.run(take, &due).await?;
                events.sort_by_key(|event| (event.next_at, event.seq));
                let both = || {
                    events
                        .iter()
                        .flat_map(|e| channels.iter().map(move |c| (e, *c)))
                };
                Bulk::of("outbox")
                    .texts(
                        "event_id",
                        both().map(|(e, c)| format!("{}-{c}", e.event_id)),
                    )
                    .texts("channel", both().map(|(_, c)| c))
                    .texts("payload", both().map(|(e, _)| e.payload.as_str()))
                    .numbers("at", both().map(|(e, _)| e.at))
                    .numbers("next_at", both().map(|(e, _)| e.next_at))
                    .insert(connection, "ON CONFLICT (event_id) DO NOTHING")
                    .await?;
                Ok(events.len() as u64)
            })
            .await
        }
        .boxed()
    }

    /// At most `limit` notifications of `channels` that are due at `now`, in the order in which
    /// they are due. They belong to the caller for two minutes: until then nobody else is given
    /// them. Whoever does not report by then may see them told twice.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn due_notifications<'a>(
        &'a self,
        channels: &'a [&'a str],
        now: Moment,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<Notification>, StoreError>> {
        async move {
            let lease = match &self.0 {
                Backend::Postgres(_) => POSTGRES.lease,
                Backend::Sqlite(_) => SQLITE.lease,
            };
            let channels = serde_json::Value::from(channels).to_string();
            let until = now.0.saturating_add(LEASE_MS);
            let mut rows: Vec<LeaseRow> = self
                .transact(async |connection| {
                    let due = [
                        channels.as_str().into(),
                        now.0.into(),
                        limit.max(0).into(),
                        until.into(),
                    ];
                    Ok(connection.run(lease, &due).await?)
                })
                .await?;
            rows.sort_by_key(|row| (row.at, row.seq));
            Ok(rows.into_iter().map(LeaseRow::read).collect())
        }
        .boxed()
    }

    /// Notes that an event was told.
    ///
    /// # Errors
    /// When the database does not answer: then it is told again.
    pub fn notification_sent<'a>(
        &'a self,
        event_id: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            const SENT: &str =
                "UPDATE outbox SET state = 'sent', last_error = NULL WHERE event_id = $1";
            self.transact(async |connection| {
                connection.run::<()>(SENT, &[event_id.into()]).await?;
                Ok(())
            })
            .await
        }
        .boxed()
    }

    /// Notes that an event could not be told, and when it is tried again. `None`: never.
    ///
    /// # Errors
    /// When the database does not answer: then it is tried again after two minutes.
    pub fn notification_failed<'a>(
        &'a self,
        event_id: &'a str,
        error: &'a str,
        retry_at: Option<Moment>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            const RETRY: &str = "
                UPDATE outbox SET last_error = $2, next_at = $3 WHERE event_id = $1 AND state = 'pending'";
            const DEAD: &str = "
                UPDATE outbox SET last_error = $2, state = 'dead' WHERE event_id = $1 AND state = 'pending'";
            // Postgres takes no NUL.
            let error = error.replace('\0', " ");
            self.transact(async |connection| {
                let failure = [event_id.into(), error.as_str().into()];
                match retry_at {
                    Some(at) => {
                        let [event_id, error] = failure;
                        let failure = [event_id, error, at.0.into()];
                        connection.run::<()>(RETRY, &failure).await?
                    }
                    None => connection.run::<()>(DEAD, &failure).await?,
                };
                Ok(())
            })
            .await
        }
        .boxed()
    }

    /// At most `limit` notifications that are not tried again, the newest first: all, or those
    /// after the `cursor` of another.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn failed_notifications(
        &self,
        limit: u32,
        after: Option<i64>,
    ) -> BoxFuture<'_, Result<Vec<FailedNotification>, StoreError>> {
        async move {
            const FAILED: &str = "
                SELECT seq, event_id, channel, payload, attempts, at, last_error FROM outbox
                WHERE state = 'dead' AND seq < $1 ORDER BY seq DESC LIMIT $2";
            let page = [after.unwrap_or(i64::MAX).into(), i64::from(limit).into()];
            let rows: Vec<LeaseRow> = self.select(FAILED, &page).await?;
            let failed = |mut row: LeaseRow| FailedNotification {
                error: row.last_error.take().unwrap_or_default(),
                cursor: row.seq,
                notification: row.read(),
            };
            Ok(rows.into_iter().map(failed).collect())
        }
        .boxed()
    }

    /// Removes the anomalies that were closed before `before`, the incidents that were, and what
    /// was told before. Returns the number of anomalies. Those of an incident stay as long as it.
    ///
    /// # Errors
    /// When the database does not answer. Some may have been removed.
    pub fn forget_old_anomalies(&self, before: Moment) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let before = [before.0.into()];
            let mut forgotten = 0;
            for (n, statement) in FORGET.iter().enumerate() {
                loop {
                    let gone: Vec<(String,)> = self
                        .transact(async |connection| Ok(connection.run(statement, &before).await?))
                        .await?;
                    if n == 0 {
                        forgotten += gone.len() as u64;
                    }
                    if gone.is_empty() {
                        break;
                    }
                }
            }
            Ok(forgotten)
        }
        .boxed()
    }
}

/// In steps, which hold up nobody for long. The incidents of anomalies that go are closed, so
/// nothing counts them any more.
const FORGET: [&str; 4] = [
    "DELETE FROM anomalies WHERE anomaly_id IN (
        SELECT a.anomaly_id FROM anomalies a LEFT JOIN incidents i ON i.incident_id = a.incident_id
        WHERE a.closed_at < $1 AND (i.incident_id IS NULL OR i.closed_at < $1) LIMIT 1000
     ) RETURNING anomaly_id",
    "DELETE FROM incidents WHERE incident_id IN (
        SELECT i.incident_id FROM incidents i WHERE i.closed_at < $1
            AND NOT EXISTS (SELECT 1 FROM anomalies a WHERE a.incident_id = i.incident_id) LIMIT 1000
     ) RETURNING incident_id",
    "DELETE FROM outbox WHERE event_id IN (
        SELECT event_id FROM outbox WHERE state <> 'pending' AND at < $1 LIMIT 1000
     ) RETURNING event_id",
    // Confirmed points stay out of fits for as long as there are any of that time.
    "DELETE FROM feedback WHERE anomaly_id IN (
        SELECT f.anomaly_id FROM feedback f WHERE f.verdict = 'dismissed' AND f.at < $1
            AND NOT EXISTS (SELECT 1 FROM anomalies a WHERE a.anomaly_id = f.anomaly_id) LIMIT 1000
     ) RETURNING anomaly_id",
];

/// The statements that differ between the databases.
struct Dialect {
    /// Takes the events of channel `$1` that are due at `$2`.
    take: &'static str,
    /// Leases `$3` notifications of the channels `$1`, a JSON array, that are due at `$2`, until
    /// `$4`.
    lease: &'static str,
}

const POSTGRES: Dialect = Dialect {
    take: "
        UPDATE outbox SET state = 'sent' WHERE seq IN (
            SELECT seq FROM outbox WHERE state = 'pending' AND channel = $1 AND next_at <= $2
            ORDER BY next_at, seq LIMIT 1000 FOR UPDATE SKIP LOCKED
        ) RETURNING seq, event_id, payload, at, next_at",
    lease: "
        UPDATE outbox SET next_at = $4, attempts = attempts + 1 WHERE seq IN (
            SELECT seq FROM outbox WHERE state = 'pending' AND next_at <= $2
                AND channel = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
            ORDER BY next_at, seq LIMIT $3 FOR UPDATE SKIP LOCKED
        ) RETURNING seq, event_id, channel, payload, attempts, at, last_error",
};

const SQLITE: Dialect = Dialect {
    take: "
        UPDATE outbox SET state = 'sent' WHERE seq IN (
            SELECT seq FROM outbox WHERE state = 'pending' AND channel = $1 AND next_at <= $2
            ORDER BY next_at, seq LIMIT 1000
        ) RETURNING seq, event_id, payload, at, next_at",
    lease: "
        UPDATE outbox SET next_at = $4, attempts = attempts + 1 WHERE seq IN (
            SELECT seq FROM outbox WHERE state = 'pending' AND next_at <= $2
                AND channel IN (SELECT value FROM json_each($1))
            ORDER BY next_at, seq LIMIT $3
        ) RETURNING seq, event_id, channel, payload, attempts, at, last_error",
};

row! {
    /// A row of `take`.
    EventRow {
        seq: i64,
        event_id: String,
        payload: String,
        at: i64,
        next_at: i64,
    }
}

row! {
    /// A row of `lease`.
    LeaseRow {
        seq: i64,
        event_id: String,
        channel: String,
        payload: String,
        attempts: i64,
        at: i64,
        last_error: Option<String>,
    }
}

impl LeaseRow {
    fn read(self) -> Notification {
        Notification {
            event_id: self.event_id,
            channel: self.channel,
            payload: self.payload,
            attempts: self.attempts,
            at: Moment(self.at),
        }
    }
}
