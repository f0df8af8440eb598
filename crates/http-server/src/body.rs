//! Request bodies, bounded in size and time.

use std::{
    error::Error,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use contract::ProblemCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::{Fallible, ProblemReply, status::Status};

/// All waits for a body together may take the longest pause, and a second more for each this many
/// bytes received.
const MIN_BYTES_PER_SECOND: u64 = 16 * 1024;
/// The most memory reserved ahead for a body, whatever length it declares.
const MAX_RESERVED: u64 = 1024 * 1024;

/// Why a request body is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// The client stopped sending, or sent too slowly.
    #[error("request body did not arrive in time")]
    Stalled,
    /// The connection ended early, or the chunks are malformed.
    #[error("request body broke off")]
    Broken(#[source] hyper::Error),
}

/// Reads all of `body`.
///
/// # Errors
/// 413 as soon as it is certain to have more than `limit` bytes; 408 if the server gave up waiting
/// for it (it stalled for 30 s, or came at less than about 16 KiB/s); 400 if it breaks off.
pub async fn read_body(body: Body, limit: usize) -> Fallible<Bytes> {
    read_charged(body, limit, |_| Ok(())).await
}

/// Reads all of `body`, and gives each piece to `charge` as it arrives, unless it arrives as one.
///
/// # Errors
/// As [`read_body`], and those of `charge`.
pub async fn read_charged(
    mut body: Body,
    limit: usize,
    charge: impl FnMut(&[u8]) -> Fallible<()>,
) -> Fallible<Bytes> {
    if body.size_hint().lower() > limit as u64 {
        return Err(ProblemReply::body_too_large(limit as u64));
    }
    match read_start(&mut body, limit, charge).await? {
        Start::Whole(body) => Ok(body),
        Start::Part(_) => Err(ProblemReply::body_too_large(limit as u64)),
    }
}

/// The bytes that were read of a body.
pub enum Start {
    /// All of it.
    Whole(Bytes),
    /// Its first part; the rest has to be read yet.
    Part(Bytes),
}

/// Reads `body` to its end, or until more than `enough` bytes are there. Gives each piece to
/// `charge` as it arrives, unless the body arrives as one.
///
/// # Errors
/// 408 or 400 as [`read_body`], and those of `charge`.
pub async fn read_start(
    body: &mut Body,
    enough: usize,
    mut charge: impl FnMut(&[u8]) -> Fallible<()>,
) -> Fallible<Start> {
    let announced = body.size_hint().lower();
    let Some(first) = next_data(body).await? else {
        return Ok(Start::Whole(Bytes::new()));
    };
    if body.is_end_stream() && first.len() <= enough {
        return Ok(Start::Whole(first)); // the usual case: nothing is copied
    }
    // Memory that nothing has arrived in yet is not taken from the system.
    let reserved = announced.min(MAX_RESERVED).min(enough as u64);
    let mut all = BytesMut::with_capacity(reserved as usize);
    let mut next = Some(first);
    while let Some(data) = next {
        charge(&data)?;
        all.extend_from_slice(&data);
        if all.len() > enough {
            return Ok(Start::Part(all.freeze()));
        }
        next = next_data(body).await?;
    }
    Ok(Start::Whole(all.freeze()))
}

/// The problem to answer with when reading or forwarding a request body failed with `error`: 408 if
/// it stalled, else 400: it broke off, or it was to be unpacked and cannot be.
pub fn body_fault(error: &(dyn Error + 'static)) -> ProblemReply {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    let mut packing = false;
    for cause in chain {
        match cause.downcast_ref() {
            Some(BodyFault::Stalled) => {
                return ProblemReply::new(
                    ProblemCode::BodyTimeout,
                    "Request body did not arrive in time",
                );
            }
            Some(BodyFault::Broken(_)) => {
                packing = false;
                break;
            }
            // Sockets fail within a `BodyFault`, so this is from unpacking.
            None => packing |= cause.is::<io::Error>(),
        }
    }
    if packing {
        return ProblemReply::new(
            ProblemCode::InvalidEncoding,
            "Request body is not valid gzip",
        );
    }
    ProblemReply::new(
        ProblemCode::BodyIncomplete,
        "Request body broke off or its chunks are malformed",
    )
}

/// The next bytes of `body`; trailers are skipped.
async fn next_data(body: &mut Body) -> Fallible<Option<Bytes>> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(body_fault(&error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The body of a request on a connection. It gives up on a client that is too slow, and remembers
/// whether it was read to its end.
pub(super) struct RequestBody {
    incoming: Incoming,
    status: Arc<Status>,
    /// The longest pause, and the longest wait in all but for [`MIN_BYTES_PER_SECOND`].
    max_pause: Duration,
    received: u64,
    waited: Duration,
    wait: Option<Wait>,
}

/// The timer of a body, made by its first wait; most bodies never wait.
struct Wait {
    timer: Pin<Box<Sleep>>,
    since: Option<Instant>,
}

impl RequestBody {
    /// Wraps `incoming` for axum. From now on `status` says whether a part of it is unread.
    pub(super) fn wrap(incoming: Incoming, status: Arc<Status>, max_pause: Duration) -> Body {
        if incoming.is_end_stream() {
            status.unread.store(false, Relaxed);
            return Body::empty();
        }
        status.unread.store(true, Relaxed);
        status.reading.store(true, Relaxed);
        Body::new(Self {
            incoming,
            status,
            max_pause,
            received: 0,
            waited: Duration::ZERO,
            wait: None,
        })
    }

    /// Adds `data` to what was received, and the wait that it ended to the time waited.
    fn arrived(&mut self, data: &Bytes) {
        self.received += data.len() as u64;
        let since = self.wait.as_mut().and_then(|wait| wait.since.take());
        if let Some(since) = since {
            self.waited += since.elapsed();
        }
    }

    /// Ready when the client has used up its time.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let earned = Duration::from_secs(self.received / MIN_BYTES_PER_SECOND);
        let left = (self.max_pause + earned).saturating_sub(self.waited);
        let wait = self.wait.get_or_insert_with(|| Wait {
            timer: Box::pin(tokio::time::sleep(left)),
            since: None,
        });
        if wait.since.is_none() {
            let now = Instant::now();
            wait.since = Some(now);
            wait.timer.as_mut().reset(now + left.min(self.max_pause));
        }
        wait.timer.as_mut().poll(cx)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.status.reading.store(false, Relaxed);
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let body = &mut *self;
        let Poll::Ready(next) = Pin::new(&mut body.incoming).poll_frame(cx) else {
            ready!(body.poll_stalled(cx));
            return Poll::Ready(Some(Err(BodyFault::Stalled)));
        };
        match &next {
            Some(Ok(frame)) => frame.data_ref().into_iter().for_each(|d| body.arrived(d)),
            Some(Err(_)) => {}
            None => body.status.unread.store(false, Relaxed),
        }
        if body.incoming.is_end_stream() {
            body.status.unread.store(false, Relaxed);
        }
        Poll::Ready(next.map(|next| next.map_err(BodyFault::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
