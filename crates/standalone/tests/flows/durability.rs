//! Acknowledged writes survive kill -9.

use std::time::Duration;

use anyhow::ensure;
use contract::FitReply;
use testkit::{
    Client, eventually,
    load::{self, Acknowledged},
    series,
};

use tokio::time::timeout;

use crate::program::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_lose_nothing_that_was_acknowledged() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut all = Acknowledged::default();
    for _ in 0..4 {
        let program = Program::start(folder.path()).await?;
        all.check(program.client).await?;

        let fitting = load::fitting(program.client, 12, 4);
        fitting.goes_on_for(40).await?;
        fitting.expect_failures();
        program.process.kill()?;
        all.go_on(fitting.end().await?)?;
    }
    assert!(all.count() >= 160);
    let program = Program::start(folder.path()).await?;
    all.check(program.client).await?;
    assert!(program.process.terminate().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_the_very_moment_of_the_acknowledgement_loses_nothing() -> anyhow::Result<()> {
    const POINTS: usize = 60_000;
    let folder = tempfile::tempdir()?;
    let points = series::rising(POINTS, 1.0);
    for round in 1..=6 {
        let program = Program::start(folder.path()).await?;
        let fitted = program.client.fit("big", &points).await?;
        program.process.kill()?;
        assert_eq!(fitted.version.number(), round);

        let program = Program::start(folder.path()).await?;
        let fitted = load::Fitted {
            version: fitted.version,
            points: POINTS,
        };
        load::check_plot(program.client, "big", fitted).await?;
        let judged = program.client.predict("big", 1.0).await?;
        assert_eq!(judged.model_version, fitted.version);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fit_with_a_key_makes_one_version_however_often_it_is_killed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let body = series::body(&series::rising(5_000, 1.0));
    let fit = async |client: Client, key: &str| {
        let headers = [("idempotency-key", key)];
        let body = Some(body.as_bytes());
        client.send("POST", "/fit/s", &headers, body).await
    };
    for round in 1..=8 {
        let key = format!("k{round}");
        // Killed at another moment each time: before, during or after the fit.
        let program = Program::start(folder.path()).await?;
        let moment = Duration::from_millis(12 * round);
        let early = timeout(moment, fit(program.client, &key)).await;
        program.process.kill()?;

        let program = Program::start(folder.path()).await?;
        let reply = fit(program.client, &key).await?;
        let version = reply.ok::<FitReply>()?.version;
        if let Ok(Ok(early)) = early {
            assert_eq!(early.text(), reply.text());
        }
        let again = fit(program.client, &key).await?;
        assert_eq!(again.text(), reply.text());
        let models = program.client.models("s").await?;
        assert_eq!((models.len() as u64, models[0].version), (round, version));
        program.process.kill()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_lost_keeps_no_later_point_from_being_stored() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let points = series::three(1.0);
    let fit = async |client: Client| {
        let fitted = client.fit("s", &points).await?;
        client.plot("s", fitted.version).await
    };
    let program = Program::start(folder.path()).await?;
    for _ in 0..20 {
        fit(program.client).await?;
    }
    assert!(program.process.terminate().await?.success());
    for file in std::fs::read_dir(folder.path())? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("events.db") {
            std::fs::remove_file(file.path())?;
        }
    }
    let program = Program::start(folder.path()).await?;
    fit(program.client).await?;
    program.client.predict("s", 1.0).await?;
    eventually("the prediction to be counted", || async {
        let usage = program.client.health().await?.model_usage;
        ensure!(
            usage.get("s").is_some_and(|count| count == "1"),
            "{usage:?}"
        );
        Ok(())
    })
    .await?;
    assert!(program.process.terminate().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fit_that_was_killed_half_way_leaves_nothing_that_can_be_seen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let body = series::body(&series::three(1.0));
    let begun = program.client.begin("/fit/half", &body).await?;
    program.process.kill()?;
    assert!(begun.finish().await.is_err());

    let program = Program::start(folder.path()).await?;
    let point = r#"{"timestamp":1,"value":1}"#;
    let reply = program.client.post("/predict/half", point).await?;
    assert_eq!(reply.status, 404);
    assert_eq!(
        program.client.get("/plot?series_id=half").await?.status,
        404
    );
    assert_eq!(program.client.health().await?.series_trained, 0);
    Ok(())
}

/// How often `series` was predicted, as soon as that is `least` times.
async fn used(client: Client, series: &str, least: usize) -> anyhow::Result<usize> {
    eventually("the figures", || async {
        let health = client.health().await?;
        let used = health
            .model_usage
            .get(series)
            .map_or(Ok(0), |n| n.parse())?;
        ensure!(used >= least, "{used} instead of at least {least}");
        Ok(used)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_neither_go_back_nor_double_when_the_process_is_killed() -> anyhow::Result<()> {
    const CLIENTS: usize = 4;
    let folder = tempfile::tempdir()?;
    let (mut told, mut answered, mut unanswered) = (0, 0, 0);
    for _ in 0..5 {
        let program = Program::start(folder.path()).await?;
        program.client.fit("held", &series::three(1.0)).await?;
        let predicting = load::predicting(program.client, CLIENTS, "held");
        predicting.goes_on_for(300).await?;
        told = used(program.client, "held", told + 1).await?;
        predicting.expect_failures();
        program.process.kill()?;
        answered += predicting.end().await?.len();
        // Each client may have had a point judged of which it heard no more.
        unanswered += CLIENTS;
    }
    let program = Program::start(folder.path()).await?;
    // Once later points are counted, so are all from before.
    program.client.fit("later", &series::three(1.0)).await?;
    for n in 1..=3 {
        program.client.predict("later", 1.0).await?;
        used(program.client, "later", n).await?;
    }
    let counted = used(program.client, "held", told).await?;
    ensure!(counted <= answered + unanswered, "{counted} of {answered}");
    // The trainer's figures may be a second older than the predictor's.
    eventually("both series to be counted", || async {
        let trained = program.client.health().await?.series_trained;
        ensure!(trained == 2, "{trained} series");
        Ok(())
    })
    .await
}
