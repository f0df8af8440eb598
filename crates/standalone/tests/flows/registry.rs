//! Models through the whole platform: which one judges, which ones are kept, and that a kill changes neither.

use contract::Version;
use testkit::{Platform, registry, series};

use crate::program::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_promoted_rolled_back_moved_and_deleted() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    registry::check(platform.client(), platform.client()).await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_versions_are_kept_as_were_asked_for() -> anyhow::Result<()> {
    let platform = Platform::start_with(&["--keep-versions=2"]).await?;
    let client = platform.client();
    client.fit("s", &series::three(1.0)).await?;
    client.set_alias("s", "champion", "v1").await?;
    for level in [2.0, 3.0, 4.0, 5.0] {
        client.fit("s", &series::three(level)).await?;
    }
    let models = client.models("s").await?;
    let kept: Vec<_> = models.iter().map(|model| model.version.number()).collect();
    assert_eq!(kept, [5, 4, 1]);
    assert_eq!(
        Some(client.predict("s", 1.0).await?.model_version),
        Version::new(1)
    );
    // What was removed took its points with it.
    assert_eq!(
        client.get("/plot?series_id=s&version=v2").await?.status,
        404
    );
    client.plot("s", models[0].version).await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_survives_a_kill_as_it_was() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let client = program.client;
    for level in [1.0, 2.0, 3.0, 4.0] {
        client.fit("s", &series::three(level)).await?;
    }
    client.set_alias("s", "champion", "v2").await?;
    client.set_alias("s", "canary", "v4").await?;
    assert_eq!(
        client.delete("/v1/series/s/models/v1", &[]).await?.status,
        204
    );
    let file = client.export("s", "canary").await?;
    let imported = client.import("other", &file).await?;
    client.fit("gone", &series::three(1.0)).await?;
    assert_eq!(client.delete("/v1/series/gone", &[]).await?.status, 204);
    let paths = [
        "/v1/series",
        "/v1/series/s",
        "/v1/series/s/models",
        "/v1/series/s/models/canary/export",
        "/v1/series/other/models",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(client.get(path).await?.body);
    }
    program.process.kill()?;

    let program = Program::start(folder.path()).await?;
    let client = program.client;
    for (path, before) in paths.iter().zip(before) {
        let after = client.get(path).await?;
        assert_eq!((after.status, after.body), (200, before), "{path}");
    }
    assert_eq!(
        Some(client.predict("s", 1.0).await?.model_version),
        Version::new(2)
    );
    let judged = client.predict("other", 1.0).await?;
    assert_eq!(judged.model_version, imported.version);
    let reply = client
        .post("/predict/gone", r#"{"timestamp":1,"value":1}"#)
        .await?;
    assert_eq!(reply.status, 404);
    let rolled = client.post("/v1/series/s/rollback", "").await?;
    assert_eq!(rolled.status, 200);
    assert_eq!(
        Some(client.predict("s", 1.0).await?.model_version),
        Version::new(4)
    );
    Ok(())
}
