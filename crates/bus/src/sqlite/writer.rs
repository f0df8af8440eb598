//! The one task that writes the log.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlite::Database;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{Ends, Shared, groups::GroupKey, retention};
use crate::{
    BusError,
    budget::{Budget, Permit},
    message::Record,
};

/// How many requests share one transaction and one write to the disk at most. The budget bounds
/// their size.
const MAX_REQUESTS: usize = 4_096;
/// How many rows one statement writes at most.
const AT_ONCE: usize = 32;
/// How often the log is tidied, and how soon again if there is more to do.
const TIDY_EVERY: Duration = Duration::from_secs(5);
const TIDY_ON: Duration = Duration::from_millis(20);

/// Events to be written together.
pub(super) struct Request {
    pub(super) records: Vec<Record>,
    /// Told the outcome, if somebody waits for it.
    pub(super) report: Option<oneshot::Sender<Result<(), Arc<sqlx::Error>>>>,
    pub(super) _permit: Permit,
}

impl Request {
    /// Whether the publisher still waits, or never did.
    fn is_wanted(&self) -> bool {
        self.report
            .as_ref()
            .is_none_or(|report| !report.is_closed())
    }
}

pub(super) struct Writer {
    database: Database,
    shared: Arc<Shared>,
    budget: Arc<Budget>,
    /// Chooses the partition of the next event without a key.
    turn: i32,
    /// Whether a failure was logged and its end was not.
    failing: bool,
}

impl Writer {
    /// Starts the task. It ends when all senders of `requests` are gone.
    #[expect(
        clippy::disallowed_methods,
        reason = "its end is noticed: whoever waits for a request is told, and later ones are refused"
    )]
    pub(super) fn start(
        database: Database,
        shared: Arc<Shared>,
        budget: Arc<Budget>,
        requests: mpsc::UnboundedReceiver<Request>,
    ) {
        let writer = Self {
            database,
            shared,
            budget,
            turn: 0,
            failing: false,
        };
        tokio::spawn(writer.run(requests));
    }

    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut batch = Vec::new();
        let mut tidy_at = Instant::now() + TIDY_EVERY;
        loop {
            tokio::select! {
                received = requests.recv_many(&mut batch, MAX_REQUESTS) => match received {
                    0 => break,
                    _ => self.write(&mut batch).await,
                },
                () = sleep_until(tidy_at) => {
                    let more = self.tidy().await;
                    tidy_at = Instant::now() + if more { TIDY_ON } else { TIDY_EVERY };
                }
            }
        }
        self.tidy().await;
        self.database.pool().close().await;
    }

    /// Writes `batch` in one transaction, then reports the outcome to those who wait.
    async fn write(&mut self, batch: &mut Vec<Request>) {
        batch.retain(Request::is_wanted);
        let timestamp_ms = now_ms();
        let outcome = match self.append(batch, timestamp_ms).await {
            Ok(places) => {
                self.failing = false;
                let records = batch.iter_mut().flat_map(|r| r.records.drain(..));
                self.shared.change(|state| {
                    for (record, (partition, offset)) in records.zip(places) {
                        state.appended(record, partition, offset, timestamp_ms);
                    }
                });
                Ok(())
            }
            Err(error) => {
                self.complain(&error);
                Err(Arc::new(error))
            }
        };
        for request in batch.drain(..) {
            match request.report {
                // The publisher may have given up.
                Some(report) => drop(report.send(outcome.clone())),
                None if outcome.is_err() => self.budget.count_dropped(),
                None => {}
            }
        }
    }

    /// Writes the records of `batch`. Returns the partition and the offset of each.
    async fn append(
        &mut self,
        batch: &[Request],
        timestamp_ms: i64,
    ) -> Result<Vec<(i32, i64)>, sqlx::Error> {
        let mut ends = Ends::new();
        let mut rows = Vec::new();
        for record in batch.iter().flat_map(|request| &request.records) {
            let topic = record.topic.name;
            let partition = self.partition_of(record);
            let end = ends
                .entry((topic.to_owned(), partition))
                .or_insert_with(|| self.shared.state().end(topic, partition));
            rows.push(Row {
                record,
                partition,
                offset: *end,
            });
            *end += 1;
        }
        let ends: Vec<((String, i32), i64)> = ends.into_iter().collect();
        let mut transaction = self.database.begin().await?;
        for rows in rows.chunks(AT_ONCE) {
            insert(&mut transaction, rows, timestamp_ms).await?;
        }
        for ends in ends.chunks(AT_ONCE) {
            note(&mut transaction, ends).await?;
        }
        transaction.commit().await?;
        Ok(rows.iter().map(|row| (row.partition, row.offset)).collect())
    }

    fn partition_of(&mut self, record: &Record) -> i32 {
        let partitions = record.topic.partitions.max(1);
        match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, partitions),
            (None, None) => {
                self.turn = self.turn.wrapping_add(1);
                self.turn.rem_euclid(partitions)
            }
        }
    }

    /// Writes down the groups' offsets, and deletes some of the events that none of them needs.
    /// Returns whether there may be more.
    async fn tidy(&mut self) -> bool {
        let commits = self.shared.state().groups.take_commits();
        if let Err(error) = self.keep_commits(&commits).await {
            self.complain(&error);
            // Keeps them until next time.
            let mut state = self.shared.state();
            for ((key, partition), next) in &commits {
                state.groups.commit(key, *partition, *next);
            }
            return false;
        }
        retention::run(&self.database, now_ms())
            .await
            .unwrap_or_else(|error| {
                self.complain(&error);
                false
            })
    }

    async fn keep_commits(
        &self,
        commits: &HashMap<(GroupKey, i32), i64>,
    ) -> Result<(), sqlx::Error> {
        if commits.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.begin().await?;
        for (((group, topic), partition), next) in commits {
            sqlx::query(
                "INSERT INTO group_offsets (group_name, topic, partition, next_offset)
                 VALUES (?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)",
            )
            .bind(group)
            .bind(topic)
            .bind(partition)
            .bind(next)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    fn complain(&mut self, error: &sqlx::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "event log cannot be written");
        }
    }
}

/// The next offset of each partition that was ever written.
pub(super) async fn ends(pool: &SqlitePool) -> Result<Ends, BusError> {
    let rows: Vec<(String, i32, i64)> =
        sqlx::query_as("SELECT topic, partition, next_offset FROM partitions")
            .fetch_all(pool)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(topic, partition, end)| ((topic, partition), end))
        .collect())
}

/// A record on its way into the file.
struct Row<'a> {
    record: &'a Record,
    partition: i32,
    offset: i64,
}

/// Writes `rows` by one statement: each costs two changes of the thread.
async fn insert(
    connection: &mut SqliteConnection,
    rows: &[Row<'_>],
    timestamp_ms: i64,
) -> Result<(), sqlx::Error> {
    let headers = rows.iter().map(|row| match row.record.headers.is_empty() {
        true => Ok("[]".to_owned()),
        false => serde_json::to_string(&row.record.headers)
            .map_err(|error| sqlx::Error::Encode(Box::new(error))),
    });
    let headers: Vec<String> = headers.collect::<Result<_, _>>()?;
    let mut statement = QueryBuilder::<Sqlite>::new(
        "INSERT INTO events (topic, partition, \"offset\", key, payload, headers, timestamp_ms) ",
    );
    statement.push_values(rows.iter().zip(headers), |mut values, (row, headers)| {
        values
            .push_bind(row.record.topic.name)
            .push_bind(row.partition)
            .push_bind(row.offset)
            .push_bind(row.record.key.as_deref())
            .push_bind(row.record.payload.as_slice())
            .push_bind(headers)
            .push_bind(timestamp_ms);
    });
    statement.build().execute(connection).await?;
    Ok(())
}

/// Notes the next offsets of partitions.
async fn note(
    connection: &mut SqliteConnection,
    ends: &[((String, i32), i64)],
) -> Result<(), sqlx::Error> {
    let mut statement =
        QueryBuilder::<Sqlite>::new("INSERT INTO partitions (topic, partition, next_offset) ");
    statement.push_values(ends, |mut values, ((topic, partition), end)| {
        values
            .push_bind(topic.as_str())
            .push_bind(*partition)
            .push_bind(*end);
    });
    statement
        .push(" ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset");
    statement.build().execute(connection).await?;
    Ok(())
}

/// FNV-1a. Every version of this program has to choose the same partition for a key.
fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i32::try_from(hash % u64::from(partitions.unsigned_abs())).unwrap_or(0)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_partition_for_ever() {
        let partitions =
            ["", "sensor_01", "sensor_02", "été"].map(|key| partition_of_key(key.as_bytes(), 4));
        assert_eq!(partitions, [1, 3, 2, 3]);
        assert_eq!(partition_of_key(b"anything", 1), 0);
    }
}
