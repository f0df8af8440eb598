//! A copy of the data folder that was made while the platform worked is a whole platform.

use std::path::Path;

use anyhow::{Context, ensure};
use testkit::{
    Client,
    load::{self, Acknowledged},
    process::Process,
    series,
};

use crate::program::Program;

/// Runs `standalone backup`. Returns whether it succeeded, and its log.
async fn back_up(data: &Path, to: &Path) -> anyhow::Result<(bool, String)> {
    let path = |path: &Path| path.to_str().map(str::to_owned).context("an odd name");
    let (data, to) = (path(data)?, path(to)?);
    let mut process = Process::start_with("standalone", &["backup", &to], &[("DATA_DIR", &*data)])?;
    let ended = process.ended().await?;
    Ok((ended.success(), process.log()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_under_load_is_in_it() -> anyhow::Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let copy = elsewhere.path().join("copy");
    let program = Program::start(folder.path()).await?;
    program
        .client
        .fit("quiet", &series::rising(500, 1.0))
        .await?;
    let judged = quiet(program.client).await?;
    let mut before = Acknowledged::default();
    let fitting = load::fitting(program.client, 12, 4);
    fitting.goes_on_for(60).await?;
    before.go_on(fitting.end().await?)?;

    let fitting = load::fitting(program.client, 12, 4);
    fitting.goes_on_for(12).await?;
    let (succeeded, said) = back_up(folder.path(), &copy).await?;
    ensure!(succeeded, "{said}");
    fitting.goes_on_for(12).await?;
    fitting.end().await?;
    assert!(program.process.terminate().await?.success());

    let restored = Program::start(&copy).await?;
    // At once: numbers that the copy does not know are given out again, to models of other sizes.
    let fitting = load::fitting(restored.client, 12, 4);
    fitting.goes_on_for(24).await?;
    before.go_on(fitting.end().await?)?;
    before.check(restored.client).await?;
    assert_eq!(quiet(restored.client).await?, judged);
    assert!(restored.process.terminate().await?.success());
    Ok(())
}

/// The reply to a prediction for a series that is fitted once.
async fn quiet(client: Client) -> anyhow::Result<String> {
    let point = r#"{"timestamp":501,"value":77.5}"#;
    let reply = client.post("/predict/quiet", point).await?;
    ensure!(reply.status == 200, "{}", reply.text());
    Ok(reply.text().to_owned())
}

#[tokio::test]
async fn a_folder_that_a_kill_left_behind_is_copied_whole() -> anyhow::Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let copy = elsewhere.path().join("copy");
    let program = Program::start(folder.path()).await?;
    let points = series::rising(25_000, 1.0);
    let fitted = program.client.fit("s", &points).await?;
    program.process.kill()?;
    let (succeeded, said) = back_up(folder.path(), &copy).await?;
    ensure!(succeeded, "{said}");

    let restored = Program::start(&copy).await?;
    let fitted = load::Fitted {
        version: fitted.version,
        points: points.len(),
    };
    load::check_plot(restored.client, "s", fitted).await
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_copies_no_damage() -> anyhow::Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let program = Program::start(folder.path()).await?;
    program.client.fit("s", &series::rising(2_000, 1.0)).await?;
    assert!(program.process.terminate().await?.success());
    let (succeeded, said) = back_up(folder.path(), elsewhere.path()).await?;
    ensure!(!succeeded && said.contains("exists"), "{said}");

    let store = folder.path().join("store.db");
    let mut bytes = std::fs::read(&store)?;
    for byte in bytes.iter_mut().skip(4_096) {
        *byte = !*byte;
    }
    std::fs::write(&store, bytes)?;
    let copy = elsewhere.path().join("copy");
    let (succeeded, said) = back_up(folder.path(), &copy).await?;
    ensure!(!succeeded && said.contains("store.db"), "{said}");
    assert!(!copy.exists());
    Ok(())
}
