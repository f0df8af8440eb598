//! Parses the head of a reply and finds the end of the reply. It is strict because another reply
//! follows on the connection: a head that leaves any doubt about the length of its body is
//! rejected.

use std::mem::MaybeUninit;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The longest head of a reply, in bytes.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// The most header lines of a reply.
const MAX_HEADERS: usize = 64;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why the bytes of a backend are not a valid reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// The status line or a header line is broken.
    #[error("head is malformed: {0}")]
    Malformed(httparse::Error),
    /// The head has more than `MAX_HEAD` bytes.
    #[error("head is longer than {MAX_HEAD} bytes")]
    HeadTooLong,
    /// The status is not from 100 to 599.
    #[error("status {0} does not exist")]
    Status(u16),
    /// Status 101: nobody asked for another protocol.
    #[error("backend switches the protocol")]
    Upgrade,
    /// A header value has forbidden bytes.
    #[error("header value has forbidden bytes")]
    HeaderValue,
    /// There is neither `content-length` nor `transfer-encoding`, so that the end of the connection
    /// would be the end of the reply, even if it broke off.
    #[error("reply does not say how long it is")]
    NoLength,
    /// `content-length` is not a number, or there are two that differ.
    #[error("content-length is not a single number")]
    Length,
    /// `transfer-encoding` is not exactly `chunked`, or there is a `content-length` as well.
    #[error("transfer-encoding is not just chunked")]
    TransferEncoding,
    /// There are too many 1xx replies.
    #[error("too many interim replies")]
    TooManyInterim,
    /// The framing of a chunk is broken.
    #[error("chunk is malformed")]
    Chunk,
    /// There is a reply, or the start of one, without a request.
    #[error("reply to no request")]
    Unasked,
}

/// Where the body of a reply ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// The head of a final reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplyHead {
    /// The status, never 1xx.
    pub(crate) status: StatusCode,
    /// Whether the body is `application/json`. Nearly all are, and `headers` is then empty.
    pub(crate) is_json: bool,
    /// The other headers for the client, without those about the connection, the length, the date
    /// and the request id.
    pub(crate) headers: HeaderMap,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether the connection can carry another request.
    pub(crate) keeps_alive: bool,
}

impl ReplyHead {
    /// Whether it is a 200 with a JSON body and no other headers.
    pub(crate) fn is_plain(&self) -> bool {
        self.status == StatusCode::OK && self.is_json && self.headers.is_empty()
    }

    /// All headers for the client.
    pub(crate) fn into_headers(mut self) -> HeaderMap {
        if self.is_json {
            self.headers.insert(header::CONTENT_TYPE, JSON);
        }
        self.headers
    }
}

/// The result of parsing the first bytes of a connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed {
    /// The start of a head.
    More,
    /// A 1xx reply of this many bytes; the final one follows.
    Interim(usize),
    /// A final head of this many bytes.
    Final(ReplyHead, usize),
}

/// Parses the head at the start of `bytes`. The result does not depend on how many bytes follow it.
///
/// # Errors
/// When no valid reply starts like this.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, BadReply> {
    // httparse skips empty lines before the head: a second reply could hide behind them.
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(BadReply::Malformed(httparse::Error::Version));
    }
    // Not initialised: that alone would be much of the cost.
    let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut reply = httparse::Response::new(&mut []);
    let within = &bytes[..bytes.len().min(MAX_HEAD)];
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut reply,
        within,
        &mut storage,
    );
    let length = match parsed.map_err(BadReply::Malformed)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if within.len() == MAX_HEAD => return Err(BadReply::HeadTooLong),
        httparse::Status::Partial => return Ok(Parsed::More),
    };
    let code = reply.code.unwrap_or_default();
    match code {
        101 => Err(BadReply::Upgrade),
        100..=199 => Ok(Parsed::Interim(length)),
        200..=599 => {
            let http_11 = reply.version == Some(1);
            Ok(Parsed::Final(
                head_of(code, http_11, reply.headers)?,
                length,
            ))
        }
        _ => Err(BadReply::Status(code)),
    }
}

/// The header lines that decide where a reply ends.
#[derive(Default)]
struct Lines {
    is_json: bool,
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    /// Headers that `connection` declares to concern only the connection.
    hop_by_hop: Vec<HeaderName>,
}

fn head_of(
    code: u16,
    http_11: bool,
    lines: &[httparse::Header<'_>],
) -> Result<ReplyHead, BadReply> {
    let status = StatusCode::from_u16(code).map_err(|_| BadReply::Status(code))?;
    let mut headers = HeaderMap::new();
    let mut seen = Lines::default();
    for line in lines {
        seen.read(line, &mut headers)?;
    }
    for name in &seen.hop_by_hop {
        headers.remove(name);
    }
    let framing = match (status, seen.chunked, seen.length) {
        (_, true, Some(_)) => return Err(BadReply::TransferEncoding),
        (_, true, None) if !http_11 => return Err(BadReply::TransferEncoding),
        (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, ..) => Framing::Length(0),
        (_, true, None) => Framing::Chunked,
        (_, false, Some(length)) => Framing::Length(length),
        (_, false, None) => return Err(BadReply::NoLength),
    };
    Ok(ReplyHead {
        status,
        is_json: seen.is_json && !seen.hop_by_hop.contains(&header::CONTENT_TYPE),
        headers,
        framing,
        keeps_alive: http_11 && !seen.closes,
    })
}

impl Lines {
    /// Reads one header line, and adds it to `headers` if it is for the client.
    fn read(
        &mut self,
        line: &httparse::Header<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), BadReply> {
        // Every reply has these two, and our server sends its own.
        if line.name.eq_ignore_ascii_case("date")
            || line.name.eq_ignore_ascii_case(contract::header::REQUEST_ID)
        {
            return Ok(());
        }
        if line.name.eq_ignore_ascii_case("content-type") && JSON == line.value {
            self.is_json = true;
            return Ok(());
        }
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| BadReply::Malformed(httparse::Error::HeaderName))?;
        match name {
            header::CONTENT_LENGTH => self.content_length(line.value),
            header::TRANSFER_ENCODING => self.transfer_encoding(line.value),
            header::CONNECTION => {
                self.connection(line.value);
                Ok(())
            }
            header::TE
            | header::TRAILER
            | header::UPGRADE
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION => Ok(()),
            _ if name == "keep-alive" || name == "proxy-connection" => Ok(()),
            _ => {
                headers.append(name, value_of(line.value)?);
                Ok(())
            }
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), BadReply> {
        // `u64::parse` would take a plus sign.
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value)
            .ok()
            .filter(|_| digits)
            .and_then(|text| text.parse().ok())
            .ok_or(BadReply::Length)?;
        match self.length.replace(length) {
            Some(earlier) if earlier != length => Err(BadReply::Length),
            _ => Ok(()),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadReply> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BadReply::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if let Ok(name) = HeaderName::from_bytes(token) {
                self.hop_by_hop.push(name);
            }
        }
    }
}

/// The value of a header line, without a copy for the content types that our services send.
fn value_of(value: &[u8]) -> Result<HeaderValue, BadReply> {
    Ok(match value {
        b"application/problem+json" => HeaderValue::from_static("application/problem+json"),
        b"image/png" => HeaderValue::from_static("image/png"),
        _ => HeaderValue::from_bytes(value).map_err(|_| BadReply::HeaderValue)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Result<Parsed, BadReply> {
        parse(head.as_bytes())
    }

    fn final_head(head: &str) -> ReplyHead {
        match parsed(head) {
            Ok(Parsed::Final(head, _)) => head,
            other => panic!("{head:?} gave {other:?}"),
        }
    }

    #[test]
    fn only_headers_for_the_client_are_kept() {
        let head = final_head(concat!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nDate: now\r\n",
            "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Request-Id: r\r\n",
            "Trailer: x\r\nUpgrade: h2c\r\nProxy-Connection: keep-alive\r\nX-Model-Version: v2\r\n\r\n{}",
        ));
        assert_eq!((head.framing, head.keeps_alive), (Framing::Length(2), true));
        let kept = head.into_headers();
        let kept = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        assert_eq!(
            kept.collect::<Vec<_>>(),
            [
                ("x-model-version", "v2"),
                ("content-type", "application/json")
            ]
        );
    }

    #[test]
    fn the_end_of_the_body_is_known_or_the_reply_is_refused() {
        for (lines, framing) in [
            ("200 OK\r\ncontent-length: 0", Ok(Framing::Length(0))),
            (
                "200 OK\r\ncontent-length: 7\r\ncontent-length: 7",
                Ok(Framing::Length(7)),
            ),
            ("200 OK\r\ntransfer-encoding: Chunked", Ok(Framing::Chunked)),
            ("204 No Content", Ok(Framing::Length(0))),
            (
                "304 Not Modified\r\ncontent-length: 9",
                Ok(Framing::Length(0)),
            ),
            ("200 OK", Err(BadReply::NoLength)),
            ("404 Not Found", Err(BadReply::NoLength)),
            (
                "200 OK\r\ncontent-length: 1\r\ncontent-length: 2",
                Err(BadReply::Length),
            ),
            ("200 OK\r\ncontent-length: 1, 1", Err(BadReply::Length)),
            ("200 OK\r\ncontent-length: +1", Err(BadReply::Length)),
            ("200 OK\r\ncontent-length: -1", Err(BadReply::Length)),
            ("200 OK\r\ncontent-length:", Err(BadReply::Length)),
            ("200 OK\r\ncontent-length: 0x10", Err(BadReply::Length)),
            (
                "200 OK\r\ncontent-length: 18446744073709551616",
                Err(BadReply::Length),
            ),
            (
                "200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked",
                Err(BadReply::TransferEncoding),
            ),
            (
                "204 No Content\r\ncontent-length: 3\r\ntransfer-encoding: chunked",
                Err(BadReply::TransferEncoding),
            ),
            (
                "200 OK\r\ntransfer-encoding: gzip, chunked",
                Err(BadReply::TransferEncoding),
            ),
            (
                "200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked",
                Err(BadReply::TransferEncoding),
            ),
        ] {
            let found = parsed(&format!("HTTP/1.1 {lines}\r\n\r\n")).map(|parsed| match parsed {
                Parsed::Final(head, _) => head.framing,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, framing, "{lines}");
        }
    }

    #[test]
    fn a_connection_is_kept_only_by_http_1_1_without_close() {
        for (head, kept) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            (
                "HTTP/1.1 204 No Content\r\nconnection: Close\r\n\r\n",
                false,
            ),
            (
                "HTTP/1.1 204 No Content\r\nconnection: x-a,close\r\n\r\n",
                false,
            ),
            ("HTTP/1.0 204 No Content\r\n\r\n", false),
            (
                "HTTP/1.0 204 No Content\r\nconnection: keep-alive\r\n\r\n",
                false,
            ),
        ] {
            assert_eq!(final_head(head).keeps_alive, kept, "{head:?}");
        }
        assert_eq!(
            parsed("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            Err(BadReply::TransferEncoding)
        );
    }

    #[test]
    fn interim_replies_are_told_from_final_ones() {
        assert_eq!(
            parsed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2"),
            Ok(Parsed::Interim(25))
        );
        assert_eq!(
            parsed("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
            Err(BadReply::Upgrade)
        );
        assert_eq!(
            parsed("HTTP/1.1 099 Odd\r\n\r\n"),
            Err(BadReply::Status(99))
        );
        assert_eq!(
            parsed("HTTP/1.1 600 Odd\r\n\r\n"),
            Err(BadReply::Status(600))
        );
    }

    #[test]
    fn what_is_no_reply_is_refused_at_its_first_byte() {
        for bytes in ["x", "\r\nHTTP/1.1 204 No Content\r\n\r\n", "220 smtp"] {
            assert!(parsed(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(parsed(""), Ok(Parsed::More));
    }

    #[test]
    fn a_head_of_the_longest_length_is_the_last_that_is_accepted() {
        let frame = "HTTP/1.1 204 No Content\r\nx: \r\n\r\n".len();
        for (length, accepted) in [(MAX_HEAD, true), (MAX_HEAD + 1, false)] {
            let head = format!(
                "HTTP/1.1 204 No Content\r\nx: {}\r\n\r\n",
                "v".repeat(length - frame)
            );
            assert_eq!(head.len(), length);
            assert_eq!(parsed(&head).is_ok(), accepted);
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "v".repeat(MAX_HEAD));
        assert_eq!(parsed(&endless), Err(BadReply::HeadTooLong));
    }
}
