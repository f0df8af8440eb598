//! The task of a pipelined connection: sends requests, and hands out the replies.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::{Sleep, sleep_until},
};

use super::{
    Activity, Failure, MAX_KEPT, PipelinedConnection,
    queue::Timing,
    replies::{Replies, Unfit},
};
use crate::{Error, response::BadReply};

/// How long an idle connection stays open. Our services close theirs after 75 s
/// (`KEEP_ALIVE_SECONDS`).
const IDLE: Duration = Duration::from_secs(15);

/// Bytes read at once: more than the replies to dozens of clients, so that one read empties the
/// socket.
const READ: usize = 32 * 1024;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The backend did not accept.
    Unopened,
    /// It was idle for too long.
    Unused,
    /// The backend or the network ended it.
    Closed(io::Error),
    /// The backend sent something that is not a valid reply, or a reply without a request.
    Bad(BadReply),
    /// A reply is too long to be held.
    TooLong,
    /// The next reply did not come in time.
    Late,
}

impl End {
    /// The failure of the request whose reply was due next.
    pub(super) fn of_the_first(&self, timing: Timing, has_begun: bool, is_used: bool) -> Failure {
        match self {
            Self::Closed(error) if has_begun => Failure::Final(Error::Broke(copy(error))),
            Self::Closed(error) => Failure::Lost {
                error: copy(error),
                stale: is_used,
            },
            Self::Bad(bad) => Failure::Final(Error::Bad(*bad)),
            Self::Late => Failure::Final(Error::Timeout(timing.timeout)),
            Self::Unopened | Self::Unused => Failure::Unsent,
            Self::TooLong => lost("a reply is too long for its connection"),
        }
    }

    /// The failure of a request behind that one.
    pub(super) fn of_another(&self, timing: Timing, now: Instant) -> Failure {
        match self {
            Self::Late if timing.deadline() <= now => {
                Failure::Final(Error::Timeout(timing.timeout))
            }
            Self::Unopened | Self::Unused => Failure::Unsent,
            Self::Closed(error) => Failure::Lost {
                error: copy(error),
                stale: true,
            },
            Self::Late | Self::Bad(_) | Self::TooLong => lost("a reply before this one failed"),
        }
    }
}

fn lost(why: &'static str) -> Failure {
    Failure::Lost {
        error: io::Error::other(why),
        stale: true,
    }
}

/// A copy of `error`, for another request.
fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Runs `connection` to its end over the connection that `connecting` gives.
pub(super) async fn drive(
    connection: Arc<PipelinedConnection>,
    connecting: impl Future<Output = io::Result<TcpStream>>,
) {
    let mut ending = Ending {
        connection: &connection,
        end: End::Closed(io::ErrorKind::ConnectionAborted.into()),
        has_begun: false,
    };
    // The backend has noted why it did not accept.
    let Ok(stream) = connecting.await else {
        ending.end = End::Unopened;
        return;
    };
    let mut driver = Driver::new(stream, &connection);
    ending.end = poll_fn(|context| driver.poll(context)).await;
    ending.has_begun = driver.has_begun();
    tracing::debug!(end = ?ending.end, "a pipelined connection ended");
}

/// Tells the waiting requests, however the task ends.
struct Ending<'a> {
    connection: &'a PipelinedConnection,
    end: End,
    has_begun: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.connection.end(&self.end, self.has_begun);
    }
}

struct Driver<'a> {
    stream: TcpStream,
    connection: &'a PipelinedConnection,
    /// Requests to be sent.
    out: Vec<u8>,
    /// The number of bytes of `out` that are sent.
    sent: usize,
    /// Why nothing more can be sent. There may still be replies.
    unsendable: Option<io::Error>,
    input: BytesMut,
    replies: Replies,
    /// When to look whether a reply is late.
    timer: Pin<Box<Sleep>>,
}

impl<'a> Driver<'a> {
    fn new(stream: TcpStream, connection: &'a PipelinedConnection) -> Self {
        Self {
            stream,
            connection,
            out: Vec::new(),
            sent: 0,
            unsendable: None,
            input: BytesMut::new(),
            replies: Replies::default(),
            timer: Box::pin(sleep_until(Instant::now().into())),
        }
    }

    fn has_begun(&self) -> bool {
        self.replies.has_begun() || !self.input.is_empty()
    }

    /// Does all that it can now; ready when the connection has to end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.send(context);
        if let Err(end) = self.receive(context) {
            return Poll::Ready(end);
        }
        self.watch(context)
    }

    fn send(&mut self, context: &mut Context<'_>) {
        while self.unsendable.is_none() {
            if self.sent == self.out.len() {
                self.out.clear();
                self.out.shrink_to(MAX_KEPT);
                self.sent = 0;
                if !self
                    .connection
                    .take_requests(&mut self.out, context.waker())
                {
                    return;
                }
            }
            let rest = &self.out[self.sent..];
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Pending => return,
                Poll::Ready(Ok(sent)) => self.sent += sent,
                Poll::Ready(Err(error)) => {
                    self.connection.close();
                    self.unsendable = Some(error);
                }
            }
        }
    }

    /// Receives until the socket is empty.
    fn receive(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        loop {
            self.input.reserve(READ);
            // Nothing is lost when this future is dropped: it holds no bytes.
            let received = pin!(self.stream.read_buf(&mut self.input)).poll(context);
            match received {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(self.closed(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => self.deliver()?,
                Poll::Ready(Err(error)) => return Err(self.closed(error)),
            }
        }
    }

    fn closed(&mut self, error: io::Error) -> End {
        End::Closed(self.unsendable.take().unwrap_or(error))
    }

    /// Hands out the replies that have come.
    fn deliver(&mut self) -> Result<(), End> {
        loop {
            let next = self.replies.next(&mut self.input);
            let reply = next.map_err(|unfit| match unfit {
                Unfit::Bad(bad) => End::Bad(bad),
                Unfit::TooLong => End::TooLong,
            })?;
            let Some(reply) = reply else {
                break;
            };
            let keeps_alive = reply.head.keeps_alive;
            if !self.connection.answer(reply) {
                return Err(End::Bad(BadReply::Unasked));
            }
            if !keeps_alive {
                // What follows is not a reply to any request.
                self.input.clear();
                return Err(End::Closed(io::Error::other(
                    "the backend closes its connection",
                )));
            }
        }
        match self.connection.activity() {
            Activity::Idle(_) if self.has_begun() => Err(End::Bad(BadReply::Unasked)),
            _ => Ok(()),
        }
    }

    /// Ready when a reply is late or the connection was idle for too long. The timer is set as
    /// rarely as possible, not for each request.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let next = match self.connection.activity() {
                Activity::Busy(late) if late <= now => return Poll::Ready(End::Late),
                Activity::Busy(late) => late,
                Activity::Idle(since) if now.duration_since(since) >= IDLE => {
                    return Poll::Ready(End::Unused);
                }
                // A request that comes meanwhile has at least that timeout.
                Activity::Idle(since) => (now + self.connection.timeout).min(since + IDLE),
            };
            self.timer.as_mut().reset(next.into());
        }
    }
}
