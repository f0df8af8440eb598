//! Decodes the bodies of replies from the bytes of a connection.

use bytes::{Buf, Bytes, BytesMut};

use crate::response::{BadReply, Framing};

/// The longest line between chunks, in bytes: a chunk's size with extensions, or a trailer.
const MAX_LINE: usize = 1024;

/// The most trailer lines.
const MAX_TRAILERS: u32 = 64;

/// The state of a body that is being decoded.
#[derive(Debug)]
pub(super) struct Decoder(State);

#[derive(Debug)]
enum State {
    /// This many bytes are left.
    Length(u64),
    /// A line with the size of a chunk follows.
    ChunkSize,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    /// The line end after a chunk follows.
    ChunkEnd,
    /// Trailers follow; this many lines were read.
    Trailers(u32),
    /// Nothing is left.
    End,
}

/// A step through a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A piece of the body, never empty.
    Data(Bytes),
    /// More bytes are needed.
    More,
    /// The body is complete. The buffer holds only bytes behind it.
    End,
}

impl Decoder {
    /// At the start of a body.
    pub(super) fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
        })
    }

    /// How many bytes are left, if the head declared a length.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.0 {
            State::Length(left) => Some(left),
            State::End => Some(0),
            _ => None,
        }
    }

    /// Takes the next piece of the body out of `buffer`.
    ///
    /// # Errors
    /// When the framing is broken. The connection cannot be used again.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, BadReply> {
        loop {
            let next = match &mut self.0 {
                State::Length(0) | State::End => State::End,
                State::Chunk(0) => State::ChunkEnd,
                State::Length(left) | State::Chunk(left) => {
                    return Ok(take(buffer, left).map_or(Decoded::More, Decoded::Data));
                }
                State::ChunkSize => match take_line(buffer)? {
                    None => return Ok(Decoded::More),
                    Some(line) => match chunk_size(&line)? {
                        0 => State::Trailers(0),
                        size => State::Chunk(size),
                    },
                },
                State::ChunkEnd => match take_line(buffer)? {
                    None => return Ok(Decoded::More),
                    Some(line) if line.is_empty() => State::ChunkSize,
                    Some(_) => return Err(BadReply::Chunk),
                },
                State::Trailers(read) => match take_line(buffer)? {
                    None => return Ok(Decoded::More),
                    Some(line) if line.is_empty() => State::End,
                    Some(_) if *read == MAX_TRAILERS => return Err(BadReply::Chunk),
                    Some(_) => State::Trailers(*read + 1),
                },
            };
            self.0 = next;
            if matches!(self.0, State::End) {
                return Ok(Decoded::End);
            }
        }
    }
}

/// Takes as many of the `left` bytes as `buffer` holds.
fn take(buffer: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if buffer.is_empty() {
        return None;
    }
    let length = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    *left -= length as u64;
    Some(buffer.split_to(length).freeze())
}

/// Takes a line without its end, once it has come whole.
fn take_line(buffer: &mut BytesMut) -> Result<Option<Bytes>, BadReply> {
    let within = &buffer[..buffer.len().min(MAX_LINE)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return if within.len() == MAX_LINE {
            Err(BadReply::Chunk)
        } else {
            Ok(None)
        };
    };
    let mut line = buffer.split_to(end + 1).freeze();
    // Programs disagree about a bare line feed, or a carriage return anywhere else.
    if line.iter().position(|byte| *byte == b'\r') != end.checked_sub(1) || end == 0 {
        return Err(BadReply::Chunk);
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// The number at the start of the line before a chunk; extensions are ignored.
fn chunk_size(line: &Bytes) -> Result<u64, BadReply> {
    let digits = line
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit())
        .unwrap_or(line.len());
    let mut rest = line.slice(digits..);
    while rest
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
    {
        rest.advance(1);
    }
    if rest.first().is_some_and(|byte| *byte != b';') {
        return Err(BadReply::Chunk);
    }
    std::str::from_utf8(&line[..digits])
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or(BadReply::Chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body, and the bytes after it.
    type BodyAndRest = (Vec<u8>, Vec<u8>);

    /// The body in `pieces`, or nothing if it is not complete.
    fn decode(framing: Framing, pieces: &[&[u8]]) -> Result<Option<BodyAndRest>, BadReply> {
        let mut decoder = Decoder::new(framing);
        let mut buffer = BytesMut::new();
        let mut body = Vec::new();
        let mut ended = false;
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while !ended {
                match decoder.decode(&mut buffer)? {
                    Decoded::Data(data) => body.extend_from_slice(&data),
                    Decoded::More => break,
                    Decoded::End => ended = true,
                }
            }
        }
        Ok(ended.then(|| (body, buffer.to_vec())))
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let reply: &[u8] =
            b"3\r\nabc\r\n0A ; ext=\"x\"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nHTTP";
        let whole = decode(Framing::Chunked, &[reply]).unwrap();
        assert_eq!(whole, Some((b"abc0123456789".to_vec(), b"HTTP".to_vec())));
        let bytes: Vec<&[u8]> = reply.chunks(1).collect();
        assert_eq!(decode(Framing::Chunked, &bytes).unwrap(), whole);
    }

    #[test]
    fn a_length_takes_that_many_bytes() {
        assert_eq!(
            decode(Framing::Length(3), &[b"a", b"bcd"]).unwrap(),
            Some((b"abc".to_vec(), b"d".to_vec()))
        );
        assert_eq!(decode(Framing::Length(3), &[b"ab"]).unwrap(), None);
        assert_eq!(
            decode(Framing::Length(0), &[b""]).unwrap(),
            Some((vec![], vec![]))
        );
    }

    #[test]
    fn broken_chunks_are_refused() {
        let long = format!("1;{}", "x".repeat(MAX_LINE));
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(65));
        for bytes in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "1 1\r\n",
            "1\nab",
            "\n",
            "1\r\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "10000000000000000\r\n",
            &long,
            &trailers,
        ] {
            assert_eq!(
                decode(Framing::Chunked, &[bytes.as_bytes()]),
                Err(BadReply::Chunk),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_not_complete() {
        for bytes in [
            "",
            "3",
            "3\r\nab",
            "3\r\nabc",
            "3\r\nabc\r\n0\r\n",
            "0\r\nt: x\r\n",
        ] {
            assert_eq!(
                decode(Framing::Chunked, &[bytes.as_bytes()]),
                Ok(None),
                "{bytes:?}"
            );
        }
    }
}
