//! What was acknowledged survives kill -9.

use testkit::load::{self, Acknowledged};

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
async fn a_fit_that_was_killed_half_way_leaves_nothing_that_can_be_seen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let body = testkit::series::body(&testkit::series::three(1.0));
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
