//! How many requests of a kind are in flight at once. One more is refused at once: nothing waits in a queue.

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
use contract::ProblemCode;
use http_body::{Frame, SizeHint};
use http_server::{Fallible, ProblemReply};

use crate::metrics::Route;

/// A number of places for requests that cost alike.
pub(crate) struct ConcurrencyLimit {
    places: usize,
    taken: Arc<AtomicUsize>,
    /// When a client that was refused should come again.
    retry_after: Duration,
}

/// A permit, until it is dropped.
pub(crate) struct Permit(Arc<AtomicUsize>);

impl ConcurrencyLimit {
    pub(crate) fn new(places: usize, retry_after: Duration) -> Self {
        Self {
            places,
            taken: Arc::default(),
            retry_after,
        }
    }

    /// A permit, if there is one.
    pub(crate) fn place(&self) -> Option<Permit> {
        let permit = Permit(Arc::clone(&self.taken));
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.places).then_some(permit)
    }

    /// A place for a request to `route`.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub(crate) fn take(&self, route: Route) -> Fallible<Permit> {
        if let Some(permit) = self.place() {
            return Ok(permit);
        }
        route.count_shed();
        let problem = ProblemReply::new(ProblemCode::Overloaded, "Too many requests in flight");
        Err(problem.retry_after(self.retry_after))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Permit {
    /// Keeps the place until the client has all of `response`.
    pub(crate) fn retain_until_sent(self, response: Response) -> Response {
        response.map(|body| {
            Body::new(RetainBody {
                body,
                _permit: self,
            })
        })
    }
}

/// A body that has its permit.
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
    fn a_place_is_free_again_when_it_is_dropped() {
        let limit = ConcurrencyLimit::new(2, Duration::from_millis(100));
        let (first, _second) = (limit.take(Route::Fit), limit.take(Route::Fit));
        assert!(first.is_ok());
        // A refusal takes nothing.
        for _ in 0..3 {
            let refused = limit.take(Route::Fit).err().unwrap();
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
        assert!(limit.take(Route::Fit).is_ok());
    }

    #[test]
    fn a_place_is_kept_while_the_reply_is_sent() {
        let limit = ConcurrencyLimit::new(1, Duration::ZERO);
        let permit = limit.take(Route::Fit).ok().unwrap();
        let response = permit.retain_until_sent("body".into_response());
        assert!(limit.take(Route::Fit).is_err());
        drop(response);
        assert!(limit.take(Route::Fit).is_ok());
    }
}
