//! Calls for the backend that owns a partition. Which one that is, replies tell: one that does not
//! own the partition answers 421 and has done nothing.
//!
//! So a gateway needs to know no more than the addresses of all backends, and none of them has to
//! know an address at which gateways reach it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use http::StatusCode;
use tokio::time;

use crate::{
    Error,
    backend::Backend,
    http::Http,
    pool::{Pick, Reuse},
    request::RequestHead,
};

/// How often it is looked whether a backend that takes its time hangs.
const HANGS_EVERY: Duration = Duration::from_millis(250);

/// The owners of partitions, as far as replies have told.
#[derive(Default)]
pub(super) struct Owners(RwLock<HashMap<i32, Arc<Backend>>>);

impl Owners {
    fn of(&self, partition: i32) -> Option<Arc<Backend>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&partition).cloned()
    }

    fn note(&self, partition: i32, owner: Arc<Backend>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(partition, owner);
    }
}

impl Http {
    /// Asks the owner of `partition`: the one that is known, then each of the others. If none of
    /// them owns it, or the owner does not answer, any backend is told to take the call. Only calls
    /// that may happen twice come here.
    pub(super) async fn ask_owner(
        &self,
        partition: i32,
        head: RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<Response, Error> {
        let known = self.0.owners.of(partition);
        let pick = known.as_ref().map_or(Pick::LeastBusy, Pick::From);
        for backend in self.0.accepting(pick) {
            match self.ask_this(&backend, &head, body, timeout).await {
                Ok(reply) if reply.status() == StatusCode::MISDIRECTED_REQUEST => {}
                Ok(reply) => {
                    let is_known = known.is_some_and(|known| Arc::ptr_eq(&known, &backend));
                    if !is_known && !reply.status().is_server_error() {
                        self.0.owners.note(partition, backend);
                    }
                    return Ok(reply);
                }
                // It may have moved on.
                Err(Error::Unreachable(_) | Error::Gone(_) | Error::Timeout(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let head = head.for_any_owner();
        self.ask(Pick::LeastBusy, &head, body, timeout).await
    }

    /// Asks each backend, also those that do not accept.
    pub(super) async fn ask_each(
        &self,
        head: &RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Vec<Result<Response, Error>> {
        let backends = self.0.all();
        let asked = backends
            .iter()
            .map(|backend| self.ask_this(backend, head, body, timeout));
        join_all(asked).await
    }

    /// Asks `backend`, and no longer once it is known to hang.
    async fn ask_this(
        &self,
        backend: &Arc<Backend>,
        head: &RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<Response, Error> {
        let first = self.take_of(backend, Reuse::Any).await?;
        let is_reused = first.is_reused();
        let asked = async {
            match self.ask_on(first, head, body, timeout).await {
                // The backend may have closed the idle connection.
                Err(Error::Gone(_)) if is_reused => {
                    let second = self.take_of(backend, Reuse::Never).await?;
                    self.ask_on(second, head, body, timeout).await
                }
                reply => reply,
            }
        };
        tokio::pin!(asked);
        loop {
            match time::timeout(HANGS_EVERY, &mut asked).await {
                Ok(reply) => return reply,
                Err(_) if backend.hangs() => return Err(Error::Timeout(HANGS_EVERY)),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Router, routing::post};
    use http::HeaderMap;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Call, Metrics, Upstream};

    /// A backend that counts its calls, owns what `owned` names, and answers with its name.
    struct Peer {
        name: &'static str,
        owned: RwLock<Vec<i32>>,
        calls: AtomicUsize,
    }

    impl Peer {
        async fn start(name: &'static str, owned: &[i32]) -> anyhow::Result<(Arc<Self>, String)> {
            let peer = Arc::new(Self {
                name,
                owned: RwLock::new(owned.to_vec()),
                calls: AtomicUsize::new(0),
            });
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let origin = format!("http://{}", listener.local_addr()?);
            let answering = Arc::clone(&peer);
            let router = Router::new().route(
                "/{partition}",
                post(
                    async move |path: axum::extract::Path<i32>, headers: HeaderMap| {
                        answering.answer(path.0, &headers)
                    },
                ),
            );
            #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
            tokio::spawn(async move { axum::serve(listener, router).await });
            Ok((peer, origin))
        }

        fn answer(&self, partition: i32, headers: &HeaderMap) -> (StatusCode, &'static str) {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let owns = self.owned.read().unwrap().contains(&partition);
            let takes_any = headers.get("x-append").is_some_and(|value| value == "any");
            match (owns, takes_any) {
                (true, _) => (StatusCode::OK, self.name),
                (false, true) => (StatusCode::ACCEPTED, self.name),
                (false, false) => (StatusCode::MISDIRECTED_REQUEST, ""),
            }
        }

        fn own(&self, partitions: &[i32]) {
            *self.owned.write().unwrap() = partitions.to_vec();
        }

        fn calls(&self) -> usize {
            self.calls.swap(0, Ordering::SeqCst)
        }
    }

    async fn ask(upstream: &Upstream, partition: i32) -> anyhow::Result<(StatusCode, String)> {
        let request = http::Request::post(format!("/{partition}")).body(())?;
        let head = RequestHead::of(request.into_parts().0);
        let body = Bytes::from_static(b"x");
        let call = Call::whole(head, body, Duration::from_secs(20)).by_partition(partition);
        let reply = upstream.call(call).await?;
        let status = reply.status();
        let body = axum::body::to_bytes(reply.into_body(), 100).await?;
        Ok((status, String::from_utf8(body.to_vec())?))
    }

    fn of(status: StatusCode, name: &str) -> (StatusCode, String) {
        (status, name.to_owned())
    }

    #[tokio::test]
    async fn the_owner_is_found_remembered_and_found_again() -> anyhow::Result<()> {
        let (a, a_origin) = Peer::start("a", &[1]).await?;
        let (b, b_origin) = Peer::start("b", &[2]).await?;
        let origins = format!("{a_origin},{b_origin}").parse()?;
        let upstream = Upstream::http(origins, Metrics::unread());
        for partition in [1, 2] {
            ask(&upstream, partition).await?;
        }
        a.calls();
        b.calls();
        for _ in 0..5 {
            assert_eq!(ask(&upstream, 1).await?, of(StatusCode::OK, "a"));
            assert_eq!(ask(&upstream, 2).await?, of(StatusCode::OK, "b"));
        }
        assert_eq!((a.calls(), b.calls()), (5, 5));

        // Partition 1 moves, once and for good.
        a.own(&[]);
        b.own(&[1, 2]);
        for _ in 0..5 {
            assert_eq!(ask(&upstream, 1).await?, of(StatusCode::OK, "b"));
        }
        assert_eq!((a.calls(), b.calls()), (1, 5));
        Ok(())
    }

    #[tokio::test]
    async fn each_backend_is_asked_once_and_those_that_are_away_say_so() -> anyhow::Result<()> {
        let (a, a_origin) = Peer::start("a", &[1]).await?;
        let (b, b_origin) = Peer::start("b", &[]).await?;
        let away = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let origins = format!("{a_origin},http://{away},{b_origin}").parse()?;
        let upstream = Upstream::http(origins, Metrics::unread());
        let body = Bytes::from_static(b"x");
        let replies = upstream
            .call_each("/1", body, Duration::from_secs(20))
            .await;
        let statuses: Vec<_> = replies
            .iter()
            .map(|reply| reply.as_ref().ok().map(Response::status))
            .collect();
        let (owner, other) = (Some(StatusCode::OK), Some(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(statuses, [owner, None, other]);
        assert_eq!((a.calls(), b.calls(), upstream.is_local()), (1, 1, false));
        Ok(())
    }

    #[tokio::test]
    async fn what_nobody_owns_is_taken_by_any() -> anyhow::Result<()> {
        let (a, a_origin) = Peer::start("a", &[1]).await?;
        let (b, b_origin) = Peer::start("b", &[]).await?;
        let origins = format!("{a_origin},{b_origin}").parse()?;
        let upstream = Upstream::http(origins, Metrics::unread());
        assert_eq!(ask(&upstream, 3).await?.0, StatusCode::ACCEPTED);
        assert_eq!(a.calls() + b.calls(), 3);
        Ok(())
    }

    #[tokio::test]
    async fn an_owner_that_is_gone_is_replaced() -> anyhow::Result<()> {
        let (_b, b_origin) = Peer::start("b", &[]).await?;
        let gone = crate::testing::ReservedPort::new()?;
        let origins = format!("http://{},{b_origin}", gone.addr()).parse()?;
        let upstream = Upstream::http(origins, Metrics::unread());
        for _ in 0..3 {
            let reply = ask(&upstream, 3).await?;
            assert_eq!(reply, of(StatusCode::ACCEPTED, "b"));
        }
        Ok(())
    }
}
