//! Starts that must not succeed.

use anyhow::ensure;
use testkit::{
    process::{Process, free_port},
    series,
};

use crate::program::{Program, spawn};

/// Waits until `process` has refused to start; what it said.
async fn refusal(mut process: Process) -> anyhow::Result<(Option<i32>, String)> {
    let ended = process.ended().await?;
    ensure!(!ended.success(), "it started and ended well");
    Ok((ended.code(), process.log()?))
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_is_refused_by_name() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let first = Program::start(folder.path()).await?;
    first.client.fit("s", &series::three(1.0)).await?;

    let second = spawn(folder.path(), free_port()?, &[])?;
    let (code, said) = refusal(second).await?;
    assert!(code.is_some(), "it was killed: {said}");
    assert!(
        said.contains(&folder.path().display().to_string()),
        "{said}"
    );
    assert!(said.contains("in use"), "{said}");

    // The first one never noticed, and once it is gone, however it went, the folder is free.
    assert_eq!(
        first
            .client
            .predict("s", 1.0)
            .await?
            .model_version
            .to_string(),
        "v1"
    );
    first.process.kill()?;
    let third = Program::start(folder.path()).await?;
    assert_eq!(
        third
            .client
            .predict("s", 1.0)
            .await?
            .model_version
            .to_string(),
        "v1"
    );
    Ok(())
}

#[tokio::test]
async fn a_second_start_on_the_same_port_is_refused_by_name() -> anyhow::Result<()> {
    let (folder, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let first = Program::start(folder.path()).await?;
    let (code, said) = refusal(spawn(other.path(), first.port, &[])?).await?;
    assert!(code.is_some(), "it was killed: {said}");
    assert!(
        said.contains(&format!("127.0.0.1:{}", first.port)),
        "{said}"
    );
    assert_eq!(first.client.get("/readyz").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn settings_that_mean_nothing_are_refused_before_anything_is_touched() -> anyhow::Result<()> {
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("data");
    for wrong in [
        ("APP_HOST", "everywhere"),
        ("MAX_INFLIGHT_FIT", "-1"),
        ("MODEL_CACHE_ENTRIES", "0"),
        ("LOG_FORMAT", "xml"),
    ] {
        let (code, said) = refusal(spawn(&folder, free_port()?, &[wrong])?).await?;
        assert_eq!(code, Some(2), "{wrong:?}: {said}");
        assert!(said.contains(wrong.1), "{wrong:?}: {said}");
        assert!(!folder.exists(), "{wrong:?}");
    }
    Ok(())
}
