//! Requests that the services must never see.

use crate::{
    door::{Door, POINT},
    fake::Fake,
};

/// A gateway that must not ask anything of its services.
async fn unasked() -> anyhow::Result<(Fake, Door)> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    Ok((fake, door))
}

#[tokio::test]
async fn unknown_paths_are_problems() -> anyhow::Result<()> {
    let (fake, door) = unasked().await?;
    let mut client = door.client().await?;
    for line in [
        "GET /nope",
        "POST /fit",
        "POST /fit/",
        "POST /fit/x/",
        "POST /fit/x/y",
        "POST //fit/x",
        "POST /FIT/x",
        "POST /predict/",
        "POST /predict/x/",
        "GET /plot/",
        "GET /healthcheck/",
        "GET /metrics",
        "POST /predict/x/batch/",
        "GET /v1",
        "GET /v1/series/",
        "GET /v1/series/x/aliases",
        "GET /v1/series/x/models/v1/",
        "POST /v1/detect/",
        "POST /v2/detect",
    ] {
        let reply = client.request(line, "", "").await?;
        assert_eq!(reply.problem(), (404, "not_found".to_owned()), "{line}");
        assert_eq!(reply.header("allow"), None, "{line}");
    }
    assert_eq!(fake.accepted(), 0);
    Ok(())
}

#[tokio::test]
async fn unknown_methods_are_problems_that_name_the_known_ones() -> anyhow::Result<()> {
    let (fake, door) = unasked().await?;
    let mut client = door.client().await?;
    for (line, allow) in [
        ("GET /fit/x", "POST"),
        ("PUT /fit/x", "POST"),
        ("DELETE /predict/x", "POST"),
        ("POST /plot", "GET,HEAD"),
        ("POST /healthcheck", "GET,HEAD"),
        ("POST /livez", "GET,HEAD"),
        ("BREW /plot", "GET,HEAD"),
        ("GET /predict/x/batch", "POST"),
        ("GET /v1/detect", "POST"),
        ("GET /v1/detect/plot", "POST"),
        ("POST /v1/series", "GET,HEAD"),
        ("PUT /v1/series/x", "GET,HEAD,DELETE"),
        ("DELETE /v1/series/x/models", "GET,HEAD,POST"),
        ("PUT /v1/series/x/models/v1", "GET,HEAD,DELETE"),
        ("POST /v1/series/x/models/v1/export", "GET,HEAD"),
        ("POST /v1/series/x/aliases/a", "GET,HEAD,PUT,DELETE"),
        ("GET /v1/series/x/rollback", "POST"),
    ] {
        let reply = client.request(line, "", "").await?;
        let problem = (405, "method_not_allowed".to_owned());
        assert_eq!(reply.problem(), problem, "{line}");
        assert_eq!(reply.header("allow"), Some(allow), "{line}");
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
        for line in [
            "POST /fit/{id}",
            "POST /predict/{id}",
            "POST /predict/{id}/batch",
            "GET /v1/series/{id}",
            "DELETE /v1/series/{id}",
            "POST /v1/series/{id}/models",
            "GET /v1/series/{id}/models/v1/export",
            "PUT /v1/series/{id}/aliases/a",
            "POST /v1/series/{id}/rollback",
        ] {
            let line = line.replace("{id}", id);
            let reply = client.request(&line, "", POINT).await?;
            assert_eq!(
                reply.problem(),
                (400, "invalid_series_id".to_owned()),
                "{line}"
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
