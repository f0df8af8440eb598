//! The one task that writes the log.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlite::Database;
use sqlx::{SqliteConnection, SqlitePool};
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
        let written = self.append(batch).await;
        let outcome = match written {
            Ok(ends) => {
                self.failing = false;
                self.shared.change(|state| state.ends.extend(ends));
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

    async fn append(&mut self, batch: &[Request]) -> Result<Ends, sqlx::Error> {
        let timestamp_ms = now_ms();
        let mut ends = Ends::new();
        let mut transaction = self.database.begin().await?;
        for record in batch.iter().flat_map(|request| &request.records) {
            let topic = record.topic.name;
            let partition = self.partition_of(record);
            let end = ends
                .entry((topic.to_owned(), partition))
                .or_insert_with(|| self.shared.state().end(topic, partition));
            insert(&mut transaction, record, partition, *end, timestamp_ms).await?;
            *end += 1;
        }
        for ((topic, partition), end) in &ends {
            sqlx::query(
                "INSERT INTO partitions (topic, partition, next_offset) VALUES (?, ?, ?)
                 ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
            )
            .bind(topic)
            .bind(partition)
            .bind(end)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(ends)
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

async fn insert(
    connection: &mut SqliteConnection,
    record: &Record,
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
) -> Result<(), sqlx::Error> {
    let headers = serde_json::to_string(&record.headers)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(
        "INSERT INTO events (topic, partition, \"offset\", key, payload, headers, timestamp_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.topic.name)
    .bind(partition)
    .bind(offset)
    .bind(record.key.as_deref())
    .bind(record.payload.as_slice())
    .bind(headers)
    .bind(timestamp_ms)
    .execute(connection)
    .await?;
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
