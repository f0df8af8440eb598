//! Fits: streamed through and bounded.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{
    door::Door,
    fake::{Fake, reply},
};

/// Longer than the start of a body that is awaited before its service is asked, in bytes.
const PART: usize = 300_000;

#[tokio::test]
async fn a_fit_is_sent_on_while_it_comes() -> anyhow::Result<()> {
    let came = Arc::new(Notify::new());
    let notify = Arc::clone(&came);
    let fake = Fake::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            let head = peer.head().await.unwrap_or_default();
            if head.contains("\r\ncontent-length: 600000") {
                assert_eq!(peer.take(PART).await, Some(vec![b'a'; PART]));
                notify.notify_one();
                assert_eq!(peer.take(PART).await, Some(vec![b'B'; PART]));
            } else {
                assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
                assert!(peer.take(PART).await.is_some());
                notify.notify_one();
                let rest = peer.until(b"\r\n0\r\n\r\n").await.unwrap_or_default();
                let more = rest.iter().filter(|byte| **byte == b'B').count();
                assert_eq!(more, PART);
            }
            peer.answer("{}").await
        }
    })
    .await?;
    let door = Door::to(&fake).await?;
    let chunk = |part: &str| format!("{PART:x}\r\n{part}\r\n");
    let (first, rest) = ("a".repeat(PART), "B".repeat(PART));
    for (lines, first, rest) in [
        ("content-length: 600000", first.clone(), rest.clone()),
        (
            "transfer-encoding: chunked",
            chunk(&first),
            chunk(&rest) + "0\r\n\r\n",
        ),
    ] {
        let mut client = door.client().await?;
        let head = format!("POST /fit/s HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n");
        client.send(head + &first).await?;
        came.notified().await;
        assert_eq!(client.ask(rest).await?.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn a_big_fit_comes_through_byte_for_byte() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let body: String = (0..500_000).map(|n| format!("{n},")).collect();
    assert_eq!(
        door.client().await?.post("/fit/s", &body).await?.status,
        200
    );
    assert!(fake.last().body == body.as_bytes());
    let chunks: String = (body.as_bytes().chunks(99_999))
        .map(|chunk| {
            format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                String::from_utf8_lossy(chunk)
            )
        })
        .collect();
    let request = format!(
        "POST /fit/s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\nt: x\r\n\r\n"
    );
    assert_eq!(door.client().await?.ask(request).await?.status, 200);
    assert!(fake.last().body == body.as_bytes());
    Ok(())
}

#[tokio::test]
async fn a_trainer_may_refuse_before_it_has_read_everything() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        peer.head().await;
        peer.send(reply("503 Service Unavailable", "", r#"{"busy":1}"#))
            .await?;
        peer.until_closed().await;
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    for _ in 0..2 {
        let mut client = door.client().await?;
        // The rest of the body never comes.
        let part = "1,".repeat(PART / 2);
        let head = "POST /fit/s HTTP/1.1\r\nhost: x\r\ncontent-length: 600000\r\n\r\n[";
        let reply = client.ask(head.to_owned() + &part).await?;
        assert_eq!((reply.status, &*reply.body), (503, &br#"{"busy":1}"#[..]));
    }
    assert_eq!(fake.accepted(), 2);
    Ok(())
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_is_sent() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        if peer.request().await.is_some() {
            peer.answer("{}").await?;
        }
        Ok(())
    })
    .await?;
    let url = fake.url();
    let door = Door::open(&url, &url, &["--max-body-bytes", "1000"]).await?;
    let (fits, exceeds) = ("x".repeat(1000), "x".repeat(1001));
    let too_large = (413, "body_too_large".to_owned());

    let mut client = door.client().await?;
    assert_eq!(client.post("/fit/s", &fits).await?.status, 200);
    let refused = client.post("/fit/s", &exceeds).await?;
    assert_eq!(refused.problem(), too_large);
    assert_eq!(
        fake.accepted(),
        1,
        "nothing is sent of what is announced as too long"
    );

    let head = "POST /fit/s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = door.client().await?;
    let chunked = format!("{head}3e8\r\n{fits}\r\n0\r\n\r\n");
    assert_eq!(client.ask(chunked).await?.status, 200);
    for chunks in [
        format!("3e9\r\n{exceeds}\r\n0\r\n\r\n"),
        format!("3e8\r\n{fits}\r\n1\r\nx\r\n"),
    ] {
        let mut client = door.client().await?;
        let refused = client.ask(format!("{head}{chunks}")).await?;
        assert_eq!(refused.problem(), too_large);
    }
    assert_eq!(
        fake.received().len(),
        2,
        "the trainer never got a whole one"
    );

    let point = "x".repeat(256 * 1024 + 1);
    let refused = door.client().await?.post("/predict/s", &point).await?;
    assert_eq!(refused.problem(), too_large);
    assert_eq!(fake.received().len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_no_whole_request_behind() -> anyhow::Result<()> {
    let broken = Arc::new(Notify::new());
    let notify = Arc::clone(&broken);
    let fake = Fake::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            assert!(peer.request().await.is_none());
            notify.notify_one();
            Ok(())
        }
    })
    .await?;
    let door = Door::to(&fake).await?;
    let begun = "x".repeat(PART);
    let chunk = format!("{:x}\r\n{begun}\r\n", begun.len());
    for (lines, part) in [
        ("content-length: 1000000", begun),
        ("transfer-encoding: chunked", chunk.clone()),
        ("transfer-encoding: chunked", chunk + "nonsense\r\n\r\n"),
    ] {
        let mut client = door.client().await?;
        let head = format!("POST /fit/s HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n{part}");
        client.send(head).await?;
        drop(client);
        broken.notified().await;
    }
    assert_eq!(fake.received().len(), 0);
    Ok(())
}
