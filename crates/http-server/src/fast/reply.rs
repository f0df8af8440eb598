//! Replies on the fast path, written as hyper would.

use std::{
    cell::RefCell,
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use contract::header::REQUEST_ID;
use httpdate::HttpDate;

/// The first lines of a reply: status 200 and JSON.
pub(super) const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// The same to a client that may be a browser.
pub(super) const PUBLIC_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n";

/// Appends a reply that begins with `head` and has the JSON `body`. With `closes`, it says that it
/// is the last on its connection.
pub(super) fn write(head: &[u8], id: &[u8], body: &[u8], closes: bool, out: &mut Vec<u8>) {
    out.reserve(256 + id.len() + body.len());
    out.extend_from_slice(head);
    out.extend_from_slice(REQUEST_ID.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(id);
    if closes {
        out.extend_from_slice(b"\r\nconnection: close");
    }
    out.extend_from_slice(b"\r\ncontent-length: ");
    decimal(body.len(), out);
    out.extend_from_slice(b"\r\ndate: ");
    date(out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

fn decimal(mut number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

thread_local! {
    /// The date header of the current second, which is the same for thousands of replies.
    static DATE: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

fn date(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    DATE.with_borrow_mut(|(of, text)| {
        if *of != second {
            // Into the same memory: a request does not allocate, whichever second it falls into.
            text.clear();
            let _ = write!(text, "{}", HttpDate::from(now));
            *of = second;
        }
        out.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_that_parsers_take() {
        for (closes, length) in [(false, 0), (true, 9), (false, 10), (true, 12_345)] {
            let body = vec![b'x'; length];
            let mut out = Vec::new();
            write(PUBLIC_HEAD, b"id-1", &body, closes, &mut out);
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut reply = httparse::Response::new(&mut headers);
            let head = reply.parse(&out).unwrap().unwrap();
            assert_eq!((reply.code, reply.version), (Some(200), Some(1)));
            let value = |name: &str| {
                let found = reply.headers.iter().find(|header| header.name == name);
                found.map(|header| std::str::from_utf8(header.value).unwrap())
            };
            assert_eq!(value("content-type"), Some("application/json"));
            assert_eq!(value("x-content-type-options"), Some("nosniff"));
            assert_eq!(value("x-request-id"), Some("id-1"));
            assert_eq!(value("connection"), closes.then_some("close"));
            assert_eq!(value("content-length"), Some(&*length.to_string()));
            let date = httpdate::parse_http_date(value("date").unwrap()).unwrap();
            assert!(date.elapsed().unwrap().as_secs() < 60);
            assert_eq!(out[head..], body);
        }
    }
}
