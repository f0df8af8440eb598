//! Predictions that share a connection, and everything that can happen to it.

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use tokio::{io::AsyncWriteExt, task::JoinSet};

use crate::{
    client::{Client, Reply},
    door::{Door, POINT},
    fake::{Fake, Peer, Received, reply},
};

/// Asks for this many series at once, each on a connection of its own; the replies by the numbers of the series.
async fn ask(door: &Door, number: usize) -> anyhow::Result<HashMap<usize, Reply>> {
    let mut asking = JoinSet::new();
    for series in 0..number {
        let addr = door.addr;
        asking.spawn(async move {
            let mut client = Client::connect(addr).await?;
            let reply = client.post(&format!("/predict/{series}"), POINT).await?;
            anyhow::Ok((series, reply))
        });
    }
    let mut replies = HashMap::new();
    while let Some(asked) = asking.join_next().await {
        replies.extend([asked??]);
    }
    Ok(replies)
}

/// Everyone got the reply to their own question.
#[track_caller]
fn all_well(replies: &HashMap<usize, Reply>) {
    for (series, reply) in replies {
        assert_eq!(
            (reply.status, &*reply.body),
            (200, series.to_string().as_bytes()),
            "{series}: {reply:?}"
        );
    }
}

/// The reply that says which series was asked for.
fn own(request: &Received) -> String {
    let path = request.line().split(' ').nth(1).unwrap_or_default();
    reply("200 OK", "", path.trim_start_matches("/predict/"))
}

/// Answers as it should, until the connection ends.
async fn behave(peer: &mut Peer) -> anyhow::Result<()> {
    while let Some(request) = peer.request().await {
        peer.send(own(&request)).await?;
    }
    Ok(())
}

/// The next `number` requests, in the order in which they came.
async fn requests(peer: &mut Peer, number: usize) -> anyhow::Result<Vec<Received>> {
    let mut requests = Vec::new();
    for _ in 0..number {
        requests.push(peer.request().await.context("connection ended")?);
    }
    Ok(requests)
}

#[tokio::test]
async fn requests_share_a_connection_and_each_gets_its_own_reply_however_they_are_cut()
-> anyhow::Result<()> {
    for piece in [1, 7, 100, 1_000_000] {
        let fake = Fake::start(move |mut peer| async move {
            let requests = requests(&mut peer, 20).await?;
            let replies: String = requests.iter().map(own).collect();
            for piece in replies.as_bytes().chunks(piece) {
                peer.send(piece).await?;
                tokio::task::yield_now().await;
            }
            behave(&mut peer).await
        })
        .await?;
        let door = Door::to(&fake).await?;
        all_well(&ask(&door, 20).await?);
        all_well(&ask(&door, 20).await?);
        assert_eq!(fake.accepted(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_lost_connection_leaves_unanswered_is_asked_again_once() -> anyhow::Result<()> {
    for (way, answered) in [
        ("kill", 0),
        ("kill", 3),
        ("reset", 3),
        ("half", 3),
        ("close", 3),
    ] {
        let fake = Fake::start(move |mut peer| async move {
            if peer.number > 0 {
                return behave(&mut peer).await;
            }
            // A reply before the others, so that the lane is known to have worked.
            let first = requests(&mut peer, 1).await?;
            peer.send(own(&first[0])).await?;
            let requests = requests(&mut peer, 10).await?;
            for request in &requests[..answered] {
                peer.send(own(request)).await?;
            }
            match way {
                "reset" => return peer.reset(),
                "half" => {
                    peer.stream.shutdown().await?;
                    peer.until_closed().await;
                }
                "close" => {
                    let last = own(&requests[answered]);
                    peer.send(last.replacen("\r\n", "\r\nconnection: close\r\n", 1))
                        .await?;
                    peer.until_closed().await;
                }
                _ => {}
            }
            Ok(())
        })
        .await?;
        let door = Door::to(&fake).await?;
        all_well(&ask(&door, 1).await?);
        all_well(&ask(&door, 10).await?);
        let answered = answered + usize::from(way == "close");
        assert_eq!(fake.received().len(), 1 + 10 + 10 - answered, "{way}");
    }
    Ok(())
}

#[tokio::test]
async fn only_the_request_whose_reply_had_begun_fails_with_its_connection() -> anyhow::Result<()> {
    for part in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx",
        "H",
        "garbage",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let fake = Fake::start(move |mut peer| async move {
            if peer.number > 0 {
                return behave(&mut peer).await;
            }
            let requests = requests(&mut peer, 5).await?;
            peer.send(own(&requests[0])).await?;
            peer.send(part).await
        })
        .await?;
        let door = Door::to(&fake).await?;
        let mut replies = ask(&door, 5).await?;
        let failed: Vec<usize> = (0..5).filter(|n| replies[n].status != 200).collect();
        assert_eq!(failed.len(), 1, "{part}");
        let failed = replies.remove(&failed[0]).context("is there")?;
        assert_eq!(failed.problem(), (502, "bad_gateway".to_owned()));
        all_well(&replies);
    }
    Ok(())
}

#[tokio::test]
async fn a_late_reply_ends_with_a_timeout_and_those_behind_it_are_asked_again() -> anyhow::Result<()>
{
    const LIMIT: Duration = Duration::from_secs(2);
    let fake = Fake::start(|mut peer| async move {
        match peer.number {
            0 => {
                peer.request().await;
                peer.until_closed().await.clear();
            }
            _ => behave(&mut peer).await?,
        }
        Ok(())
    })
    .await?;
    let url = fake.url();
    let limit = LIMIT.as_millis().to_string();
    let door = Door::open(&url, &url, &["--predict-timeout-ms", &limit]).await?;
    let (late, behind) = tokio::join!(door.predict("late"), async {
        fake.has_received(1).await?;
        // Those behind have this much longer than the late one.
        tokio::time::sleep(LIMIT / 2).await;
        ask(&door, 5).await
    });
    assert_eq!(late?.problem(), (503, "upstream_timeout".to_owned()));
    all_well(&behind?);
    // Then all is as before, on a new connection.
    let accepted = fake.accepted();
    all_well(&ask(&door, 5).await?);
    assert!(fake.accepted() <= accepted + 1);
    Ok(())
}

#[tokio::test]
async fn a_reply_that_nobody_asked_for_is_given_to_nobody() -> anyhow::Result<()> {
    for tail in [
        own_of("evil"),
        "HTTP/1.1 200 OK\r\n".to_owned(),
        "x".to_owned(),
    ] {
        let fake = Fake::start(move |mut peer| {
            let tail = tail.clone();
            async move {
                let requests = requests(&mut peer, 3).await?;
                let replies: String = requests.iter().map(own).collect();
                peer.send(replies + &tail).await?;
                peer.until_closed().await;
                Ok(())
            }
        })
        .await?;
        let door = Door::to(&fake).await?;
        for round in 1..=3 {
            all_well(&ask(&door, 3).await?);
            assert_eq!(fake.accepted(), round);
        }
    }
    Ok(())
}

fn own_of(body: &str) -> String {
    reply("200 OK", "", body)
}

#[tokio::test]
async fn what_is_not_in_memory_is_waited_for_elsewhere_and_holds_up_nobody() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let is_slow = request.line().contains("/slow");
            match request.header("cache-control") {
                Some("only-if-cached") if is_slow => {
                    peer.send(reply("504 Not Cached", "", "{}")).await?;
                }
                _ => peer.send(own(&request)).await?,
            }
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    let (slow, others) = tokio::join!(door.predict("slow"), ask(&door, 10));
    let slow = slow?;
    assert_eq!((slow.status, &*slow.body), (200, &b"slow"[..]));
    all_well(&others?);
    assert_eq!(fake.received().len(), 12);
    // One for the lane, one for what had to be waited for.
    assert_eq!(fake.accepted(), 2);
    // Nobody gets there by saying so.
    let mut client = door.client().await?;
    let lines = "cache-control: only-if-cached\r\n";
    let reply = client.post_with("/predict/slow", lines, POINT).await?;
    assert_eq!(reply.status, 200);
    Ok(())
}

#[tokio::test]
async fn long_and_empty_bodies_and_long_replies_go_another_way() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.line().contains("/long") {
                peer.send(reply("200 OK", "", &"x".repeat(100_000))).await?;
            } else {
                peer.send(own(&request)).await?;
            }
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    for (length, in_line) in [(0, false), (1, true), (4096, true), (4097, false)] {
        let reply = client.post("/predict/s", &"x".repeat(length)).await?;
        assert_eq!(reply.status, 200);
        let cache_control = fake.last().header("cache-control").map(str::to_owned);
        assert_eq!(cache_control.is_some(), in_line, "{length}");
    }
    let (long, others) = tokio::join!(door.predict("long"), ask(&door, 5));
    assert_eq!(long?.body.len(), 100_000);
    all_well(&others?);
    Ok(())
}

#[tokio::test]
async fn a_connection_carries_as_many_requests_at_once_as_come() -> anyhow::Result<()> {
    const ALL: usize = 300;
    let fake = Fake::start(|mut peer| async move {
        // No reply before all requests are there: so many wait at the same time.
        let held = peer.requests_until_all_received(ALL).await?;
        for request in &held {
            peer.send(own(request)).await?;
        }
        behave(&mut peer).await
    })
    .await?;
    let door = Door::to(&fake).await?;
    all_well(&ask(&door, ALL).await?);
    assert_eq!(fake.accepted(), 1);
    Ok(())
}

#[tokio::test]
async fn clients_that_leave_do_not_shift_the_replies_of_others() -> anyhow::Result<()> {
    let fake = Fake::start(|mut peer| async move {
        let requests = requests(&mut peer, 10).await?;
        for request in &requests {
            peer.send(own(request)).await?;
            tokio::task::yield_now().await;
        }
        behave(&mut peer).await
    })
    .await?;
    let door = Door::to(&fake).await?;
    for series in ["left", "gone", "away", "x"] {
        let mut leaving = door.client().await?;
        let length = POINT.len();
        leaving
            .send(format!(
                "POST /predict/{series} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{POINT}"
            ))
            .await?;
    }
    all_well(&ask(&door, 6).await?);
    all_well(&ask(&door, 6).await?);
    assert_eq!(fake.accepted(), 1);
    Ok(())
}

#[tokio::test]
async fn backends_take_turns_and_what_one_loses_another_answers() -> anyhow::Result<()> {
    let dying = Fake::start(|mut peer| async move {
        requests(&mut peer, 5).await?;
        peer.reset()
    })
    .await?;
    let well = Fake::start(|mut peer| async move { behave(&mut peer).await }).await?;
    let urls = format!("{},{}", dying.url(), well.url());
    let door = Door::open(&dying.url(), &urls, &[]).await?;
    all_well(&ask(&door, 10).await?);
    assert_eq!((dying.received().len(), well.received().len()), (5, 10));
    Ok(())
}
