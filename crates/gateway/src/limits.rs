//! Limits of requests in flight. A request beyond its limit is refused at once; none is queued.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use contract::{Endpoint, ProblemCode, endpoint::Class};
use http_body::{Frame, SizeHint};
use http_server::{Fallible, ProblemReply};

use crate::{Settings, metrics};

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
    registry: ConcurrencyLimit,
    health: ConcurrencyLimit,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            predict: ConcurrencyLimit::new(settings.max_inflight_predict, A_MOMENT),
            fit: ConcurrencyLimit::new(settings.max_inflight_fit, A_SECOND),
            detect: ConcurrencyLimit::new(settings.max_inflight_detect, A_SECOND),
            plot: ConcurrencyLimit::new(settings.max_inflight_plot, A_SECOND),
            registry: ConcurrencyLimit::new(MAX_INFLIGHT_REGISTRY, A_MOMENT),
            health: ConcurrencyLimit::new(MAX_INFLIGHT_HEALTH, A_SECOND),
        }
    }

    pub(crate) fn of(&self, class: Class) -> &ConcurrencyLimit {
        match class {
            Class::Predict => &self.predict,
            Class::Fit => &self.fit,
            Class::Detect => &self.detect,
            Class::Plot => &self.plot,
            Class::Registry => &self.registry,
            Class::Health => &self.health,
        }
    }

    /// A permit for a request to `endpoint`.
    ///
    /// # Errors
    /// 503 when as many requests of its class are in flight as may be.
    pub(crate) fn acquire(&self, endpoint: &Endpoint) -> Fallible<Permit> {
        self.of(endpoint.class)
            .acquire()
            .inspect_err(|_| metrics::count_shed(endpoint))
    }
}

/// The most requests of one class that may be in flight at once.
pub(crate) struct ConcurrencyLimit {
    most: usize,
    in_flight: Arc<AtomicUsize>,
    /// When a client that was refused should try again.
    retry_after: Duration,
}

/// The right of a request to be in flight, until it is dropped.
pub(crate) struct Permit(Arc<AtomicUsize>);

impl ConcurrencyLimit {
    fn new(most: usize, retry_after: Duration) -> Self {
        Self {
            most,
            in_flight: Arc::default(),
            retry_after,
        }
    }

    /// A permit, if there is one left.
    pub(crate) fn try_acquire(&self) -> Option<Permit> {
        let permit = Permit(Arc::clone(&self.in_flight));
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < self.most).then_some(permit)
    }

    fn acquire(&self) -> Fallible<Permit> {
        self.try_acquire().ok_or_else(|| {
            let problem = ProblemReply::new(ProblemCode::Overloaded, "Too many requests in flight");
            problem.retry_after(self.retry_after)
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Permit {
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
        let limit = ConcurrencyLimit::new(2, Duration::from_millis(100));
        let (first, _second) = (limit.acquire(), limit.acquire());
        assert!(first.is_ok());
        // A refusal takes nothing.
        for _ in 0..3 {
            let refused = limit.acquire().err().unwrap();
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
        assert!(limit.acquire().is_ok());
    }

    #[test]
    fn a_permit_is_kept_while_the_reply_is_sent() {
        let limit = ConcurrencyLimit::new(1, Duration::ZERO);
        let permit = limit.acquire().ok().unwrap();
        let response = permit.retain_until_sent("body".into_response());
        assert!(limit.acquire().is_err());
        drop(response);
        assert!(limit.acquire().is_ok());
    }
}
