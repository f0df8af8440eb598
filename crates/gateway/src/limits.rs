//! Limits of requests in flight. A request beyond its limit is refused at once; none is queued.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use contract::{Endpoint, ProblemCode, endpoint::Class};
use http_body::{Frame, SizeHint};
use http_server::{Fallible, ProblemReply};

use crate::{Settings, access::Working, metrics};

/// The most requests about the registry in flight: each is a statement or two in the database.
const MAX_INFLIGHT_REGISTRY: usize = 64;

/// The most health checks in flight.
const MAX_INFLIGHT_HEALTH: usize = 64;

/// When a refused client should try again: after requests that take long, and after those that take
/// less than a millisecond.
const A_SECOND: Duration = Duration::from_secs(1);
const A_MOMENT: Duration = Duration::from_millis(100);

/// The limit of each class of calls.
pub(crate) struct Limits {
    predict: ConcurrencyLimit,
    fit: ConcurrencyLimit,
    detect: ConcurrencyLimit,
    plot: ConcurrencyLimit,
    observe: ConcurrencyLimit,
    registry: ConcurrencyLimit,
    health: ConcurrencyLimit,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        let limit = |most: usize, retry_after| {
            let percent = settings.max_client_share_percent;
            let share = most.saturating_mul(percent).div_ceil(100);
            ConcurrencyLimit::new(most, share, retry_after)
        };
        Self {
            predict: limit(settings.max_inflight_predict, A_MOMENT),
            observe: limit(settings.max_inflight_observe, A_MOMENT),
            fit: limit(settings.max_inflight_fit, A_SECOND),
            detect: limit(settings.max_inflight_detect, A_SECOND),
            plot: limit(settings.max_inflight_plot, A_SECOND),
            registry: limit(MAX_INFLIGHT_REGISTRY, A_MOMENT),
            health: limit(MAX_INFLIGHT_HEALTH, A_SECOND),
        }
    }

    pub(crate) fn of(&self, class: Class) -> &ConcurrencyLimit {
        match class {
            Class::Predict => &self.predict,
            Class::Observe => &self.observe,
            Class::Fit => &self.fit,
            Class::Detect => &self.detect,
            Class::Plot => &self.plot,
            Class::Registry => &self.registry,
            Class::Health => &self.health,
        }
    }

    /// A permit for a request to `endpoint` by `client`, if its address is known.
    ///
    /// # Errors
    /// 503 when as many requests of its class are in flight as may be, or as one client may have.
    pub(crate) fn acquire(&self, endpoint: &Endpoint, client: Option<IpAddr>) -> Fallible<Permit> {
        self.of(endpoint.class)
            .acquire(client)
            .inspect_err(|_| metrics::count_shed(endpoint))
    }
}

/// The most requests of one class that may be in flight at once.
pub(crate) struct ConcurrencyLimit {
    most: usize,
    in_flight: Arc<AtomicUsize>,
    /// The most of one client.
    share: usize,
    by_client: Arc<Mutex<HashMap<IpAddr, usize>>>,
    crowding: Crowding,
    /// When a client that was refused should try again.
    retry_after: Duration,
}

/// Remembers when a request was last refused for lack of a place. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Crowding(Arc<Mutex<Option<Instant>>>);

impl Crowding {
    fn note(&self) {
        *self.last() = Some(Instant::now());
    }

    /// Whether one was refused within the last `time`.
    pub(crate) fn within(&self, time: Duration) -> bool {
        self.last().is_some_and(|last| last.elapsed() < time)
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right of a request to be in flight, until it is dropped.
pub(crate) struct Permit {
    in_flight: Arc<AtomicUsize>,
    /// Held until the permit is dropped.
    share: Option<Share>,
    /// Ends when the permit is dropped.
    work: Option<Working>,
}

/// One request among those of its client, until it is dropped.
struct Share {
    by_client: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl ConcurrencyLimit {
    fn new(most: usize, share: usize, retry_after: Duration) -> Self {
        Self {
            most,
            in_flight: Arc::default(),
            share,
            by_client: Arc::default(),
            crowding: Crowding::default(),
            retry_after,
        }
    }

    /// A permit, if there is one left, whoever asks.
    pub(crate) fn try_acquire(&self) -> Option<Permit> {
        let permit = Permit {
            in_flight: Arc::clone(&self.in_flight),
            share: None,
            work: None,
        };
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < self.most).then_some(permit)
    }

    fn acquire(&self, client: Option<IpAddr>) -> Fallible<Permit> {
        let refused = |detail| {
            let problem = ProblemReply::new(ProblemCode::Overloaded, detail);
            problem.retry_after(self.retry_after)
        };
        let is_shared = self.share < self.most;
        let share = match client.filter(|_| is_shared) {
            Some(client) => {
                let share = self.share_of(client);
                Some(share.ok_or_else(|| refused("Too many requests of this client in flight"))?)
            }
            None => None,
        };
        let permit = self.try_acquire();
        if permit.is_none() {
            self.crowding.note();
        }
        let mut permit = permit.ok_or_else(|| refused("Too many requests in flight"))?;
        permit.share = share;
        Ok(permit)
    }

    /// Whether others are refused because of those that are in flight.
    pub(crate) fn crowding(&self) -> Crowding {
        self.crowding.clone()
    }

    /// The right of `client` to one more request, if it has fewer than it may.
    fn share_of(&self, client: IpAddr) -> Option<Share> {
        let mut by_client = lock(&self.by_client);
        let held = by_client.entry(client).or_default();
        if *held >= self.share {
            return None;
        }
        *held += 1;
        Some(Share {
            by_client: Arc::clone(&self.by_client),
            client,
        })
    }
}

fn lock(by_client: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    by_client.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut by_client = lock(&self.by_client);
        if let Entry::Occupied(mut held) = by_client.entry(self.client) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

impl Permit {
    /// Lets `work` end when the permit is dropped.
    pub(crate) fn with(mut self, work: Option<Working>) -> Self {
        self.work = work;
        self
    }

    /// Keeps the permit until the client has all of `response`.
    pub(crate) fn retain_until_sent(self, response: Response) -> Response {
        response.map(|body| {
            Body::new(RetainBody {
                body,
                _permit: self,
            })
        })
    }
}

/// A body that keeps a permit until it is sent.
struct RetainBody {
    body: Body,
    _permit: Permit,
}

impl http_body::Body for RetainBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse};

    use super::*;

    #[test]
    fn a_permit_is_free_again_when_it_is_dropped() {
        let limit = ConcurrencyLimit::new(2, 2, Duration::from_millis(100));
        let (first, _second) = (limit.acquire(None), limit.acquire(None));
        assert!(first.is_ok());
        // A refusal takes nothing.
        for _ in 0..3 {
            let refused = limit.acquire(None).err().unwrap();
            assert_eq!(
                (refused.status, refused.code, refused.retry_after),
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    ProblemCode::Overloaded,
                    Some(Duration::from_millis(100))
                )
            );
        }
        drop(first);
        assert!(limit.acquire(None).is_ok());
    }

    #[test]
    fn a_client_gets_its_share_and_leaves_the_rest_to_others() {
        let limit = ConcurrencyLimit::new(4, 2, Duration::ZERO);
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().ok());
        let first = limit.acquire(one);
        let _second = limit.acquire(one);
        assert!(limit.acquire(one).is_err());
        assert!(limit.acquire(other).is_ok());
        // Free again, also after a refusal.
        drop(first);
        assert!(limit.acquire(one).is_ok());
        let _others = [limit.acquire(other), limit.acquire(other)];
        assert!(limit.acquire(other).is_err());
    }

    #[test]
    fn a_permit_is_kept_while_the_reply_is_sent() {
        let limit = ConcurrencyLimit::new(1, 1, Duration::ZERO);
        let permit = limit.acquire(None).ok().unwrap();
        let response = permit.retain_until_sent("body".into_response());
        assert!(limit.acquire(None).is_err());
        drop(response);
        assert!(limit.acquire(None).is_ok());
    }
}
