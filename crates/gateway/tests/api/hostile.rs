//! Requests that the services must never see.

use crate::{
    door::{Door, POINT},
    fake::Fake,
};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    for (line, status, allow) in [
        ("GET /", 404, None),
        ("GET /nope", 404, None),
        ("POST /fit", 404, None),
        ("POST /fit/", 404, None),
        ("POST /fit/x/", 404, None),
        ("POST /fit/x/y", 404, None),
        ("POST //fit/x", 404, None),
        ("POST /FIT/x", 404, None),
        ("POST /predict/", 404, None),
        ("POST /predict/x/", 404, None),
        ("GET /plot/", 404, None),
        ("GET /healthcheck/", 404, None),
        ("GET /metrics", 404, None),
        ("GET /fit/x", 405, Some("POST")),
        ("PUT /fit/x", 405, Some("POST")),
        ("DELETE /predict/x", 405, Some("POST")),
        ("POST /plot", 405, Some("GET,HEAD")),
        ("POST /healthcheck", 405, Some("GET,HEAD")),
        ("POST /livez", 405, Some("GET,HEAD")),
        ("BREW /plot", 405, Some("GET,HEAD")),
    ] {
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        let reply = client.ask(request).await?;
        let code = if status == 404 {
            "not_found"
        } else {
            "method_not_allowed"
        };
        assert_eq!(reply.problem(), (status, code.to_owned()), "{line}");
        assert_eq!(reply.header("allow"), allow, "{line}");
    }
    assert_eq!(fake.accepted(), 0);
    Ok(())
}

#[tokio::test]
async fn ids_that_are_none_are_refused_here() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    let long = "l".repeat(201);
    for id in [
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "a%2Fb",
        "..%2f..%2fetc",
        "a%00",
        "a%0a",
        "a%7F",
        "%C2%85",
        "%FF",
        "%C3",
        &long,
    ] {
        for route in ["fit", "predict"] {
            let reply = client.post(&format!("/{route}/{id}"), POINT).await?;
            assert_eq!(
                reply.problem(),
                (400, "invalid_series_id".to_owned()),
                "{id}"
            );
        }
    }
    assert_eq!(fake.accepted(), 0);
    assert_eq!(
        client
            .post(&format!("/predict/{}", &long[1..]), POINT)
            .await?
            .status,
        200
    );
    Ok(())
}

#[tokio::test]
async fn two_ideas_of_where_a_request_ends_never_reach_a_service() -> anyhow::Result<()> {
    let smuggled = "POST /fit/evil HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    for (lines, body) in [
        (
            "content-length: 4\r\ntransfer-encoding: chunked",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 4",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "content-length: 0\r\ncontent-length: 70",
            smuggled.to_owned(),
        ),
        ("content-length: +0", smuggled.to_owned()),
        ("content-length: 0, 0", smuggled.to_owned()),
        (
            "transfer-encoding: chunked, identity",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "transfer-encoding: xchunked",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "transfer-encoding : chunked",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "transfer-encoding:\r\n chunked",
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "transfer-encoding: chunked",
            format!("0;\nx\r\n\r\n{smuggled}"),
        ),
        (
            "transfer-encoding: chunked",
            format!("-0\r\n\r\n{smuggled}"),
        ),
    ] {
        let fake = Fake::answering("{}").await?;
        let door = Door::to(&fake).await?;
        let mut client = door.client().await?;
        let request = format!("POST /predict/s HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n{body}");
        let reply = client.ask(request).await?;
        let Some(one_end) = fake.received().into_iter().next() else {
            assert_eq!(reply.problem().0, 400, "{lines}");
            continue;
        };
        // HTTP lets chunks win over a length. The service sees the one end that the gateway found.
        assert!(lines.contains("content-length: 4"), "{lines}");
        assert_eq!(one_end.line(), "POST /predict/s HTTP/1.1");
        assert_eq!(one_end.header("content-length"), Some("0"), "{lines}");
        assert_eq!(one_end.header("transfer-encoding"), None, "{lines}");
    }
    Ok(())
}

#[tokio::test]
async fn a_header_cannot_be_smuggled_into_the_head() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    for request in [
        "POST /predict/s?a\rX: 1 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        "POST /predict/s HTTP/1.1\r\nhost: x\r\ncontent-type: a\rb: c\r\ncontent-length: 0\r\n\r\n",
        "POST /predict/s HTTP/1.1\r\nhost: x\r\naccept: a\0b\r\ncontent-length: 0\r\n\r\n",
    ] {
        let mut client = door.client().await?;
        assert_eq!(client.ask(request).await?.status, 400, "{request:?}");
    }
    let mut client = door.client().await?;
    let path = "/predict/s%0d%0aX-Evil:%201?%0d%0aX-Evil:%202";
    assert_eq!(client.post(path, POINT).await?.status, 400);
    assert_eq!(fake.accepted(), 0);
    Ok(())
}
