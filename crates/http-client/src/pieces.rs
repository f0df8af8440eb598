//! For tests and fuzzing: a reply read from a connection that delivers it in pieces.

use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    connection::read_head,
    decode::{Decoded, Decoder},
};

/// The bytes of a connection, read by read, and then its end.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.front_mut() {
            let length = piece.len().min(to.remaining());
            to.put_slice(&piece[..length]);
            piece.drain(..length);
            if piece.is_empty() {
                self.0.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Status, headers and body of the reply at the start of `bytes` and the bytes after it, as text.
/// They arrive in pieces with these `ends`, in any order and at most the length of `bytes`, and the
/// rest.
///
/// # Errors
/// Why there is no such reply.
pub fn read_in_pieces(bytes: &[u8], mut ends: Vec<usize>) -> Result<String, String> {
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    let pieces = ends.into_iter().map(|end| {
        let piece = bytes[start..end].to_vec();
        start = end;
        piece
    });
    Pieces(pieces.filter(|piece| !piece.is_empty()).collect()).read()
}

/// What `future` is ready with; `None` if it would wait.
fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Pieces {
    fn read(mut self) -> Result<String, String> {
        let mut input = BytesMut::new();
        let head = now(read_head(&mut self, &mut input));
        let head = head.ok_or("waits although every piece is there")?;
        let head = head.map_err(|error| format!("{error:?}"))?;
        let mut decoder = Decoder::new(head.framing);
        let mut body = BytesMut::new();
        loop {
            match decoder
                .decode(&mut input)
                .map_err(|error| format!("{error:?}"))?
            {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::End => break,
                Decoded::More => match self.0.pop_front() {
                    Some(piece) => input.extend_from_slice(&piece),
                    None => return Err("breaks off".to_owned()),
                },
            }
        }
        for piece in self.0 {
            input.extend_from_slice(&piece);
        }
        Ok(format!("{head:?} {body:?} then {input:?}"))
    }
}
