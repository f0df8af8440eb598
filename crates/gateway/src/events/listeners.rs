//! Who listens, and to what.

use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::{ProblemCode, SeriesId};
use http_server::{Fallible, ProblemReply};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::feed::News;
use crate::access::Sight;

/// The most listeners of one address.
const MAX_OF_CLIENT: usize = 8;
/// The most listeners.
const MAX_LISTENERS: usize = 1_000;
/// When a client should try again where too many listen.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The news that a listener may be behind before it is left out.
const BEHIND: usize = 64;

/// All who listen. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Events(Arc<Shared>);

struct Shared {
    listeners: Mutex<Listeners>,
    /// The number of listeners.
    number: watch::Sender<usize>,
    news: broadcast::Sender<Arc<News>>,
    /// Ends all streams.
    stop: CancellationToken,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    series: HashMap<u64, Arc<BTreeSet<SeriesId>>>,
    /// The listeners at an address, the oldest first: their numbers, and what ends them.
    by_client: HashMap<IpAddr, VecDeque<(u64, CancellationToken)>>,
}

/// One who listens, until it is dropped.
pub(crate) struct Listener {
    number: u64,
    client: Option<IpAddr>,
    /// The series whose rows it follows.
    pub(super) series: Arc<BTreeSet<SeriesId>>,
    /// The series whose anomalies it may see.
    pub(super) sight: Sight,
    pub(super) news: broadcast::Receiver<Arc<News>>,
    pub(super) stop: CancellationToken,
    events: Events,
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Shared {
            listeners: Mutex::default(),
            number: watch::Sender::new(0),
            news: broadcast::Sender::new(BEHIND),
            stop: CancellationToken::new(),
        }))
    }
}

impl Events {
    /// Lets somebody at the address `client` listen to what becomes of `series`. The first of too
    /// many listeners at one address is ended: it may be gone without our knowledge, and browsers do
    /// not come again after a refusal.
    ///
    /// # Errors
    /// 503 when too many listen.
    pub(super) fn listen(
        &self,
        series: Vec<SeriesId>,
        client: Option<IpAddr>,
        sight: Sight,
    ) -> Fallible<Listener> {
        let mut listeners = self.lock();
        if listeners.series.len() >= MAX_LISTENERS {
            let detail = "Too many streams of events";
            let problem = ProblemReply::new(ProblemCode::Overloaded, detail);
            return Err(problem.retry_after(RETRY_AFTER));
        }
        let (number, stop) = (listeners.next, self.0.stop.child_token());
        listeners.next += 1;
        if let Some(client) = client {
            let held = listeners.by_client.entry(client).or_default();
            held.push_back((number, stop.clone()));
            if held.len() > MAX_OF_CLIENT
                && let Some((_, first)) = held.pop_front()
            {
                first.cancel();
            }
        }
        let series = Arc::new(series.into_iter().collect());
        listeners.series.insert(number, Arc::clone(&series));
        let held = listeners.series.len();
        drop(listeners);
        self.0.number.send_replace(held);
        Ok(Listener {
            number,
            client,
            series,
            sight,
            news: self.0.news.subscribe(),
            stop,
            events: self.clone(),
        })
    }

    /// The series that somebody follows.
    pub(super) fn followed(&self) -> BTreeSet<SeriesId> {
        let listeners = self.lock();
        let series = listeners.series.values();
        series.flat_map(|series| series.iter().cloned()).collect()
    }

    /// Waits until somebody listens.
    pub(super) async fn wanted(&self) {
        let mut number = self.0.number.subscribe();
        // The sender is never dropped before.
        let _ = number.wait_for(|number| *number > 0).await;
    }

    /// Whether nobody listens.
    pub(super) fn is_unwanted(&self) -> bool {
        *self.0.number.borrow() == 0
    }

    /// Tells all listeners.
    pub(super) fn tell(&self, news: News) {
        // Without listeners nobody has to know.
        let _ = self.0.news.send(Arc::new(news));
    }

    /// Ends all streams, now and later.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        let listeners = self.0.listeners.lock();
        listeners.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.events.lock();
        listeners.series.remove(&self.number);
        if let Some(client) = self.client
            && let Entry::Occupied(mut held) = listeners.by_client.entry(client)
        {
            held.get_mut().retain(|(number, _)| *number != self.number);
            if held.get().is_empty() {
                held.remove();
            }
        }
        let held = listeners.series.len();
        drop(listeners);
        self.events.0.number.send_replace(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<SeriesId> {
        names
            .iter()
            .map(|name| SeriesId::new(name).expect("valid"))
            .collect()
    }

    #[test]
    fn a_client_listens_as_often_as_it_may_and_others_do_not_suffer() {
        let events = Events::default();
        let listen = |client: &str, series: &[&str]| {
            let listener = events.listen(ids(series), client.parse().ok(), Sight::default());
            let Ok(listener) = listener else {
                panic!("few listen");
            };
            listener
        };
        let held: Vec<_> = (0..8).map(|_| listen("10.0.0.1", &["a", "b"])).collect();
        let other = listen("10.0.0.2", &["b", "c"]);
        assert!(held.iter().all(|listener| !listener.stop.is_cancelled()));
        let ninth = listen("10.0.0.1", &[]);
        let ended: Vec<bool> = held.iter().map(|held| held.stop.is_cancelled()).collect();
        assert!(ended[0] && !ended[1..].contains(&true) && !other.stop.is_cancelled());
        let followed: Vec<_> = events.followed().into_iter().collect();
        assert_eq!(followed, ids(&["a", "b", "c"]));
        events.stop();
        assert!(ninth.stop.is_cancelled());
        drop((held, other, ninth));
        assert!(events.is_unwanted() && events.followed().is_empty());
        assert!(events.lock().by_client.is_empty());
    }
}
