//! Replies that long work writes, and that go out in chunks while it goes on.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use service::work::{CorePermit, CorePool, finished};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::{JoinHandle, spawn_blocking},
};

use crate::error::Error;

/// How long work waits for a core before it is refused.
const CORE_WITHIN: Duration = Duration::from_secs(2);

/// The bytes of a reply that are written before they go out. Shorter replies go out whole.
const CHUNK_BYTES: usize = 128 * 1024;

/// The chunks that may wait for the client. Beyond them the work waits.
const MAX_CHUNKS: usize = 2;

/// A core for a piece of work.
///
/// # Errors
/// [`Error::Overloaded`] when none comes free in time.
pub(crate) async fn acquire(cores: &CorePool) -> Result<CorePermit, Error> {
    let permit = cores.acquire_within(CORE_WITHIN).await;
    permit.ok_or(Error::Overloaded)
}

/// Runs `work` on a thread for long work. What it writes is the body of the reply, and goes out
/// while it is being written; work that is refused has not written anything. A client that leaves
/// ends it.
///
/// # Errors
/// The error that `work` was refused with.
pub(crate) async fn write<F>(core: CorePermit, work: F) -> Result<Body, Error>
where
    F: FnOnce(&mut Output) -> Result<(), Stop> + Send + 'static,
{
    let (to, mut chunks) = mpsc::channel(MAX_CHUNKS);
    let running = spawn_blocking(move || {
        let mut output = Output {
            written: Vec::new(),
            to,
            core,
            held_up: Duration::ZERO,
        };
        work(&mut output)?;
        Ok(output.written)
    });
    match chunks.recv().await {
        Some(first) => Ok(streamed(first, chunks, running)),
        None => match finished(running).await {
            Ok(whole) => Ok(Body::from(whole)),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::Disconnected) => unreachable!("the receiver is here"),
        },
    }
}

/// Why work stopped early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The request cannot be answered.
    Refused(Error),
    /// The client has gone.
    Disconnected,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The body of a reply, as far as it has been written but not sent.
pub(crate) struct Output {
    written: Vec<u8>,
    to: mpsc::Sender<Bytes>,
    core: CorePermit,
    held_up: Duration,
}

impl Output {
    /// The bytes to append to. Call [`Self::flush_chunk`] between points.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.written
    }

    /// Sends the bytes that have been written, if they fill a chunk, and lends the core to others
    /// meanwhile. Waits for a client that reads slowly.
    ///
    /// # Errors
    /// [`Stop::Disconnected`].
    pub(crate) fn flush_chunk(&mut self) -> Result<(), Stop> {
        if self.written.len() < CHUNK_BYTES {
            return Ok(());
        }
        let written = std::mem::replace(&mut self.written, Vec::with_capacity(CHUNK_BYTES * 9 / 8));
        let since = Instant::now();
        let sent = self
            .core
            .lend_while(|| match self.to.try_send(Bytes::from(written)) {
                Err(TrySendError::Full(chunk)) => {
                    self.to.blocking_send(chunk).map_err(|_| Stop::Disconnected)
                }
                sent => sent.map_err(|_| Stop::Disconnected),
            });
        self.held_up += since.elapsed();
        sent
    }

    /// How long the client, or the lack of a core, has held the work up.
    pub(crate) fn held_up(&self) -> Duration {
        self.held_up
    }
}

/// The chunks of a reply, followed by the rest that the work returns.
struct Chunks {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Bytes>,
    /// `None` at the end.
    running: Option<JoinHandle<Result<Vec<u8>, Stop>>>,
}

fn streamed(
    first: Bytes,
    rest: mpsc::Receiver<Bytes>,
    running: JoinHandle<Result<Vec<u8>, Stop>>,
) -> Body {
    let chunks = Chunks {
        first: Some(first),
        rest,
        running: Some(running),
    };
    let chunks = stream::unfold(chunks, |mut chunks| async {
        let chunk = chunks.next().await?;
        Some((chunk, chunks))
    });
    // Whoever packs the reply asks again after its end.
    Body::from_stream(chunks.fuse())
}

impl Chunks {
    /// The next chunk. A reply that is not complete ends in an error, so that it does not look
    /// whole.
    async fn next(&mut self) -> Option<Result<Bytes, Truncated>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if let Some(chunk) = self.rest.recv().await {
            return Some(Ok(chunk));
        }
        match self.running.take()?.await {
            Ok(Ok(last)) => Some(Ok(Bytes::from(last))),
            Ok(Err(why)) => {
                tracing::error!(?why, "work stopped after its reply had begun");
                Some(Err(Truncated))
            }
            Err(error) => {
                tracing::error!(%error, "work failed after its reply had begun");
                Some(Err(Truncated))
            }
        }
    }
}

/// The reply is not complete.
#[derive(Debug, thiserror::Error)]
#[error("reply broke off")]
struct Truncated;

#[cfg(test)]
mod tests {
    use contract::ProblemCode;
    use http_body_util::BodyExt;
    use http_server::ProblemReply;

    use super::*;

    async fn core() -> CorePermit {
        acquire(&CorePool::new()).await.unwrap()
    }

    /// Writes chunks for ever.
    fn endless(output: &mut Output) -> Result<(), Stop> {
        loop {
            output.buffer().resize(CHUNK_BYTES, b'x');
            output.flush_chunk()?;
        }
    }

    #[tokio::test]
    async fn a_short_reply_goes_out_whole_and_a_long_one_in_chunks() {
        for (lines, known) in [(10, true), (100_000, false)] {
            let work = move |output: &mut Output| {
                for _ in 0..lines {
                    output.buffer().extend_from_slice(b"0123456789");
                    output.flush_chunk()?;
                }
                Ok(())
            };
            let body = write(core().await, work).await.unwrap();
            assert_eq!(
                axum::body::HttpBody::size_hint(&body).exact().is_some(),
                known
            );
            let body = body.collect().await.unwrap().to_bytes();
            assert!(body == b"0123456789".repeat(lines)[..]);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_the_reply() {
        let refused = write(core().await, |_| Err(Error::NotCached.into())).await;
        assert!(matches!(refused, Err(Error::NotCached)));
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_the_work() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let body = write(core().await, |output| {
            let stopped = endless(output);
            ended.send(stopped.is_err()).unwrap();
            stopped
        });
        drop(body.await.unwrap());
        assert!(end.await.unwrap());
    }

    #[tokio::test]
    async fn work_that_waits_for_its_client_leaves_the_core_to_others() {
        let cores = CorePool::with_cores(1);
        let core = acquire(&cores).await.unwrap();
        let slow = write(core, endless).await.unwrap();
        let answer = acquire(&cores).await.unwrap().run(|| 7).await;
        assert_eq!(answer, 7);
        drop(slow);
    }

    #[tokio::test]
    async fn a_reply_that_fails_on_its_way_breaks_off() {
        let body = write(core().await, |output| {
            output.buffer().resize(CHUNK_BYTES, b'x');
            output.flush_chunk()?;
            panic!("on purpose");
        });
        assert!(body.await.unwrap().collect().await.is_err());
    }

    #[tokio::test]
    async fn work_that_finds_no_core_is_refused() {
        let cores = CorePool::with_cores(1);
        let _taken = acquire(&cores).await.unwrap();
        let refused = ProblemReply::from(acquire(&cores).await.err().unwrap());
        assert_eq!(
            (refused.status.as_u16(), refused.code),
            (503, ProblemCode::Overloaded)
        );
        assert!(refused.retry_after.is_some());
    }
}
