//! More than the platform takes is refused at once, and what it took comes to its end.

use contract::FitReply;
use testkit::{Platform, Reply, eventually, series};

fn refused(reply: &Reply) -> anyhow::Result<()> {
    anyhow::ensure!(reply.status == 503, "{} {}", reply.status, reply.text());
    let problem = reply.problem()?;
    anyhow::ensure!(problem.code == "overloaded", "{problem:?}");
    let seconds = reply
        .header("retry-after")
        .and_then(|s| s.parse::<u32>().ok());
    anyhow::ensure!(seconds.is_some(), "{:?}", reply.header("retry-after"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fits_beyond_the_limit_are_refused_while_those_in_flight_finish() -> anyhow::Result<()> {
    let platform = Platform::start_with(&["--max-inflight-fit", "2"]).await?;
    let client = platform.client();
    client.fit("held", &series::three(1.0)).await?;
    // Longer than what is awaited before a request takes its place.
    let body = series::body(&series::three(1.0)) + &" ".repeat(300_000);
    let first = client.begin("/fit/first", &body).await?;
    let second = client.begin("/fit/second", &body).await?;

    eventually("both to have their places", || async {
        refused(&client.post("/fit/third", &body).await?)
    })
    .await?;
    // Neither of the two will go on before the others have their answers: a queue would wait for ever.
    for _ in 0..5 {
        refused(&client.post("/fit/third", &body).await?)?;
    }
    // Other calls have places of their own.
    assert!(client.predict("held", 99.0).await?.verdict.anomaly);
    assert_eq!(client.get("/plot?series_id=held").await?.status, 200);
    assert_eq!(client.get("/healthcheck").await?.status, 200);

    for (series, begun) in [("first", first), ("second", second)] {
        let fitted: FitReply = begun.finish().await?.ok()?;
        assert_eq!(fitted.series_id.as_str(), series);
        client.predict(series, 1.0).await?;
    }
    eventually("a free place", || async {
        client.fit("third", &series::three(1.0)).await
    })
    .await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fits_that_would_take_too_much_memory_are_refused() -> anyhow::Result<()> {
    let limits = [
        "--max-body-bytes",
        "1000000",
        "--max-inflight-fit-bytes",
        "8000000",
    ];
    let platform = Platform::start_with(&limits).await?;
    let client = platform.client();
    let big = series::body(&series::rising(40_000, 1.0));
    assert!((600_000..1_000_000).contains(&big.len()), "{}", big.len());
    let first = client.begin("/fit/first", &big).await?;
    // What fits beside it goes on.
    for _ in 0..3 {
        client.fit("small", &series::three(1.0)).await?;
    }
    refused(&client.post("/fit/second", &big).await?)?;
    let fitted: FitReply = first.finish().await?.ok()?;
    assert_eq!(fitted.points_used, 40_000);
    eventually("room", || async {
        let reply = client.post("/fit/second", &big).await?;
        reply.ok::<FitReply>()
    })
    .await?;

    let too_big = series::body(&series::rising(60_000, 1.0));
    let reply = client.post("/fit/third", &too_big).await?;
    assert_eq!((reply.status, reply.problem()?.status), (413, 413));
    platform.stop().await.map(drop)
}
