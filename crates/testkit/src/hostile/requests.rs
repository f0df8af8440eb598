//! Requests with a wrong head: ids, methods, queries, sizes, and bytes that are not HTTP.

use super::{Attack, bare, post, shown};

pub(super) fn ids() -> Vec<Attack> {
    let long = "l".repeat(201);
    let long_encoded = "%C3%A9".repeat(101);
    let table = [
        ("..", "series id"),
        (".", "series id"),
        ("%2e%2e", "series id"),
        ("%2E", "series id"),
        ("..%2F..%2Fetc%2Fpasswd", "slash"),
        ("a%2Fb", "slash"),
        ("%2F", "slash"),
        ("a%00b", "control character"),
        ("a%0Ab", "control character"),
        ("a%0D%0Ax-evil:%201", "control character"),
        ("%7F", "control character"),
        ("%C2%85", "control character"),
        ("%FF", "utf-8"),
        ("%C3%28", "utf-8"),
        ("%ED%A0%80", "utf-8"),
        (&long, "longer than 200"),
        (&long_encoded, "longer than 200"),
    ];
    let body = br#"{"timestamps":[1,2,3],"values":[1,2,3]}"#;
    let point = br#"{"timestamp":1,"value":1}"#;
    let attacks = table.into_iter().flat_map(|(id, fault)| {
        [("fit", &body[..]), ("predict", &point[..])].map(|(route, body)| Attack {
            name: format!("{route} id {}", shown(id.as_bytes())),
            request: post(&format!("/{route}/{id}"), body),
            statuses: &[400],
            fault,
        })
    });
    attacks.collect()
}

pub(super) fn methods_and_paths() -> Vec<Attack> {
    let wrong_method = [
        "GET /fit/a",
        "PUT /fit/a",
        "DELETE /predict/a",
        "PATCH /predict/a",
        "DELETE /plot?series_id=a",
        "PUT /healthcheck",
        "PURGE /livez",
    ];
    let nowhere = [
        "GET /fit",
        "GET /admin",
        "GET /metrics",
        "GET /fit/a/b",
        "GET /fit/a/",
        "GET /predict",
        "GET //fit/a",
        "GET /.git/config",
        "GET /PLOT?series_id=a",
    ];
    let methods = wrong_method
        .iter()
        .map(|line| (line, &[405_u16][..], "method"));
    let paths = nowhere
        .iter()
        .map(|line| (line, &[404_u16][..], "no such route"));
    let attack = |(line, statuses, fault): (&&'static str, &'static [u16], &'static str)| Attack {
        name: (*line).to_owned(),
        request: bare(line),
        statuses,
        fault,
    };
    methods.chain(paths).map(attack).collect()
}

pub(super) fn plots() -> Vec<Attack> {
    let table: [(&str, &[u16], &str); 14] = [
        ("", &[400], "series_id"),
        ("?series_id=", &[400], "series_id is required"),
        ("?version=v1", &[400], "series_id"),
        ("?series_id=..", &[400], "series id"),
        ("?series_id=a%2Fb", &[400], "slash"),
        ("?series_id=%FF", &[400], "utf-8"),
        ("?series_id=a&version=V1", &[400], "version"),
        ("?series_id=a&version=v0", &[400], "version"),
        ("?series_id=a&version=v99999999999", &[400], "version"),
        ("?series_id=a&version=la%20test", &[400], "version"),
        ("?series_id=a&width=0", &[400], "width"),
        ("?series_id=a&height=1e9", &[400], "height"),
        ("?series_id=a&format=exe", &[400], "format"),
        (
            "?series_id=nobody",
            &[404],
            "no training data found for given series_id and version.",
        ),
    ];
    let attack = |(query, statuses, fault): (&'static str, &'static [u16], &'static str)| Attack {
        name: format!("plot {query}"),
        request: bare(&format!("GET /plot{query}")),
        statuses,
        fault,
    };
    table.into_iter().map(attack).collect()
}

pub(super) fn sizes() -> Vec<Attack> {
    let (fit, predict) = ("/fit/victim", "/predict/victim");
    let table: [(&str, Vec<u8>, &'static [u16], &'static str); 10] = [
        (
            "a terabyte announced to fit",
            announced(fit),
            &[413],
            "has more than",
        ),
        (
            "a terabyte announced to predict",
            announced(predict),
            &[413],
            "has more than",
        ),
        (
            "70 MB in chunks to fit",
            chunked(fit, 1 << 20, 70),
            &[413],
            "has more than",
        ),
        (
            "1 MB in chunks to predict",
            chunked(predict, 1 << 16, 16),
            &[413],
            "has more than",
        ),
        (
            "300 KB to predict",
            post(predict, &[b' '; 300_000]),
            &[413],
            "has more than",
        ),
        ("20 KB header", header(20_000), &[431], "head has more than"),
        (
            "1 MB header",
            header(1_000_000),
            &[431],
            "head has more than",
        ),
        ("500 headers", headers(500), &[431], "or 100 fields"),
        (
            "60 KB path",
            long("/fit/", 60_000),
            &[414],
            "target has more than",
        ),
        (
            "20 KB query",
            long("/plot?series_id=", 20_000),
            &[414],
            "target has more than",
        ),
    ];
    let attack = |(name, request, statuses, fault): (&str, _, _, _)| Attack {
        name: name.to_owned(),
        request,
        statuses,
        fault,
    };
    table.into_iter().map(attack).collect()
}

/// A body of `chunks` times `chunk` bytes, without a length.
fn chunked(path: &str, chunk: usize, chunks: usize) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..chunks {
        request.extend_from_slice(format!("{chunk:x}\r\n").as_bytes());
        request.resize(request.len() + chunk, b' ');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// A huge length, and no body.
fn announced(path: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000000000000\r\n\r\n"
    )
    .into_bytes()
}

fn header(size: usize) -> Vec<u8> {
    let value = "h".repeat(size);
    format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-big: {value}\r\n\r\n")
        .into_bytes()
}

fn headers(number: usize) -> Vec<u8> {
    let headers: String = (0..number).map(|i| format!("x-{i}: 1\r\n")).collect();
    format!("GET /livez HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes()
}

fn long(path: &str, size: usize) -> Vec<u8> {
    bare(&format!("GET {path}{}", "p".repeat(size)))
}

pub(super) fn broken_http() -> Vec<Attack> {
    let table: [(&str, &[u8], &str); 10] = [
        ("no HTTP at all", b"hello\r\n\r\n", "not valid http"),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "not valid http"),
        ("two lengths", b"POST /fit/victim HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\n{}   ", "not valid http"),
        ("a length that is not a number", b"POST /fit/victim HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n", "not valid http"),
        ("a negative length", b"POST /fit/victim HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", "not valid http"),
        (
            "a length and chunks",
            b"POST /fit/victim HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\nX",
            // The chunks count, and there are none.
            "eof",
        ),
        ("chunks that are none", b"POST /fit/victim HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "chunks are malformed"),
        ("an unknown transfer coding", b"POST /fit/victim HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\nconnection: close\r\n\r\n", "not valid http"),
        ("a header without a name", b"GET /livez HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n", "not valid http"),
        ("a control character in a header", b"GET /livez HTTP/1.1\r\nhost: x\r\na: b\x01c\r\n\r\n", "not valid http"),
    ];
    let attack = |(name, request, fault): (&'static str, &'static [u8], &'static str)| Attack {
        name: name.to_owned(),
        request: request.to_vec(),
        statuses: &[400],
        fault,
    };
    table.into_iter().map(attack).collect()
}
