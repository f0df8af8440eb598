//! Reads one reply after the other from the bytes of a pipelined connection.

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    connection::{MAX_INTERIM, MAX_WHOLE, Reply},
    decode::{Decoded, Decoder},
    response::{self, BadReply, Framing, Parsed, ReplyHead},
};

/// Reads replies, each as a whole.
#[derive(Default)]
pub(super) struct Replies {
    /// 1xx replies since the last final one.
    interim: u32,
    begun: Option<Begun>,
}

/// A reply whose head has come, and a part of its body.
struct Begun {
    head: ReplyHead,
    decoder: Decoder,
    body: BytesMut,
}

/// Why a connection cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The bytes are not a valid reply.
    Bad(BadReply),
    /// A reply is too long to be held.
    TooLong,
}

impl From<BadReply> for Unfit {
    fn from(bad: BadReply) -> Self {
        Self::Bad(bad)
    }
}

impl Replies {
    /// Takes the next reply out of `input`; `None` until all of it has come.
    ///
    /// # Errors
    /// After an error it is unknown where the next reply would begin.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, Unfit> {
        let mut begun = match self.begun.take() {
            Some(begun) => begun,
            None => match self.head(input)? {
                None => return Ok(None),
                Some(head) => match whole(&head, input)? {
                    Some(body) => return Ok(Some(reply(head, body))),
                    None => Begun::new(head),
                },
            },
        };
        if !begun.read(input)? {
            self.begun = Some(begun);
            return Ok(None);
        }
        Ok(Some(reply(begun.head, begun.body.freeze())))
    }

    /// Whether something of a reply has been taken out of the input.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some() || self.interim > 0
    }

    fn head(&mut self, input: &mut BytesMut) -> Result<Option<ReplyHead>, BadReply> {
        loop {
            match response::parse(input)? {
                Parsed::More => return Ok(None),
                Parsed::Interim(_) if self.interim == MAX_INTERIM => {
                    return Err(BadReply::TooManyInterim);
                }
                Parsed::Interim(length) => {
                    input.advance(length);
                    self.interim += 1;
                }
                Parsed::Final(head, length) => {
                    input.advance(length);
                    self.interim = 0;
                    return Ok(Some(head));
                }
            }
        }
    }
}

impl Begun {
    fn new(head: ReplyHead) -> Self {
        Self {
            decoder: Decoder::new(head.framing),
            head,
            body: BytesMut::new(),
        }
    }

    /// Takes the part of the body in `input`; `true` when the body is complete.
    fn read(&mut self, input: &mut BytesMut) -> Result<bool, Unfit> {
        loop {
            match self.decoder.decode(input)? {
                Decoded::More => return Ok(false),
                Decoded::End => return Ok(true),
                Decoded::Data(data) => self.body.extend_from_slice(&data),
            }
            if self.body.len() as u64 > MAX_WHOLE {
                return Err(Unfit::TooLong);
            }
        }
    }
}

/// The body, if all of it has come. It is copied, so that the buffer stays with the connection.
fn whole(head: &ReplyHead, input: &mut BytesMut) -> Result<Option<Bytes>, Unfit> {
    let Framing::Length(length) = head.framing else {
        return Ok(None);
    };
    if length > MAX_WHOLE {
        return Err(Unfit::TooLong);
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_WHOLE")]
    let length = length as usize;
    if input.len() < length {
        return Ok(None);
    }
    let body = Bytes::copy_from_slice(&input[..length]);
    input.advance(length);
    Ok(Some(body))
}

fn reply(head: ReplyHead, body: Bytes) -> Reply {
    Reply {
        head,
        whole: Some(body),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample};

    use super::*;

    /// Replies with the bodies that they have.
    const REPLIES: [(&str, &str); 5] = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "{}"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        (
            "HTTP/1.1 503 Away\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n",
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n00a;x=y\r\n0123456789\r\n0\r\nt: v\r\n\r\n",
            "abc0123456789",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 3\r\n\r\nno!",
            "no!",
        ),
    ];

    /// The bodies of all replies in `pieces`.
    fn bodies<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Bytes>, Unfit> {
        let (mut replies, mut input) = (Replies::default(), BytesMut::new());
        let mut bodies = Vec::new();
        for piece in pieces {
            input.extend_from_slice(piece);
            while let Some(reply) = replies.next(&mut input)? {
                bodies.push(reply.whole.unwrap());
            }
        }
        assert!(!replies.has_begun() && input.is_empty());
        Ok(bodies)
    }

    proptest! {
        #[test]
        fn replies_are_told_apart_however_they_are_cut(
            chosen in vec(sample::select(REPLIES.to_vec()), 0..20),
            cuts in vec(any::<sample::Index>(), 0..20),
        ) {
            let bytes: String = chosen.iter().map(|(reply, _)| *reply).collect();
            let bytes = bytes.as_bytes();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            let mut start = 0;
            let pieces = ends.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]);
            let expected: Vec<Bytes> = chosen.iter().map(|(_, body)| Bytes::from(*body)).collect();
            prop_assert_eq!(bodies(pieces), Ok(expected.clone()));
            prop_assert_eq!(bodies(bytes.chunks(1)), Ok(expected));
        }
    }

    #[test]
    fn a_reply_is_held_up_to_a_length_however_that_is_declared() {
        #[expect(clippy::cast_possible_truncation, reason = "a length in memory")]
        let most = MAX_WHOLE as usize;
        for (length, fits) in [(most, true), (most + 1, false)] {
            let body = "x".repeat(length);
            let declared = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            let chunked = format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            );
            for reply in [declared, chunked] {
                let read = bodies(reply.as_bytes().chunks(5_000));
                match fits {
                    true => assert_eq!(read.unwrap()[0].len(), length),
                    false => assert_eq!(read, Err(Unfit::TooLong)),
                }
            }
        }
    }
}
