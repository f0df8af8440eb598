//! The open connections. There are at most so many; for a new one too many, the one that has been
//! idle for longest gives way, so that clients who only hold connections keep nobody out.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::timeout};

use crate::status::Status;

/// How many connections are looked up at once to give way: looking through all of them for each new
/// one would take too long.
const CANDIDATES: usize = 64;

/// How often a connection that may give way is looked for while all are busy.
const RETRY: Duration = Duration::from_millis(50);

/// The open connections of a server.
pub(crate) struct Connections {
    most: usize,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Entry>,
    /// By client address.
    counts: HashMap<IpAddr, usize>,
    next: u64,
    /// Connections that were idle, the first to give way last.
    candidates: Vec<u64>,
}

struct Entry {
    status: Arc<Status>,
    task: Arc<OnceLock<AbortHandle>>,
    /// It has been told to end.
    ends: AtomicBool,
}

/// The place of one connection among the open ones, until it is dropped.
pub(crate) struct Place {
    connections: Arc<Connections>,
    id: u64,
    /// The state by which the connection is known to be idle.
    pub(crate) status: Arc<Status>,
    /// Takes the task that serves the connection. Until then it cannot give way.
    pub(crate) task: Arc<OnceLock<AbortHandle>>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            table: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A place for a connection from `peer`. While all are taken, idle connections are ended; while
    /// all are busy, this waits.
    pub(crate) async fn place(self: &Arc<Self>, peer: IpAddr) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_place(peer) {
                return place;
            }
            self.table().end_one();
            // Nothing tells when a connection becomes idle: that happens after every request.
            let _ = timeout(RETRY, freed).await;
        }
    }

    fn try_place(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut table = self.table();
        if table.open.len() >= self.most {
            return None;
        }
        let id = table.next;
        table.next += 1;
        *table.counts.entry(peer).or_default() += 1;
        let (status, task) = (Arc::new(Status::new(peer)), Arc::default());
        let entry = Entry {
            status: Arc::clone(&status),
            task: Arc::clone(&task),
            ends: AtomicBool::new(false),
        };
        table.open.insert(id, entry);
        Some(Place {
            connections: Arc::clone(self),
            id,
            status,
            task,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends a connection that is idle, if there is one: the one that has been for longest among
    /// those of the client with the most connections.
    fn end_one(&mut self) {
        if self.candidates.is_empty() {
            self.find_candidates();
        }
        while let Some(id) = self.candidates.pop() {
            let idle = self.open.get(&id).filter(|entry| entry.is_idle());
            // A connection that was dealt a moment ago has no task yet.
            if let Some(entry) = idle
                && let Some(task) = entry.task.get()
            {
                entry.ends.store(true, Relaxed);
                task.abort();
                tracing::debug!(client = %entry.status.client, "an idle connection gives way to a new one");
                return;
            }
        }
    }

    fn find_candidates(&mut self) {
        let mut idle: Vec<_> = self
            .open
            .iter()
            .filter(|(_, entry)| entry.is_idle())
            .map(|(id, entry)| {
                let held = self
                    .counts
                    .get(&entry.status.client)
                    .copied()
                    .unwrap_or_default();
                (usize::MAX - held, entry.status.replied_at(), *id)
            })
            .collect();
        if idle.len() > CANDIDATES {
            idle.select_nth_unstable(CANDIDATES);
            idle.truncate(CANDIDATES);
        }
        idle.sort_unstable();
        self.candidates = idle.into_iter().rev().map(|(_, _, id)| id).collect();
    }
}

impl Entry {
    /// Whether the server waits for the client to send a head, and has not ended it yet.
    fn is_idle(&self) -> bool {
        self.status.is_waiting() && !self.ends.load(Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        if let Some(entry) = table.open.remove(&self.id)
            && let Some(count) = table.counts.get_mut(&entry.status.client)
        {
            *count -= 1;
            if *count == 0 {
                table.counts.remove(&entry.status.client);
            }
        }
        drop(table);
        self.connections.freed.notify_one();
    }
}
