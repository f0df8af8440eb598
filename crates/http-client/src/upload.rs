//! The body of a request on its way to a service: counted, never held in memory.

use std::{
    io::Write as _,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use http_server::{Fallible, ProblemReply, body_fault};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time,
};

use crate::Error;

/// Pieces up to this length, in bytes, are copied and sent together with the bytes around them.
const SMALL: usize = 16 * 1024;

/// A body that arrives in pieces.
pub struct Upload {
    body: Body,
    /// The length that the client declared, in bytes.
    declared: Option<u64>,
    /// The longest that it may be, in bytes.
    limit: u64,
    /// How many more bytes it may have.
    left: u64,
}

impl Upload {
    /// A body of at most `limit` bytes.
    ///
    /// # Errors
    /// 413 if the client declares a longer one.
    pub fn new(body: Body, limit: u64) -> Fallible<Self> {
        let declared = body.size_hint().exact();
        if declared.is_some_and(|length| length > limit) {
            return Err(ProblemReply::body_too_large(limit));
        }
        Ok(Self {
            body,
            declared,
            limit,
            left: limit,
        })
    }

    /// The length that the client declared, in bytes.
    pub(super) fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// 413 as soon as the limit is passed, 408 if the client is too slow, 400 if it breaks off.
    pub(super) async fn next(&mut self) -> Fallible<Option<Bytes>> {
        loop {
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| body_fault(&error))?;
            // Trailers are dropped.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let left = self.left.checked_sub(data.len() as u64);
            self.left = left.ok_or_else(|| ProblemReply::body_too_large(self.limit))?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// Sends the bytes in `out` and then the body, in chunks unless the client declared its length.
    ///
    /// # Errors
    /// [`Error::Client`] as [`Self::next`]; [`Error::Timeout`] when `to` accepts nothing for
    /// `timeout`; [`Error::Gone`].
    pub(super) async fn send<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        out: &mut Vec<u8>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let chunked = self.declared.is_none();
        while let Some(data) = self.next().await.map_err(Error::Client)? {
            if chunked {
                write!(out, "{:x}\r\n", data.len()).map_err(Error::Gone)?;
            }
            if data.len() <= SMALL {
                out.extend_from_slice(&data);
                flush(to, out, timeout).await?;
            } else {
                flush(to, out, timeout).await?;
                write(to, &data, timeout).await?;
            }
            if chunked {
                out.extend_from_slice(b"\r\n");
            }
        }
        if chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        flush(to, out, timeout).await
    }

    /// The body for a service in this process. If it exceeds the limit, it fails and puts the
    /// problem into `excess`.
    pub(super) fn into_body(self, excess: Arc<OnceLock<ProblemReply>>) -> Body {
        Body::new(Counted {
            upload: self,
            excess,
        })
    }
}

struct Counted {
    upload: Upload,
    excess: Arc<OnceLock<ProblemReply>>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = ready!(Pin::new(&mut self.upload.body).poll_frame(context));
        let Some(Ok(frame)) = next else {
            return Poll::Ready(next);
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        match self.upload.left.checked_sub(length as u64) {
            Some(left) => {
                self.upload.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                let _ = self
                    .excess
                    .set(ProblemReply::body_too_large(self.upload.limit));
                Poll::Ready(Some(Err(axum::Error::new(BodyTooLarge))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upload.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.upload.body.size_hint()
    }
}

/// The error that a service in this process meets when a body is too large.
#[derive(Debug, thiserror::Error)]
#[error("request body is too large")]
struct BodyTooLarge;

async fn flush<W: AsyncWrite + Unpin>(
    to: &mut W,
    out: &mut Vec<u8>,
    timeout: Duration,
) -> Result<(), Error> {
    write(to, out, timeout).await?;
    out.clear();
    Ok(())
}

/// Writes all of `data`; each write has to succeed within `timeout`.
async fn write<W: AsyncWrite + Unpin>(
    to: &mut W,
    mut data: &[u8],
    timeout: Duration,
) -> Result<(), Error> {
    while !data.is_empty() {
        let written = time::timeout(timeout, to.write(data))
            .await
            .map_err(|_| Error::Timeout(timeout))?
            .map_err(Error::Gone)?;
        data = &data[written..];
    }
    Ok(())
}
