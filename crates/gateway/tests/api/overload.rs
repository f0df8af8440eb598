//! More requests than places.

use std::{sync::Arc, time::Instant};

use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};

use crate::{
    client::Client,
    door::{Door, POINT, POINTS},
    fake::Fake,
};

/// A backend that answers as many requests as `permits` allow.
async fn held(permits: &Arc<Semaphore>) -> anyhow::Result<Fake> {
    let permits = Arc::clone(permits);
    Fake::start(move |mut peer| {
        let permits = Arc::clone(&permits);
        async move {
            while peer.request().await.is_some() {
                permits.acquire().await?.forget();
                peer.answer("{}").await?;
            }
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn one_too_many_is_refused_at_once_and_the_others_end() -> anyhow::Result<()> {
    for (line, argument, retry_ms) in [
        ("POST /predict/s", "--max-inflight-predict", "100"),
        ("POST /fit/s", "--max-inflight-fit", "1000"),
        ("GET /plot", "--max-inflight-plot", "1000"),
        ("POST /v1/detect/plot", "--max-inflight-plot", "1000"),
        ("POST /v1/detect", "--max-inflight-detect", "1000"),
        ("POST /predict/s/batch", "--max-inflight-detect", "1000"),
        ("POST /v1/series/s/models", "--max-inflight-fit", "1000"),
    ] {
        let permits = Arc::new(Semaphore::new(0));
        let fake = held(&permits).await?;
        let arguments = [argument, "2", "--predict-timeout-ms", "60000"];
        let door = Door::open(&fake.url(), &fake.url(), &arguments).await?;
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        let mut held = JoinSet::new();
        for _ in 0..2 {
            let (addr, request) = (door.addr, request.clone());
            held.spawn(async move { Client::connect(addr).await?.ask(request).await });
        }
        fake.has_received(2).await?;
        let start = Instant::now();
        for _ in 0..5 {
            let refused = door.client().await?.ask(&request).await?;
            assert_eq!(refused.problem(), (503, "overloaded".to_owned()));
            assert_eq!(refused.header("retry-after"), Some("1"));
            assert_eq!(refused.header("retry-after-ms"), Some(retry_ms));
        }
        // The places stay taken for a minute.
        assert!(start.elapsed().as_secs() < 15);
        // Other kinds of requests have places of their own, and a refusal takes none.
        permits.add_permits(3);
        while let Some(reply) = held.join_next().await {
            assert_eq!(reply??.status, 200);
        }
        assert_eq!(door.client().await?.ask(&request).await?.status, 200);
        assert_eq!(fake.received().len(), 3);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_place_back() -> anyhow::Result<()> {
    let permits = Arc::new(Semaphore::new(0));
    let fake = held(&permits).await?;
    let arguments = [
        "--max-inflight-predict",
        "1",
        "--predict-timeout-ms",
        "1000",
    ];
    let door = Door::open(&fake.url(), &fake.url(), &arguments).await?;
    let mut client = door.client().await?;
    let length = POINT.len();
    client
        .send(format!(
            "POST /predict/s HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{POINT}"
        ))
        .await?;
    fake.has_received(1).await?;
    drop(client);
    permits.add_permits(10);
    // At the latest when the time limit ends it.
    loop {
        let reply = door.predict("s").await?;
        if reply.status == 200 {
            return Ok(());
        }
        assert_eq!(reply.problem().1, "overloaded");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_refused_is_counted() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::open(&fake.url(), &fake.url(), &["--max-inflight-fit", "0"]).await?;
    assert_eq!(door.fit("s").await?.problem().1, "overloaded");
    assert_eq!(door.predict("s").await?.status, 200);
    let families = prometheus::gather();
    let total = |name: &str, route: &str| {
        let family = families.iter().find(|family| family.name() == name)?;
        let of_route = family.get_metric().iter().filter(|metric| {
            let labels = metric.get_label();
            labels.iter().any(|label| label.value() == route)
        });
        Some(
            of_route
                .map(|metric| metric.get_counter().get_value())
                .sum::<f64>(),
        )
    };
    assert!(total("anomaly_gateway_shed_total", "fit") >= Some(1.0));
    assert!(total("anomaly_gateway_requests_total", "predict") >= Some(1.0));
    assert_eq!(fake.received().len(), 1);
    Ok(())
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_out() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let limits = ["--max-inflight-fit", "1", "--max-inflight-detect", "1"];
    let door = Door::open(&fake.url(), &fake.url(), &limits).await?;
    let mut stuck = Vec::new();
    for head in [
        "POST /fit/s HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n",
        "POST /fit/s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1",
        "POST /predict/s HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1",
    ] {
        for _ in 0..3 {
            let mut client = door.client().await?;
            client.send(head).await?;
            stuck.push(client);
        }
    }
    assert_eq!(door.fit("s").await?.status, 200);
    assert_eq!(
        door.client()
            .await?
            .post("/v1/detect", POINTS)
            .await?
            .status,
        200
    );
    assert_eq!(door.predict("s").await?.status, 200);
    assert_eq!(fake.received().len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_body_that_stalls_gives_its_place_to_others() -> anyhow::Result<()> {
    const LENGTH: usize = 600_000;
    let came = Arc::new(Notify::new());
    let notify = Arc::clone(&came);
    let fake = Fake::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            while let Some(head) = peer.head().await {
                let length = match head.contains(&format!("content-length: {LENGTH}")) {
                    true => {
                        notify.notify_one();
                        LENGTH
                    }
                    false => POINTS.len(),
                };
                if peer.take(length).await.is_none() {
                    break;
                }
                peer.answer("{}").await?;
            }
            Ok(())
        }
    })
    .await?;
    let door = Door::open(&fake.url(), &fake.url(), &["--max-inflight-fit", "1"]).await?;
    let mut slow = door.client().await?;
    let head = format!("POST /fit/s HTTP/1.1\r\nhost: x\r\ncontent-length: {LENGTH}\r\n\r\n");
    slow.send(head + &" ".repeat(LENGTH / 2)).await?;
    came.notified().await;
    let started = Instant::now();
    loop {
        let reply = door.fit("s").await?;
        if reply.status == 200 {
            break;
        }
        assert_eq!(reply.problem(), (503, "overloaded".to_owned()));
        tokio::task::yield_now().await;
    }
    // A body may pause for thirty seconds, but not while others want its place.
    assert!(started.elapsed().as_secs() < 15);
    assert_eq!(
        slow.reply().await?.problem(),
        (408, "body_timeout".to_owned())
    );
    Ok(())
}
