//! Connections to backends: kept, repeated, shared.

use tokio::net::TcpSocket;

use crate::{
    door::{Door, NOBODY},
    fake::{Fake, reply},
};

#[tokio::test]
async fn one_connection_carries_many_requests() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    for _ in 0..20 {
        assert_eq!(door.predict("s").await?.status, 200);
    }
    assert_eq!((fake.accepted(), fake.received().len()), (1, 20));
    Ok(())
}

#[tokio::test]
async fn fits_use_a_connection_again_too() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    for _ in 0..5 {
        assert_eq!(door.fit("s").await?.status, 200);
    }
    assert_eq!((fake.accepted(), fake.received().len()), (1, 5));
    Ok(())
}

#[tokio::test]
async fn a_backend_may_close_between_requests() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.answer("{}").await
    })
    .await?;
    let door = Door::to(&fake).await?;
    for number in 1..=10 {
        assert_eq!(door.predict("s").await?.status, 200);
        assert_eq!(fake.received().len(), number);
    }
    Ok(())
}

#[tokio::test]
async fn a_prediction_is_repeated_once_on_a_new_connection() -> anyhow::Result<()> {
    // The first connection answers once and dies with the second request; all others die with their first.
    let fake = Fake::start(|mut peer| async move {
        peer.request().await;
        if peer.number == 0 {
            peer.answer("{}").await?;
            peer.request().await;
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    assert_eq!(door.predict("s").await?.status, 200);
    let lost = door.predict("s").await?;
    assert_eq!(lost.problem(), (503, "upstream_unavailable".to_owned()));
    assert_eq!(fake.received().len(), 3);
    // A new connection that dies is not a stale one: nothing is repeated.
    assert_eq!(door.predict("s").await?.status, 503);
    assert_eq!((fake.accepted(), fake.received().len()), (3, 4));
    Ok(())
}

#[tokio::test]
async fn a_prediction_survives_a_connection_that_dies_with_it() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.answer("{}").await?;
        if peer.request().await.is_some() && peer.number > 0 {
            peer.answer(r#"{"second":true}"#).await?;
        }
        peer.reset()
    })
    .await?;
    let door = Door::to(&fake).await?;
    for _ in 0..2 {
        assert_eq!(door.predict("s").await?.status, 200);
    }
    assert_eq!(fake.received().len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_fit_is_never_repeated() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.answer("{}").await?;
        peer.request().await;
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    assert_eq!(door.fit("s").await?.status, 200);
    let lost = door.fit("s").await?;
    assert_eq!(lost.problem(), (503, "upstream_unavailable".to_owned()));
    assert!(lost.header("retry-after").is_some());
    assert_eq!((fake.accepted(), fake.received().len()), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_reply_that_closes_or_has_a_tail_ends_its_connection() -> anyhow::Result<()> {
    for tail in ["", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"] {
        let lines = if tail.is_empty() {
            "connection: close\r\n"
        } else {
            ""
        };
        let answer = reply("200 OK", lines, "good") + tail;
        let fake = Fake::start(move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.send(&answer).await?;
                }
                Ok(())
            }
        })
        .await?;
        let door = Door::to(&fake).await?;
        for number in 1..=3 {
            assert_eq!(door.predict("s").await?.body, b"good");
            assert_eq!(fake.accepted(), number);
        }
    }
    Ok(())
}

#[tokio::test]
async fn backends_take_turns_and_one_that_is_away_is_skipped() -> anyhow::Result<()> {
    let (first, second) = (Fake::answering("1").await?, Fake::answering("2").await?);
    let urls = format!("{},{},{}", first.url(), NOBODY, second.url());
    let door = Door::open(NOBODY, &urls, &[]).await?;
    for _ in 0..30 {
        assert_eq!(door.predict("s").await?.status, 200);
    }
    let (first, second) = (first.received().len(), second.received().len());
    assert_eq!(first + second, 30);
    assert!(first >= 5 && second >= 5, "{first} and {second}");
    Ok(())
}

#[tokio::test]
async fn a_prediction_that_a_dying_backend_drops_is_asked_of_another() -> anyhow::Result<()> {
    // It still accepts, and answers nobody.
    let dying = Fake::start(|mut peer| async move {
        peer.request().await;
        peer.reset()
    })
    .await?;
    let well = Fake::answering("well").await?;
    let urls = format!("{},{}", dying.url(), well.url());
    let door = Door::open(NOBODY, &urls, &[]).await?;
    for _ in 0..10 {
        assert_eq!(door.predict("s").await?.body, b"well");
    }
    assert!(!dying.received().is_empty());
    assert_eq!(well.received().len(), 10);
    Ok(())
}

#[tokio::test]
async fn a_backend_that_comes_back_is_used_at_once() -> anyhow::Result<()> {
    // Bound, it has its port; it refuses connections until it listens.
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let url = format!("http://{}", socket.local_addr()?);
    let door = Door::open(&url, &url, &[]).await?;
    assert_eq!(
        door.predict("s").await?.problem(),
        (503, "upstream_unavailable".to_owned())
    );
    let listener = socket.listen(16)?;
    let (reply, served) = tokio::join!(door.predict("s"), async {
        let (mut stream, _) = listener.accept().await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, reply("200 OK", "", "{}").as_bytes())
            .await?;
        anyhow::Ok(stream)
    });
    served?;
    assert_eq!(reply?.status, 200);
    Ok(())
}
