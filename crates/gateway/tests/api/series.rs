//! `/v1/series`: passed on to the trainer unchanged, answered as the trainer answers.

use crate::{
    door::{Door, NOBODY},
    fake::{Fake, reply},
};

/// A gateway before a trainer that answers `{}`, and no predictor.
async fn platform() -> anyhow::Result<(Door, Fake)> {
    let trainer = Fake::answering("{}").await?;
    let door = Door::open(&trainer.url(), NOBODY, &[]).await?;
    Ok((door, trainer))
}

#[tokio::test]
async fn questions_and_changes_reach_the_trainer_as_they_came() -> anyhow::Result<()> {
    let (door, trainer) = platform().await?;
    let mut client = door.client().await?;
    for (line, body) in [
        ("GET /v1/series?prefix=a%2F&limit=5&after=%C3%A9", ""),
        ("GET /v1/series/a%2Bb%20%c3%a9", ""),
        ("DELETE /v1/series/s", ""),
        ("GET /v1/series/s/models?limit=2&before=v9", ""),
        ("POST /v1/series/s/models", r#"{"anomaly_model":1}"#),
        ("GET /v1/series/s/models/v3", ""),
        ("GET /v1/series/s/models/champion", ""),
        ("DELETE /v1/series/s/models/v3?x", ""),
        ("GET /v1/series/s/models/v3/export", ""),
        ("GET /v1/series/s/aliases/canary", ""),
        ("PUT /v1/series/s/aliases/%63hampion", r#"{"version":"v1"}"#),
        ("DELETE /v1/series/s/aliases/canary", ""),
        ("POST /v1/series/s/rollback", ""),
        ("POST /v1/detect/plot?from=1", r#"{"train":3}"#),
    ] {
        assert_eq!(client.request(line, "", body).await?.status, 200, "{line}");
        let received = trainer.last();
        assert_eq!(received.line(), format!("{line} HTTP/1.1"));
        assert_eq!(received.body, body.as_bytes(), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn conditions_and_media_types_go_through_in_both_directions() -> anyhow::Result<()> {
    let lines = "etag: \"r12\"\r\nlocation: /v1/series/s/models/v2\r\ncache-control: no-cache\r\n";
    let trainer = Fake::start(move |mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(reply("201 Created", lines, "{}")).await?;
        }
        Ok(())
    })
    .await?;
    let door = Door::open(&trainer.url(), NOBODY, &[]).await?;
    let mut client = door.client().await?;
    for line in [
        "GET /v1/series/s",
        "DELETE /v1/series/s/models/v1",
        "PUT /v1/series/s/aliases/a",
        "POST /v1/series/s/rollback",
        "POST /v1/series/s/models",
    ] {
        let conditions = "if-match: \"r1\", \"r2\"\r\nif-match: \"r3\"\r\nif-none-match: *\r\n\
                          accept: text/csv\r\ncontent-type: a/b\r\ncookie: c\r\n";
        let answer = client.request(line, conditions, "").await?;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("etag"), Some("\"r12\""));
        assert_eq!(answer.header("location"), Some("/v1/series/s/models/v2"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let received = trainer.last();
        assert_eq!(received.header("if-match"), Some("\"r1\", \"r2\""));
        assert_eq!(received.head.matches("if-match: ").count(), 2, "{line}");
        assert_eq!(received.header("if-none-match"), Some("*"));
        assert_eq!(received.header("accept"), Some("text/csv"));
        assert_eq!(received.header("content-type"), Some("a/b"));
        assert_eq!(received.header("cookie"), None);
    }
    Ok(())
}

#[tokio::test]
async fn a_reply_without_content_ends_with_its_head_and_leaves_the_connection() -> anyhow::Result<()>
{
    let trainer = Fake::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let head = match request.line().split(' ').next() {
                Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n",
                // Length of what it would have been.
                _ => "HTTP/1.1 304 Not Modified\r\netag: \"r1\"\r\ncontent-length: 500\r\n\r\n",
            };
            peer.send(head).await?;
        }
        Ok(())
    })
    .await?;
    let door = Door::open(&trainer.url(), NOBODY, &[]).await?;
    let mut client = door.client().await?;
    for _ in 0..2 {
        for (line, status) in [("DELETE /v1/series/s", 204), ("GET /v1/series/s", 304)] {
            let request = format!("{line} HTTP/1.1\r\nhost: x\r\nif-none-match: \"r1\"\r\n\r\n");
            let reply = client.ask(request).await?;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("transfer-encoding"), None);
            assert_eq!(reply.header("content-type"), None);
            if status == 304 {
                assert_eq!(reply.header("etag"), Some("\"r1\""));
            } else {
                assert_eq!(reply.header("content-length"), None);
            }
        }
    }
    assert_eq!(trainer.accepted(), 1);
    Ok(())
}

#[tokio::test]
async fn a_question_is_repeated_and_a_change_never() -> anyhow::Result<()> {
    // Every connection carries one request and dies with the second.
    let trainer = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.answer("{}").await?;
        peer.request().await;
        Ok(())
    })
    .await?;
    let door = Door::open(&trainer.url(), NOBODY, &[]).await?;
    let mut client = door.client().await?;
    for line in [
        "DELETE /v1/series/s",
        "POST /v1/series/s/rollback",
        "PUT /v1/series/s/aliases/a",
        "POST /v1/series/s/models",
    ] {
        let before = trainer.received().len();
        assert_eq!(client.get("/v1/series/s").await?.status, 200);
        let lost = client.request(line, "", "{}").await?;
        assert_eq!(lost.problem(), (503, "upstream_unavailable".to_owned()));
        assert_eq!(trainer.received().len(), before + 2, "{line}");
    }
    let before = trainer.received().len();
    for _ in 0..2 {
        assert_eq!(client.get("/v1/series?limit=1").await?.status, 200);
    }
    assert_eq!(trainer.received().len(), before + 3);
    Ok(())
}

#[tokio::test]
async fn only_an_import_may_be_long() -> anyhow::Result<()> {
    let (door, trainer) = platform().await?;
    let long = "x".repeat(4 * 1024 + 1);
    for line in [
        "PUT /v1/series/s/aliases/a",
        "DELETE /v1/series/s",
        "POST /v1/series/s/rollback",
    ] {
        let refused = door.client().await?.request(line, "", &long).await?;
        assert_eq!(refused.problem(), (413, "body_too_large".to_owned()));
    }
    assert_eq!(trainer.received().len(), 0);
    let mut client = door.client().await?;
    let taken = client.post("/v1/series/s/models", &long).await?;
    assert_eq!(taken.status, 200);
    assert!(trainer.last().body == long.as_bytes());

    let door = Door::open(&trainer.url(), NOBODY, &["--max-body-bytes", "1000"]).await?;
    for path in ["/v1/series/s/models", "/v1/detect/plot"] {
        let refused = door.client().await?.post(path, &long).await?;
        assert_eq!(refused.problem(), (413, "body_too_large".to_owned()));
    }
    Ok(())
}
