//! SIGTERM ends what is in flight and loses nothing; a second one ends the process at once.

use std::time::{Duration, Instant};

use anyhow::ensure;
use contract::FitReply;
use testkit::{
    Client, Platform, eventually,
    load::{self, Acknowledged},
    series,
};

use crate::program::Program;

/// Waits until no one gets in any more.
async fn closed(client: Client) -> anyhow::Result<()> {
    eventually("closed doors", || async {
        ensure!(client.get("/livez").await.is_err(), "still open");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_what_is_in_flight_and_loses_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = Program::start(folder.path()).await?;
    let client = program.client;
    client.fit("held", &series::three(1.0)).await?;
    let late = client
        .begin("/fit/late", &series::body(&series::three(5.0)))
        .await?;
    let fitting = load::fitting(client, 6, 3);
    let predicting = load::predicting(client, 4, "held");
    fitting.goes_on_for(30).await?;

    fitting.expect_failures();
    predicting.expect_failures();
    program.process.ask_to_stop()?;
    let asked = Instant::now();
    closed(client).await?;
    let late: FitReply = late.finish().await?.ok()?;
    assert!(program.process.ended().await?.success());
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );

    let mut all = Acknowledged::default();
    all.go_on(fitting.end().await?)?;
    let answered = predicting.end().await?.len();
    let program = Program::start(folder.path()).await?;
    all.check(program.client).await?;
    let judged = program.client.predict("late", 5.0).await?;
    assert_eq!(judged.model_version, late.version);
    // The last moment's figures were handed over, too, and not twice.
    let expected = answered.to_string();
    eventually("every prediction to be counted once", || async {
        let used = program.client.health().await?.model_usage;
        ensure!(
            used.get("held") == Some(&expected),
            "{used:?} of {expected}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_right_after_the_last_reply_still_counts_it() -> anyhow::Result<()> {
    let mut platform = Platform::start().await?;
    platform.client().fit("s", &series::three(1.0)).await?;
    for round in 1..=5 {
        for _ in 0..10 {
            platform.client().predict("s", 1.0).await?;
        }
        platform
            .client()
            .fit(&format!("s{round}"), &series::three(1.0))
            .await?;
        platform = platform.restart().await?;
        eventually("all that was done to be counted", || async {
            let health = platform.client().health().await?;
            let counted = (health.series_trained, health.model_usage.get("s").cloned());
            let done = (1 + round, Some((10 * round).to_string()));
            ensure!(counted == done, "{counted:?} instead of {done:?}");
            Ok(())
        })
        .await?;
    }
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = Program::start(folder.path()).await?;
    program.client.fit("s", &series::three(1.0)).await?;
    // Without a second signal this one would be waited for, for fifteen seconds.
    let body = series::body(&series::three(2.0));
    let stuck = program.client.begin("/fit/s", &body).await?;
    program.process.ask_to_stop()?;
    closed(program.client).await?;

    program.process.ask_to_stop()?;
    let asked = Instant::now();
    assert_eq!(program.process.ended().await?.code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(12),
        "{:?}",
        asked.elapsed()
    );
    assert!(stuck.finish().await.is_err());

    let program = Program::start(folder.path()).await?;
    assert_eq!(
        program
            .client
            .predict("s", 1.0)
            .await?
            .model_version
            .to_string(),
        "v1"
    );
    Ok(())
}
