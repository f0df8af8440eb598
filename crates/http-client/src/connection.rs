//! One keep-alive HTTP/1.1 connection to a backend. The request is sent with one write if possible,
//! and the same task reads its reply: no other task or thread is woken.

use std::{
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use crate::{
    Error,
    backend::Backend,
    response::{self, BadReply, Framing, Parsed, ReplyHead},
    upload::Upload,
};

/// Replies up to this length, in bytes, are read whole before the client gets anything; longer ones
/// are streamed.
pub(super) const MAX_WHOLE: u64 = 64 * 1024;

/// Bytes read at once while a reply is read whole. More than a usual reply, so that one read
/// empties the socket and tokio need not ask again.
const READ: usize = 4 * 1024;

/// The largest buffers that an idle connection keeps, in bytes.
const MAX_KEPT: usize = 16 * 1024;

/// The most 1xx replies before a final one.
pub(super) const MAX_INTERIM: u32 = 16;

/// A connection that carries one request at a time.
pub(super) struct Connection {
    stream: TcpStream,
    /// The part of the request that is not sent yet.
    pub(super) out: Vec<u8>,
    /// Bytes that were received and are not used yet.
    pub(super) input: BytesMut,
    pub(super) backend: Arc<Backend>,
    /// Whether it carries a request.
    is_busy: bool,
    /// When its last request ended; `None` before the first one.
    rests_since: Option<Instant>,
}

/// A reply, or the start of one.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: ReplyHead,
    /// The body; `None` if it is too long to wait for and still has to be read.
    pub(super) whole: Option<Bytes>,
}

impl Connection {
    /// A new connection, which is about to carry a request.
    pub(super) fn new(stream: TcpStream, backend: Arc<Backend>) -> Self {
        backend.begins();
        Self {
            stream,
            out: Vec::new(),
            input: BytesMut::new(),
            backend,
            is_busy: true,
            rests_since: None,
        }
    }

    /// Whether it has carried a request before this one. If so, its backend may have closed it
    /// since.
    pub(super) fn is_reused(&self) -> bool {
        self.rests_since.is_some()
    }

    /// How long ago its last request ended.
    pub(super) fn idle_for(&self) -> Duration {
        self.rests_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether the backend has neither closed it nor sent anything unasked. It costs a system call
    /// only if something has happened.
    pub(super) fn is_open(&self) -> bool {
        let unasked = self.stream.try_read(&mut [0]);
        matches!(unasked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Notes that it is about to carry a request.
    pub(super) fn begin(&mut self) {
        if !self.is_busy {
            self.is_busy = true;
            self.backend.begins();
        }
    }

    /// Notes that it carries a request no more.
    fn end(&mut self) {
        if self.is_busy {
            self.is_busy = false;
            self.backend.ends();
        }
    }

    /// Makes it ready for the next request.
    pub(super) fn rest(&mut self) {
        self.end();
        self.out.clear();
        self.out.shrink_to(MAX_KEPT);
        if self.input.capacity() > MAX_KEPT {
            self.input = BytesMut::new();
        }
        self.rests_since = Some(Instant::now());
    }

    /// Sends the head in `out` and `body`, and reads the reply.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Broke`] or [`Error::Bad`].
    pub(super) async fn ask(&mut self, body: &[u8]) -> Result<Reply, Error> {
        self.out.extend_from_slice(body);
        self.stream
            .write_all(&self.out)
            .await
            .map_err(Error::Gone)?;
        let head = read_head(&mut self.stream, &mut self.input).await?;
        self.backend.answers();
        self.finish(head).await
    }

    /// Sends the head in `out` and then `upload` as it arrives, while watching for a reply. A
    /// backend may answer before it has everything. Then the rest is not sent, and the connection
    /// cannot be used again.
    ///
    /// # Errors
    /// As [`Self::ask`]; [`Error::Timeout`] when the backend reads or sends nothing for `timeout`;
    /// [`Error::Client`] when the client does not send the body that it announced.
    pub(super) async fn ask_streaming(
        &mut self,
        upload: &mut Upload,
        timeout: Duration,
    ) -> Result<Reply, Error> {
        let (mut read, mut write) = self.stream.split();
        let head = {
            let mut reply = pin!(read_head(&mut read, &mut self.input));
            let sent = tokio::select! {
                biased;
                early = &mut reply => Err(early?),
                sent = upload.send(&mut write, &mut self.out, timeout) => Ok(sent),
            };
            match sent {
                Err(early) => ReplyHead {
                    keeps_alive: false,
                    ..early
                },
                Ok(Err(error @ (Error::Client(_) | Error::Timeout(_)))) => return Err(error),
                // A backend that stops reading has often sent the reason.
                Ok(sent) => {
                    let head = time::timeout(timeout, reply)
                        .await
                        .map_err(|_| Error::Timeout(timeout))??;
                    ReplyHead {
                        keeps_alive: head.keeps_alive && sent.is_ok(),
                        ..head
                    }
                }
            }
        };
        self.backend.answers();
        time::timeout(timeout, self.finish(head))
            .await
            .map_err(|_| Error::Timeout(timeout))?
    }

    /// Reads the body that belongs to `head`, unless it is long.
    async fn finish(&mut self, head: ReplyHead) -> Result<Reply, Error> {
        let length = match head.framing {
            #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_WHOLE")]
            Framing::Length(length) if length <= MAX_WHOLE => length as usize,
            _ => return Ok(Reply { head, whole: None }),
        };
        while self.input.len() < length {
            self.input.reserve(length - self.input.len() + READ);
            receive(&mut self.stream, &mut self.input)
                .await
                .map_err(Error::Broke)?;
        }
        // Copied, so that the buffer stays with the connection.
        let body = Bytes::copy_from_slice(&self.input[..length]);
        self.input.advance(length);
        Ok(Reply {
            head,
            whole: Some(body),
        })
    }

    /// Receives more of a long body.
    pub(super) async fn receive_body(&mut self) -> Result<(), Error> {
        self.input.reserve(MAX_KEPT);
        receive(&mut self.stream, &mut self.input)
            .await
            .map_err(Error::Broke)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads a final head. Afterwards `input` holds the bytes behind it.
pub(super) async fn read_head<R: AsyncRead + Unpin>(
    from: &mut R,
    input: &mut BytesMut,
) -> Result<ReplyHead, Error> {
    let mut interim = 0;
    loop {
        match response::parse(input).map_err(Error::Bad)? {
            Parsed::Final(head, length) => {
                input.advance(length);
                return Ok(head);
            }
            Parsed::Interim(_) if interim == MAX_INTERIM => {
                return Err(Error::Bad(BadReply::TooManyInterim));
            }
            Parsed::Interim(length) => {
                input.advance(length);
                interim += 1;
            }
            Parsed::More => {
                let nothing_yet = input.is_empty() && interim == 0;
                input.reserve(READ);
                let received = receive(from, input).await;
                received.map_err(if nothing_yet {
                    Error::Gone
                } else {
                    Error::Broke
                })?;
            }
        }
    }
}

/// Adds at least one byte to `input`.
async fn receive<R: AsyncRead + Unpin>(from: &mut R, input: &mut BytesMut) -> io::Result<()> {
    match from.read_buf(input).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
