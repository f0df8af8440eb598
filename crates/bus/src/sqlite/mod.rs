//! The bus over a log in SQLite, for one process.
//!
//! One task writes: all events that arrived meanwhile share a transaction. Readers learn in memory
//! that there are more, and read them there if they are new, else from the file. Groups live in memory, for all their members
//! are in this process.

mod groups;
mod reader;
mod recent;
mod retention;
mod writer;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::Topic;
use sqlite::{Database, Durability};
use sqlx::migrate::Migrator;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use self::{
    groups::Groups,
    recent::Recent,
    writer::{Request, Writer},
};
use crate::{
    BusError, OffsetSource,
    budget::{Budget, Permit},
    cuts::Cuts,
    message::{Record, no_partition},
};

pub(crate) use self::reader::LogSubscription;

/// Bytes that one transaction writes at most on behalf of one publisher.
const CHUNK_BYTES: usize = 4 << 20;
/// How long a publisher waits for the disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// Publishes to the log and subscribes to it. Cheap to clone. The log closes when all clones and
/// subscriptions are gone.
#[derive(Clone)]
pub(crate) struct SqliteLog(Arc<Inner>);

struct Inner {
    database: Database,
    budget: Arc<Budget>,
    requests: mpsc::UnboundedSender<Request>,
    shared: Arc<Shared>,
    /// The id of the log.
    id: String,
    cuts: Cuts,
}

/// State that readers and the writer share without asking the database.
struct Shared {
    state: Mutex<State>,
    /// Counts changes: appended events, and members that join or leave a group.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    ends: Ends,
    /// The newest events, of partitions that were written to since the start.
    recent: HashMap<(&'static str, i32), Recent>,
    groups: Groups,
}

/// The next offset of each partition of each topic.
type Ends = HashMap<(String, i32), i64>;

impl Shared {
    /// Changes the state, and wakes all readers.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes that `record` was appended at `offset`.
    fn appended(&mut self, record: Record, partition: i32, offset: i64, timestamp_ms: i64) {
        let topic = record.topic.name;
        self.ends.insert((topic.to_owned(), partition), offset + 1);
        let recent = self.recent.entry((topic, partition)).or_default();
        recent.push(record, offset, timestamp_ms);
    }

    fn end(&self, topic: &str, partition: i32) -> i64 {
        let end = self.ends.get(&(topic.to_owned(), partition));
        end.copied().unwrap_or(0)
    }
}

fn migrator() -> Migrator {
    sqlite::migrator(&[
        (
            "0001_log.sql",
            include_str!("../../migrations/0001_log.sql"),
        ),
        (
            "0002_identity.sql",
            include_str!("../../migrations/0002_identity.sql"),
        ),
    ])
}

impl SqliteLog {
    pub(crate) async fn open(path: &Path) -> Result<Self, BusError> {
        let database = sqlite::open(path, Durability::Full).await?;
        let migrated = migrator().run(database.pool()).await;
        migrated.map_err(BusError::Migrate)?;
        let id = sqlx::query_scalar("SELECT id FROM log")
            .fetch_one(database.pool())
            .await?;
        let state = State {
            ends: writer::ends(database.pool()).await?,
            recent: HashMap::new(),
            groups: Groups::default(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
        });
        let (requests, incoming) = mpsc::unbounded_channel();
        let budget = Arc::new(Budget::default());
        Writer::start(database.clone(), shared.clone(), budget.clone(), incoming);
        Ok(Self(Arc::new(Inner {
            database,
            budget,
            requests,
            shared,
            id,
            cuts: Cuts::default(),
        })))
    }

    pub(crate) async fn publish(
        &self,
        records: impl Iterator<Item = Result<Record, BusError>>,
    ) -> Result<(), BusError> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for record in records {
            let record = record.and_then(possible)?;
            let size = record.size();
            if bytes + size > CHUNK_BYTES && !chunk.is_empty() {
                self.append(std::mem::take(&mut chunk), bytes).await?;
                bytes = 0;
            }
            bytes += size;
            chunk.push(record);
        }
        if chunk.is_empty() {
            return Ok(());
        }
        self.append(chunk, bytes).await
    }

    async fn append(&self, records: Vec<Record>, bytes: usize) -> Result<(), BusError> {
        let permit = self.0.budget.acquire(bytes).await?;
        let (report, reported) = oneshot::channel();
        self.hand_over(records, Some(report), permit)?;
        match timeout(WRITTEN_WITHIN, reported).await {
            Ok(Ok(written)) => written.map_err(BusError::Log),
            Ok(Err(_)) => Err(BusError::Closed),
            Err(_) => Err(BusError::Busy),
        }
    }

    pub(crate) fn try_publish(&self, record: Result<Record, BusError>) -> bool {
        let handed_over = record.and_then(possible).and_then(|record| {
            let permit = self.0.budget.try_acquire(record.size());
            match permit {
                Some(permit) => self.hand_over(vec![record], None, permit).map(|()| true),
                None => Ok(false),
            }
        });
        handed_over.unwrap_or_else(|error| {
            tracing::error!(%error, "dropped an event");
            self.0.budget.count_dropped();
            false
        })
    }

    fn hand_over(
        &self,
        records: Vec<Record>,
        report: Option<oneshot::Sender<Result<(), Arc<sqlx::Error>>>>,
        permit: Permit,
    ) -> Result<(), BusError> {
        let request = Request {
            records,
            report,
            _permit: permit,
        };
        self.0.requests.send(request).map_err(|_| BusError::Closed)
    }

    pub(crate) fn subscribe(
        &self,
        topic: Topic,
        group: &str,
        offsets: OffsetSource,
    ) -> LogSubscription {
        LogSubscription::member(self.0.clone(), topic, group, offsets)
    }

    pub(crate) fn tail(&self, topic: Topic) -> LogSubscription {
        LogSubscription::tail(self.0.clone(), topic)
    }

    pub(crate) async fn ping(&self, limit: Duration) -> Result<(), BusError> {
        let answer = self.0.database.check("SELECT 1 FROM partitions LIMIT 1");
        match timeout(limit, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn cuts(&self) -> &Cuts {
        &self.0.cuts
    }
}

/// The record, if its topic has the partition that it wants.
fn possible(record: Record) -> Result<Record, BusError> {
    match record.partition {
        Some(partition) if partition >= record.topic.partitions => {
            Err(no_partition(record.topic.name, partition))
        }
        _ => Ok(record),
    }
}
