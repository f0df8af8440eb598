//! The last reply on a connection that ends early, and the wait for the client to read it.

use std::{io, sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::{limits::STOP_LINGER, protocol_error, status::Status, stream::Stream};

/// The most that is read and dropped of a request that was refused half-way, so that the client
/// gets to read the reason.
const MAX_LINGER_BYTES: u64 = 64 * 1024 * 1024;
/// The longest that this may take.
const MAX_LINGER: Duration = Duration::from_secs(5);

/// Why a connection ends.
pub(super) enum End {
    /// hyper has finished.
    Done(hyper::Result<()>),
    /// Writing to it failed.
    Broken(io::Error),
    /// The client has not sent a request in time.
    Late,
    /// The server stops while the client has to send something.
    Stopped,
    /// It does not end yet: hyper has answered everything it was given.
    Idle,
}

/// The bytes to send before closing a connection that has reached `end`, perhaps none. `None`
/// closes it at once, because the client is gone or has nothing left to read.
pub(super) fn final_response(end: &End, status: &Status, unparsed: &[u8]) -> Option<Vec<u8>> {
    let problem = match end {
        End::Done(Ok(())) | End::Stopped | End::Idle => {
            return status.unread.load(Relaxed).then(Vec::new);
        }
        End::Done(Err(error)) => protocol_error::diagnose(error, unparsed),
        End::Broken(_) => None,
        End::Late => protocol_error::late(unparsed),
    };
    match (problem, end) {
        (Some(problem), _) => {
            tracing::debug!(code = problem.code.as_str(), detail = %problem.detail, "connection refused");
            Some(protocol_error::render(problem))
        }
        (None, End::Done(Err(error))) => {
            tracing::debug!(%error, "connection broke off");
            None
        }
        (None, End::Broken(error)) => {
            tracing::debug!(%error, "connection broke off");
            None
        }
        (None, _) => None,
    }
}

/// Sends `reply`, ends our side, and reads on for a while: closing a socket with unread bytes
/// resets the connection, and the reset would overtake the reply.
pub(super) async fn send_and_linger(stream: Stream, reply: &[u8], stop: &CancellationToken) {
    let lingering = async {
        match stream {
            Stream::Plain(stream) => linger(stream, reply).await,
            Stream::Tls(stream) => linger(stream, reply).await,
        }
    };
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_LINGER).await;
    };
    tokio::select! {
        // The client has read the reply or is gone. A failure concerns nobody.
        _ = lingering => {}
        () = tokio::time::sleep(MAX_LINGER) => {}
        () = stopped => {}
    }
}

async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, reply: &[u8]) -> io::Result<u64> {
    stream.write_all(reply).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_LINGER_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
}
