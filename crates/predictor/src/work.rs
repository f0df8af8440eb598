//! Work that takes too long for a thread that serves requests: a core for each piece of it, and replies that go out while it goes on.

use std::{
    panic::resume_unwind,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::{
    runtime::Handle,
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
    },
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::error::Error;

/// How long work waits for a core before it is refused.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// What is written of a reply before that much goes out, in bytes. Shorter replies go out whole.
const PIECE_BYTES: usize = 128 * 1024;

/// Pieces that may wait for the client. Then the work does.
const MAX_PIECES: usize = 2;

/// One place for each core: more at once would only take more memory.
#[derive(Clone)]
pub(crate) struct Cores(Arc<Semaphore>);

/// A core, until it is dropped.
pub(crate) struct Turn {
    cores: Cores,
    core: Option<OwnedSemaphorePermit>,
}

impl Cores {
    /// All cores of the machine.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores)))
    }

    /// A core, as soon as there is one.
    ///
    /// # Errors
    /// 503 when that takes too long.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        match timeout(TURN_WITHIN, self.take()).await {
            Ok(core) => Ok(Turn {
                cores: self.clone(),
                core,
            }),
            Err(_) => Err(Error::Overloaded),
        }
    }

    /// It is `None` only if the semaphore was closed, which it never is.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

impl Turn {
    /// Runs `work` on a thread for such work. A panic in it goes on in the caller.
    pub(crate) async fn run<T, F>(self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let running = spawn_blocking(move || {
            let _turn = self;
            work()
        });
        joined(running).await
    }

    /// Runs `work` on a thread for such work. What it writes is the body of the reply, and goes out while it is being written; if it
    /// is refused, nothing may have been. A client that leaves ends it.
    pub(crate) async fn write<F>(self, work: F) -> Result<Body, Error>
    where
        F: FnOnce(&mut Output) -> Result<(), Stop> + Send + 'static,
    {
        let (to, mut pieces) = mpsc::channel(MAX_PIECES);
        let running = spawn_blocking(move || {
            let mut output = Output {
                written: Vec::new(),
                to,
                turn: self,
                held_up: Duration::ZERO,
            };
            work(&mut output)?;
            Ok(output.written)
        });
        match pieces.recv().await {
            Some(first) => Ok(streamed(first, pieces, running)),
            None => match joined(running).await {
                Ok(whole) => Ok(Body::from(whole)),
                Err(Stop::Refused(error)) => Err(error),
                Err(Stop::Left) => unreachable!("the receiver is here"),
            },
        }
    }
}

/// Why work came to no good end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The request is not one that can be answered.
    Refused(Error),
    /// Nobody waits for the reply any more.
    Left,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Where the body of a reply is written to.
pub(crate) struct Output {
    written: Vec<u8>,
    to: mpsc::Sender<Bytes>,
    turn: Turn,
    held_up: Duration,
}

impl Output {
    /// What is being written. Call [`Self::pass_on`] now and then.
    pub(crate) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.written
    }

    /// Sends what is written, if it is enough, and lets others have the core who wait for one. Where the client is slow this waits.
    ///
    /// # Errors
    /// [`Stop::Left`].
    pub(crate) fn pass_on(&mut self) -> Result<(), Stop> {
        if self.written.len() < PIECE_BYTES {
            return Ok(());
        }
        let written = std::mem::replace(&mut self.written, Vec::with_capacity(PIECE_BYTES * 9 / 8));
        self.turn.core = None;
        let since = Instant::now();
        let sent = match self.to.try_send(Bytes::from(written)) {
            Err(TrySendError::Full(piece)) => self.to.blocking_send(piece).map_err(|_| Stop::Left),
            sent => sent.map_err(|_| Stop::Left),
        };
        self.turn.core = Handle::current().block_on(self.turn.cores.take());
        self.held_up += since.elapsed();
        sent
    }

    /// How long the client, or the lack of a core, held the work up.
    pub(crate) fn held_up(&self) -> Duration {
        self.held_up
    }
}

/// What a thread for long work gives: its pieces and then the rest of them.
struct Pieces {
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
    let pieces = Pieces {
        first: Some(first),
        rest,
        running: Some(running),
    };
    Body::from_stream(stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.next().await?;
        Some((piece, pieces))
    }))
}

impl Pieces {
    /// The next piece. A reply that is not complete breaks off: it must not look whole.
    async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if let Some(piece) = self.rest.recv().await {
            return Some(Ok(piece));
        }
        match self.running.take()?.await {
            Ok(Ok(last)) => Some(Ok(Bytes::from(last))),
            Ok(Err(why)) => {
                tracing::error!(?why, "work stopped after its reply had begun");
                Some(Err(BrokenOff))
            }
            Err(error) => {
                tracing::error!(%error, "work failed after its reply had begun");
                Some(Err(BrokenOff))
            }
        }
    }
}

/// The reply ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("reply broke off")]
struct BrokenOff;

async fn joined<T>(running: JoinHandle<T>) -> T {
    match running.await {
        Ok(output) => output,
        // It is cancelled only when the runtime ends, and the caller with it.
        Err(ended) => resume_unwind(ended.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use contract::ProblemCode;
    use http_body_util::BodyExt;
    use http_server::ProblemReply;

    use super::*;

    async fn turn() -> Turn {
        Cores::new().turn().await.unwrap()
    }

    /// Writes pieces for ever.
    fn endless(output: &mut Output) -> Result<(), Stop> {
        loop {
            output.text().resize(PIECE_BYTES, b'x');
            output.pass_on()?;
        }
    }

    #[tokio::test]
    async fn a_short_reply_goes_out_whole_and_a_long_one_in_pieces() {
        for (lines, known) in [(10, true), (100_000, false)] {
            let work = move |output: &mut Output| {
                for _ in 0..lines {
                    output.text().extend_from_slice(b"0123456789");
                    output.pass_on()?;
                }
                Ok(())
            };
            let body = turn().await.write(work).await.unwrap();
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
        let refused = turn().await.write(|_| Err(Error::NotCached.into())).await;
        assert!(matches!(refused, Err(Error::NotCached)));
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_the_work() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let body = turn().await.write(|output| {
            let stopped = endless(output);
            ended.send(stopped.is_err()).unwrap();
            stopped
        });
        drop(body.await.unwrap());
        assert!(end.await.unwrap());
    }

    #[tokio::test]
    async fn work_that_waits_for_its_client_leaves_the_core_to_others() {
        let cores = Cores(Arc::new(Semaphore::new(1)));
        let slow = cores.turn().await.unwrap().write(endless).await.unwrap();
        let answer = cores.turn().await.unwrap().run(|| 7).await;
        assert_eq!(answer, 7);
        drop(slow);
    }

    #[tokio::test]
    async fn a_reply_that_fails_on_its_way_breaks_off() {
        let body = turn().await.write(|output| {
            output.text().resize(PIECE_BYTES, b'x');
            output.pass_on()?;
            panic!("on purpose");
        });
        assert!(body.await.unwrap().collect().await.is_err());
    }

    #[tokio::test]
    async fn work_that_finds_no_core_is_refused() {
        let cores = Cores(Arc::new(Semaphore::new(1)));
        let _taken = cores.turn().await.unwrap();
        let refused = ProblemReply::from(cores.turn().await.err().unwrap());
        assert_eq!(
            (refused.status.as_u16(), refused.code),
            (503, ProblemCode::Overloaded)
        );
        assert!(refused.retry_after.is_some());
    }
}
