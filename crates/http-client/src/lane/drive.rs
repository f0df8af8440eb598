//! The task of a lane: sends what is in line, and gives replies to those who wait for them.

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
    Failure, Lane, Look, MAX_KEPT,
    queue::Asked,
    replies::{Replies, Unfit},
};
use crate::{Error, response::BadReply};

/// How long a lane without requests stays open. Our services close connections after 30 s.
const IDLE: Duration = Duration::from_secs(15);

/// How much is read at once: more than the replies to the requests of some dozens of clients, so that one read empties the socket.
const READ: usize = 32 * 1024;

/// Why a lane ends.
#[derive(Debug)]
pub(super) enum End {
    /// The backend did not accept.
    Unopened,
    /// There was nothing to do for a while.
    Unused,
    /// The backend or the network ended it.
    Closed(io::Error),
    /// The backend sent something that is no reply, or a reply to nothing.
    Bad(BadReply),
    /// A reply is too long for it.
    TooLong,
    /// The next reply is late.
    Late,
}

impl End {
    /// What becomes of the request whose reply was the next.
    pub(super) fn of_the_first(&self, asked: Asked, has_begun: bool, is_used: bool) -> Failure {
        match self {
            Self::Closed(error) if has_begun => Failure::Final(Error::Broke(copy(error))),
            Self::Closed(error) => Failure::Lost {
                error: copy(error),
                stale: is_used,
            },
            Self::Bad(bad) => Failure::Final(Error::Bad(*bad)),
            Self::Late => Failure::Final(Error::Timeout(asked.patience)),
            Self::Unopened | Self::Unused => Failure::Unsent,
            Self::TooLong => lost("a reply is too long for its lane"),
        }
    }

    /// What becomes of a request behind that one.
    pub(super) fn of_another(&self, asked: Asked, now: Instant) -> Failure {
        match self {
            Self::Late if asked.deadline() <= now => Failure::Final(Error::Timeout(asked.patience)),
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

/// The same for another who waits.
fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Runs `lane` to its end over the connection that `connecting` gives.
pub(super) async fn drive(
    lane: Arc<Lane>,
    connecting: impl Future<Output = io::Result<TcpStream>>,
) {
    let mut ending = Ending {
        lane: &lane,
        end: End::Closed(io::ErrorKind::ConnectionAborted.into()),
        has_begun: false,
    };
    // Why it did not accept is known to its backend.
    let Ok(stream) = connecting.await else {
        ending.end = End::Unopened;
        return;
    };
    let mut driver = Driver::new(stream, &lane);
    ending.end = poll_fn(|context| driver.poll(context)).await;
    ending.has_begun = driver.has_begun();
    tracing::debug!(end = ?ending.end, "a lane ended");
}

/// Tells those in line, however the task ends.
struct Ending<'a> {
    lane: &'a Lane,
    end: End,
    has_begun: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.lane.end(&self.end, self.has_begun);
    }
}

struct Driver<'a> {
    stream: TcpStream,
    lane: &'a Lane,
    /// Requests, of which so many bytes are sent.
    out: Vec<u8>,
    sent: usize,
    /// Why nothing more can be sent; there may still be replies.
    unsendable: Option<io::Error>,
    input: BytesMut,
    replies: Replies,
    /// When to look whether a reply is late.
    timer: Pin<Box<Sleep>>,
}

impl<'a> Driver<'a> {
    fn new(stream: TcpStream, lane: &'a Lane) -> Self {
        Self {
            stream,
            lane,
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

    /// Does what can be done now; ready when the lane has to end.
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
                if !self.lane.take_requests(&mut self.out, context.waker()) {
                    return;
                }
            }
            let rest = &self.out[self.sent..];
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Pending => return,
                Poll::Ready(Ok(sent)) => self.sent += sent,
                Poll::Ready(Err(error)) => {
                    self.lane.close();
                    self.unsendable = Some(error);
                }
            }
        }
    }

    /// Receives until nothing more is there.
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

    /// Gives the replies that are there to those who wait for them.
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
            if !self.lane.answer(reply) {
                return Err(End::Bad(BadReply::Unasked));
            }
            if !keeps_alive {
                // What follows belongs to nobody.
                self.input.clear();
                return Err(End::Closed(io::Error::other(
                    "the backend closes its connection",
                )));
            }
        }
        match self.lane.look() {
            Look::Idle(_) if self.has_begun() => Err(End::Bad(BadReply::Unasked)),
            _ => Ok(()),
        }
    }

    /// Ready when a reply is late, or nothing was asked for long. Looks as rarely as will do, not once a request.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let next = match self.lane.look() {
                Look::Busy(late) if late <= now => return Poll::Ready(End::Late),
                Look::Busy(late) => late,
                Look::Idle(since) if now.duration_since(since) >= IDLE => {
                    return Poll::Ready(End::Unused);
                }
                // A request that comes meanwhile may have as much patience as that, or more.
                Look::Idle(since) => (now + self.lane.patience).min(since + IDLE),
            };
            self.timer.as_mut().reset(next.into());
        }
    }
}
