//! Packed bodies, and the headers that browsers ask for.

use std::io::{Read, Write};

use flate2::{
    Compression,
    read::{GzDecoder, GzEncoder},
};

use crate::{
    client::{Client, Reply},
    door::{Door, POINT, POINTS},
    fake::Fake,
};

fn packed(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = GzEncoder::new(text.as_bytes(), Compression::fast());
    encoder.read_to_end(&mut packed).expect("memory takes it");
    packed
}

/// Sends `body` with the content encoding `encoding`.
async fn post(
    client: &mut Client,
    path: &str,
    encoding: &str,
    body: &[u8],
) -> anyhow::Result<Reply> {
    let length = body.len();
    let mut request = Vec::new();
    write!(
        request,
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-encoding: {encoding}\r\ncontent-length: {length}\r\n\r\n"
    )?;
    request.extend_from_slice(body);
    client.ask(request).await
}

#[tokio::test]
async fn a_gzipped_body_reaches_its_service_unpacked() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    for encoding in ["gzip", "GZIP", "x-gzip", "identity"] {
        for (path, text) in [
            ("/predict/s", POINT),
            ("/fit/s", POINTS),
            ("/v1/detect", POINTS),
        ] {
            let body = match encoding {
                "identity" => text.as_bytes().to_vec(),
                _ => packed(text),
            };
            let reply = post(&mut client, path, encoding, &body).await?;
            assert_eq!(reply.status, 200, "{path} {encoding}");
            let last = fake.last();
            assert_eq!(last.body, text.as_bytes(), "{path} {encoding}");
            assert_eq!(last.header("content-encoding"), None);
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_unpacked_is_limited_and_has_to_be_gzip() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let limit = ["--max-body-bytes", "100000"];
    let door = Door::open(&fake.url(), &fake.url(), &limit).await?;
    let bomb = packed(&" ".repeat(10_000_000));
    assert!(bomb.len() < 100_000);
    for path in ["/predict/s", "/fit/s", "/v1/detect"] {
        for (encoding, body, status, code) in [
            ("gzip", &bomb[..], 413, "body_too_large"),
            ("gzip", POINT.as_bytes(), 400, "invalid_encoding"),
            ("gzip", &packed(POINTS)[..20], 400, "invalid_encoding"),
            ("br", POINT.as_bytes(), 415, "unsupported_encoding"),
            ("gzip, gzip", POINT.as_bytes(), 415, "unsupported_encoding"),
        ] {
            let mut client = door.client().await?;
            let reply = post(&mut client, path, encoding, body).await?;
            let accepted = (status == 415).then_some("gzip");
            assert_eq!(reply.header("accept-encoding"), accepted);
            assert_eq!(
                reply.problem(),
                (status, code.to_owned()),
                "{path} {encoding}"
            );
        }
    }
    Ok(())
}

/// A reply of `kind` with `length` bytes.
async fn replying(kind: &str, length: usize) -> anyhow::Result<Fake> {
    let body = "x".repeat(length);
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    Fake::saying(head + &body).await
}

#[tokio::test]
async fn a_long_reply_is_packed_for_whoever_asks_for_it() -> anyhow::Result<()> {
    for (kind, length, asks, is_packed) in [
        (
            "application/json",
            100_000,
            "accept-encoding: gzip, br\r\n",
            true,
        ),
        ("image/svg+xml", 100_000, "accept-encoding: gzip\r\n", true),
        ("application/json", 100_000, "", false),
        (
            "application/json",
            100_000,
            "accept-encoding: gzip;q=0\r\n",
            false,
        ),
        (
            "application/json",
            1_000,
            "accept-encoding: gzip\r\n",
            false,
        ),
        (
            "application/x-ndjson",
            100_000,
            "accept-encoding: gzip\r\n",
            false,
        ),
        ("image/png", 100_000, "accept-encoding: gzip\r\n", false),
    ] {
        let fake = replying(kind, length).await?;
        let door = Door::to(&fake).await?;
        let reply = door
            .client()
            .await?
            .post_with("/v1/detect", asks, POINTS)
            .await?;
        let encoding = reply.header("content-encoding");
        assert_eq!(
            encoding,
            is_packed.then_some("gzip"),
            "{kind} {length} {asks}"
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let mut body = Vec::new();
        match is_packed {
            true => GzDecoder::new(&reply.body[..]).read_to_end(&mut body)?,
            false => (&reply.body[..]).read_to_end(&mut body)?,
        };
        assert_eq!(body, "x".repeat(length).as_bytes());
        if is_packed {
            assert_eq!(reply.header("vary"), Some("accept-encoding"));
            assert!(reply.body.len() < length / 10);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_page_may_call_from_an_origin_that_was_named_and_from_no_other() -> anyhow::Result<()> {
    let fake = Fake::answering(r#"{"anomaly":false}"#).await?;
    let named = [
        "--cors-allowed-origins",
        "https://a.example, http://localhost:3000",
    ];
    let open = Door::open(&fake.url(), &fake.url(), &named).await?;
    let closed = Door::to(&fake).await?;
    for (door, origin, is_allowed) in [
        (&open, "https://a.example", true),
        (&open, "http://localhost:3000", true),
        (&open, "https://evil.example", false),
        (&closed, "https://a.example", false),
    ] {
        let allowed = is_allowed.then_some(origin);
        let mut client = door.client().await?;
        let origin = format!("origin: {origin}\r\n");
        let preflight = client
            .ask(format!(
                "OPTIONS /predict/s HTTP/1.1\r\nhost: x\r\n{origin}access-control-request-method: POST\r\n\
                 access-control-request-headers: content-type\r\n\r\n"
            ))
            .await?;
        assert!(matches!(preflight.status, 200 | 204), "{origin}");
        let header = |reply: &Reply| {
            let value = reply.header("access-control-allow-origin");
            value.map(str::to_owned)
        };
        assert_eq!(header(&preflight).as_deref(), allowed, "{origin}");
        // Not on the fast path, and on it.
        for path in ["/predict/s", "/fit/s"] {
            let reply = client.post_with(path, &origin, POINT).await?;
            assert_eq!(reply.status, 200, "{path} {origin}");
            assert_eq!(header(&reply).as_deref(), allowed, "{path} {origin}");
        }
    }
    Ok(())
}
