//! Recognises the requests that the fast path can answer.

use std::{mem::MaybeUninit, net::IpAddr};

use contract::header;
use httparse::{Header, Status};

use crate::{
    context, host,
    limits::{MAX_HEADERS, MAX_URI_BYTES},
};

/// The longest request that the fast path parses, head and body together, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// A request that has arrived whole. It borrows the bytes of its connection.
#[derive(Clone, Copy)]
pub struct FastRequest<'a> {
    /// The path and the query, as received.
    pub target: &'a str,
    /// The path segment after the prefix: not empty, percent-encoded.
    pub segment: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// The header lines, in their order.
    pub headers: &'a [Header<'a>],
    /// The body.
    pub body: &'a [u8],
    /// The client's `x-request-id` (1–128 visible ASCII characters), or a new one.
    pub request_id: &'a [u8],
    /// The address that it came from, if it came over a connection.
    pub client: Option<IpAddr>,
}

impl<'a> FastRequest<'a> {
    /// The value of the first header line called `name`.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        first(self.headers, name)
    }

    /// `traceparent`, if it is a valid one.
    pub fn traceparent(&self) -> Option<&'a [u8]> {
        self.header(header::TRACEPARENT)
            .filter(|trace| context::is_traceparent(trace))
    }
}

fn first<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    let mut lines = headers.iter();
    let line = lines.find(|line| line.name.eq_ignore_ascii_case(name));
    line.map(|line| line.value)
}

/// Room for the header lines of one request.
pub(super) type Storage<'a> = [MaybeUninit<Header<'a>>; MAX_HEADERS];

/// The result of parsing the first bytes of a connection.
pub(super) enum Parsed<'h, 'a> {
    /// A request for the fast path that has arrived whole.
    Whole(Found<'h, 'a>),
    /// The start of a request for the fast path.
    Incomplete,
    /// Anything else.
    Other,
}

/// A request of `length` bytes.
pub(super) struct Found<'h, 'a> {
    pub(super) length: usize,
    target: &'a str,
    segment: &'a str,
    query: Option<&'a str>,
    headers: &'h [Header<'a>],
    body: &'a [u8],
}

impl<'h, 'a: 'h> Found<'h, 'a> {
    /// The `x-request-id` that the client sent.
    pub(super) fn given_id(&self) -> Option<&'a [u8]> {
        first(self.headers, header::REQUEST_ID)
    }

    /// The token of a request that comes from a service.
    pub(super) fn service_token(&self) -> Option<&'a [u8]> {
        first(self.headers, header::SERVICE_TOKEN)
    }

    /// The request of `client` under the id that it has from now on.
    pub(super) fn with_id(&self, request_id: &'h [u8], client: Option<IpAddr>) -> FastRequest<'h> {
        FastRequest {
            target: self.target,
            segment: self.segment,
            query: self.query,
            headers: self.headers,
            body: self.body,
            request_id,
            client,
        }
    }
}

/// Parses a `POST` to `prefix` and one more segment at the start of `bytes`. Any doubt about where
/// the request ends, and any header that asks for more than a reply, gives [`Parsed::Other`].
pub(super) fn parse<'h, 'a: 'h>(
    bytes: &'a [u8],
    prefix: &str,
    storage: &'h mut Storage<'a>,
) -> Parsed<'h, 'a> {
    if !begins_as(bytes, b"POST ")
        || !begins_as(bytes.get(5..).unwrap_or_default(), prefix.as_bytes())
    {
        return Parsed::Other;
    }
    let mut request = httparse::Request::new(&mut []);
    let head = match request.parse_with_uninit_headers(bytes, storage) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) if bytes.len() < MAX_BYTES => return Parsed::Incomplete,
        Ok(Status::Partial) | Err(_) => return Parsed::Other,
    };
    let (Some(target), Some(1)) = (request.path, request.version) else {
        return Parsed::Other;
    };
    let Some(length) = body_length(request.headers) else {
        return Parsed::Other;
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let segment = path.strip_prefix(prefix).unwrap_or_default();
    let is_one = !segment.is_empty() && !segment.contains('/');
    if !is_one || target.len() > MAX_URI_BYTES || !target.bytes().all(is_plain) {
        return Parsed::Other;
    }
    let whole = head.saturating_add(length);
    if whole > MAX_BYTES {
        return Parsed::Other;
    }
    let Some(body) = bytes.get(head..whole) else {
        return Parsed::Incomplete;
    };
    Parsed::Whole(Found {
        length: whole,
        target,
        segment,
        query,
        headers: request.headers,
        body,
    })
}

/// Whether `bytes` and `wanted` agree up to the end of the shorter one.
fn begins_as(bytes: &[u8], wanted: &[u8]) -> bool {
    let both = bytes.len().min(wanted.len());
    bytes[..both] == wanted[..both]
}

/// The length of the body. `None` unless the headers declare it exactly once, name one usual host
/// and ask for nothing special.
fn body_length(headers: &[Header<'_>]) -> Option<usize> {
    let (mut length, mut has_host) = (None, false);
    for Header { name, value } in headers {
        // The length of the name first: most headers match none of these.
        match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => {
                let digits = (1..=6).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
                if !digits || length.is_some() {
                    return None;
                }
                let number = value
                    .iter()
                    .fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
                length = Some(number);
            }
            10 if name.eq_ignore_ascii_case("connection")
                && !value.eq_ignore_ascii_case(b"keep-alive") =>
            {
                return None;
            }
            4 if name.eq_ignore_ascii_case("host") => {
                if has_host || !host::is_plain(value) {
                    return None;
                }
                has_host = true;
            }
            6 if name.eq_ignore_ascii_case("expect") || name.eq_ignore_ascii_case("origin") => {
                return None;
            }
            7 if name.eq_ignore_ascii_case("upgrade") => return None,
            16 if name.eq_ignore_ascii_case("content-encoding") => return None,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => return None,
            _ => {}
        }
    }
    length.filter(|_| has_host)
}

/// Whether a byte may stand in a target unescaped. The routes may refuse the others.
fn is_plain(byte: u8) -> bool {
    // As patterns this takes 13 instructions a byte; as a search in a slice it took 27.
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
        | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')'
        | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMPLE: &str = "POST /predict/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-Request-Id: r1\r\nContent-Length: 2\r\n\r\n{}";

    /// Describes the request at the start of `bytes`.
    fn seen(bytes: &[u8]) -> String {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        match parse(bytes, "/predict/", &mut storage) {
            Parsed::Incomplete => "more".to_owned(),
            Parsed::Other => "other".to_owned(),
            Parsed::Whole(found) => {
                let id = found.given_id().unwrap_or_default();
                let request = found.with_id(id, None);
                format!(
                    "{} {:?} {} {} {}",
                    request.segment,
                    request.query,
                    request.target,
                    String::from_utf8_lossy(request.body),
                    found.length,
                )
            }
        }
    }

    #[test]
    fn a_request_is_whole_from_its_last_byte_on_and_not_before() {
        for end in 0..SIMPLE.len() {
            assert_eq!(seen(&SIMPLE.as_bytes()[..end]), "more", "{end}");
        }
        let whole = format!(
            "a%20b Some(\"x=1\") /predict/a%20b?x=1 {{}} {}",
            SIMPLE.len()
        );
        assert_eq!(seen(SIMPLE.as_bytes()), whole);
        assert_eq!(seen(format!("{SIMPLE}GET").as_bytes()), whole);
    }

    #[test]
    fn what_is_not_simple_is_left_to_others() {
        for (from, to) in [
            ("POST", "PUT"),
            ("POST", "\r\nPOST"),
            ("/predict/a", "/predict//a"),
            ("/predict/a%20b", "/predict/"),
            ("/predict/a", "/fit/a"),
            ("a%20b", "a/b"),
            ("a%20b", "a#b"),
            ("a%20b", "é"),
            ("a%20b", "a|b"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("Content-Length: 2", "Content-Length: +2"),
            (
                "Content-Length: 2",
                "Content-Length: 2\r\nContent-Length: 2",
            ),
            ("Content-Length: 2", "Content-Length: 2, 2"),
            ("Content-Length: 2", "Content-Length: 9999999"),
            ("Content-Length: 2", "Content-Length: 16384"),
            ("Content-Length: 2", "content-lengths: 2"),
            (
                "Content-Length: 2",
                "Transfer-Encoding: chunked\r\nContent-Length: 2",
            ),
            ("Host: h", "Connection: close"),
            ("Host: h", "Connection: keep-alive, upgrade"),
            ("Host: h", "Expect: 100-continue"),
            ("Host: h", "Upgrade: h2c"),
            ("Host: h", "Origin: https://a.example\r\nHost: h"),
            ("Host: h", "Content-Encoding: gzip\r\nHost: h"),
            ("Host: h", "a: b"),
            ("Host: h", "Host: h\r\nhost: h"),
            ("Host: h", "Host: a/b"),
            ("Host: h", "Host: h:99999"),
            ("Host: h", "Host : h"),
            ("Host: h", "Host: \u{7f}"),
        ] {
            let request = SIMPLE.replacen(from, to, 1);
            assert_ne!(request, SIMPLE);
            assert_eq!(seen(request.as_bytes()), "other", "{request}");
        }
        let kept = SIMPLE.replace(
            "Host: h",
            "HOST: h:1\r\nCONNECTION: Keep-Alive\r\nExpected: 1",
        );
        assert_ne!(seen(kept.as_bytes()), "other");
        let many = SIMPLE.replace("Host: h", "a: b\r\n".repeat(MAX_HEADERS).trim_end());
        assert_eq!(seen(many.as_bytes()), "other");
        let endless = format!("POST /predict/{}", "x".repeat(MAX_BYTES));
        assert_eq!(seen(endless.as_bytes()), "other");
    }
}
