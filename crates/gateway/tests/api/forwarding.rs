//! Parts of requests and replies that go through the gateway, and parts that do not.

use crate::{
    door::{Door, POINT, POINTS},
    fake::{Fake, reply},
};

#[tokio::test]
async fn a_request_keeps_its_path_body_and_the_headers_that_services_use() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let lines = format!(
        "content-type: text/plain\r\naccept: image/png\r\ntraceparent: {trace}\r\nx-request-id: mine-1\r\n"
    );
    let mut client = door.client().await?;
    let series = "/predict/a%2Bb%20%F0%9F%8C%A1";
    for (path, body, looks_at_types) in [
        (format!("{series}?q=%2F&r"), POINT, false),
        // Not simple enough for the fast path.
        (format!("{series}?q=|"), POINT, false),
        (format!("{series}/batch?q=%2F&r"), POINTS, true),
    ] {
        let answer = client.post_with(&path, &lines, body).await?;
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (200, Some("mine-1"))
        );
        let received = fake.last();
        assert_eq!(received.line(), format!("POST {path} HTTP/1.1"));
        assert_eq!(received.body, body.as_bytes());
        for (name, value) in [
            ("host", Some(fake.addr.to_string().as_str())),
            ("content-type", looks_at_types.then_some("text/plain")),
            ("accept", looks_at_types.then_some("image/png")),
            ("traceparent", Some(trace)),
            ("x-request-id", Some("mine-1")),
            ("content-length", Some(&*body.len().to_string())),
        ] {
            assert_eq!(received.header(name), value);
        }
    }
    Ok(())
}

#[tokio::test]
async fn headers_that_are_not_for_services_go_no_further() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let lines = concat!(
        "connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nte: trailers\r\nupgrade: h2c\r\n",
        "proxy-authorization: p\r\nauthorization: a\r\ncookie: c\r\nx-forwarded-for: f\r\n",
        "traceparent: nonsense\r\nexpect-nothing: 1\r\ncache-control: only-if-cached\r\n",
    );
    let mut client = door.client().await?;
    let batch = "/predict/s/batch";
    for (path, body, ours) in [
        ("/predict/s", POINT, Some("only-if-cached")),
        (batch, POINTS, None),
        ("/fit/s", POINTS, None),
    ] {
        assert_eq!(client.post_with(path, lines, body).await?.status, 200);
        assert_eq!(fake.last().header("cache-control"), ours);
        let names: Vec<String> = (fake.last().head.lines().skip(1))
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .filter(|name| name != "cache-control")
            .collect();
        assert_eq!(names, ["host", "x-request-id", "content-length"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_request_without_id_gets_one_that_the_service_sees_too() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let first = door.predict("s").await?;
    let id = fake.last().header("x-request-id").map(str::to_owned);
    assert_eq!(first.header("x-request-id"), id.as_deref());
    let second = door.predict("s").await?;
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    // An id that could break a log is replaced.
    let mut client = door.client().await?;
    let long = format!("x-request-id: {}\r\n", "i".repeat(129));
    let third = client.post_with("/predict/s", &long, POINT).await?;
    assert!(
        third
            .header("x-request-id")
            .is_some_and(|id| id.len() < 129)
    );
    Ok(())
}

#[tokio::test]
async fn a_reply_keeps_status_headers_and_body_but_not_what_is_about_the_hop() -> anyhow::Result<()>
{
    let lines = concat!(
        "x-request-id: theirs\r\nkeep-alive: timeout=9\r\nconnection: x-hop\r\nx-hop: 1\r\n",
        "retry-after: 3\r\nretry-after-ms: 2500\r\nx-series-revision: r4\r\n",
    );
    let fake = Fake::start(move |mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(reply("418 Teapot", lines, r#"{"detail":"x"}"#))
                .await?;
        }
        Ok(())
    })
    .await?;
    let door = Door::to(&fake).await?;
    for answer in [
        door.predict("s").await?,
        door.fit("s").await?,
        door.get("/plot").await?,
    ] {
        assert_eq!(
            (answer.status, &*answer.body),
            (418, &br#"{"detail":"x"}"#[..])
        );
        let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        let expected = [
            "content-length",
            "content-type",
            "date",
            "retry-after",
            "retry-after-ms",
            "x-content-type-options",
            "x-request-id",
            "x-series-revision",
        ];
        assert_eq!(names, expected);
        assert_ne!(answer.header("x-request-id"), Some("theirs"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    Ok(())
}

#[tokio::test]
async fn fits_and_plots_go_to_the_trainer_and_predictions_to_the_predictor() -> anyhow::Result<()> {
    let (trainer, predictor) = (Fake::answering("t").await?, Fake::answering("p").await?);
    let door = Door::open(&trainer.url(), &predictor.url(), &[]).await?;
    assert_eq!(door.fit("s").await?.body, b"t");
    assert_eq!(
        door.get("/plot?series_id=s%201&version=v1").await?.body,
        b"t"
    );
    assert_eq!(
        trainer.last().line(),
        "GET /plot?series_id=s%201&version=v1 HTTP/1.1"
    );
    assert_eq!(trainer.last().header("content-length"), None);
    assert_eq!(door.predict("s").await?.body, b"p");
    Ok(())
}

#[tokio::test]
async fn head_asks_as_get_and_answers_without_body() -> anyhow::Result<()> {
    let fake = Fake::answering("picture").await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    for _ in 0..2 {
        client
            .send("HEAD /plot?x HTTP/1.1\r\nhost: x\r\n\r\n")
            .await?;
        let reply = client.bare_reply().await?;
        assert_eq!(
            (reply.status, reply.header("content-length")),
            (200, Some("7"))
        );
    }
    assert_eq!(fake.last().line(), "GET /plot?x HTTP/1.1");
    Ok(())
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    client
        .send(
            "POST /fit/s HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
        )
        .await?;
    assert_eq!(client.bare_reply().await?.status, 100);
    assert_eq!(client.ask("{}").await?.status, 200);
    assert_eq!(fake.last().header("expect"), None);
    Ok(())
}
