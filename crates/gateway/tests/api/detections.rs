//! Batches and detections: long bodies in, long replies out, neither of them held.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{
    door::{Door, NOBODY},
    fake::Fake,
};

/// The two routes.
const PATHS: [&str; 2] = ["/predict/s%20/batch?version=v3", "/v1/detect"];

/// A gateway before `predictor` and no trainer.
async fn before(predictor: &Fake, arguments: &[&str]) -> anyhow::Result<Door> {
    Door::open(NOBODY, &predictor.url(), arguments).await
}

#[tokio::test]
async fn they_reach_the_predictor_as_they_came() -> anyhow::Result<()> {
    let predictor = Fake::answering("{}").await?;
    let door = before(&predictor, &[]).await?;
    let body: String = (0..200_000).map(|n| format!("{n},")).collect();
    for path in PATHS {
        let lines = "accept: application/x-ndjson\r\ncontent-type: text/plain\r\n";
        let mut client = door.client().await?;
        assert_eq!(client.post_with(path, lines, &body).await?.status, 200);
        let received = predictor.last();
        assert_eq!(received.line(), format!("POST {path} HTTP/1.1"));
        assert!(received.body == body.as_bytes());
        assert_eq!(received.header("accept"), Some("application/x-ndjson"));
        assert_eq!(received.header("content-type"), Some("text/plain"));
    }
    Ok(())
}

/// Longer than the start of a body that is awaited before its service is asked, in bytes.
const PART: usize = 300_000;

#[tokio::test]
async fn a_body_is_sent_on_while_it_comes_and_bounded() -> anyhow::Result<()> {
    let came = Arc::new(Notify::new());
    let notify = Arc::clone(&came);
    let predictor = Fake::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            while peer.head().await.is_some() {
                let part = peer.take(PART).await;
                assert_eq!(part, Some(vec![b'a'; PART]));
                notify.notify_one();
                if peer.take(PART).await.is_some() {
                    peer.answer("{}").await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    let (length, part) = (2 * PART, "a".repeat(PART));
    let limit = length.to_string();
    let door = before(&predictor, &["--max-body-bytes", &limit]).await?;
    for path in PATHS {
        let mut client = door.client().await?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        client.send(head + &part).await?;
        came.notified().await;
        assert_eq!(client.ask(&part).await?.status, 200);
        let refused = client.post(path, &"a".repeat(length + 1)).await?;
        assert_eq!(refused.problem(), (413, "body_too_large".to_owned()));
    }
    Ok(())
}

/// Says a line, waits until it is told to go on, and says the last one.
async fn telling(go_on: &Arc<Notify>) -> anyhow::Result<Fake> {
    let go_on = Arc::clone(go_on);
    Fake::start(move |mut peer| {
        let go_on = Arc::clone(&go_on);
        async move {
            while peer.request().await.is_some() {
                peer.send("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n")
                    .await?;
                peer.send("transfer-encoding: chunked\r\n\r\n6\r\n{\"a\":1\r\n")
                    .await?;
                go_on.notified().await;
                peer.send("2\r\n}\n\r\n0\r\n\r\n").await?;
            }
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn a_reply_is_sent_on_while_it_comes_and_keeps_its_place_until_its_end() -> anyhow::Result<()>
{
    let go_on = Arc::new(Notify::new());
    let predictor = telling(&go_on).await?;
    let door = before(&predictor, &["--max-inflight-detect", "1"]).await?;
    for path in PATHS {
        let mut client = door.client().await?;
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
            ))
            .await?;
        let head = client.head().await?;
        assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(client.chunk().await?, b"{\"a\":1");
        // Batches and detections share their places.
        for other in PATHS {
            let refused = door.client().await?.post(other, "").await?;
            assert_eq!(refused.problem(), (503, "overloaded".to_owned()));
            assert_eq!(refused.header("retry-after"), Some("1"));
        }
        go_on.notify_one();
        assert_eq!(client.chunks().await?, b"}\n");
        // The place is free once hyper has let go of the body, which may be after the client has all of it.
        loop {
            client
                .send("POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
                .await?;
            let next = client.head().await?;
            if next.status == 200 {
                go_on.notify_one();
                assert_eq!(client.chunks().await?, b"{\"a\":1}\n");
                break;
            }
            let length = next.header("content-length").unwrap_or_default().parse()?;
            client.skip(length).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_a_reply_ends_the_work_behind_it() -> anyhow::Result<()> {
    let closed = Arc::new(Notify::new());
    let notify = Arc::clone(&closed);
    let predictor = Fake::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            peer.request().await;
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await?;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
            while peer.send(&chunk).await.is_ok() {}
            notify.notify_one();
            Ok(())
        }
    })
    .await?;
    let door = before(&predictor, &[]).await?;
    let mut client = door.client().await?;
    client
        .send("POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await?;
    assert_eq!(client.head().await?.status, 200);
    drop(client);
    closed.notified().await;
    Ok(())
}

#[tokio::test]
async fn a_reply_that_stalls_or_breaks_off_is_not_made_to_look_whole() -> anyhow::Result<()> {
    let predictor = Fake::start(|mut peer| async move {
        let Some(request) = peer.request().await else {
            return Ok(());
        };
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n")
            .await?;
        if request.body == b"stall" {
            peer.until_closed().await;
        }
        Ok(())
    })
    .await?;
    let door = before(&predictor, &["--detect-timeout-ms", "200"]).await?;
    for path in PATHS {
        for body in ["stall", "break"] {
            assert!(door.client().await?.post(path, body).await.is_err());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_predictor_that_does_not_answer_is_given_up() -> anyhow::Result<()> {
    let silent = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.until_closed().await;
        Ok(())
    })
    .await?;
    let door = before(&silent, &["--detect-timeout-ms", "100"]).await?;
    let away = Door::open(NOBODY, NOBODY, &[]).await?;
    for path in PATHS {
        let reply = door.client().await?.post(path, "{}").await?;
        assert_eq!(reply.problem(), (503, "upstream_timeout".to_owned()));
        let reply = away.client().await?.post(path, "{}").await?;
        assert_eq!(reply.problem(), (503, "upstream_unavailable".to_owned()));
    }
    assert_eq!(silent.received().len(), 2);
    Ok(())
}
