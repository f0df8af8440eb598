//! Whatever a backend sends, and however the network splits it, the reader never panics, never
//! reads past the end of a reply, and gives the same result.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample};
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

impl Pieces {
    /// `bytes` cut at `cuts`.
    fn new(bytes: &[u8], cuts: &[sample::Index]) -> Self {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut start = 0;
        let pieces = ends.into_iter().map(|end| {
            let piece = bytes[start..end].to_vec();
            start = end;
            piece
        });
        Self(pieces.filter(|piece| !piece.is_empty()).collect())
    }

    /// Status, headers and body of the reply and the bytes after it, or why there is none.
    fn read(mut self) -> Result<String, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut input = BytesMut::new();
        let head = runtime
            .block_on(read_head(&mut self, &mut input))
            .map_err(|error| format!("{error:?}"))?;
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

const REPLIES: [&str; 8] = [
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ndate: d\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n00a;x=y\r\n0123456789\r\n0\r\nt: v\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.0 503 Away\r\nContent-Length: 5\r\nRetry-After: 1\r\n\r\naway!",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 304\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
];

/// A change to some bytes: at a place, a byte is replaced, put in or taken out.
fn change() -> impl Strategy<Value = (sample::Index, u8, u8)> {
    let byte = prop_oneof![any::<u8>(), sample::select(b"\r\n:;, 0aA\t\0".to_vec())];
    (any::<sample::Index>(), 0_u8..3, byte)
}

fn changed(reply: &str, changes: &[(sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = reply.as_bytes().to_vec();
    for (place, kind, byte) in changes {
        let place = place.index(bytes.len());
        match kind {
            0 => bytes[place] = *byte,
            1 => bytes.insert(place, *byte),
            _ => {
                bytes.remove(place);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_reply_reads_the_same_however_it_is_cut(
        reply in sample::select(REPLIES.to_vec()),
        changes in vec(change(), 0..4),
        cuts in vec(any::<sample::Index>(), 0..12),
    ) {
        let bytes = changed(reply, &changes);
        let whole = Pieces::new(&bytes, &[]).read();
        let single: Vec<_> = bytes.iter().map(|byte| vec![*byte]).collect();
        prop_assert_eq!(&Pieces::new(&bytes, &cuts).read(), &whole);
        prop_assert_eq!(&Pieces(single.into()).read(), &whole);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        start in sample::select(vec!["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]),
        bytes in vec(any::<u8>(), 0..300),
        cuts in vec(any::<sample::Index>(), 0..12),
    ) {
        let bytes = [start.as_bytes(), &bytes].concat();
        prop_assert_eq!(Pieces::new(&bytes, &cuts).read(), Pieces::new(&bytes, &[]).read());
    }
}

#[test]
fn the_replies_that_are_changed_read_as_they_should() {
    let read = REPLIES.map(|reply| Pieces::new(reply.as_bytes(), &[]).read().is_ok());
    assert_eq!(read, [true, true, true, true, true, false, true, false]);
}
