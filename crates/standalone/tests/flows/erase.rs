//! A series that was erased has left no trace in the data folder.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use testkit::{load, process::Process, series};

use crate::program::Program;

const NAME: &str = "patient-4711";

/// Runs `standalone` with `args` on `folder`. Returns whether it succeeded, and its log.
async fn run(folder: &Path, args: &[&str]) -> anyhow::Result<(bool, String)> {
    let folder = folder.to_str().context("an odd name")?;
    let mut process = Process::start_with("standalone", args, &[("DATA_DIR", folder)])?;
    let ended = process.ended().await?;
    Ok((ended.success(), process.log()?))
}

/// The files of `folder` that have `bytes` anywhere.
fn files_with(folder: &Path, bytes: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let content = fs::read(file.path())?;
        if content.windows(bytes.len()).any(|window| window == bytes) {
            found.push(file.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// Begins a stream of the series, with an anomaly, and sends its points beside those of another one.
async fn observe(client: testkit::Client) -> anyhow::Result<()> {
    let stream = r#"{"detector":"robust","warmup":30}"#;
    let path = format!("/v1/series/{NAME}/stream");
    client.put(&path, &[], stream).await?;
    let lines: String = (0..60)
        .flat_map(|i| [NAME, "kept"].map(|id| (id, i)))
        .map(|(id, i)| {
            let value = if i == 50 { 99 } else { i % 5 };
            format!("{{\"series_id\":\"{id}\",\"timestamp\":{i},\"value\":{value}}}\n")
        })
        .collect();
    assert_eq!(client.post("/v1/points", &lines).await?.status, 202);
    testkit::eventually("the anomaly to be found", || async {
        let path = format!("/v1/series/{NAME}/anomalies");
        let listed: contract::AnomalyList = client.get(&path).await?.ok()?;
        ensure!(!listed.anomalies.is_empty());
        Ok(())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_an_erased_series_and_all_of_the_others() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let points = series::rising(3_000, 1_234.567);
    let value = points[2_000].value;
    let kept = program
        .client
        .fit("kept", &series::rising(700, 1.0))
        .await?;
    for _ in 0..3 {
        let fitted = program.client.fit(NAME, &points).await?;
        program.client.plot(NAME, fitted.version).await?;
        program.client.predict(NAME, 1.0).await?;
    }
    observe(program.client).await?;
    let (refused, said) = run(folder.path(), &["erase", NAME]).await?;
    ensure!(!refused && said.contains("in use"), "{said}");
    let deleted = program
        .client
        .delete(&format!("/v1/series/{NAME}"), &[])
        .await?;
    ensure!(deleted.status < 300, "{}", deleted.text());
    assert!(program.process.terminate().await?.success());
    // To delete it is not enough.
    assert!(!files_with(folder.path(), NAME.as_bytes())?.is_empty());

    let (succeeded, said) = run(folder.path(), &["erase", NAME]).await?;
    ensure!(succeeded, "{said}");
    let nothing: [String; 0] = [];
    assert_eq!(files_with(folder.path(), NAME.as_bytes())?, nothing);
    assert_eq!(files_with(folder.path(), &value.to_le_bytes())?, nothing);
    assert_eq!(
        files_with(folder.path(), value.to_string().as_bytes())?,
        nothing
    );

    let elsewhere = tempfile::tempdir()?;
    let copy = elsewhere.path().join("copy");
    let (succeeded, said) = run(folder.path(), &["backup", &copy.to_string_lossy()]).await?;
    ensure!(succeeded, "{said}");
    let program = Program::start(&copy).await?;
    let kept = load::Fitted {
        version: kept.version,
        points: 700,
    };
    load::check_plot(program.client, "kept", kept).await?;
    let fitted = program.client.fit(NAME, &series::rising(900, 1.0)).await?;
    assert_eq!(fitted.version.number(), 1);
    let fitted = load::Fitted {
        version: fitted.version,
        points: 900,
    };
    load::check_plot(program.client, NAME, fitted).await?;
    assert!(program.process.terminate().await?.success());
    Ok(())
}
