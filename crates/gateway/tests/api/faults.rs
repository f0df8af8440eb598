//! Backends that fail in the middle of something.

use std::{sync::Arc, time::Instant};

use tokio::{io::AsyncWriteExt, sync::Notify};

use crate::{
    door::Door,
    fake::{Fake, reply},
};

fn bad_gateway() -> (u16, String) {
    (502, "bad_gateway".to_owned())
}

fn unavailable() -> (u16, String) {
    (503, "upstream_unavailable".to_owned())
}

#[tokio::test]
async fn a_reply_that_is_none_is_a_bad_gateway() -> anyhow::Result<()> {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(20_000));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(17);
    let many = format!("HTTP/1.1 204 No Content\r\n{}\r\n", "a: b\r\n".repeat(65));
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\0\0\0",
        "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{}",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        &huge,
        &interim,
        &many,
    ] {
        let fake = Fake::saying(garbage).await?;
        let door = Door::to(&fake).await?;
        assert_eq!(
            door.predict("s").await?.problem(),
            bad_gateway(),
            "{garbage:.40}"
        );
        assert_eq!(fake.received().len(), 1);
        assert_eq!(
            door.fit("s").await?.problem(),
            bad_gateway(),
            "{garbage:.40}"
        );
        assert_eq!(fake.received().len(), 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_backend_that_dies_within_its_reply_is_a_bad_gateway() -> anyhow::Result<()> {
    for part in ["H", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let fake = Fake::saying(part).await?;
        let door = Door::to(&fake).await?;
        assert_eq!(door.predict("s").await?.problem(), bad_gateway(), "{part}");
    }
    let whole = reply("200 OK", "", "0123456789");
    let fake = Fake::saying(&whole[..whole.len() - 1]).await?;
    let door = Door::to(&fake).await?;
    assert_eq!(door.predict("s").await?.problem(), bad_gateway());
    assert_eq!(fake.received().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_backend_that_says_nothing_is_unavailable() -> anyhow::Result<()> {
    let closing = Fake::saying("").await?;
    let resetting = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.reset()
    })
    .await?;
    let half_closing = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.stream.shutdown().await?;
        peer.until_closed().await;
        Ok(())
    })
    .await?;
    for fake in [closing, resetting, half_closing] {
        let door = Door::to(&fake).await?;
        let problem = door.predict("s").await?;
        assert_eq!(problem.problem(), unavailable());
        assert_eq!(problem.header("retry-after"), Some("1"));
        assert_eq!(door.fit("s").await?.problem(), unavailable());
        assert_eq!(fake.received().len(), 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_half_closed_connection_is_not_used_again() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.answer("{}").await?;
        peer.stream.shutdown().await?;
        peer.until_closed().await;
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    for _ in 0..5 {
        assert_eq!(door.predict("s").await?.status, 200);
    }
    assert_eq!(fake.received().len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_slow_backend_is_given_up_and_its_connection_closed() -> anyhow::Result<()> {
    let closed = Arc::new(Notify::new());
    let notify = Arc::clone(&closed);
    let fake = Fake::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            peer.request().await;
            peer.until_closed().await;
            notify.notify_one();
            Ok(())
        }
    })
    .await?;
    let url = fake.url();
    let arguments = ["--predict-timeout-ms", "1000", "--fit-timeout-ms", "1000"];
    let door = Door::open(&url, &url, &arguments).await?;
    let problem = door.predict("s").await?;
    assert_eq!(problem.problem(), (503, "upstream_timeout".to_owned()));
    assert!(problem.header("retry-after").is_some());
    closed.notified().await;
    assert_eq!(
        door.fit("s").await?.problem(),
        (503, "upstream_timeout".to_owned())
    );
    closed.notified().await;
    assert_eq!(fake.received().len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_backend_that_dribbles_cannot_stretch_the_time_limit() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\nx: ").await?;
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            interval.tick().await;
            peer.send("v").await?;
        }
    })
    .await?;
    let door = Door::open(&fake.url(), &fake.url(), &["--predict-timeout-ms", "200"]).await?;
    let start = Instant::now();
    assert_eq!(
        door.predict("s").await?.problem(),
        (503, "upstream_timeout".to_owned())
    );
    assert!(start.elapsed().as_secs() < 5);
    Ok(())
}

#[tokio::test]
async fn a_reply_may_come_in_single_bytes_after_interim_ones() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        while peer.request().await.is_some() {
            let answer = format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{}",
                reply("200 OK", "x-series-revision: r7\r\n", r#"{"a":1}"#)
            );
            for byte in answer.as_bytes() {
                peer.send([*byte]).await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    for _ in 0..3 {
        let reply = door.predict("s").await?;
        assert_eq!((reply.status, &*reply.body), (200, &br#"{"a":1}"#[..]));
        assert_eq!(reply.header("x-series-revision"), Some("r7"));
        assert_eq!(reply.header("link"), None);
        assert_eq!(door.fit("s").await?.body, br#"{"a":1}"#);
    }
    assert_eq!(fake.accepted(), 2, "one as trainer, one as predictor");
    Ok(())
}

#[tokio::test]
async fn a_chunked_reply_comes_through_and_its_connection_is_kept() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n")
                .await?;
            peer.send("3;x=y\r\n:1}\r\n0\r\ntrailer: t\r\n\r\n").await?;
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    for _ in 0..3 {
        let reply = door.predict("s").await?;
        assert_eq!((reply.status, &*reply.body), (200, &br#"{"a":1}"#[..]));
        assert_eq!(reply.header("trailer"), None);
    }
    assert_eq!(fake.accepted(), 1);
    Ok(())
}

#[tokio::test]
async fn a_reply_without_content_has_no_body() -> anyhow::Result<()> {
    for status in ["204 No Content", "304 Not Modified"] {
        let fake = Fake::start(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(format!("HTTP/1.1 {status}\r\n\r\n")).await?;
            }
            Ok(())
        })
        .await?;
        let door = Door::to(&fake).await?;
        let mut client = door.client().await?;
        for _ in 0..2 {
            client.send("GET /plot HTTP/1.1\r\nhost: x\r\n\r\n").await?;
            let reply = client.bare_reply().await?;
            assert!(status.starts_with(&reply.status.to_string()));
        }
        assert_eq!(fake.accepted(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_long_reply_is_streamed_whole_and_its_connection_kept() -> anyhow::Result<()> {
    const LENGTH: usize = 3_000_000;
    let fake = Fake::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let body = vec![b'p'; LENGTH];
            if request.line().contains("chunked") {
                peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                for chunk in body.chunks(70_001) {
                    peer.send(format!("{:X}\r\n", chunk.len())).await?;
                    peer.send(chunk).await?;
                    peer.send("\r\n").await?;
                }
                peer.send("0\r\n\r\n").await?;
            } else {
                peer.send(format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n"
                ))
                .await?;
                peer.send(body).await?;
            }
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    for _ in 0..2 {
        let reply = door.get("/plot?length").await?;
        assert_eq!(reply.header("content-length"), Some("3000000"));
        assert_eq!(reply.body.len(), LENGTH);
        let reply = door.get("/plot?chunked").await?;
        assert_eq!(reply.header("content-length"), None);
        assert_eq!(reply.body.len(), LENGTH);
    }
    assert_eq!(fake.accepted(), 1);
    Ok(())
}

#[tokio::test]
async fn a_long_reply_that_breaks_off_is_not_made_to_look_whole() -> anyhow::Result<()> {
    let tail = "x".repeat(200_000);
    let by_length = format!("HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n{tail}");
    let by_chunks =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n30d40\r\n{tail}\r\n");
    let bad_chunk = format!("{by_chunks}nonsense\r\n\r\n");
    for part in [by_length, by_chunks, bad_chunk] {
        let fake = Fake::saying(part).await?;
        let reply = Door::to(&fake).await?.get("/plot").await;
        assert!(reply.is_err(), "{:?}", reply.map(|reply| reply.body.len()));
    }
    Ok(())
}

#[tokio::test]
async fn a_long_reply_may_take_longer_than_the_limit_but_not_stall_for_longer() -> anyhow::Result<()>
{
    let fake = Fake::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let pieces = if request.line().contains("stall") {
                5
            } else {
                10
            };
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                .await?;
            let mut interval = tokio::time::interval(std::time::Duration::from_millis(200));
            for _ in 0..pieces {
                interval.tick().await;
                peer.send([b'x'; 10_000]).await?;
            }
        }
        Ok(())
    })
    .await?;
    let door = Door::open(&fake.url(), &fake.url(), &["--plot-timeout-ms", "1500"]).await?;
    assert_eq!(door.get("/plot").await?.body.len(), 100_000);
    assert!(door.get("/plot?stall").await.is_err());
    Ok(())
}
